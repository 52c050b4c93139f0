// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The sockets of a program: those that the process has inherited (sd_listen_fds(3)), and those
//! that `--tcplisten` makes. For the program they are the descriptors from 3 on.

use crate::run::Arguments;
use anyhow::{Context, Result, anyhow, ensure};
use std::net::TcpListener;
use std::os::fd::{IntoRawFd, RawFd};
use wasm_aot_linux::sockets::check;

/// The first descriptor that is passed on by convention.
const FIRST: RawFd = 3;

/// The most sockets of a program.
const MAX: usize = 256;

/// The sockets, and what the program's environment says of them.
///
/// # Errors
/// Where what is said to be inherited is no stream socket, or nothing can listen at an address.
pub fn sockets(arguments: &Arguments) -> Result<(Vec<RawFd>, Option<String>)> {
    let mut sockets = Vec::new();
    if arguments.listenfd {
        sockets = inherited()?;
    }
    for address in &arguments.tcp_listen {
        let listener =
            TcpListener::bind(address).with_context(|| format!("--tcplisten {address}"))?;
        sockets.push(listener.into_raw_fd());
    }
    ensure!(
        sockets.len() <= MAX,
        "{} sockets; a program has at most {MAX}",
        sockets.len()
    );
    let count = (!sockets.is_empty()).then(|| format!("LISTEN_FDS={}", sockets.len()));
    Ok((sockets, count))
}

fn inherited() -> Result<Vec<RawFd>> {
    let variable = |name| std::env::var(name).ok();
    // Those that are meant for another process are not ours.
    let other = variable("LISTEN_PID").is_some_and(|pid| pid != std::process::id().to_string());
    let count = match variable("LISTEN_FDS").filter(|_| !other) {
        None => 0,
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|&count| count <= MAX)
            .with_context(|| format!("--listenfd: LISTEN_FDS is {text}, not 0 to {MAX}"))?,
    };
    let sockets: Vec<RawFd> = (FIRST..).take(count).collect();
    for &fd in &sockets {
        check(fd).map_err(|errno| {
            anyhow!("--listenfd: descriptor {fd} is no stream socket that was inherited: {errno}")
        })?;
    }
    Ok(sockets)
}
