// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Devices for apps on seL4: grants, apps that want them, and what is at the other end of an
//! emulated device.

use crate::{hostile, realtime};
use anyhow::{Context, Result, bail, ensure};
use sel4_host::bundle::{AppSpec, GrantSpec, Resource};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use wasm_aot_contract::{Contract, Names};

/// How long something that QEMU makes may take to be there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Registers in memory.
#[must_use]
pub fn memory(name: &str, address: u64, bytes: u64) -> GrantSpec {
    grant(name, Resource::Memory { address, bytes })
}

/// I/O ports.
#[must_use]
pub fn ports(name: &str, first: u16, count: u32) -> GrantSpec {
    grant(name, Resource::Ports { first, count })
}

fn grant(name: &str, resource: Resource) -> GrantSpec {
    GrantSpec {
        name: name.to_owned(),
        resource,
        interrupt: None,
        flags: 0,
    }
}

/// The same with an interrupt, or [`grant_flags`](sel4_host::bundle::grant_flags).
#[must_use]
pub fn with(grant: GrantSpec, interrupt: Option<u32>, flags: u32) -> GrantSpec {
    GrantSpec {
        interrupt,
        flags,
        ..grant
    }
}

/// An app that wants devices; what else its contract has is given.
///
/// # Errors
/// Where there is no such contract.
pub fn app(
    name: &str,
    object: Vec<u8>,
    devices: &[&str],
    contract: Contract<'_>,
) -> Result<AppSpec> {
    let list: String = devices.iter().map(|name| format!("{name}\0")).collect();
    let devices = Names::new(list.as_bytes());
    let devices = devices.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let contract = Contract {
        devices,
        ..contract
    };
    Ok(AppSpec {
        contract: wasm_aot_contract::encode(&contract)?,
        ..realtime::spec(name, object)
    })
}

/// A module that imports all of `wasm_aot_device`, and has this in its `_start`. `$exit` ends it
/// with a code; `$expect` ends it with its third argument where the first two differ; the memory
/// has `names`, each at a multiple of 16.
///
/// # Errors
/// Where it cannot be built.
pub fn module(names: &[&str], body: &str, scratch: &Path) -> Result<Vec<u8>> {
    let data: String = names
        .iter()
        .zip((0..).step_by(16))
        .map(|(name, at)| format!("(data (i32.const {at}) \"{name}\")"))
        .collect();
    let read = |bits: u32| {
        let wide = if bits == 64 { "i64" } else { "i32" };
        format!(
            "(import \"wasm_aot_device\" \"read{bits}\"
                (func $read{bits} (param i32 i32) (result {wide})))
             (import \"wasm_aot_device\" \"write{bits}\"
                (func $write{bits} (param i32 i32 {wide})))"
        )
    };
    let accesses: String = [8, 16, 32, 64].map(read).concat();
    let text = format!(
        "(module
            (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
            (import \"wasm_aot_device\" \"open\" (func $open (param i32 i32) (result i32)))
            (import \"wasm_aot_device\" \"size\" (func $size (param i32) (result i64)))
            {accesses}
            (import \"wasm_aot_device\" \"interrupt_wait\"
                (func $wait (param i32 i64) (result i32)))
            (import \"wasm_aot_device\" \"interrupt_acknowledge\"
                (func $acknowledge (param i32) (result i32)))
            (import \"wasm_aot_device\" \"interrupt_count\"
                (func $count (param i32) (result i64)))
            (memory (export \"memory\") 1)
            {data}
            (func $expect (param i64 i64 i32)
                (if (i64.ne (local.get 0) (local.get 1))
                    (then (call $exit (local.get 2)))))
            (func $is (param i32 i32 i32)
                (call $expect (i64.extend_i32_u (local.get 0)) (i64.extend_i32_u (local.get 1))
                    (local.get 2)))
            (func (export \"_start\") (local $i i32)
                {body}))"
    );
    hostile::object(scratch, &text)
}

/// Waits for a line of whoever is at the other end of a socket, says lines, one after the other, and
/// gives everything that it heard.
#[must_use]
pub fn converse(socket: PathBuf, lines: Vec<String>) -> JoinHandle<Result<Vec<String>>> {
    thread::spawn(move || {
        let stream = connect(&socket)?;
        let mut answers = BufReader::new(stream.try_clone()?);
        let mut hear = || -> Result<String> {
            let mut answer = String::new();
            answers.read_line(&mut answer)?;
            ensure!(
                answer.pop() == Some('\n'),
                "the other end is gone: `{answer}`"
            );
            Ok(answer)
        };
        let mut heard = vec![hear()?];
        for line in lines {
            (&stream).write_all(format!("{line}\n").as_bytes())?;
            heard.push(hear().with_context(|| format!("behind {heard:?}"))?);
        }
        Ok(heard)
    })
}

fn connect(socket: &Path) -> Result<UnixStream> {
    let begin = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) if begin.elapsed() > PATIENCE => {
                return Err(error).with_context(|| socket.display().to_string());
            }
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// QEMU's device `edu`, at a fixed place of the bus: four of its interrupts lead to pin 20.
pub const EDU: [&str; 2] = ["-device", "edu,addr=4"];
/// The pin of its interrupt.
pub const EDU_PIN: u32 = 20;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the firmware puts the registers of `edu`: QEMU is asked, on a machine with the same bus.
///
/// # Errors
/// Where it does not say so.
pub fn edu_address() -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("qmp");
    let mut command = Command::new("qemu-system-x86_64");
    command
        .args(["-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", "512"])
        .args(["-display", "none", "-nodefaults", "-qmp"])
        .arg(format!("unix:{},server=on,wait=off", socket.display()))
        .args(EDU)
        .stdin(Stdio::null());
    let _qemu = Ended(command.spawn()?);
    let stream = connect(&socket)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut ask = |command: &str| -> Result<Value> {
        (&stream).write_all(json!({ "execute": command }).to_string().as_bytes())?;
        loop {
            let mut line = String::new();
            ensure!(lines.read_line(&mut line)? > 0, "QEMU has ended");
            let message: Value = serde_json::from_str(&line)?;
            if let Some(answer) = message.get("return") {
                return Ok(answer.clone());
            }
        }
    };
    ask("qmp_capabilities")?;
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let buses = ask("query-pci")?;
        let devices = buses[0]["devices"].as_array().context("no devices")?;
        let edu = devices.iter().find(|device| device["slot"] == 4);
        let region = &edu.context("no device `edu`")?["regions"][0];
        // Without an address the firmware has not come so far yet.
        match region["address"].as_i64() {
            Some(address) if address > 0 => return Ok(address as u64),
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
    bail!("the firmware has not placed the device `edu`")
}
