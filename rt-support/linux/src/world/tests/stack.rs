// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What objects say about the stack, added up.

use super::*;
use wasm_aot_loader::stack::{Unbounded, program_bound};
use wasm_aot_object::stack::HOST_STACK_BYTES;

const LIBRARY: &str = r#"(module
    (memory 1)
    (func (export "_initialize") (drop (memory.grow (i32.const 1))))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#;

const PROGRAM: &str = r#"(module
    (import "library" "add" (func $add (param i32 i32) (result i32)))
    (func $twice (param i32) (result i32)
        (loop (br_if 0 (i32.eqz (local.get 0))))
        (call $add (call $add (local.get 0) (i32.const 1)) (i32.const 1)))
    (func (export "tick") (param i32) (result i32)
        (i32.add (call $twice (local.get 0)) (call $twice (i32.const 3))))
    (func $fib (export "fib") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))
        (else (i32.add (i32.const 1)
            (call $fib (i32.sub (local.get 0) (i32.const 1))))))))"#;

#[test]
fn bounds_are_those_of_the_functions_and_of_what_they_lead_to() {
    let (library, program) = (object("library", LIBRARY), object("program", PROGRAM));
    let library = Object::parse(&library).unwrap();
    let program = Object::parse(&program).unwrap();
    let frame = |object: &Object<'_>, name: &str| {
        let meta = object.meta();
        let named = |f: &&wasm_aot_object::meta::FunctionRecord| {
            meta.str(f.name) == name && f.text_size.get() > 0
        };
        let function = meta.functions().iter().find(named).unwrap();
        u64::from(function.frame_size.get())
    };
    let add = library.stack_bound("library.add").unwrap();
    assert_eq!(add, frame(&library, "function[1]"));
    let grows = frame(&library, "function[0]") + HOST_STACK_BYTES;
    assert_eq!(library.stack_bound("library._initialize"), Ok(grows));
    let own = frame(&program, "function[2]") + frame(&program, "twice");
    let tick = program.stack_bound("program.tick");
    assert_eq!(tick, Ok(own + HOST_STACK_BYTES));
    assert_eq!(
        program.stack_bound_beside("program.tick", add),
        Ok(own + add)
    );
    let trampoline = frame(&program, "program:invoke.%28i32%29%20-%3E%20%28i32%29");
    assert_eq!(
        program.invoke_bound("tick", add),
        Ok(own + add + trampoline)
    );
    let (entry, function) = ("fib", "fib");
    let recursive = Err(Unbounded::Recursion { entry, function });
    assert_eq!(program.stack_bound("program.fib"), recursive);
    assert_eq!(program.stack_bound("program.none"), Err(Unbounded::Missing));
    let entry = "library.add";
    assert_eq!(
        program.stack_bound(entry),
        Err(Unbounded::Imported { entry })
    );
    // What the program imports counts as the library's deepest, its trampolines included.
    let both = || [&library, &program].into_iter();
    let through = frame(&library, "library:invoke.%28%29%20-%3E%20%28%29");
    let whole = own + trampoline + grows + through;
    assert_eq!(program_bound(both(), &["_initialize", "tick"]), Ok(whole));
    assert_eq!(program_bound(both(), &["fib"]), recursive);
    let alone = program_bound([&library].into_iter(), &["_initialize"]);
    assert_eq!(alone, Ok(grows + through));
}

#[test]
fn references_between_instances_have_no_bound() {
    let text = r#"(module (table (export "t") 1 funcref)
        (func (export "f") (call_indirect (i32.const 0))))"#;
    let (a, b) = (object("a", text), object("b", "(module)"));
    let (a, b) = (Object::parse(&a).unwrap(), Object::parse(&b).unwrap());
    assert!(program_bound([&a].into_iter(), &["f"]).is_ok());
    let module = "a";
    let none = Err(Unbounded::References { module });
    assert_eq!(program_bound([&b, &a].into_iter(), &["f"]), none);
}

/// Functions whose calls are all made, each with another frame, in every kind of call.
const CHAINS: &str = r#"(module
    (type $many (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
    (table $fixed 2 2 funcref) (elem (table $fixed) (i32.const 0) func $leaf $many)
    (table $written 1 1 funcref)
    (func $leaf (param i64) (result i64) (i64.mul (local.get 0) (i64.const 3)))
    (func $many (type $many)
        (i64.add (call $leaf (local.get 8)) (call $leaf (local.get 9))))
    (func $set (table.set $written (i32.const 0) (ref.func $many)))
    (start $set)
    (func (export "by_table") (param i64) (result i64)
        (call_indirect $fixed (type $many) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)
            (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10)
            (i32.wrap_i64 (local.get 0))))
    (func (export "by_type") (param i64) (result i64)
        (call_indirect $written (type $many) (i64.const 1) (i64.const 2) (i64.const 3)
            (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9)
            (i64.const 10) (i32.wrap_i64 (local.get 0)))))"#;

fn checked<'a>(check: StackCheck) -> World<'a> {
    World::new(&WorldOptions {
        check_stack: check,
        ..WorldOptions::default()
    })
    .unwrap()
}

#[test]
fn calls_take_exactly_what_their_objects_say() {
    let _turn = turn();
    let object = object("a", CHAINS);
    let mut world = checked(StackCheck::Exactly);
    let id = add(&mut world, "a", &object);
    assert_eq!(call(&mut world, id, "by_table", 1).unwrap(), 57);
    assert_eq!(call(&mut world, id, "by_type", 0).unwrap(), 57);
    // What traps on the way has taken less.
    let early = call(&mut world, id, "by_table", 5).unwrap_err();
    assert!(
        matches!(early, Stopped::Stack { used, bound } if used < bound),
        "{early}"
    );
}

#[test]
fn an_object_that_says_too_little_is_noticed() {
    let _turn = turn();
    let mut bytes = object("a", CHAINS);
    let original = bytes.clone();
    let object = Object::parse(&original).unwrap();
    let bound = object.stack_bound("a.by_type").unwrap() as u32;
    let meta = object.meta();
    let symbol = object.symbol("a.by_type").unwrap() as u32;
    let record = meta.function_at(symbol).unwrap();
    let position = (std::ptr::from_ref(record).addr() - original.as_ptr().addr())
        + size_of_val(record)
        - size_of_val(&record.stack);
    bytes[position..position + 4].copy_from_slice(&(bound - 8).to_le_bytes());
    let mut world = checked(StackCheck::AtMost);
    let id = add(&mut world, "a", &bytes);
    assert_eq!(call(&mut world, id, "by_table", 1).unwrap(), 57);
    let deeper = call(&mut world, id, "by_type", 0).unwrap_err();
    assert!(
        matches!(deeper, Stopped::Stack { used, bound } if used == bound + 8),
        "{deeper}"
    );
}

#[test]
fn another_instance_counts_with_what_its_object_says() {
    let _turn = turn();
    let (library, program) = (object("library", LIBRARY), object("program", PROGRAM));
    let mut world = checked(StackCheck::AtMost);
    add(&mut world, "library", &library);
    let id = add(&mut world, "program", &program);
    assert_eq!(call(&mut world, id, "tick", 4).unwrap(), 11);
    // Recursive: there is nothing to compare with.
    assert_eq!(call(&mut world, id, "fib", 0).unwrap(), 1);
    assert!(world.check != StackCheck::Off);
}
