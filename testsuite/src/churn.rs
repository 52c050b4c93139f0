// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What is loaded and unloaded again and again ([`crate::boot::churn`]).

use crate::boot::app;
use crate::world::expect_quiet;
use crate::{hostile, tools};
use anyhow::Result;
use sel4_host::bundle::AppSpec;
use std::fs;
use std::path::Path;

/// Says something and grows its memory.
const GROWS: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\05\00\00\00")
    (data (i32.const 16) "here\n")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
        (drop (memory.grow (i32.const 40)))))"#;
/// Traps at once.
const TRAPS: &str = r#"(module (memory 33) (func (export "_start") unreachable))"#;
/// Never ends.
const LOOPS: &str = r#"(module (func (export "_start") (loop (br 0))))"#;

/// The sample nbody.
///
/// # Errors
/// Where it cannot be built.
pub fn nbody(folder: &Path) -> Result<AppSpec> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/nbody-c.wasm");
    let object = folder.join("nbody.o");
    let mut build = tools::wasm_aot()?;
    build.arg("build").arg(module).arg("-o").arg(&object);
    expect_quiet(&build)?;
    let mut app = app("nbody", fs::read(object)?);
    app.args.push("10".to_owned());
    Ok(app)
}

/// Apps of different sizes, of which one never ends.
///
/// # Errors
/// Where one cannot be built.
pub fn apps(folder: &Path) -> Result<Vec<AppSpec>> {
    let mut apps = vec![nbody(folder)?];
    for (name, text) in [("grows", GROWS), ("traps", TRAPS), ("loops", LOOPS)] {
        let object = hostile::object(folder, text)?;
        apps.push(app(name, object));
    }
    Ok(apps)
}
