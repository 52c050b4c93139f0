// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The programs: C files in `benches/programs`, and two libraries whose sources packages carry.

use crate::process;
use crate::workspace::{Workspace, package_folder};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program.
pub struct Program {
    /// Name of the file in `benches/programs`, and of the row in the table.
    pub name: &'static str,
    /// The argument of a usual run, where the program has no size of its own.
    pub usual: Option<&'static str>,
    /// The argument of a run whose instructions are counted: some hundred million of them.
    pub counted: &'static str,
    /// The library that it is linked with.
    library: Option<&'static Library>,
}

/// The sources of a library in a package.
struct Library {
    package: &'static str,
    folder: &'static str,
    files: &'static [&'static str],
    flags: &'static [&'static str],
}

const BZIP2: Library = Library {
    package: "bzip2-sys",
    folder: "bzip2-1.0.8",
    files: &[
        "blocksort.c",
        "huffman.c",
        "crctable.c",
        "randtable.c",
        "compress.c",
        "decompress.c",
        "bzlib.c",
    ],
    flags: &["-DBZ_NO_STDIO"],
};

const SQLITE: Library = Library {
    package: "libsqlite3-sys",
    folder: "sqlite3",
    files: &["sqlite3.c"],
    flags: &[
        "-DSQLITE_OS_OTHER=1",
        "-DSQLITE_THREADSAFE=0",
        "-DSQLITE_OMIT_LOAD_EXTENSION",
        "-DSQLITE_OMIT_WAL",
        "-DSQLITE_TEMP_STORE=3",
        "-DSQLITE_DQS=0",
    ],
};

const fn program(name: &'static str, counted: &'static str) -> Program {
    Program {
        name,
        usual: None,
        counted,
        library: None,
    }
}

/// All of them, in the order of the table.
pub const ALL: &[Program] = &[
    Program {
        name: "nbody",
        usual: Some("4000000"),
        counted: "400000",
        library: None,
    },
    program("fib", "35"),
    program("calls", "10"),
    program("vcall", "15"),
    program("interp", "40000"),
    program("sha256", "4"),
    program("matmul", "320"),
    program("sieve", "500000"),
    program("sort", "200000"),
    program("memops", "20"),
    program("fannkuch", "9"),
    program("jacobi2d", "100"),
    program("seidel2d", "60"),
    program("cholesky", "600"),
    program("floyd", "400"),
    program("gemm", "2"),
    program("durbin", "2"),
    program("hashmap", "500"),
    Program {
        name: "bzip2",
        usual: None,
        counted: "300",
        library: Some(&BZIP2),
    },
    Program {
        name: "sqlite",
        usual: None,
        counted: "6000",
        library: Some(&SQLITE),
    },
];

/// Does nothing: what an engine's start-up takes in instructions.
pub const EMPTY: Program = program("empty", "");

/// Says hello: what start-up takes in time.
pub const HELLO: Program = program("hello", "");

impl Program {
    /// Finds the sources.
    ///
    /// # Errors
    /// Where a package's sources are not there.
    pub fn sources(&self, workspace: &Workspace) -> Result<Sources> {
        let file = format!("{}.c", self.name);
        let own = workspace.path("benches/programs").join(&file);
        // Two programs are samples as well.
        let own = match own.is_file() {
            true => own,
            false => workspace.path("testsuite/apps").join(&file),
        };
        let mut sources = Sources {
            name: self.name,
            files: vec![own],
            flags: Vec::new(),
        };
        if let Some(library) = self.library {
            let folder = package_folder(&workspace.path(""), library.package)?.join(library.folder);
            sources
                .files
                .extend(library.files.iter().map(|f| folder.join(f)));
            sources
                .flags
                .extend(library.flags.iter().map(OsString::from));
            sources.flags.push(OsString::from("-I"));
            sources.flags.push(folder.into_os_string());
        }
        Ok(sources)
    }
}

/// The sources of a program, and what compiling them takes.
pub struct Sources {
    name: &'static str,
    pub files: Vec<PathBuf>,
    pub flags: Vec<OsString>,
}

/// Debian's wasi-libc and clang 19, as `testsuite/apps/build.sh` uses them.
const WASI_LIB: &str = "/usr/lib/wasm32-wasi";
const BUILTINS: &str = "/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a";

impl Sources {
    /// The WebAssembly module, from clang; with vector instructions or without.
    ///
    /// # Errors
    /// Where clang fails.
    pub fn wasm(&self, folder: &Path, vectors: bool) -> Result<PathBuf> {
        let kind = if vectors { "simd" } else { "scalar" };
        let module = folder.join(format!("{}.{kind}.wasm", self.name));
        let mut clang = Command::new("clang-19");
        clang
            .args([
                "--target=wasm32-wasi",
                "-O3",
                "-w",
                "-mbulk-memory",
                "-msign-ext",
            ])
            .args(vectors.then_some("-msimd128"))
            .args(["-mnontrapping-fptoint", "-mmutable-globals", "-nostdlibinc"])
            .args(["-isystem", "/usr/include/wasm32-wasi"])
            .args(&self.flags)
            .args(&self.files)
            .args(["-nostdlib", "-L", WASI_LIB])
            .arg(format!("{WASI_LIB}/crt1-command.o"))
            .args(["-lc", BUILTINS, "-Wl,--strip-debug", "-o"])
            .arg(&module);
        process::run(&mut clang).context("compiling to WebAssembly")?;
        Ok(module)
    }
}
