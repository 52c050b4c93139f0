// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Golden tests of machine code: each `disas/*.wat` begins with directives
//!
//! ```text
//! ;; target: aarch64           an architecture; may be repeated
//! ;; cpu: rv64gcv              as --cpu
//! ;; bounds: explicit          as --bounds
//! ;; memory-base: relocate     as --memory-base
//! ```
//!
//! and ends with what the code generator makes of it, for each target, in comments that begin with
//! `;;;`. With `BLESS=1` in the environment the files are rewritten. A change of the code that
//! changes these texts is one to look at.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};
use wasm_aot_compiler::{Bounds, Cpu, Machine, MemoryBase, Options, listing};

/// The directives of a file.
struct Directives {
    targets: Vec<Machine>,
    options: Options,
}

impl Directives {
    fn parse(text: &str) -> Result<Self, String> {
        let mut targets = Vec::new();
        let mut options = Options {
            verify: true,
            ..Options::default()
        };
        for line in text.lines().map_while(|line| line.strip_prefix(";; ")) {
            let (name, value) = line
                .split_once(": ")
                .ok_or("a directive is `NAME: VALUE`")?;
            match (name, value) {
                ("target", name) => {
                    let machine = Machine::from_triple(name);
                    targets.push(machine.ok_or(format!("no architecture {name}"))?);
                }
                ("cpu", names) => options.cpu = Cpu::parse(names),
                ("bounds", "explicit") => options.bounds = Bounds::Explicit,
                ("memory-base", "relocate") => options.memory_base = MemoryBase::Relocatable,
                _ => return Err(format!("no directive `{line}`")),
            }
        }
        if targets.is_empty() {
            return Err("no target".into());
        }
        Ok(Self { targets, options })
    }
}

/// What the end of a file has to be.
fn expected(text: &str) -> Result<String, String> {
    let directives = Directives::parse(text)?;
    let mut result = String::new();
    for target in directives.targets {
        let options = Options {
            target,
            ..directives.options.clone()
        };
        let code = listing(text.as_bytes(), &options).map_err(|error| error.to_string())?;
        let _ = writeln!(result, ";;; {target}");
        for line in code.lines() {
            let _ = writeln!(result, "{}", format!(";;; {line}").trim_end());
        }
    }
    Ok(result)
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disas");
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    files.sort();
    files
}

#[test]
fn code_is_as_written_down() {
    let bless = env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let files = files();
    assert!(!files.is_empty());
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let start = text.find(";;; ").unwrap_or(text.len());
        let (module, golden) = text.split_at(start);
        let expected = match expected(&text) {
            Ok(expected) => expected,
            Err(error) => {
                wrong.push(format!("{}: {error}", path.display()));
                continue;
            }
        };
        if golden == expected {
            continue;
        }
        if bless {
            fs::write(&path, format!("{module}{expected}")).unwrap();
            continue;
        }
        let lines = golden.lines().zip(expected.lines());
        let first = lines.enumerate().find(|(_, (old, new))| old != new);
        let difference = first.map_or("one is longer".into(), |(line, (old, new))| {
            let line = module.lines().count() + line + 1;
            format!("line {line}\n  - {old}\n  + {new}")
        });
        wrong.push(format!("{}: {difference}", path.display()));
    }
    assert!(
        wrong.is_empty(),
        "{}\n(BLESS=1 takes the new texts)",
        wrong.join("\n")
    );
}
