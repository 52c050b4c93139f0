// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Writing bundles.

use super::*;
use crate::strings::join;
use alloc::string::String;
use alloc::vec::Vec;

/// An app to put into a bundle; the fields are those of [`App`].
#[derive(Clone, Debug, Default)]
pub struct AppSpec {
    /// What people call it.
    pub name: String,
    /// Names and objects of its modules; see [`Module`].
    pub modules: Vec<(String, Vec<u8>)>,
    /// A test script, for an app without modules.
    pub script: Vec<u8>,
    /// Arguments, `argv[0]` first.
    pub args: Vec<String>,
    /// Environment, `NAME=value`.
    pub env: Vec<String>,
    /// Name of the export to run.
    pub invoke: String,
    /// See [`App::archive`].
    pub archive: Vec<u8>,
    /// Names of its directories.
    pub dirs: Vec<String>,
    /// See [`App::input`].
    pub input: Vec<u8>,
    /// See [`App::contract`].
    pub contract: Vec<u8>,
    /// [`app_flags`].
    pub flags: u32,
    /// See [`App::memory_limit`].
    pub memory_limit: u64,
    /// See [`App::stack_size`].
    pub stack_size: u64,
}

/// A device to grant; the fields are those of [`Grant`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantSpec {
    /// What contracts call it.
    pub name: String,
    /// What it is made of.
    pub resource: Resource,
    /// Its interrupt pin.
    pub interrupt: Option<u32>,
    /// [`grant_flags`].
    pub flags: u32,
}

/// What holds for all apps of a bundle.
#[derive(Clone, Debug, Default)]
pub struct SystemSpec {
    /// [`flags`].
    pub flags: u32,
    /// How the processor is shared.
    pub policy: Policy,
    /// See [`Bundle::duration_us`].
    pub duration_us: u64,
    /// See [`Bundle::grants`].
    pub grants: Vec<GrantSpec>,
}

impl SystemSpec {
    /// One with these [`flags`] and nothing else.
    #[must_use]
    pub fn new(flags: u32) -> Self {
        Self {
            flags,
            ..Self::default()
        }
    }
}

/// Sets [`flags`] in the bundle at the front of `bytes`, if there is one.
pub fn set_flags(bytes: &mut [u8], flags: u32) {
    if Bundle::parse(bytes).is_ok()
        && let Ok((header, _)) = Header::mut_from_prefix(bytes)
    {
        header.flags = flags.into();
    }
}

/// The bytes of a bundle, or `None` where they would not fit its 32-bit offsets, or there are too
/// many apps.
#[must_use]
pub fn encode(system: &SystemSpec, apps: &[AppSpec]) -> Option<Vec<u8>> {
    let count = u32::try_from(apps.len()).ok().filter(|&n| n <= MAX_APPS)?;
    let mut pool = Vec::new();
    let start = size_of::<Header>() + apps.len() * size_of::<AppRecord>();
    let mut aligned = |bytes: &[u8], alignment: usize| {
        let misplaced = (start + pool.len()) % alignment;
        pool.resize(pool.len() + (alignment - misplaced) % alignment, 0);
        let range = Range {
            offset: u32::try_from(start + pool.len()).ok()?.into(),
            length: u32::try_from(bytes.len()).ok()?.into(),
        };
        pool.extend_from_slice(bytes);
        Some(range)
    };
    let mut records = Vec::new();
    for app in apps {
        let mut archive = Range {
            offset: 0.into(),
            length: 0.into(),
        };
        if !app.archive.is_empty() {
            let page = ARCHIVE_ALIGNMENT as usize;
            archive = aligned(&app.archive, page)?;
            // The rest of its last page.
            aligned(&[], page)?;
        }
        // Objects are parsed where they lie: keep them aligned as the bundle is.
        let mut place = |bytes: &[u8]| aligned(bytes, 16);
        let mut modules = Vec::new();
        for (name, object) in &app.modules {
            modules.push(ModuleRecord {
                name: place(name.as_bytes())?,
                object: place(object)?,
            });
        }
        records.push(AppRecord {
            name: place(app.name.as_bytes())?,
            modules: place(modules.as_bytes())?,
            script: place(&app.script)?,
            args: place(&join(&app.args))?,
            env: place(&join(&app.env))?,
            invoke: place(app.invoke.as_bytes())?,
            archive,
            dirs: place(&join(&app.dirs))?,
            input: place(&app.input)?,
            contract: place(&app.contract)?,
            flags: app.flags.into(),
            reserved: 0.into(),
            memory_limit: app.memory_limit.into(),
            stack_size: app.stack_size.into(),
        });
    }
    let mut grants = Vec::new();
    for grant in &system.grants {
        let name = aligned(grant.name.as_bytes(), 1)?;
        grants.push(GrantRecord::new(name, grant));
    }
    let header = Header {
        magic: MAGIC,
        version: VERSION.into(),
        flags: system.flags.into(),
        policy: (system.policy as u32).into(),
        grants: aligned(grants.as_bytes(), 1)?,
        duration_us: system.duration_us.into(),
        total: u32::try_from(start + pool.len()).ok()?.into(),
        apps: count.into(),
    };
    let mut bytes = Vec::from(header.as_bytes());
    bytes.extend_from_slice(records.as_bytes());
    bytes.extend_from_slice(&pool);
    Some(bytes)
}
