// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How the root task is linked, and where the app runtime that it carries comes from.

use std::env;
use std::path::PathBuf;
use std::process::exit;

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let script = manifest.join("../linker-scripts/loader.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    for argument in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none",
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());

    println!("cargo::rerun-if-env-changed=SEL4_APP_RUNTIME");
    let Some(runtime) = env::var_os("SEL4_APP_RUNTIME").map(PathBuf::from) else {
        println!(
            "cargo::error=SEL4_APP_RUNTIME names no app runtime; `cargo xtask build` builds \
             sel4-app-runtime first and sets it"
        );
        exit(1);
    };
    println!("cargo::rerun-if-changed={}", runtime.display());
    println!("cargo::rustc-env=SEL4_APP_RUNTIME={}", runtime.display());
}
