// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The rules of WASI, over real files: what a program may do with its descriptors, its pointers
//! and its paths. The functions are called as a program calls them.

use super::*;
use rustix::fd::{IntoRawFd, RawFd};
use std::fs;
use tempfile::TempDir;

/// A program with one directory, `/data`.
struct Given(RawFd);

impl Program for Given {
    fn arg(&self, index: usize) -> Option<&[u8]> {
        [&b"name"[..], b"x"].get(index).copied()
    }

    fn env(&self, index: usize) -> Option<&[u8]> {
        (index == 0).then_some(b"A=1")
    }

    fn directory(&self, index: usize) -> Option<(RawFd, &[u8])> {
        (index == 0 && self.0 >= 0).then_some((self.0, b"/data"))
    }
}

/// Exports what it imports, so that the host can call it as the module would; and a memory with
/// paths. Where the file's name is at 0, 64 KiB of one letter begin at 0x10000.
const MODULE: &str = r#"(module
    (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_set_rights" (func $rights (param i32 i64 i64) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $dir_name (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 3)
    (data (i32.const 0) "file")
    (data (i32.const 16) "new")
    (data (i32.const 32) "fi\00le")
    (data (i32.const 48) "\ff\fe")
    (data (i32.const 64) "/etc/passwd")
    (data (i32.const 96) "../outside")
    (data (i32.const 112) ".")
    ;; A vector of two buffers, of which the second is outside.
    (data (i32.const 128) "\00\02\00\00\04\00\00\00\fe\ff\02\00\04\00\00\00")
    (start $start)
    (func $start (memory.fill (i32.const 0x10000) (i32.const 0x61) (i32.const 0x10000)))
    (export "args_get" (func $args_get)) (export "args_sizes_get" (func $args_sizes_get))
    (export "environ_get" (func $environ_get)) (export "random_get" (func $random_get))
    (export "fd_close" (func $fd_close)) (export "fd_fdstat_get" (func $fd_fdstat_get))
    (export "rights" (func $rights)) (export "fd_prestat_get" (func $fd_prestat_get))
    (export "dir_name" (func $dir_name)) (export "fd_read" (func $fd_read))
    (export "fd_readdir" (func $fd_readdir)) (export "fd_renumber" (func $fd_renumber))
    (export "fd_seek" (func $fd_seek)) (export "fd_write" (func $fd_write))
    (export "stat" (func $stat)) (export "open" (func $open)) (export "symlink" (func $symlink))
    (func (export "peek") (param i32) (result i32) (i32.load (local.get 0))))"#;

const FILE: [u64; 2] = [0, 4];
const NEW: [u64; 2] = [16, 3];
const OUT: u64 = 256;

/// `errno` in `typenames.witx`.
pub(super) mod errno {
    pub const AGAIN: u64 = 6;
    pub const BADF: u64 = 8;
    pub const FAULT: u64 = 21;
    pub const ILSEQ: u64 = 25;
    pub const INVAL: u64 = 28;
    pub const MFILE: u64 = 33;
    pub const NAMETOOLONG: u64 = 37;
    pub const NOENT: u64 = 44;
    pub const NOTDIR: u64 = 54;
    pub const NOTCONN: u64 = 53;
    pub const NOTSOCK: u64 = 57;
    pub const PERM: u64 = 63;
    pub const PIPE: u64 = 64;
    pub const SPIPE: u64 = 70;
    pub const NOTCAPABLE: u64 = 76;
    pub const ISDIR: u64 = 31;
}

/// `rights` in `typenames.witx`.
const FD_READ: u64 = 2;
const FD_WRITE: u64 = 64;
const CREATE: u64 = 1 << 10;
const SET_SIZE: u64 = 1 << 19;

impl Run<'_> {
    fn open(&mut self, dir: u64, path: [u64; 2], oflags: u64, rights: u64) -> u64 {
        let [at, length] = path;
        self.call("open", &[dir, 1, at, length, oflags, rights, 0, 0, OUT])
    }

    /// The descriptor of what is opened.
    fn opened(&mut self, path: [u64; 2], oflags: u64, rights: u64) -> u64 {
        assert_eq!(self.open(3, path, oflags, rights), 0);
        self.peek(OUT)
    }
}

/// Runs a check in a world with a directory that holds `file`.
fn with_program(check: impl FnOnce(&mut Run<'_>, &TempDir)) {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "contents").unwrap();
    let given = Given(fs::File::open(folder.path()).unwrap().into_raw_fd());
    let object = object("m", MODULE);
    check(&mut Run::start(&given, &object), &folder);
}

#[test]
fn paths_are_checked_before_the_system_sees_them() {
    with_program(|run, folder| {
        for (path, expected) in [
            (FILE, 0),
            ([0, 0], errno::NOENT),
            ([16, 3], errno::NOENT),
            ([32, 5], errno::INVAL),
            ([48, 2], errno::ILSEQ),
            ([64, 11], errno::PERM),
            ([96, 10], errno::PERM),
            ([0x10000, 0x10000], errno::NAMETOOLONG),
            ([0x10000, 4095], errno::NAMETOOLONG),
            ([0x10000, 256], errno::NAMETOOLONG),
            ([0x10000, 255], errno::NOENT),
            ([0x2ffff, 2], errno::FAULT),
            ([0xffff_ffff, 0xffff_ffff], errno::FAULT),
        ] {
            assert_eq!(run.open(3, path, 0, FD_READ), expected, "{path:x?}");
            let [at, length] = path;
            let found = run.call("stat", &[3, 1, at, length, OUT]);
            assert_eq!(found, expected, "{path:x?}");
        }
        // An absolute link would lead out for whoever finds it later.
        assert_eq!(run.call("symlink", &[64, 11, 3, 16, 3]), errno::PERM);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    });
}

#[test]
fn pointers_outside_the_memory_are_refused() {
    with_program(|run, folder| {
        let outside = 0x2fffd;
        assert_eq!(run.call("args_sizes_get", &[OUT, OUT + 4]), 0);
        assert_eq!((run.peek(OUT), run.peek(OUT + 4)), (2, 7));
        for (name, arguments) in [
            ("args_sizes_get", &[OUT, outside][..]),
            ("args_sizes_get", &[outside, OUT]),
            ("args_get", &[outside, OUT]),
            ("args_get", &[OUT, outside]),
            ("args_get", &[0xffff_fffc, OUT]),
            ("environ_get", &[0xffff_fffc, OUT]),
            ("random_get", &[0x2ffff, 2]),
            ("random_get", &[0xffff_ffff, 0xffff_ffff]),
            ("fd_fdstat_get", &[1, outside]),
            ("fd_prestat_get", &[3, outside]),
            ("dir_name", &[3, outside, 5]),
            ("fd_read", &[0, 128, 2, OUT]),
            ("fd_write", &[1, 128, 2, OUT]),
            ("fd_write", &[1, 0xffff_fff8, 2, OUT]),
            ("fd_write", &[1, 128, 1, outside]),
            ("fd_readdir", &[3, outside, 100, 0, OUT]),
            ("fd_readdir", &[3, OUT, 100, 0, outside]),
            ("stat", &[3, 0, 0, 4, 0x2ffe0]),
            ("open", &[3, 0, 16, 3, 1, FD_WRITE, 0, 0, outside]),
        ] {
            assert_eq!(
                run.call(name, arguments),
                errno::FAULT,
                "{name} {arguments:x?}"
            );
        }
        // Nothing has come of what failed.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    });
}

#[test]
fn descriptors_have_the_rights_they_were_given() {
    with_program(|run, _| {
        let reading = run.opened(FILE, 0, FD_READ);
        assert_eq!(
            run.call("fd_write", &[reading, 128, 1, OUT]),
            errno::NOTCAPABLE
        );
        assert_eq!(run.call("fd_read", &[reading, 128, 1, OUT]), 0);
        assert_eq!(run.peek(OUT), 4);
        assert_eq!(
            run.call("fd_seek", &[reading, 0, 0, OUT]),
            errno::NOTCAPABLE
        );
        // Rights are given up for good.
        assert_eq!(run.call("rights", &[reading, 0, 0]), 0);
        assert_eq!(
            run.call("rights", &[reading, FD_READ, 0]),
            errno::NOTCAPABLE
        );
        assert_eq!(
            run.call("fd_read", &[reading, 128, 1, OUT]),
            errno::NOTCAPABLE
        );
        // What its directory does not hand on, a file does not have.
        assert_eq!(
            run.call("rights", &[3, u64::MAX >> 36, FD_READ]),
            errno::NOTCAPABLE
        );
        let all = 0xff_ffff & !(FD_READ | FD_WRITE | 4 | 32 | 128 | 256 | 1 | 1 << 22);
        assert_eq!(run.call("rights", &[3, all, FD_READ]), 0);
        assert_eq!(run.open(3, NEW, 1, FD_WRITE), errno::NOTCAPABLE);
        // Truncation and creation are rights of the directory.
        assert_eq!(run.open(3, FILE, 8, FD_READ), 0);
        assert_eq!(run.call("rights", &[3, all & !SET_SIZE, FD_READ]), 0);
        assert_eq!(run.open(3, FILE, 8, FD_READ), errno::NOTCAPABLE);
        assert_eq!(
            run.call("rights", &[3, all & !SET_SIZE & !CREATE, FD_READ]),
            0
        );
        assert_eq!(run.open(3, NEW, 1, FD_READ), errno::NOTCAPABLE);
        assert_eq!(run.open(3, FILE, 0, FD_READ), 0);
    });
}

#[test]
fn descriptors_of_other_kinds_are_refused() {
    with_program(|run, _| {
        let file = run.opened(FILE, 0, FD_READ | 4);
        for (name, arguments, expected) in [
            ("fd_read", &[77, 128, 1, OUT][..], errno::BADF),
            ("fd_read", &[0xffff_ffff, 128, 1, OUT], errno::BADF),
            ("fd_read", &[3, 128, 1, OUT], errno::ISDIR),
            ("fd_write", &[0, 128, 1, OUT], errno::NOTCAPABLE),
            ("fd_seek", &[1, 0, 0, OUT], errno::SPIPE),
            ("fd_seek", &[3, 0, 0, OUT], errno::BADF),
            ("fd_seek", &[file, 0, 3, OUT], errno::INVAL),
            ("fd_readdir", &[file, OUT, 100, 0, OUT], errno::NOTDIR),
            ("fd_prestat_get", &[file, OUT], errno::BADF),
            ("dir_name", &[3, OUT, 4], errno::NAMETOOLONG),
            ("fd_renumber", &[file, 77], errno::BADF),
            ("fd_close", &[77], errno::BADF),
            (
                "open",
                &[file, 0, 0, 4, 0, FD_READ, 0, 0, OUT],
                errno::NOTDIR,
            ),
            ("open", &[1, 0, 0, 4, 0, FD_READ, 0, 0, OUT], errno::NOTDIR),
            ("open", &[3, 0, 0, 4, 16, FD_READ, 0, 0, OUT], errno::INVAL),
            ("open", &[3, 2, 0, 4, 0, FD_READ, 0, 0, OUT], errno::INVAL),
            ("open", &[3, 0, 0, 4, 0, FD_READ, 0, 32, OUT], errno::INVAL),
            ("open", &[3, 0, 0, 4, 2, FD_READ, 0, 0, OUT], errno::NOTDIR),
        ] {
            assert_eq!(run.call(name, arguments), expected, "{name} {arguments:?}");
        }
    });
}

#[test]
fn descriptors_run_out_and_come_back() {
    with_program(|run, folder| {
        let mut last = 3;
        let refused = loop {
            match run.open(3, FILE, 0, FD_READ) {
                0 => last = run.peek(OUT),
                errno => break errno,
            }
        };
        assert_eq!((last, refused), (511, errno::MFILE));
        // The file is not made where there is no descriptor for it.
        assert_eq!(run.open(3, NEW, 1, FD_WRITE), errno::MFILE);
        assert!(!folder.path().join("new").exists());
        assert_eq!(run.call("fd_close", &[100]), 0);
        assert_eq!(run.call("fd_close", &[100]), errno::BADF);
        assert_eq!(run.opened(NEW, 1, FD_WRITE), 100);
        // A number that is in use is taken over, and its file closed.
        assert_eq!(run.call("fd_renumber", &[100, 200]), 0);
        assert_eq!(run.call("fd_write", &[200, 128, 1, OUT]), 0);
        assert_eq!(run.call("fd_write", &[100, 128, 1, OUT]), errno::BADF);
        assert_eq!(run.call("fd_close", &[200]), 0);
        assert_eq!(fs::read(folder.path().join("new")).unwrap().len(), 4);
        // Without its directory a program reaches nothing.
        assert_eq!(run.call("fd_close", &[3]), 0);
        assert_eq!(run.open(3, FILE, 0, FD_READ), errno::BADF);
    });
}

#[test]
fn each_instance_calls_with_its_own_memory() {
    let _turn = turn();
    let text = r#"(module
        (import "wasi_snapshot_preview1" "args_sizes_get"
            (func $sizes (param i32 i32) (result i32)))
        (table (export "table") 1 funcref) (elem (i32.const 0) $sizes)
        (memory (export "memory") 1)
        (func (export "ask") (param i32) (result i32)
            (call $sizes (local.get 0) (i32.const 100)))
        (func (export "ask_by_reference") (param i32) (result i32)
            (call_indirect (param i32 i32) (result i32)
                (local.get 0) (i32.const 100) (i32.const 0)))
        (func (export "peek") (param i32) (result i32) (i32.load (local.get 0))))"#;
    let (one, other) = (relocated("one", text), object("other", text));
    let without = relocated(
        "without",
        &text.replace("(memory (export \"memory\") 1)", "(memory 1)"),
    );
    let program = Given(-1);
    let mut world = world();
    world.begin(&program);
    let options = LoadOptions {
        wasi: true,
        ..LoadOptions::default()
    };
    let [one, other, without] =
        [&one, &other, &without].map(|object| world.load(object, &options).unwrap());
    for id in [one, other, without] {
        world.instantiate(id).unwrap();
    }
    assert_eq!(call(&mut world, one, "ask", 8).unwrap(), 0);
    assert_eq!(call(&mut world, other, "ask_by_reference", 16).unwrap(), 0);
    assert_eq!(call(&mut world, without, "ask", 24).unwrap(), errno::FAULT);
    assert_eq!(call(&mut world, one, "ask_by_reference", 32).unwrap(), 0);
    for (id, written) in [(one, [8, 32]), (other, [16, 16]), (without, [0, 0])] {
        for at in [8, 16, 24, 32] {
            let expected = if written.contains(&at) { 2 } else { 0 };
            assert_eq!(call(&mut world, id, "peek", at).unwrap(), expected);
        }
    }
}
