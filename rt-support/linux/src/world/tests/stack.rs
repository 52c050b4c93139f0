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
