// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! End-to-end tests: the `wasm-aot` command as a user runs it, compared with wasmtime.
//!
//! | module | decides |
//! |---|---|
//! | [`case`] | what a case in `cases/*.toml` says |
//! | [`world`] | which commands run a case in a world |
//! | [`process`] | how a command is run, how long at most, what is kept of it |
//! | [`report`] | what a report of a trap says, ours and wasmtime's |
//! | [`compare`] | whether two runs are the same |
//! | [`boot`] | several apps in one boot of seL4 |
//! | [`churn`] | apps that are loaded and unloaded again and again |
//! | [`realtime`] | systems of apps with contracts, under a clock that counts instructions |
//! | [`hostile`] | apps on seL4 that no compiler of ours makes |
//! | [`tools`] | where the programs are |
//! | [`trials`] | the programs that run the tests of a folder |
//! | [`wasi`] | the official WASI testsuite, which is elsewhere |
//!
//! Tests proper are in `tests/`:
//!
//! | file | shows |
//! |---|---|
//! | `programs.rs` | the cases: every sample behaves in every world as under wasmtime |
//! | `refusals.rs` | bad input gets one clear error, and no output file; other tools accept ours |
//! | `sockets.rs` | a program that serves a connection on the loopback interface |
//! | `wasi.rs` | the program that runs the official WASI testsuite |
//! | `directories.rs` | seL4: directories in memory, clocks, input; programs that ask too much of them |
//! | `contracts.rs` | contracts: from manifests into objects and images, and what is refused |
//! | `schedule.rs` | the analysis of sets of contracts |
//! | `boot.rs` | seL4: what `wasm-aot boot` shows, and its exit status |
//! | `realtime.rs` | seL4: apps with deadlines keep them, whatever others do |
//! | `churn.rs`, `reload.rs` | seL4: loading and unloading leaves nothing, and disturbs nobody with a contract |
//! | `operator.rs` | seL4: what a person at the console does to one app, the others do not feel |
//! | `boots.rs` | seL4: hostile, damaged and too large apps, one after the other |
//!
//! The tests take the programs from the environment, which `cargo xtask test` sets, or from the
//! target folder. A program that is missing is an error, never a reason to skip.

#![forbid(unsafe_code)]

pub mod boot;
pub mod case;
pub mod churn;
pub mod compare;
pub mod devices;
pub mod hostile;
pub mod process;
pub mod realtime;
pub mod report;
pub mod tools;
pub mod trials;
pub mod wasi;
pub mod world;
