// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Sizes that a world refuses before it reserves anything, and worlds of several threads.

use super::*;
use wasm_aot_compiler::WasmFeatures;

fn threaded(name: &str, text: &str, memory_base: MemoryBase) -> Vec<u8> {
    let mut options = Options {
        module_name: name.into(),
        memory_base,
        ..Options::default()
    };
    options.features.insert(WasmFeatures::THREADS);
    compile(text.as_bytes(), &options).unwrap()
}

#[test]
fn what_no_address_space_has_is_refused_with_a_sentence() {
    let _turn = turn();
    for (text, sentence) in [
        (
            "(module (memory i64 0x1_0000_0000_0000))",
            "a memory begins with 281474976710656 pages, more than can be provided",
        ),
        (
            "(module (memory 1) (table 0xffff_ffff funcref))",
            "a table begins with 4294967295 elements, more than can be provided",
        ),
        // As many bytes as 64 bits can say, but for a page.
        (
            "(module (memory i64 0xffff_ffff_ffff))",
            "no 18446744073709486080 bytes of address space for a linear memory",
        ),
    ] {
        let module = object("m", text).leak();
        let fine = object("n", "(module (memory 1) (func (export \"f\")))");
        let mut world = world();
        let said = refused(&mut world, module);
        assert!(said.starts_with(sentence), "{said}");
        // Nothing is left behind.
        let id = add(&mut world, "n", &fine);
        call(&mut world, id, "f", 0).unwrap();
    }
}

#[test]
fn a_memory_grows_within_its_reservation_and_no_further() {
    let _turn = turn();
    let text = r#"(module (memory i64 1)
        (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0))))"#;
    for (base, most) in [
        (MemoryBase::Constant(0x1000_0000), (8 << 14) + 1),
        (MemoryBase::Relocatable, 64 << 14),
    ] {
        let module = object_with("m", text, base);
        let mut world = world();
        let id = add(&mut world, "m", &module);
        assert_eq!(call(&mut world, id, "grow", most).unwrap(), u64::MAX);
        assert_eq!(call(&mut world, id, "grow", most - 1).unwrap(), 1);
        assert_eq!(call(&mut world, id, "grow", 1).unwrap(), u64::MAX);
    }
}

const SHARED: &str = r#"(module (memory (export "memory") 1 4 shared)
    (func (export "wait") (result i32)
        (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
    (func (export "notify") (result i32)
        (memory.atomic.notify (i32.const 0) (i32.const -1)))
    (func (export "outside") (param i32) (result i32) (i32.load (local.get 0))))"#;

#[test]
fn a_forked_world_runs_the_same_instance_in_another_thread() {
    let _turn = turn();
    let module = threaded("m", SHARED, MemoryBase::Constant(0x1000_0000));
    let mut world = world();
    let id = add(&mut world, "m", &module);
    std::thread::scope(|scope| {
        let mut other = world.fork(&[id], &WorldOptions::default()).unwrap();
        let waiting = scope.spawn(move || {
            let woken = call(&mut other, id, "wait", 0).unwrap();
            let outside = call(&mut other, id, "outside", 1 << 20).unwrap_err();
            (woken, trap(&outside), other)
        });
        while call(&mut world, id, "notify", 0).unwrap() == 0 {
            let outside = call(&mut world, id, "outside", 1 << 20).unwrap_err();
            assert_eq!(trap(&outside), Some(TrapCode::MemoryOutOfBounds));
        }
        let (woken, trapped, other) = waiting.join().unwrap();
        assert_eq!(woken as u32, 0);
        assert_eq!(trapped, Some(TrapCode::MemoryOutOfBounds));
        world.merge(other).unwrap();
    });
}

#[test]
fn no_memory_is_moved_away_from_under_a_thread() {
    let _turn = turn();
    let base = MemoryBase::Constant(0x1000_0000);
    let module = threaded("m", SHARED, base);
    let rival = threaded("r", "(module (memory 1) (func (export \"f\")))", base);
    let mut world = world();
    let rival_id = add(&mut world, "r", &rival);
    let id = add(&mut world, "m", &module);
    let other = world.fork(&[id], &WorldOptions::default()).unwrap();
    // Its memory would have to take the place.
    let refused = call(&mut world, rival_id, "f", 0).unwrap_err();
    assert!(matches!(refused, Stopped::Lacking(_)), "{refused}");
    assert!(refused.to_string().contains("relocate"), "{refused}");
    let late = threaded("l", "(module (memory 1))", base).leak();
    let late = world.load(late, &LoadOptions::default()).unwrap_err();
    assert!(late.to_string().contains("another thread"), "{late}");
    world.merge(other).unwrap();
    call(&mut world, rival_id, "f", 0).unwrap();
    assert_eq!(call(&mut world, id, "notify", 0).unwrap() as u32, 0);
}

#[test]
fn what_was_loaded_in_another_thread_stays_when_it_ends() {
    let _turn = turn();
    let module = threaded("m", SHARED, MemoryBase::Relocatable);
    let user = threaded(
        "u",
        r#"(module (memory (import "m" "memory") 1 4 shared)
            (func (export "poke") (i32.store (i32.const 8) (i32.const 7))))"#,
        MemoryBase::Relocatable,
    );
    let mut world = world();
    let id = add(&mut world, "m", &module);
    let mut other = world.fork(&[id], &WorldOptions::default()).unwrap();
    // It knows no names until it is told.
    let unknown = other.load(&user, &LoadOptions::default()).unwrap_err();
    assert!(unknown.to_string().contains("unknown import"), "{unknown}");
    other.register("m", id).unwrap();
    let inside = add(&mut other, "u", &user);
    call(&mut other, inside, "poke", 0).unwrap();
    world.merge(other).unwrap();
    assert_eq!(call(&mut world, id, "outside", 8).unwrap() as u32, 7);
}
