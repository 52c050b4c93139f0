// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What is no fault of compiled code is left to whoever handled it before. A process that dies of
//! it can only be watched from outside: the test runs itself.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use wasm_aot_compiler::{Options, compile};
use wasm_aot_linux::{LoadOptions, Stopped, World, WorldOptions};

/// Says in a child process which of these it is to do.
const ROLE: &str = "WASM_AOT_TEST_ROLE";

const SIGSEGV: i32 = 11;
const SIGABRT: i32 = 6;

/// Traps once, and is still alive.
fn trap() {
    let text = "(module (func (export \"f\") unreachable))";
    let object = compile(text.as_bytes(), &Options::default()).unwrap();
    let mut world = World::new(&WorldOptions::default()).unwrap();
    let id = world.load(&object, &LoadOptions::default()).unwrap();
    let function = world.function(id, "f").unwrap();
    let stopped = world.call(&function, &mut []).unwrap_err();
    assert!(matches!(stopped, Stopped::Trap(_)));
}

/// Runs this test alone in another process; gives the signal that ends it and what it says.
fn child(role: &str) -> (Option<i32>, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "faults_of_the_host_are_its_own", "--nocapture"]);
    let output = command.env(ROLE, role).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.signal(), said)
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame: u64 = std::hint::black_box([depth; 64]).iter().sum();
    match std::hint::black_box(depth) {
        u64::MAX => frame,
        depth => frame.wrapping_add(recurse(depth + 1)),
    }
}

#[test]
fn faults_of_the_host_are_its_own() {
    match std::env::var(ROLE).as_deref() {
        Ok("null") => {
            trap();
            let nowhere: *mut u32 = std::hint::black_box(std::ptr::without_provenance_mut(64));
            // SAFETY: none; it is to fault.
            unsafe { nowhere.write_volatile(1) };
        }
        Ok("overflow") => {
            trap();
            recurse(0);
        }
        _ => {
            assert_eq!(child("null").0, Some(SIGSEGV));
            // The standard library's handler is still asked, and knows its own guard page.
            let (signal, said) = child("overflow");
            assert_eq!(signal, Some(SIGABRT), "{said}");
            assert!(said.contains("overflowed its stack"), "{said}");
        }
    }
}
