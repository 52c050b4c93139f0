// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Worlds of modules compiled here and now.

mod heap;
mod memory;
mod sockets;
mod stack;
mod unstable;
mod wasi;

use super::*;
use crate::platform::Program;
use std::string::{String, ToString};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;
use wasm_aot_compiler::{MemoryBase, Options, compile};
use wasm_aot_trap::TrapCode;

/// A process has one world at a time, and tests run beside each other.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn object_with(name: &str, text: &str, base: MemoryBase) -> Vec<u8> {
    let options = Options {
        module_name: name.into(),
        memory_base: base,
        ..Options::default()
    };
    compile(text.as_bytes(), &options).unwrap()
}

fn object(name: &str, text: &str) -> Vec<u8> {
    object_with(name, text, MemoryBase::Constant(0x1000_0000))
}

fn relocated(name: &str, text: &str) -> Vec<u8> {
    object_with(name, text, MemoryBase::Relocatable)
}

fn world<'a>() -> World<'a> {
    World::new(&WorldOptions::default()).unwrap()
}

fn add<'a>(world: &mut World<'a>, name: &'a str, object: &'a [u8]) -> InstanceId {
    let id = world.load(object, &LoadOptions::default());
    let id = id.map_err(|error| error.to_string()).unwrap();
    world.register(name, id).unwrap();
    world.instantiate(id).unwrap();
    id
}

fn refused(world: &mut World<'_>, object: &'static [u8]) -> String {
    let error = world.load(object, &LoadOptions::default()).unwrap_err();
    error.to_string()
}

/// Calls with one argument at most, for one result at most.
fn call<'a>(
    world: &mut World<'a>,
    id: InstanceId,
    name: &'static str,
    argument: u64,
) -> Result<u64, Stopped<'a>> {
    let function = world.function(id, name).unwrap();
    let mut slots = [[argument, 0]];
    world.call(&function, &mut slots)?;
    Ok(slots[0][0])
}

/// An instance with the functions of WASI, in a world of its own.
struct Run<'a> {
    world: World<'a>,
    id: InstanceId,
}

impl<'a> Run<'a> {
    fn start(given: &'a dyn Program, object: &'a [u8]) -> Self {
        let mut world = world();
        world.begin(given);
        let options = LoadOptions {
            wasi: true,
            ..LoadOptions::default()
        };
        let id = world.load(object, &options).unwrap();
        world.instantiate(id).unwrap();
        Self { world, id }
    }

    /// Calls an export with its arguments, for one result.
    fn call(&mut self, name: &'static str, arguments: &[u64]) -> u64 {
        let function = self.world.function(self.id, name).unwrap();
        let mut slots: Vec<[u64; 2]> = arguments.iter().map(|&value| [value, 0]).collect();
        assert_eq!(slots.len(), function.signature().params().count(), "{name}");
        self.world.call(&function, &mut slots).unwrap();
        slots[0][0]
    }

    fn peek(&mut self, at: u64) -> u64 {
        self.call("peek", &[at])
    }
}

fn trap(stopped: &Stopped<'_>) -> Option<TrapCode> {
    match stopped {
        Stopped::Trap(report) => report.code(),
        _ => None,
    }
}

const PROVIDER: &str = r#"(module
    (memory (export "memory") 1 4)
    (table (export "table") 4 8 funcref)
    (global (export "counter") (mut i32) (i32.const 5))
    (global (export "constant") i64 (i64.const 77))
    (func (export "add") (param i32) (result i32)
        local.get 0 i32.const 1 i32.add)
    (func (export "peek") (param i32) (result i32) local.get 0 i32.load)
    (func (export "poke") (param i32) (i32.store (i32.const 0) (local.get 0)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;

#[test]
fn everything_can_be_imported() {
    let _turn = turn();
    let provider = object("p", PROVIDER);
    let user = object(
        "u",
        r#"(module
            (import "env" "memory" (memory 1))
            (import "env" "table" (table $t 2 funcref))
            (import "env" "counter" (global $counter (mut i32)))
            (import "env" "constant" (global $constant i64))
            (import "env" "add" (func $add (param i32) (result i32)))
            (func $seven (result i32) i32.const 7)
            (elem (i32.const 1) $seven)
            (data (i32.const 16) "\2a\00\00\00")
            (export "again" (func $add))
            (export "table" (table $t))
            (func (export "count") (result i32)
                (global.set $counter (call $add (global.get $counter)))
                (global.get $counter))
            (func (export "constant") (result i64) global.get $constant)
            (func (export "table_grow") (result i32) (table.grow $t (ref.null func) (i32.const 2)))
            (func (export "peek") (param i32) (result i32) local.get 0 i32.load))"#,
    );
    let third = object(
        "t",
        r#"(module
            (import "user" "again" (func $again (param i32) (result i32)))
            (import "user" "table" (table 6 funcref))
            (func (export "go") (param i32) (result i32)
                (i32.add (call $again (local.get 0))
                    (call_indirect (result i32) (i32.const 1)))))"#,
    );
    let mut world = world();
    let p = add(&mut world, "env", &provider);
    let u = add(&mut world, "user", &user);
    assert_eq!(call(&mut world, u, "count", 0).unwrap(), 6);
    assert_eq!(call(&mut world, u, "count", 0).unwrap(), 7);
    assert_eq!(world.global(p, "counter"), Some([7, 0]));
    assert_eq!(call(&mut world, u, "constant", 0).unwrap(), 77);
    assert_eq!(call(&mut world, p, "peek", 16).unwrap(), 42);
    assert_eq!(call(&mut world, u, "peek", 16).unwrap(), 42);
    assert_eq!(call(&mut world, p, "grow", 2).unwrap(), 1);
    assert_eq!(call(&mut world, u, "peek", 0x2fffc).unwrap(), 0);
    let beyond = call(&mut world, u, "peek", 0x2fffd).unwrap_err();
    assert_eq!(trap(&beyond), Some(TrapCode::MemoryOutOfBounds));
    // The present size counts, also of what is exported again.
    let third_static: &'static [u8] = third.leak();
    let error = refused(&mut world, third_static);
    assert!(error.contains("import `user.table`"), "{error}");
    assert!(
        error.contains("at least 6 is imported, it has 4"),
        "{error}"
    );
    assert_eq!(call(&mut world, u, "table_grow", 0).unwrap(), 4);
    let t = add(&mut world, "third", third_static);
    assert_eq!(call(&mut world, t, "go", 10).unwrap(), 18);
}

#[test]
fn what_does_not_fit_is_named() {
    let _turn = turn();
    let provider = object("p", PROVIDER);
    let mut world = world();
    add(&mut world, "env", &provider);
    for (import, expected) in [
        (
            r#""env" "add" (func)"#,
            "import `env.add`: incompatible import type: a function () -> ()",
        ),
        (
            r#""env" "add" (global i32)"#,
            "a global is imported, a function exported",
        ),
        (
            r#""env" "counter" (global i32)"#,
            "an immutable global is imported, a mutable one exported",
        ),
        (
            r#""env" "memory" (memory 1 3)"#,
            "a memory of at most 3 is imported, it may grow to 4",
        ),
        (
            r#""env" "missing" (func (param i64))"#,
            "unknown import `env.missing`: function (i64) -> ()",
        ),
        (r#""other" "add" (func)"#, "unknown import `other.add`"),
    ] {
        let text = std::format!("(module (import {import}))");
        let error = refused(&mut world, object("x", &text).leak());
        assert!(error.contains(expected), "{error}");
    }
    // Nothing of them is left.
    assert_eq!(world.instances.len(), 1);
}

#[test]
fn traps_come_back_and_nothing_is_lost() {
    let _turn = turn();
    let module = object(
        "m",
        r#"(module
            (memory 1)
            (global $depth (export "depth") (mut i32) (i32.const 0))
            (func $div (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
            (func (export "div") (param i32) (result i32) (call $div (local.get 0)))
            (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
            (func (export "far") (param i32) (result i32)
                (i32.load offset=0xffffffff (local.get 0)))
            (func $deep (export "deep") (param i32) (result i32)
                (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
                (i32.add (call $deep (local.get 0)) (i32.const 1)))
            (func (export "stop") unreachable))"#,
    );
    let mut world = world();
    let id = add(&mut world, "m", &module);
    for _ in 0..3 {
        for (name, argument, code) in [
            ("div", 0, TrapCode::IntegerDivideByZero),
            ("load", 0xffff_fffc, TrapCode::MemoryOutOfBounds),
            ("far", 0xffff_ffff, TrapCode::MemoryOutOfBounds),
            ("deep", 0, TrapCode::StackExhausted),
            ("stop", 0, TrapCode::Unreachable),
        ] {
            let stopped = call(&mut world, id, name, argument).unwrap_err();
            assert_eq!(trap(&stopped), Some(code), "{name}: {stopped}");
            assert_eq!(call(&mut world, id, "div", 1).unwrap(), 1);
        }
    }
    let stopped = call(&mut world, id, "div", 0).unwrap_err();
    let text = stopped.to_string();
    assert!(text.contains("0: 0x") && text.contains("m!div"), "{text}");
    let depth = world.global(id, "depth").unwrap()[0];
    assert!(depth > 3 * 10_000, "{depth}");
}

#[test]
fn an_unknown_import_traps_where_it_is_called() {
    let _turn = turn();
    let module = object(
        "m",
        r#"(module
            (import "env" "first" (func $first))
            (import "env" "foo" (func $foo (param i32) (result f64)))
            (table funcref (elem $foo $first))
            (func (export "direct") (drop (call $foo (i32.const 1))))
            (func (export "indirect") (call_indirect (i32.const 1)))
            (func (export "fine") (result i32) (i32.const 3)))"#,
    );
    let mut world = world();
    let options = LoadOptions {
        unknown_imports_trap: true,
        ..LoadOptions::default()
    };
    let id = world.load(&module, &options).unwrap();
    world.instantiate(id).unwrap();
    for (name, import) in [("direct", "foo"), ("indirect", "first")] {
        let stopped = call(&mut world, id, name, 0).unwrap_err();
        assert_eq!(trap(&stopped), Some(TrapCode::UnknownImport));
        let text = stopped.to_string();
        let first = std::format!("wasm trap: unknown import called: env.{import}\n");
        assert!(text.starts_with(&first), "{text}");
        assert!(text.contains("m!function["), "{text}");
    }
    assert_eq!(call(&mut world, id, "fine", 0).unwrap(), 3);
}

const CELL: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "get") (result i32) (i32.load (i32.const 8)))
    (func (export "set") (param i32) (i32.store (i32.const 8) (local.get 0)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "at") (param i32) (result i32) (i32.load (local.get 0))))"#;

#[test]
fn memories_take_turns_at_one_address() {
    let _turn = turn();
    let objects: Vec<Vec<u8>> = (0..5)
        .map(|n| object(&std::format!("m{n}"), CELL))
        .collect();
    let mut world = world();
    let mut ids = Vec::new();
    for object in &objects {
        let id = world.load(object, &LoadOptions::default()).unwrap();
        world.instantiate(id).unwrap();
        ids.push(id);
    }
    for round in 0..3u64 {
        for (number, &id) in ids.iter().enumerate() {
            let value = round * 10 + number as u64;
            call(&mut world, id, "set", value).unwrap();
            assert_eq!(
                call(&mut world, id, "grow", number as u64).unwrap(),
                1 + round * number as u64
            );
        }
        for (number, &id) in ids.iter().enumerate() {
            assert_eq!(
                call(&mut world, id, "get", 0).unwrap(),
                round * 10 + number as u64
            );
            let pages = 1 + (round + 1) * number as u64;
            assert_eq!(call(&mut world, id, "at", pages * 65536 - 4).unwrap(), 0);
            let beyond = call(&mut world, id, "at", pages * 65536).unwrap_err();
            assert_eq!(trap(&beyond), Some(TrapCode::MemoryOutOfBounds));
        }
    }
}

#[test]
fn linked_memories_cannot_share_an_address() {
    let _turn = turn();
    let cell = object("cell", CELL);
    let text = r#"(module
        (memory (export "mine") 1)
        (import "cell" "set" (func $set (param i32)))
        (func (export "both") (param i32) (result i32)
            (i32.store (i32.const 8) (i32.const 1000))
            (call $set (local.get 0))
            (i32.load (i32.const 8))))"#;
    let text = text.replacen("(memory (export \"mine\") 1)", "", 1);
    let text = text.replacen(
        "(func (export",
        "(memory (export \"mine\") 1) (func (export",
        1,
    );
    let mut world = world();
    let id = add(&mut world, "cell", &cell);
    let error = refused(&mut world, object("user", &text).leak());
    assert!(
        error.contains("`cell` and `user`") && error.contains("0x10000000"),
        "{error}"
    );
    let user = relocated("user", &text);
    let user: &'static [u8] = user.leak();
    let user = add(&mut world, "user", user);
    assert_eq!(call(&mut world, user, "both", 5).unwrap(), 1000);
    assert_eq!(call(&mut world, id, "get", 0).unwrap(), 5);
}

#[test]
fn there_is_one_world_at_a_time() {
    let _turn = turn();
    let first = world();
    assert!(matches!(
        World::new(&WorldOptions::default()),
        Err(Error::Taken)
    ));
    drop(first);
    drop(world());
}

#[test]
fn many_instances() {
    let _turn = turn();
    let object = relocated("m", CELL);
    let mut world = world();
    let mut last = None;
    for _ in 0..1000 {
        let id = world.load(&object, &LoadOptions::default()).unwrap();
        world.instantiate(id).unwrap();
        last = Some(id);
    }
    call(&mut world, last.unwrap(), "set", 9).unwrap();
    assert_eq!(call(&mut world, InstanceId(0), "get", 0).unwrap(), 0);
    assert_eq!(call(&mut world, last.unwrap(), "get", 0).unwrap(), 9);
}

#[test]
fn a_failed_start_leaves_the_instance() {
    let _turn = turn();
    let module = object(
        "m",
        r#"(module
            (memory 1) (data (i32.const 0) "\05") (start $start)
            (func $start unreachable)
            (func (export "get") (result i32) (i32.load (i32.const 0))))"#,
    );
    let mut world = world();
    let id = world.load(&module, &LoadOptions::default()).unwrap();
    let stopped = world.instantiate(id).unwrap_err();
    assert_eq!(trap(&stopped), Some(TrapCode::Unreachable));
    assert_eq!(call(&mut world, id, "get", 0).unwrap(), 5);
}

mod control;

#[test]
fn an_occupied_place_is_named() {
    let _turn = turn();
    let module = object_with("m", CELL, MemoryBase::Constant(0x3000_0000));
    let taken = map::reserve(0x3000_0000 + (1 << 32), 0x1000).unwrap();
    let mut world = world();
    let error = world.load(&module, &LoadOptions::default()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("something is mapped in this process"),
        "{text}"
    );
    assert!(text.contains("at 0x30000000"), "{text}");
    // SAFETY: reserved above, and used by nobody.
    unsafe { map::release(taken, 0x1000) };
    // What was made for the failed attempt is gone.
    let id = add(&mut world, "m", &module);
    assert_eq!(call(&mut world, id, "get", 0).unwrap(), 0);
}

#[test]
fn damaged_objects_are_refused_or_loaded_but_never_fatal() {
    let _turn = turn();
    let user = relocated(
        "u",
        r#"(module
            (import "env" "table" (table 2 funcref))
            (import "env" "counter" (global (mut i32)))
            (import "env" "add" (func $add (param i32) (result i32)))
            (memory 1 2) (table 3 9 funcref) (elem (i32.const 0) $add)
            (global i64 (i64.const 5)) (data (i32.const 3) "abc")
            (export "again" (func $add)) (export "table" (table 1))
            (func (export "grow") (result i32) (table.grow 1 (ref.null func) (i32.const 1))))"#,
    );
    let provider = relocated("p", PROVIDER);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut loaded, mut refused) = (0, 0);
    for _ in 0..40 {
        let damaged: Vec<Vec<u8>> = (0..40)
            .map(|_| {
                let mut bytes = user.clone();
                for _ in 0..=random(3) {
                    let at = random(bytes.len());
                    bytes[at] ^= 1 << random(8);
                }
                if random(8) == 0 {
                    bytes.truncate(random(bytes.len()));
                }
                bytes
            })
            .collect();
        let mut world = world();
        add(&mut world, "env", &provider);
        for bytes in &damaged {
            let options = LoadOptions {
                wasi: true,
                unknown_imports_trap: random(2) == 0,
            };
            match world.load(bytes, &options) {
                Ok(id) => {
                    loaded += 1;
                    // Looking things up is as safe as loading.
                    for export in world.meta(id).exports() {
                        let name = world.meta(id).str(export.name);
                        let _ = (world.function(id, name), world.global(id, name));
                    }
                }
                Err(error) => {
                    refused += 1;
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    }
    assert!(
        loaded > 100 && refused > 100,
        "{loaded} loaded, {refused} refused"
    );
}
