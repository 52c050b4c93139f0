// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Several apps in one boot of seL4, made by hand rather than by the command.

use crate::tools;
use anyhow::{Context, Result};
use sel4_host::bundle::{AppSpec, SystemSpec, app_flags, encode, flags};
use sel4_host::{Artifacts, Events, Outcome, Qemu};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::Duration;

/// What apps said, by their index.
#[derive(Default)]
pub struct Said {
    /// Standard output and standard error.
    pub output: BTreeMap<u16, Vec<u8>>,
    /// Reports of traps, and reasons of refusals.
    pub traps: BTreeMap<u16, String>,
    /// Archives of directories.
    pub archives: BTreeMap<u16, Vec<u8>>,
    /// The root task's log.
    pub log: String,
    input: Option<Box<dyn Read + Send>>,
}

impl Events for Said {
    fn stdout(&mut self, app: u16, bytes: &[u8]) {
        self.output.entry(app).or_default().extend_from_slice(bytes);
    }

    fn stderr(&mut self, app: u16, bytes: &[u8]) {
        self.stdout(app, bytes);
    }

    fn trap(&mut self, app: u16, report: &str) {
        self.traps.entry(app).or_default().push_str(report);
    }

    fn refused(&mut self, app: u16, why: &str) {
        self.trap(app, why);
    }

    fn archive(&mut self, app: u16, bytes: &[u8]) {
        self.archives
            .entry(app)
            .or_default()
            .extend_from_slice(bytes);
    }

    fn input(&mut self) -> Option<Box<dyn Read + Send>> {
        self.input.take()
    }

    fn log(&mut self, text: &str) {
        self.log.push_str(text);
        self.log.push('\n');
    }
}

/// An app that runs an object, with a small stack.
#[must_use]
pub fn app(name: &str, object: Vec<u8>) -> AppSpec {
    AppSpec {
        name: name.to_owned(),
        modules: vec![(String::new(), object)],
        args: vec![name.to_owned()],
        invoke: "_start".to_owned(),
        flags: app_flags::UNKNOWN_IMPORTS_TRAP,
        stack_size: 64 << 10,
        ..AppSpec::default()
    }
}

/// Boots the apps; all of them must end, and nothing may be kept.
///
/// # Panics
/// Where that is not so.
#[must_use]
pub fn boot(apps: &[AppSpec]) -> (Outcome, Said) {
    boot_with(apps, None)
}

/// The same with standard input for those that ask for it.
///
/// # Panics
/// As [`boot`].
#[must_use]
pub fn boot_with(apps: &[AppSpec], input: Option<Box<dyn Read + Send>>) -> (Outcome, Said) {
    let bundle = encode(&SystemSpec::new(flags::HOSTED | flags::POWER_OFF), apps).unwrap();
    let artifacts = Artifacts::read(&tools::share().unwrap()).unwrap();
    let mut image = tempfile::NamedTempFile::new().unwrap();
    image.write_all(&artifacts.image(&bundle).unwrap()).unwrap();
    let qemu = Qemu {
        timeout: Some(Duration::from_secs(170)),
        ..Qemu::default()
    };
    let mut said = Said {
        input,
        ..Said::default()
    };
    let outcome = qemu.run(image.path(), &mut said);
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}\n{}", said.log));
    assert_eq!(outcome.exit_codes.len(), apps.len(), "{}", said.log);
    assert!(!said.log.contains("defect"), "{}", said.log);
    let ended = format!("{} apps have ended and kept nothing", apps.len());
    assert!(outcome.summary.contains(&ended), "{}", outcome.summary);
    (outcome, said)
}

/// Loads and unloads the apps ten thousand times, or as often as the duration allows, if it is not
/// zero; gives how often, and the root task's log.
///
/// # Errors
/// Where that comes to no end, or something is kept.
pub fn churn(apps: &[AppSpec], duration: Duration, icount: bool) -> Result<(u64, String)> {
    let system = SystemSpec {
        duration_us: duration.as_micros() as u64,
        ..SystemSpec::new(flags::HOSTED | flags::POWER_OFF | flags::CHURN)
    };
    let bundle = encode(&system, apps).context("too many apps")?;
    let artifacts = Artifacts::read(&tools::share()?)?;
    let mut image = tempfile::NamedTempFile::new()?;
    image.write_all(&artifacts.image(&bundle)?)?;
    let qemu = Qemu {
        icount,
        timeout: Some(Duration::from_secs(1200)),
        ..Qemu::default()
    };
    let mut said = Said::default();
    let outcome = qemu.run(image.path(), &mut said);
    let summary = outcome.with_context(|| said.log.clone())?.summary;
    let words = " apps have ended and kept nothing; ";
    let count = summary.split_once(words).and_then(|(before, _)| {
        let (_, count) = before.rsplit_once(' ')?;
        count.parse().ok()
    });
    Ok((count.with_context(|| summary.clone())?, said.log + &summary))
}
