// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Sockets, on the loopback interface, as a program uses them.

use super::wasi::errno;
use super::*;
use rustix::fd::{IntoRawFd, RawFd};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// A program with one socket and no directory.
struct Given(RawFd);

impl Program for Given {
    fn socket(&self, index: usize) -> Option<RawFd> {
        (index == 0).then_some(self.0)
    }
}

const MODULE: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $flags (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_recv" (func $recv (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_send" (func $send (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_shutdown" (func $shutdown (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    ;; Two buffers, of 4 and 6 bytes.
    (data (i32.const 128) "\00\02\00\00\04\00\00\00\00\03\00\00\06\00\00\00")
    (data (i32.const 512) "ping")
    ;; Descriptor 3 to be read, and a clock that has been due.
    (data (i32.const 1024) "\01\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\03")
    (data (i32.const 1072) "\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01")
    (export "close" (func $close)) (export "stat" (func $stat)) (export "flags" (func $flags))
    (export "read" (func $read)) (export "seek" (func $seek)) (export "write" (func $write))
    (export "poll" (func $poll)) (export "accept" (func $accept)) (export "recv" (func $recv))
    (export "send" (func $send)) (export "shutdown" (func $shutdown))
    (func (export "poke") (param i32 i32) (result i32)
        (i32.store (local.get 0) (local.get 1)) (i32.const 0))
    (func (export "peek") (param i32) (result i32) (i32.load (local.get 0))))"#;

const OUT: u64 = 256;
const BUFFERS: u64 = 128;
const NONBLOCK: u64 = 4;

/// Runs a check in a world with a listener, given the address.
fn with_listener(check: impl FnOnce(&mut Run<'_>, std::net::SocketAddr)) {
    let _turn = turn();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let given = Given(listener.into_raw_fd());
    let object = object("m", MODULE);
    check(&mut Run::start(&given, &object), address);
}

#[test]
fn a_connection_is_served() {
    with_listener(|run, address| {
        assert_eq!(run.call("stat", &[3, OUT]), 0);
        assert_eq!(run.peek(OUT) & 0xff, 6, "a stream socket");
        let mut client = TcpStream::connect(address).unwrap();
        assert_eq!(run.call("poll", &[1024, 2048, 1, OUT]), 0);
        assert_eq!((run.peek(OUT), run.peek(2048)), (1, 1));
        assert_eq!(run.call("accept", &[3, 0, OUT]), 0);
        assert_eq!(run.peek(OUT), 4);
        client.write_all(b"0123456789").unwrap();
        // Peeking leaves it there; without WAITALL one buffer is filled.
        assert_eq!(run.call("recv", &[4, BUFFERS, 2, 1, OUT, OUT + 4]), 0);
        assert_eq!((run.peek(OUT), run.peek(512)), (4, u32_of(b"0123")));
        assert_eq!(run.call("recv", &[4, BUFFERS, 2, 2, OUT, OUT + 4]), 0);
        assert_eq!(run.peek(OUT), 10);
        assert_eq!(
            (run.peek(512), run.peek(768)),
            (u32_of(b"0123"), u32_of(b"4567"))
        );
        client.write_all(b"abcdef").unwrap();
        // Reading does not wait for what would fill the second buffer.
        assert_eq!(run.call("read", &[4, BUFFERS, 2, OUT]), 0);
        assert_eq!((run.peek(OUT), run.peek(512)), (4, u32_of(b"abcd")));
        for name in ["send", "write"] {
            let arguments = match name {
                "send" => &[4, BUFFERS, 1, 0, OUT][..],
                _ => &[4, BUFFERS, 1, OUT],
            };
            assert_eq!(run.call(name, arguments), 0);
            let mut back = [0; 4];
            client.read_exact(&mut back).unwrap();
            assert_eq!(&back, b"abcd");
        }
        assert_eq!(run.call("shutdown", &[4, 3]), 0);
        assert_eq!(client.read(&mut [0; 4]).unwrap(), 0);
        assert_eq!(run.call("send", &[4, BUFFERS, 1, 0, OUT]), errno::PIPE);
        assert_eq!(run.call("close", &[4]), 0);
        assert_eq!(
            run.call("recv", &[4, BUFFERS, 1, 0, OUT, OUT + 4]),
            errno::BADF
        );
    });
}

#[test]
fn nothing_waits_that_must_not() {
    with_listener(|run, address| {
        // Nobody has connected: only the clock is due.
        assert_eq!(run.call("poll", &[1024, 2048, 2, OUT]), 0);
        assert_eq!((run.peek(OUT), run.peek(2048)), (1, 2));
        assert_eq!(run.call("flags", &[3, NONBLOCK]), 0);
        assert_eq!(run.call("accept", &[3, 0, OUT]), errno::AGAIN);
        let client = TcpStream::connect(address).unwrap();
        assert_eq!(run.call("poll", &[1024, 2048, 1, OUT]), 0);
        assert_eq!(run.call("accept", &[3, NONBLOCK, OUT]), 0);
        let recv = [4, BUFFERS, 2, 0, OUT, OUT + 4];
        assert_eq!(run.call("recv", &recv), errno::AGAIN);
        drop(client);
        // The end of the connection can be read, and is reported.
        assert_eq!(run.call("poke", &[1024 + 16, 4]), 0);
        assert_eq!(run.call("poll", &[1024, 2048, 1, OUT]), 0);
        assert_eq!(run.call("recv", &recv), 0);
        assert_eq!(run.peek(OUT), 0);
    });
}

#[test]
fn what_is_wrong_about_a_socket_call() {
    with_listener(|run, address| {
        let _client = TcpStream::connect(address).unwrap();
        for (name, arguments, expected) in [
            ("accept", &[1, 0, OUT][..], errno::NOTSOCK),
            ("accept", &[99, 0, OUT], errno::BADF),
            ("accept", &[3, 1, OUT], errno::INVAL),
            ("accept", &[3, 0xffff_ffff, OUT], errno::INVAL),
            ("accept", &[3, 0, 0xfffe], errno::FAULT),
            ("recv", &[0, BUFFERS, 1, 0, OUT, OUT], errno::NOTSOCK),
            ("recv", &[3, BUFFERS, 1, 4, OUT, OUT], errno::INVAL),
            ("recv", &[3, BUFFERS, 1, 0, 0xfffe, OUT], errno::FAULT),
            ("recv", &[3, BUFFERS, 1, 0, OUT, 0xffff], errno::FAULT),
            ("recv", &[3, 0xffff_fff8, 2, 0, OUT, OUT], errno::FAULT),
            (
                "recv",
                &[3, BUFFERS, 0xffff_ffff, 0, OUT, OUT],
                errno::FAULT,
            ),
            ("recv", &[3, BUFFERS, 1, 0, OUT, OUT], errno::NOTCONN),
            ("send", &[2, BUFFERS, 1, 0, OUT], errno::NOTSOCK),
            ("send", &[3, BUFFERS, 1, 1, OUT], errno::INVAL),
            ("shutdown", &[99, 1], errno::BADF),
            ("shutdown", &[2, 1], errno::NOTSOCK),
            ("shutdown", &[3, 0], errno::INVAL),
            ("shutdown", &[3, 4], errno::INVAL),
            ("seek", &[3, 0, 0, OUT], errno::SPIPE),
        ] {
            assert_eq!(run.call(name, arguments), expected, "{name} {arguments:x?}");
        }
        // What failed has not taken the connection.
        assert_eq!(run.call("accept", &[3, 0, OUT]), 0);
        assert_eq!(run.call("accept", &[4, 0, OUT]), errno::NOTCAPABLE);
    });
}

fn u32_of(bytes: &[u8; 4]) -> u64 {
    u32::from_le_bytes(*bytes).into()
}
