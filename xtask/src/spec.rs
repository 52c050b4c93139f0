// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs the official testsuite and makes the README's table of it.

use crate::workspace::Workspace;
use crate::{artifacts, engine, packages, process};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

const BEGIN: &str = "<!-- cargo xtask spec --bless: begin -->\n";
const END: &str = "<!-- cargo xtask spec --bless: end -->\n";

/// Directives of a file or a suite, by how they went.
#[derive(Clone, Copy, Default)]
struct Count {
    passed: u64,
    failed: u64,
    listed: u64,
}

/// Runs the testsuite and prints the table. With `bless`, the README gets it.
///
/// # Errors
/// Where something fails that is not listed, or the README has another table.
pub fn run(workspace: &Workspace, bless: bool) -> Result<()> {
    packages::require(packages::TARGETS)?;
    artifacts::command(workspace)?;
    engine::build(workspace, &[])?;
    let results = workspace.target().join("spec-results.txt");
    if results.exists() {
        fs::remove_file(&results).context("removing the results of another run")?;
    }
    let mut test = workspace.cargo("test");
    test.args(["--release", "--locked", "--package", "spec-tests"])
        .args(["--test", "official", "--", "--quiet"])
        .env("WASM_AOT_TEST_COMMAND", workspace.program())
        .env("WASM_AOT_SHARE", workspace.share(""))
        .env("SPEC_RESULTS", &results);
    process::announce(&test);
    let status = process::status(&mut test)?;
    let text = fs::read_to_string(&results).context("reading the results")?;
    let table = table(&text)?;
    print!("{table}");
    if status != std::process::ExitCode::SUCCESS {
        bail!("the official testsuite does not go as spec-tests/known-failures.txt says");
    }
    let readme = workspace.path("README.md");
    let old = fs::read_to_string(&readme).context("reading README.md")?;
    let new = replaced(&old, &table)?;
    if bless {
        fs::write(&readme, new).context("writing README.md")?;
    } else {
        let hint = "the README has another table: `cargo xtask spec --bless`";
        ensure!(old == new, "{hint}");
    }
    Ok(())
}

/// The results, one line a file and build, as a table of one line a suite. A file counts as it
/// went in the build in which it went worst.
fn table(results: &str) -> Result<String> {
    let mut files: BTreeMap<&str, Count> = BTreeMap::new();
    for line in results.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, _, passed, failed, listed] = fields[..] else {
            bail!("a line of the results that is none: {line}");
        };
        let number = |text: &str| text.parse::<u64>().context("a number of the results");
        let count = Count {
            passed: number(passed)?,
            failed: number(failed)?,
            listed: number(listed)?,
        };
        let worst = files.entry(name).or_insert(count);
        if count.failed + count.listed > worst.failed + worst.listed {
            *worst = count;
        }
    }
    let mut suites: BTreeMap<&str, (u64, Count)> = BTreeMap::new();
    let mut total = (0, Count::default());
    for (name, count) in &files {
        let (suite, _) = name.split_once('/').context("a file without a suite")?;
        for sum in [suites.entry(suite).or_default(), &mut total] {
            sum.0 += 1;
            sum.1.passed += count.passed;
            sum.1.failed += count.failed;
            sum.1.listed += count.listed;
        }
    }
    let mut table = String::new();
    writeln!(
        table,
        "| suite or proposal | files | passed | failed | listed |"
    )?;
    writeln!(table, "|---|---:|---:|---:|---:|")?;
    let mut row = |name: &str, (files, count): &(u64, Count)| {
        let Count {
            passed,
            failed,
            listed,
        } = count;
        writeln!(
            table,
            "| {name} | {files} | {passed} | {failed} | {listed} |"
        )
    };
    // The versions of the specification first.
    let (versions, proposals): (Vec<_>, Vec<_>) = suites
        .iter()
        .partition(|(name, _)| name.starts_with("wasm-"));
    for (name, sum) in versions.into_iter().chain(proposals) {
        row(name, sum)?;
    }
    row("all", &total)?;
    Ok(table)
}

/// A text with another table between the marks.
fn replaced(text: &str, table: &str) -> Result<String> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{BEGIN}{table}{END}{after}"))
    });
    parts.with_context(|| format!("README.md lacks the marks {BEGIN} and {END}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_build_counts() {
        let results = "gc/a.wast\tguard\t5\t0\t0\ngc/a.wast\texplicit\t3\t2\t0\n\
                       wasm-v1/b.wast\tguard\t7\t0\t1\n";
        let table = table(results).unwrap();
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| wasm-v1 | 1 | 7 | 0 | 1 |",
                "| gc | 1 | 3 | 2 | 0 |",
                "| all | 2 | 10 | 2 | 1 |"
            ]
        );
        assert!(super::table("nonsense").is_err());
    }

    #[test]
    fn the_table_is_replaced_between_the_marks() {
        let text = format!("a\n{BEGIN}old\n{END}b\n");
        let expected = format!("a\n{BEGIN}new\n{END}b\n");
        assert_eq!(replaced(&text, "new\n").unwrap(), expected);
        assert!(replaced("a", "new").is_err());
    }
}
