// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The program that calls: a module that exports every function of WASI, and a memory with paths.

use super::arguments::FUNCTIONS;
use std::fmt::Write;
use std::sync::LazyLock;

/// Bytes of the memory.
pub const MEMORY: u64 = 4 << 16;
/// Where vectors of buffers are.
pub const IOVECS: u64 = 0x400;
/// Where subscriptions are.
pub const SUBSCRIPTIONS: u64 = 0x800;
/// Where paths are.
const PATHS: u64 = 0x1000;

/// Contents of the file that no program may reach. Its first eight bytes are looked for.
pub const SECRET: &[u8; 32] = b"Wh4t n0 pr0gr4m may ever get at!";

/// Writes eight bytes into the memory.
pub type Poke<'a> = dyn FnMut(u64, u64) + 'a;

/// The interface that is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// `wasi_snapshot_preview1`.
    Preview1,
    /// `wasi_unstable`.
    Unstable,
}

impl Dialect {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Preview1, Self::Unstable];

    /// The name that modules import it by.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::Preview1 => "wasi_snapshot_preview1",
            Self::Unstable => "wasi_unstable",
        }
    }
}

/// A function of either interface.
#[derive(Debug)]
pub struct Function {
    /// Of which.
    pub dialect: Dialect,
    /// Its name there.
    pub name: &'static str,
    /// The name under which the program exports it.
    pub export: String,
    /// What it takes ([`FUNCTIONS`]).
    pub letters: &'static str,
}

/// All of them.
pub static ALL: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let of = |dialect: Dialect| {
        let known = move |name: &str| dialect == Dialect::Preview1 || name != "sock_accept";
        let functions = FUNCTIONS.iter().filter(move |(name, _)| known(name));
        functions.map(move |&(name, letters)| Function {
            dialect,
            name,
            export: format!("{}.{name}", dialect.module()),
            letters,
        })
    };
    Dialect::ALL.into_iter().flat_map(of).collect()
});

/// The texts that paths are made of.
static TEXTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut texts: Vec<Vec<u8>> = [
        "file",
        "file/",
        "sub",
        "sub/",
        "sub/file",
        "sub/../file",
        "sub/./deep/..",
        "deep/er",
        "new",
        "new2",
        "new3",
        "sub/new",
        "link",
        "link/file",
        "sub/up",
        "loop",
        "out",
        "out/secret",
        "out_file",
        "absolute/passwd",
        "..",
        "../",
        "../outside",
        "../outside/secret",
        "sub/../../outside/secret",
        "swap/secret",
        "swap",
        "/",
        "/etc/passwd",
        "//",
        ".",
        "./",
        "",
        "a\0b",
        "\0",
        "../inside/file",
        "sub/../..",
        "new/../../outside/secret",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    texts.push(b"\xff\xfe".to_vec());
    texts.push(b"n".repeat(255));
    texts.push(b"n".repeat(256));
    texts.push(b"sub/../".repeat(600));
    texts.push(b"../".repeat(1000));
    texts.push(b"x".repeat(64 << 10));
    texts
});

/// Where the paths are: address and length.
pub fn paths() -> Vec<(u64, u64)> {
    let mut at = PATHS;
    let place = |text: &Vec<u8>| {
        let length = text.len() as u64;
        at += length;
        (at - length, length)
    };
    TEXTS.iter().map(place).collect()
}

/// The types of the parameters of these letters.
#[must_use]
pub fn types(letters: &str) -> Vec<&'static str> {
    let one = |letter| match letter {
        'P' | 'B' | 'V' => vec!["i32", "i32"],
        'o' | 't' | 'r' => vec!["i64"],
        _ => vec!["i32"],
    };
    letters.chars().flat_map(one).collect()
}

/// The module, as text.
#[must_use]
pub fn module() -> String {
    let mut text = String::from("(module\n");
    let mut exports = String::new();
    for function in &*ALL {
        let Function { name, export, .. } = function;
        let module = function.dialect.module();
        let parameters = types(function.letters).join(" ");
        writeln!(
            text,
            r#"(import "{module}" "{name}" (func ${export} (param {parameters}) (result i32)))"#
        )
        .expect("a string");
        writeln!(exports, r#"(export "{export}" (func ${export}))"#).expect("a string");
    }
    let all: String = TEXTS
        .iter()
        .flatten()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let length: usize = TEXTS.iter().map(Vec::len).sum();
    let pages = MEMORY >> 16;
    write!(
        text,
        r#"(memory (export "memory") {pages} {pages})
        (data $paths "{all}")
        (func (export "reset")
            (memory.init $paths (i32.const {PATHS}) (i32.const 0) (i32.const {length})))
        (func (export "poke") (param i32 i64) (i64.store (local.get 0) (local.get 1)))
        (func (export "find") (param $what i64) (result i32) (local $at i32)
            (loop $next
                (if (i64.eq (i64.load (local.get $at)) (local.get $what))
                    (then (return (local.get $at))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (br_if $next (i32.le_u (local.get $at) (i32.const {last}))))
            (i32.const -1))
        {exports})"#,
        last = MEMORY - 8
    )
    .expect("a string");
    text
}
