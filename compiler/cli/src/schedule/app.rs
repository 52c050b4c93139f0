// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the analysis has to know of an app: out of its object, its manifest, or both.

use crate::build::{CompilerArguments, object_with};
use crate::image::program_name;
use crate::manifest::{self, Input};
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use wasm_aot_contract::{Class, Contract, field};
use wasm_aot_loader::Object;
use wasm_aot_schedule::Parameters;

/// An app.
pub struct App {
    /// What messages call it; no two have the same.
    pub name: String,
    /// Its time.
    pub parameters: Parameters,
    /// 0 where its contract names no maximum.
    pub memory_max_bytes: u64,
    /// Of its contract, or what the compiler found.
    pub stack_bytes: Option<u64>,
    /// Why its stack has no bound, and its contract none either.
    pub unbounded: Option<String>,
}

/// The apps of a command line.
pub fn all(
    inputs: &[PathBuf],
    manifest: Option<&Path>,
    compiler: &CompilerArguments,
) -> Result<Vec<App>> {
    let mut apps: Vec<App> = Vec::new();
    for input in inputs.iter().map(Input::from) {
        let mut app = one(&input, manifest, compiler)?;
        let taken = |name: &str| apps.iter().any(|app| app.name == name);
        app.name = crate::system::distinct(&app.name, taken);
        apps.push(app);
    }
    Ok(apps)
}

fn one(input: &Input, manifest: Option<&Path>, compiler: &CompilerArguments) -> Result<App> {
    let file = || input.file.display().to_string();
    if input.file.extension().is_some_and(|ext| ext == "toml") {
        if input.manifest.is_some() {
            bail!("{}: a manifest has no manifest", file());
        }
        let record = manifest::record(&input.file)?;
        let contract = manifest::contract(&record)?;
        return Ok(app(&input.file, &contract));
    }
    let options = compiler.options("main")?;
    let bytes = object_with(&input.file, &options)?;
    let object = Object::parse_for(&bytes, options.target);
    let object = object.map_err(|error| anyhow!("{}: {error}", file()))?;
    let record = match input.manifest.as_deref().or(manifest) {
        Some(path) => {
            let record = manifest::record(path)?;
            manifest::check(&record, &[("", &bytes)], options.target)
                .with_context(|| format!("{}, for {}", path.display(), file()))?;
            Some(record)
        }
        None => None,
    };
    let own = object.contract().copied();
    let given = record.as_deref().map(manifest::contract).transpose()?;
    let contract = given.or(own).with_context(|| {
        format!(
            "{} has no contract; build it with --manifest, or name one: {0}@MANIFEST",
            file()
        )
    })?;
    let mut app = app(&input.file, &contract);
    if app.stack_bytes.is_none() {
        match manifest::stack_bound(&object, &contract) {
            Ok(bytes) => app.stack_bytes = Some(bytes),
            Err(why) if contract.class != Class::Background => {
                app.unbounded = Some(format!("{}: {} is missing: {why}", app.name, field::STACK));
            }
            Err(_) => {}
        }
    }
    Ok(app)
}

fn app(file: &Path, contract: &Contract<'_>) -> App {
    let name = match contract.name {
        "" => program_name(file),
        name => name.to_owned(),
    };
    App {
        name,
        parameters: Parameters::of(contract),
        memory_max_bytes: contract.memory_max_bytes,
        stack_bytes: Some(contract.stack_bytes).filter(|&bytes| bytes != 0),
        unbounded: None,
    }
}
