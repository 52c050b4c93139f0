// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The list of known failures: what of the testsuite is to fail, and why.
//!
//! A line is `SUITE/FILE REASON` for a file of which anything may fail and something must, or
//! `SUITE/FILE:LINE REASON` for one directive that must; then all others of the file must pass.
//! `#` begins a comment. What is listed and passes is a failure: take it off the list.

use crate::Report;
use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// What is to fail of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Listed {
    Something,
    Lines(BTreeSet<usize>),
}

/// The list.
#[derive(Clone, Default, Debug)]
pub struct Known {
    files: BTreeMap<String, Listed>,
}

impl Known {
    /// Reads the list.
    ///
    /// # Errors
    /// Where a line has no reason, or lists what is listed already.
    pub fn parse(text: &str) -> Result<Self> {
        let mut known = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = || format!("line {}: `SUITE/FILE[:LINE] REASON` is wanted", number + 1);
            let (name, _) = line.split_once(' ').with_context(at)?;
            known.add(name).with_context(at)?;
        }
        Ok(known)
    }

    fn add(&mut self, name: &str) -> Result<()> {
        let Some((file, line)) = name.split_once(':') else {
            let before = self.files.insert(name.into(), Listed::Something);
            ensure!(before.is_none(), "{name} is listed twice");
            return Ok(());
        };
        let line: usize = line.parse().with_context(|| format!("{line}: no line"))?;
        let nothing = Listed::Lines(BTreeSet::new());
        match self.files.entry(file.into()).or_insert(nothing) {
            Listed::Lines(lines) => ensure!(lines.insert(line), "{name} is listed twice"),
            Listed::Something => bail!("{file} is listed as a whole already"),
        }
        Ok(())
    }

    /// Whether a file went as the list says.
    ///
    /// # Errors
    /// Says what did not.
    pub fn judge(&self, name: &str, report: &Report) -> Result<(), String> {
        match self.files.get(name) {
            None if report.failed == 0 => Ok(()),
            None => Err("it failed".into()),
            Some(Listed::Something) if report.failed > 0 => Ok(()),
            Some(Listed::Something) => {
                Err("it is a known failure but passes: take it off known-failures.txt".into())
            }
            Some(Listed::Lines(lines)) => {
                let found: BTreeSet<usize> = report.failures.iter().map(|f| f.line).collect();
                match lines.difference(&found).next() {
                    Some(line) => Err(format!(
                        "line {line} is a known failure but passes: take it off known-failures.txt"
                    )),
                    None if found == *lines && report.failed == report.failures.len() => Ok(()),
                    None => Err("it failed in more than the known lines".into()),
                }
            }
        }
    }

    /// Whether every listed file is there.
    ///
    /// # Errors
    /// Names one that is not.
    pub fn check_names(&self, names: &[String]) -> Result<(), String> {
        match self.files.keys().find(|file| !names.contains(file)) {
            Some(file) => Err(format!("{file} is listed, but there is no such file")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    fn report(lines: &[usize]) -> Report {
        let failure = |&line| Failure {
            line,
            directive: String::new(),
            message: String::new(),
        };
        Report {
            failed: lines.len(),
            failures: lines.iter().map(failure).collect(),
            ..Report::default()
        }
    }

    #[test]
    fn what_is_listed_must_fail() {
        let known = Known::parse("# why\na/b.wast no such feature\n\na/c.wast:3 old\n").unwrap();
        assert!(known.judge("a/a.wast", &report(&[])).is_ok());
        assert!(known.judge("a/a.wast", &report(&[1])).is_err());
        assert!(known.judge("a/b.wast", &report(&[1, 2])).is_ok());
        assert!(known.judge("a/b.wast", &report(&[])).is_err());
        assert!(known.judge("a/c.wast", &report(&[3])).is_ok());
        assert!(known.judge("a/c.wast", &report(&[3, 4])).is_err());
        assert!(known.judge("a/c.wast", &report(&[4])).is_err());
        assert!(known.judge("a/c.wast", &report(&[])).is_err());
        assert!(known.check_names(&["a/b.wast".into()]).is_err());
    }

    #[test]
    fn reasons_are_wanted_and_nothing_twice() {
        for text in [
            "a/b.wast",
            "a/b.wast x\na/b.wast y",
            "a/b.wast:x y",
            "a/b.wast x\na/b.wast:1 y",
        ] {
            assert!(Known::parse(text).is_err(), "{text}");
        }
    }
}
