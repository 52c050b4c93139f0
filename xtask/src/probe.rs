// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Boots the root task for measurements (`sel4-loader/probe`) and makes a table of what it finds.
//!
//! QEMU counts instructions (`-icount shift=3`: 8 ns each) and its clocks show nothing else, so
//! every run finds the same.

use crate::workspace::Workspace;
use crate::{packages, process, sel4};
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const BEGIN: &str = "<!-- cargo xtask probe --bless: begin -->\n";
const END: &str = "<!-- cargo xtask probe --bless: end -->\n";
const DOCUMENT: &str = "docs/sel4.md";

/// Measures and prints. With `bless`, the document gets the table.
///
/// # Errors
/// Where something cannot be built or measured, memory is lost, or the document has another table.
pub fn run(workspace: &Workspace, bless: bool) -> Result<()> {
    packages::require(&[packages::KERNEL, packages::QEMU].concat())?;
    process::progress("building the seL4 kernel and the probe");
    let (kernel, probe) = sel4::build_probe(&workspace.path(""))?;
    let said = boot(&kernel, &probe)?;
    let table = table(&said)?;
    print!("{table}");
    let path = workspace.path(DOCUMENT);
    let old = fs::read_to_string(&path).with_context(|| format!("reading {DOCUMENT}"))?;
    let new = replaced(&old, &table)?;
    if bless {
        fs::write(&path, new).with_context(|| format!("writing {DOCUMENT}"))?;
    } else {
        ensure!(
            old == new,
            "{DOCUMENT} has another table: `cargo xtask probe --bless`"
        );
    }
    Ok(())
}

/// Boots the probe; gives what it said.
fn boot(kernel: &Path, probe: &Path) -> Result<String> {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", "512"])
        .args(["-icount", "shift=3,sleep=off", "-nodefaults", "-no-reboot"])
        .args(["-display", "none", "-serial", "stdio"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(probe)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    process::announce(&qemu);
    let output = qemu.output().context("cannot run qemu-system-x86_64")?;
    Ok(String::from_utf8_lossy(&output.stdout).replace('\r', ""))
}

/// What the probe said, as a document says it.
fn table(said: &str) -> Result<String> {
    ensure!(
        said.lines().any(|line| line == "done"),
        "the probe did not come to its end:\n{said}"
    );
    let mut rows = String::new();
    let mut base = None;
    let mut wear = None;
    for line in said.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["section", late, took, name] => {
                let number = |text: &str| text.parse::<u64>().context("a number of the probe");
                let (late_ns, took_ns) = (number(late)?, number(took)?);
                // How late a thread is woken where the kernel has nothing to do.
                let base = *base.get_or_insert(late_ns);
                let section_us = late_ns.saturating_sub(base) as f64 / 1000.0;
                let took_us = took_ns as f64 / 1000.0;
                match rows.is_empty() {
                    true => rows.push_str(
                        "| operation | longest section, us | the whole, us |\n|---|---:|---:|\n",
                    ),
                    false => writeln!(rows, "| {name} | {section_us:.1} | {took_us:.0} |")?,
                }
            }
            ["wear", verdict, counts, free] => {
                ensure!(verdict == "equal", "memory or slots are lost: {line}");
                wear = Some(format!("{counts}: {free}."));
            }
            ["error", what] => bail!("the probe: {what}"),
            _ => {}
        }
    }
    let (Some(base), Some(wear)) = (base, wear) else {
        bail!("the probe measured nothing:\n{said}");
    };
    let base_us = base as f64 / 1000.0;
    Ok(format!(
        "{rows}\nWith no section in the way a thread is woken {base_us:.1} us after the interrupt.\n\n{wear}\n"
    ))
}

fn replaced(text: &str, table: &str) -> Result<String> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{BEGIN}{table}{END}{after}"))
    });
    parts.with_context(|| format!("{DOCUMENT} lacks the marks {BEGIN} and {END}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEAR: &str = "wear\tequal\t9 accounts\t1 before, 1 after\n";

    #[test]
    fn sections_are_beyond_the_base() {
        let said = format!("{WEAR}section\t3000\t9\tnothing\nsection\t12300\t4600\tmap\ndone\n");
        let table = table(&said).unwrap();
        assert!(table.contains("| map | 9.3 | 5 |\n"), "{table}");
        assert!(!table.contains("| nothing"), "{table}");
        assert!(table.contains("9 accounts: 1 before"), "{table}");
    }

    #[test]
    fn loss_errors_and_silence_are_failures() {
        let section = "section\t1\t1\tx\n";
        for said in [
            format!("wear\tDIFFERENT\ta\tb\n{section}done\n"),
            format!("{WEAR}{section}error\tno\ndone\n"),
            format!("{WEAR}{section}"),
            format!("{section}done\n"),
        ] {
            assert!(table(&said).is_err(), "{said}");
        }
    }
}
