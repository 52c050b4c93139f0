// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Tail calls and exceptions between instances.

use super::*;

const ONE: &str = r#"(module
    (import "two" "pong" (func $pong (param i64) (result i64)))
    (import "two" "tag" (tag $tag (param i64)))
    (import "two" "tag" (tag $again (param i64)))
    (import "two" "throw" (func $throw (param i64)))
    (import "plain" "call" (func $through (param i64)))
    (import "two" "table" (table 3 funcref))
    (tag $other (param i64))
    (global $mark (export "mark") (mut i64) (i64.const 0))
    (func $ping (export "ping") (param i64) (result i64)
        (if (i64.eqz (local.get 0)) (then (return (i64.const 1))))
        (return_call $pong (i64.sub (local.get 0) (i64.const 1))))
    (func (export "by table") (param i64) (result i64)
        (return_call_indirect (param i64) (result i64) (local.get 0) (i32.const 0)))
    (func (export "by import in a table") (param i64) (result i64)
        (return_call_indirect (param i64) (result i64) (local.get 0) (i32.const 1)))
    (elem (i32.const 1) $pong $throw)
    (func (export "catch") (param i64) (result i64)
        (block $caught (result i64)
            (try_table (catch $other $caught) (catch $tag $caught) (call $throw (local.get 0)))
            (i64.const -1)))
    (func (export "catch by the other import") (param i64) (result i64)
        (block $caught (result i64)
            (try_table (catch $again $caught) (throw $tag (local.get 0)))
            (unreachable)))
    (func (export "catch by table") (param i64) (result i64)
        (block $caught (result i64)
            (try_table (catch $tag $caught)
                (call_indirect (param i64) (local.get 0) (i32.const 2)))
            (i64.const -1)))
    (func (export "catch through plain code") (param i64) (result i64)
        (local $kept f64)
        (local.set $kept (f64.convert_i64_s (local.get 0)))
        (block $caught (result i64)
            (try_table (catch $tag $caught) (call $through (local.get 0)))
            (i64.const -1))
        (i64.add (i64.trunc_f64_s (local.get $kept))))
    (func (export "let go") (param i64)
        (block $caught (result i64)
            (try_table (catch $other $caught) (call $throw (local.get 0)))
            (return))
        (global.set $mark))
    (func (export "trap inside") (param i64) (result i64)
        (block $caught
            (try_table (catch_all $caught) (unreachable)))
        (i64.const 1)))"#;

const TWO: &str = r#"(module
    (tag $tag (export "tag") (param i64))
    (table (export "table") 3 funcref)
    (elem (i32.const 0) $back)
    (func $pong (export "pong") (param i64) (result i64)
        (if (i64.eqz (local.get 0)) (then (return (i64.const 2))))
        (return_call_indirect (param i64) (result i64)
            (i64.sub (local.get 0) (i64.const 1)) (i32.const 0)))
    (func $back (param i64) (result i64)
        (if (i64.eqz (local.get 0)) (then (return (i64.const 3))))
        (return_call_indirect (param i64) (result i64)
            (i64.sub (local.get 0) (i64.const 1)) (i32.const 1)))
    (func (export "throw") (param i64)
        (throw $tag (i64.mul (local.get 0) (i64.const 3)))))"#;

/// Has neither tail calls nor exceptions, so it has nothing that the unwinder could look at.
const PLAIN: &str = r#"(module
    (import "two" "throw" (func $throw (param i64)))
    (func $deep (param i64 i64)
        (if (i64.eqz (local.get 1)) (then (call $throw (local.get 0)) (return)))
        (call $deep (local.get 0) (i64.sub (local.get 1) (i64.const 1))))
    (func (export "call") (param i64) (call $deep (local.get 0) (i64.const 100))))"#;

/// Makes the three instances and runs something in the first.
fn with_three(run: impl FnOnce(&mut World<'_>, InstanceId)) {
    let _turn = turn();
    let (one, two, plain) = (object("a", ONE), object("b", TWO), object("c", PLAIN));
    let mut world = world();
    add(&mut world, "two", &two);
    add(&mut world, "plain", &plain);
    let one = add(&mut world, "one", &one);
    run(&mut world, one);
}

#[test]
fn chains_of_tail_calls_between_instances_take_no_stack() {
    with_three(|world, one| {
        // By turns the import's entry, the table's `back`, and `pong` again as `one` refers to it.
        assert_eq!(call(world, one, "ping", 10_000_000).unwrap(), 3);
        assert_eq!(call(world, one, "by table", 9_999_999).unwrap(), 2);
        let name = "by import in a table";
        assert_eq!(call(world, one, name, 10_000_001).unwrap(), 3);
        assert_eq!(call(world, one, "ping", 0).unwrap(), 1);
    });
}

#[test]
fn exceptions_cross_instances() {
    with_three(|world, one| {
        assert_eq!(call(world, one, "catch", 14).unwrap(), 42);
        assert_eq!(call(world, one, "catch by table", 5).unwrap(), 15);
        assert_eq!(call(world, one, "catch by the other import", 6).unwrap(), 6);
        // What is kept across the call is as it was, though a hundred plain frames vanish.
        let name = "catch through plain code";
        assert_eq!(call(world, one, name, 10).unwrap(), 40);
    });
}

#[test]
fn what_nobody_catches_is_a_trap_with_the_name_of_its_tag() {
    with_three(|world, one| {
        let stopped = call(world, one, "let go", 1).unwrap_err();
        assert_eq!(trap(&stopped), Some(TrapCode::UncaughtException));
        let text = stopped.to_string();
        let mut lines = text.lines();
        assert!(
            lines.next().unwrap().ends_with("uncaught exception: b.tag"),
            "{text}"
        );
        // The adapters between the two are not shown.
        let functions: Vec<&str> = lines
            .skip(1)
            .filter_map(|l| l.split(" - ").nth(1))
            .collect();
        assert_eq!(functions, ["b!function[2]", "a!function[10]"], "{text}");
        // And the world goes on.
        assert_eq!(call(world, one, "catch", 1).unwrap(), 3);
    });
}

#[test]
fn traps_are_not_caught() {
    with_three(|world, one| {
        let stopped = call(world, one, "trap inside", 0).unwrap_err();
        assert_eq!(trap(&stopped), Some(TrapCode::Unreachable));
    });
}

#[test]
fn tags_must_have_the_same_type() {
    let _turn = turn();
    let two = object("b", TWO);
    let wrong = object("w", r#"(module (import "two" "tag" (tag (param i32))))"#);
    let mut world = world();
    add(&mut world, "two", &two);
    let error = world.load(&wrong, &LoadOptions::default()).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("a tag (i32) -> () is imported"), "{error}");
}

/// Exceptions carry references, and references live across the calls that throw them.
const CARRIER: &str = r#"(module
    (type $box (struct (field $value (mut i64))))
    (type $list (array (mut (ref null $box))))
    (import "thrower" "tag" (tag $tag (param (ref null $box) f64 (ref null $list) i64)))
    (import "thrower" "throw" (func $throw (param i64)))
    (global $kept (mut exnref) (ref.null exn))
    (func $value (param (ref null $box)) (result i64) (struct.get $box $value (local.get 0)))
    (func $garbage (result i64)
        (local $i i64)
        (loop $more
            (drop (array.new_default $list (i32.const 10)))
            (local.set $i (i64.add (local.get $i) (i64.const 1)))
            (br_if $more (i64.lt_u (local.get $i) (i64.const 20))))
        (i64.const 0))
    (func $catch (param $n i64) (result i64)
        (local $before (ref $box)) (local $one (ref null $box)) (local $ten (ref null $list))
        (local $exception exnref) (local $sum i64) (local $after (ref null $box))
        (local.set $before (struct.new $box (i64.const 1000000)))
        (block $caught (result (ref null $box) f64 (ref null $list) i64 exnref)
            (try_table (catch_ref $tag $caught)
                (local.set $after (struct.new $box (i64.const 100000)))
                (call $throw (local.get $n)))
            (unreachable))
        (local.set $exception)
        (local.set $sum)
        (local.set $ten)
        (local.set $sum (i64.add (i64.trunc_f64_s) (local.get $sum)))
        (local.set $one)
        (global.set $kept (local.get $exception))
        (local.set $sum (i64.add (local.get $sum) (call $garbage)))
        (local.set $sum (i64.add (local.get $sum) (call $value (local.get $before))))
        (local.set $sum (i64.add (local.get $sum) (call $value (local.get $after))))
        (local.set $sum (i64.add (local.get $sum) (call $value (local.get $one))))
        (i64.add (local.get $sum)
            (call $value (array.get $list (local.get $ten) (i32.const 3)))))
    (func (export "catch") (param i64) (result i64) (call $catch (local.get 0)))
    (func (export "again") (param i64) (result i64)
        (drop (call $garbage))
        (block $caught (result (ref null $box) f64 (ref null $list) i64)
            (try_table (catch $tag $caught) (throw_ref (global.get $kept)))
            (unreachable))
        (drop) (drop) (drop) (call $value)))"#;

const CARRIED: &str = r#"(module
    (type $box (struct (field $value (mut i64))))
    (type $list (array (mut (ref null $box))))
    (tag $tag (export "tag") (param (ref null $box) f64 (ref null $list) i64))
    (func $list (param i64) (result (ref $list))
        (local $list (ref null $list))
        (local.set $list (array.new_default $list (i32.const 10)))
        (array.set $list (local.get $list) (i32.const 3) (struct.new $box (local.get 0)))
        (ref.as_non_null (local.get $list)))
    (func $deep (param i64 i64)
        (local $own (ref null $box))
        (local.set $own (struct.new $box (local.get 1)))
        (if (i64.eqz (local.get 1)) (then
            (throw $tag (struct.new $box (i64.const 10)) (f64.const 20)
                (call $list (i64.const 300)) (local.get 0))))
        (call $deep (local.get 0) (i64.sub (local.get 1) (i64.const 1)))
        (drop (struct.get $box $value (local.get $own))))
    (func (export "throw") (param i64) (call $deep (local.get 0) (i64.const 12))))"#;

#[test]
fn exceptions_and_what_they_carry_are_moved() {
    let _turn = turn();
    let (carrier, carried) = (object("a", CARRIER), object("b", CARRIED));
    for stress in [false, true] {
        let options = WorldOptions {
            heap: crate::platform::HeapOptions {
                bytes: Some(64 << 10),
                stress,
            },
            ..WorldOptions::default()
        };
        let mut world = World::new(&options).unwrap();
        add(&mut world, "thrower", &carried);
        let id = add(&mut world, "carrier", &carrier);
        for round in 0..300 {
            let expected = 1_100_330 + round;
            assert_eq!(call(&mut world, id, "catch", round).unwrap(), expected);
            assert_eq!(call(&mut world, id, "again", 0).unwrap(), 10);
        }
        assert!(wasm_aot_runtime::heap::counters().collections > 3);
    }
}
