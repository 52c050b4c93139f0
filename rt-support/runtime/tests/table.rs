// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The table of functions in `docs/wasi.md` is what the code has: their types, the interfaces that
//! have them, and whether a platform provides what they need. `BLESS=1` writes it.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use wasm_aot_runtime::{exports, lookup};

const BEGIN: &str = "<!-- BLESS=1 cargo test -p wasm-aot-runtime --test table: begin -->\n";
const END: &str = "<!-- BLESS=1 cargo test -p wasm-aot-runtime --test table: end -->\n";

/// The implementations of `Platform`, as the table names them.
const PLATFORMS: [(&str, &str); 2] = [
    ("Linux", "rt-support/linux/src/platform.rs"),
    ("seL4", "sel4-loader/app-runtime/src/platform.rs"),
];

fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.unwrap()
}

/// What of a platform a function needs: a method of `Platform` that has a default which gives
/// nothing.
fn needs(name: &str) -> Option<&'static str> {
    const OF_STREAMS: [&str; 8] = [
        "fd_close",
        "fd_read",
        "fd_write",
        "fd_renumber",
        "fd_filestat_get",
        "fd_fdstat_get",
        "fd_fdstat_set_flags",
        "fd_fdstat_set_rights",
    ];
    match name {
        _ if name.starts_with("sock_") => Some("sockets"),
        _ if name.starts_with("path_") => Some("files"),
        _ if name.starts_with("fd_") && !OF_STREAMS.contains(&name) => Some("files"),
        _ => None,
    }
}

fn table() -> String {
    let sources = PLATFORMS.map(|(_, path)| fs::read_to_string(root().join(path)).unwrap());
    let mut text = String::from("| function | type | `wasi_unstable` |");
    for (platform, _) in PLATFORMS {
        write!(text, " {platform} |").unwrap();
    }
    text += "\n|---|---|---|---|---|\n";
    let answer = |yes| if yes { "yes" } else { "-" };
    for export in exports() {
        let Some(name) = export.symbol.strip_prefix("wasi_snapshot_preview1.") else {
            continue;
        };
        let unstable = lookup(&format!("wasi_unstable.{name}")).map(|export| export.signature);
        if let Some(signature) = unstable {
            assert_eq!(signature, export.signature, "{name}");
        }
        let ty = export.signature.unwrap();
        write!(
            text,
            "| `{name}` | `{ty}` | {} |",
            answer(unstable.is_some())
        )
        .unwrap();
        for source in &sources {
            let provided = match needs(name) {
                Some(method) => source.contains(&format!("    fn {method}(&self)")),
                None => name != "proc_raise",
            };
            write!(text, " {} |", answer(provided)).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_table_of_functions_is_up_to_date() {
    let path = root().join("docs/wasi.md");
    let old = fs::read_to_string(&path).unwrap();
    let (before, rest) = old.split_once(BEGIN).expect("the mark of the begin");
    let (_, after) = rest.split_once(END).expect("the mark of the end");
    let new = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, new).unwrap();
    } else {
        assert!(
            new == old,
            "docs/wasi.md has another table: BLESS=1 cargo test -p wasm-aot-runtime --test table"
        );
    }
}
