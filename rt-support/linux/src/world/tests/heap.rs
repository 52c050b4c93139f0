// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Objects in the heap: made by compiled code, moved by the collector while that runs.

use super::*;
use crate::platform::HeapOptions;
use wasm_aot_runtime::heap::counters;

fn world_with<'a>(bytes: u64, stress: bool) -> World<'a> {
    let options = WorldOptions {
        heap: HeapOptions {
            bytes: Some(bytes),
            stress,
        },
        ..WorldOptions::default()
    };
    World::new(&options).unwrap()
}

/// Binary trees, made and dropped; what is left of them is counted.
const TREES: &str = r#"(module
    (type $tree (struct (field $left (ref null $tree)) (field $right (ref null $tree))
        (field $value (mut i64))))
    (func $make (param $depth i32) (param $value i64) (result (ref null $tree))
        (if (result (ref null $tree)) (i32.eqz (local.get $depth))
            (then (ref.null $tree))
            (else (struct.new $tree
                (call $make (i32.sub (local.get $depth) (i32.const 1))
                    (i64.mul (local.get $value) (i64.const 2)))
                (call $make (i32.sub (local.get $depth) (i32.const 1))
                    (i64.add (i64.mul (local.get $value) (i64.const 2)) (i64.const 1)))
                (local.get $value)))))
    (func $sum (param $tree (ref null $tree)) (result i64)
        (if (result i64) (ref.is_null (local.get $tree))
            (then (i64.const 0))
            (else (i64.add (struct.get $tree $value (local.get $tree))
                (i64.add (call $sum (struct.get $tree $left (local.get $tree)))
                    (call $sum (struct.get $tree $right (local.get $tree))))))))
    (func (export "trees") (param $rounds i64) (result i64)
        (local $kept (ref null $tree)) (local $total i64)
        (local.set $kept (call $make (i32.const 8) (i64.const 1)))
        (loop $next
            (local.set $total (i64.add (local.get $total)
                (call $sum (call $make (i32.const 6) (i64.const 1)))))
            (local.set $rounds (i64.sub (local.get $rounds) (i64.const 1)))
            (br_if $next (i64.ne (local.get $rounds) (i64.const 0))))
        (i64.add (local.get $total) (call $sum (local.get $kept)))))"#;

#[test]
fn trees_survive_collections_and_garbage_does_not() {
    let _turn = turn();
    let trees = object("trees", TREES);
    // A tree of depth d has the numbers 1 .. 2^d - 1.
    let sum = |depth: u32| (1..1u64 << depth).sum::<u64>();
    for (stress, rounds) in [(false, 2000), (true, 20)] {
        let mut world = world_with(256 << 10, stress);
        let id = add(&mut world, "trees", &trees);
        let total = call(&mut world, id, "trees", rounds).unwrap();
        assert_eq!(total, rounds * sum(6) + sum(8));
        let counters = counters();
        let objects = rounds * 63 + 255;
        assert_eq!(counters.allocated_bytes, objects * 32);
        assert_eq!(counters.capacity, 128 << 10);
        match stress {
            true => assert_eq!(counters.collections, objects),
            false => assert!((30..200).contains(&counters.collections), "{counters:?}"),
        }
        assert!(counters.live_bytes < 64 << 10, "{counters:?}");
    }
}

#[test]
fn a_program_that_keeps_everything_runs_out_of_heap() {
    let _turn = turn();
    let list = object(
        "list",
        r#"(module
            (type $node (struct (field (ref null $node))))
            (type $bytes (array (mut i8)))
            (global $head (mut (ref null $node)) (ref.null $node))
            (func (export "forever") (param i64) (result i64)
                (loop $again
                    (global.set $head (struct.new $node (global.get $head)))
                    (br $again))
                (i64.const 0))
            (func (export "large") (param i32) (result i32)
                (array.len (array.new_default $bytes (local.get 0)))))"#,
    );
    let mut world = world_with(1 << 20, false);
    let id = add(&mut world, "list", &list);
    let stopped = call(&mut world, id, "large", u64::from(u32::MAX)).unwrap_err();
    assert_eq!(trap(&stopped), Some(TrapCode::GcHeapExhausted));
    assert_eq!(call(&mut world, id, "large", 500_000).unwrap(), 500_000);
    let stopped = call(&mut world, id, "forever", 0).unwrap_err();
    assert_eq!(trap(&stopped), Some(TrapCode::GcHeapExhausted));
}

/// Keeps references in everything that can hold one.
const KEEPER: &str = r#"(module
    (type $box (struct (field $value (mut i32))))
    (type $boxes (array (mut (ref null $box))))
    (type $tagged (sub (struct (field anyref))))
    (type $pair (sub final $tagged (struct (field anyref) (field $second (ref $box)))))
    (global $initial (ref $pair)
        (struct.new $pair (ref.i31 (i32.const -5)) (struct.new $box (i32.const 100))))
    (global $array (ref $boxes)
        (array.new_fixed $boxes 2 (struct.new $box (i32.const 1)) (struct.new $box (i32.const 2))))
    (table $table 3 10 anyref)
    (table $filled 2 (ref $box) (struct.new $box (i32.const 7)))
    (elem $segment (ref $box) (struct.new $box (i32.const 30)) (struct.new $box (i32.const 40)))
    (func $new (export "new") (param i32) (result (ref $box)) (struct.new $box (local.get 0)))
    (func (export "churn") (param i32) (result i32)
        (loop $next
            (drop (call $new (local.get 0)))
            (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
            (br_if $next (local.get 0)))
        (i32.const 0))
    (func $read (export "read") (param anyref) (result i32)
        (block $no (result anyref)
            (return (struct.get $box $value
                (br_on_cast_fail $no anyref (ref $box) (local.get 0)))))
        (drop) (i32.const -1))
    (func (export "put") (param i32) (result i32)
        (table.set $table (local.get 0) (call $new (local.get 0)))
        (table.grow $table (table.get $table (local.get 0)) (i32.const 1)))
    (func (export "at") (param i32) (result i32) (call $read (table.get $table (local.get 0))))
    (func (export "constants") (param i32) (result i32)
        (local $boxes (ref null $boxes)) (local $number i32)
        ;; An operand below a call that collects.
        (global.get $initial)
        (local.set $boxes (array.new_elem $boxes $segment (i32.const 0) (i32.const 2)))
        (array.copy $boxes $boxes (local.get $boxes) (i32.const 1)
            (global.get $array) (i32.const 0) (i32.const 1))
        (struct.get $pair $second)
        (struct.get $box $value)
        (i32.add (call $read (array.get $boxes (local.get $boxes) (i32.const 0))))
        (i32.add (call $read (array.get $boxes (local.get $boxes) (i32.const 1))))
        (i32.add (call $read (table.get $filled (i32.const 1))))
        (i32.add (i31.get_s (ref.cast i31ref (struct.get $tagged 0 (global.get $initial))))))
    (export "table" (table $table)))"#;

#[test]
fn every_place_that_holds_references_is_a_root() {
    let _turn = turn();
    let keeper = object("keeper", KEEPER);
    // No type of its own but the one it imports: it only passes references on.
    let passer = object(
        "passer",
        r#"(module
            (type $box (struct (field (mut i32))))
            (import "keeper" "new" (func $new (param i32) (result (ref $box))))
            (import "keeper" "read" (func $read (param anyref) (result i32)))
            (import "keeper" "churn" (func $churn (param i32) (result i32)))
            (import "keeper" "table" (table $table 1 anyref))
            (global $kept (mut externref) (ref.null extern))
            (func (export "keep") (param i32) (result i32)
                (local $mine (ref null $box))
                (local.set $mine (call $new (local.get 0)))
                (global.set $kept (extern.convert_any (local.get $mine)))
                (drop (call $churn (i32.const 50)))
                (i32.add (call $read (local.get $mine))
                    (call $read (any.convert_extern (global.get $kept)))))
            (func (export "kept") (param i32) (result i32)
                (call $read (any.convert_extern (global.get $kept))))
            (func (export "theirs") (param i32) (result i32)
                (call $read (table.get $table (local.get 0)))))"#,
    );
    for stress in [false, true] {
        let mut world = world_with(128 << 10, stress);
        let keeper = add(&mut world, "keeper", &keeper);
        let passer = add(&mut world, "passer", &passer);
        let mut call = |id, name, argument| call(&mut world, id, name, argument).unwrap();
        assert_eq!(call(keeper, "constants", 0), 100 + 30 + 1 + 7 - 5);
        assert_eq!(call(keeper, "put", 2), 3);
        assert_eq!(call(passer, "keep", 21), 42);
        call(keeper, "churn", 20_000);
        assert_eq!(call(keeper, "at", 2), 2);
        assert_eq!(
            call(keeper, "at", 3),
            2,
            "an element that the table grew by"
        );
        assert_eq!(call(passer, "theirs", 2), 2);
        assert_eq!(call(passer, "kept", 0), 21);
        assert_eq!(call(keeper, "at", 1), u64::from(u32::MAX));
        assert_eq!(call(keeper, "constants", 0), 100 + 30 + 1 + 7 - 5);
        assert!(counters().collections >= 4);
    }
}
