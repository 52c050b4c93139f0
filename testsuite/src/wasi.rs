// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The official WASI testsuite (WebAssembly/wasi-testsuite, branch `prod/testsuite-base`), of
//! which nothing is in this repository: what its tests of preview 1 are, how one is run by
//! `wasm-aot run`, and how its outcome is judged.
//!
//! The format of a test is the testsuite's own (`doc/specification.md`): a module, and beside it a
//! description in JSON, either a flat one or a list of operations.

use crate::process::{self, Run};
use crate::tools;
use crate::world::CHECK_STACK;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folders of tests that are for this interface have this name.
const VERSION: &str = "wasm32-wasip1";

/// How long a test may take; a boot of seL4 included, on a machine that does other things as well.
const LIMIT: Duration = Duration::from_secs(120);

/// How deep below the given folder tests are looked for.
const DEPTH: usize = 6;

/// What a test is started with and what must come of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Description {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    /// A directory beside the description: the program's `/`.
    root: Option<String>,
    stdin: String,
    exit_code: i32,
    stdout: Option<String>,
    stderr: Option<String>,
}

/// The newer form: steps, of which preview 1 needs three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    operations: Vec<Step>,
    #[serde(default)]
    proposals: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Step {
    Run {
        #[serde(default)]
        args: Vec<String>,
        #[serde(default)]
        env: BTreeMap<String, String>,
        root: Option<String>,
    },
    Write {
        #[serde(default)]
        payload: String,
    },
    Read {
        #[serde(default = "stdout")]
        id: String,
        #[serde(default)]
        payload: String,
    },
    Wait {
        #[serde(default)]
        exit_code: i32,
    },
}

fn stdout() -> String {
    "stdout".into()
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// Where it is none, or has something that is not known here.
    pub fn parse(text: &str) -> Result<Self> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        if value.get("operations").is_none() {
            return Ok(serde_json::from_value(value)?);
        }
        let steps: Steps = serde_json::from_value(value)?;
        if let Some(proposal) = steps.proposals.first() {
            bail!("it needs the proposal {proposal}, which preview 1 does not have");
        }
        let mut description = Self::default();
        for step in steps.operations {
            match step {
                Step::Run { args, env, root } => {
                    (description.args, description.env, description.root) = (args, env, root);
                }
                Step::Write { payload } => description.stdin.push_str(&payload),
                Step::Read { id, payload } => match id.as_str() {
                    "stdout" => description.stdout.get_or_insert_default(),
                    "stderr" => description.stderr.get_or_insert_default(),
                    other => bail!("it reads the stream {other}, which is none"),
                }
                .push_str(&payload),
                Step::Wait { exit_code } => description.exit_code = exit_code,
            }
        }
        Ok(description)
    }

    /// Whether a run was as it should be. A stream that the description does not mention may be
    /// anything.
    fn judge(&self, run: &Run) -> Result<()> {
        let expected = self.exit_code;
        ensure!(
            run.status == expected,
            "exit status {}, expected {expected}\n{run}",
            run.status
        );
        for (what, found, expected) in [
            ("standard output", &run.stdout, &self.stdout),
            ("standard error", &run.stderr, &self.stderr),
        ] {
            if let Some(expected) = expected {
                crate::compare::same_bytes(what, found, expected.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// A test.
#[derive(Clone, Debug)]
pub struct Test {
    /// `SUITE/NAME`; the suite is the folder under `tests`, such as `rust`.
    pub name: String,
    module: PathBuf,
}

/// All tests of preview 1 below a folder, in the order of their names.
///
/// # Errors
/// Where there are none, or the folder cannot be read.
pub fn tests(folder: &Path) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    search(folder, DEPTH, &mut tests).with_context(|| folder.display().to_string())?;
    ensure!(
        !tests.is_empty(),
        "{}: no module in a folder {VERSION} below; the binaries are in the branch \
         prod/testsuite-base of WebAssembly/wasi-testsuite",
        folder.display()
    );
    tests.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(tests)
}

fn search(folder: &Path, depth: usize, tests: &mut Vec<Test>) -> Result<()> {
    let found = folder.file_name().is_some_and(|name| name == VERSION);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if found
            && path
                .extension()
                .is_some_and(|extension| extension == "wasm")
        {
            tests.push(Test {
                name: name(folder, &path),
                module: path,
            });
        } else if !found && depth > 0 && path.is_dir() && !path.is_symlink() {
            search(&path, depth - 1, tests)?;
        }
    }
    Ok(())
}

/// `tests/rust/testsuite/wasm32-wasip1/renumber.wasm` is `rust/renumber`.
fn name(folder: &Path, module: &Path) -> String {
    let suite = folder
        .ancestors()
        .skip(1)
        .filter_map(Path::file_name)
        .map(|name| name.to_string_lossy())
        .find(|name| name != "testsuite" && name != "tests");
    let name = module.file_stem().unwrap_or_default().to_string_lossy();
    format!("{}/{name}", suite.unwrap_or_default())
}

impl Test {
    /// Runs the test in a world (a name that `wasm-aot run --on` knows), over a copy of its
    /// directory.
    ///
    /// # Errors
    /// Says what was not as it should be.
    pub fn run(&self, world: &str) -> Result<()> {
        let beside = self.module.with_extension("json");
        let description = match beside.is_file() {
            true => Description::parse(&fs::read_to_string(&beside)?)
                .with_context(|| beside.display().to_string())?,
            false => Description::default(),
        };
        let scratch = tempfile::tempdir()?;
        let mut command = tools::wasm_aot()?;
        command.args(["run", "--on", world]);
        if world == "linux" {
            command.arg(CHECK_STACK);
        }
        for (name, value) in &description.env {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        if let Some(root) = &description.root {
            let (from, to) = (
                self.module.with_file_name(root),
                scratch.path().join("root"),
            );
            copy(&from, &to, DEPTH).with_context(|| format!("copying {}", from.display()))?;
            command.arg("--dir").arg(format!("{}::/", to.display()));
        }
        command.arg(&self.module).args(&description.args);
        let run = process::run(&command, description.stdin.as_bytes(), LIMIT)?;
        description.judge(&run)
    }
}

/// Copies a folder. What earlier runs of the testsuite left in it (`*.cleanup`) is no part of it,
/// nor are the files that keep empty folders under version control.
fn copy(from: &Path, to: &Path, depth: usize) -> Result<()> {
    ensure!(depth > 0, "it is too deep");
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if path
            .extension()
            .is_some_and(|extension| extension == "cleanup")
            || name == ".keep"
        {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => copy(&path, &to.join(name), depth - 1)?,
            false => fs::copy(&path, to.join(name)).map(drop)?,
        }
    }
    Ok(())
}

/// What cannot pass in a world, and why: lines `WORLD SUITE/NAME REASON`; `#` begins a comment.
/// What is listed and passes is a failure.
#[derive(Clone, Default, Debug)]
pub struct Excluded(BTreeMap<(String, String), String>);

impl Excluded {
    /// Reads the list.
    ///
    /// # Errors
    /// Where a line has no reason or names a test twice.
    pub fn parse(text: &str) -> Result<Self> {
        let mut list = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.splitn(3, ' ').filter(|word| !word.is_empty());
            let (Some(world), Some(test), Some(reason)) =
                (words.next(), words.next(), words.next())
            else {
                bail!("line {}: `WORLD SUITE/NAME REASON` is wanted", number + 1);
            };
            let before = list.insert((world.into(), test.into()), reason.into());
            ensure!(
                before.is_none(),
                "line {}: {test} is listed twice",
                number + 1
            );
        }
        Ok(Self(list))
    }

    /// Why a test is not expected to pass in a world, if it is not.
    #[must_use]
    pub fn reason(&self, world: &str, test: &str) -> Option<&str> {
        let key = (world.to_owned(), test.to_owned());
        self.0.get(&key).map(String::as_str)
    }

    /// Whether every test that is listed for a world is there.
    ///
    /// # Errors
    /// Names one that is not.
    pub fn check_names(&self, world: &str, tests: &[Test]) -> Result<()> {
        for (of, name) in self.0.keys() {
            let there = tests.iter().any(|test| test.name == *name);
            ensure!(
                of != world || there,
                "{name} is listed, but there is no such test"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn both_forms_of_a_description() {
        let flat = r#"{"args": ["a"], "env": {"B": "c"}, "root": "d", "exit_code": 3,
            "stdout": "e"}"#;
        let steps = r#"{"operations": [
            {"type": "run", "args": ["a"], "env": {"B": "c"}, "root": "d"},
            {"type": "read", "payload": "e"}, {"type": "wait", "exit_code": 3}]}"#;
        let parsed = Description::parse(flat).unwrap();
        assert_eq!(parsed, Description::parse(steps).unwrap());
        assert_eq!(parsed.root.as_deref(), Some("d"));
        assert_eq!(parsed.stderr, None);
        for unknown in [
            r#"{"arguments": []}"#,
            r#"{"operations": [{"type": "connect"}]}"#,
            r#"{"operations": [], "proposals": ["http"]}"#,
            "[",
        ] {
            assert!(Description::parse(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn what_a_description_says_is_judged() {
        let run = Run {
            status: 3,
            stdout: b"e".to_vec(),
            stderr: b"anything".to_vec(),
        };
        let judge = |text| Description::parse(text).unwrap().judge(&run);
        assert!(judge(r#"{"exit_code": 3, "stdout": "e"}"#).is_ok());
        assert!(judge(r#"{"exit_code": 3, "stdout": ""}"#).is_err());
        assert!(judge(r#"{"exit_code": 3, "stderr": ""}"#).is_err());
        assert!(judge(r#"{"exit_code": 0}"#).is_err());
    }

    #[test]
    fn names_of_tests_and_the_list() {
        let folder = Path::new("/x/tests/rust/testsuite/wasm32-wasip1");
        let test = Test {
            name: name(folder, &folder.join("renumber.wasm")),
            module: PathBuf::new(),
        };
        assert_eq!(test.name, "rust/renumber");
        let list = Excluded::parse("# why\nsel4 rust/renumber no such thing\n").unwrap();
        assert_eq!(list.reason("sel4", "rust/renumber"), Some("no such thing"));
        assert_eq!(list.reason("linux", "rust/renumber"), None);
        assert!(list.check_names("sel4", &[test]).is_ok());
        assert!(list.check_names("sel4", &[]).is_err());
        assert!(list.check_names("linux", &[]).is_ok());
        assert!(Excluded::parse("sel4 rust/renumber").is_err());
        assert!(Excluded::parse("sel4 a/b c\nsel4 a/b d").is_err());
    }
}
