// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot keygen`, `sign`, `verify`: who may deploy what. What is accepted is decided by the
//! code that the loader has (`wasm-aot-trust`).

use crate::{files, manifest};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use wasm_aot_compiler::inspect;
use wasm_aot_trust::statement::{MAX_FILE, name_is_valid, read_file};
use wasm_aot_trust::{Hex, Id, Installed, KeyRecord, Policy, Roles, Statement, hash, pem, sign};

/// Seconds of a day.
const DAY_S: u64 = 24 * 60 * 60;

/// Make a key to sign with: the private key in FILE (mode 0600), the public one in FILE.pub.
#[derive(Args)]
pub struct Keygen {
    /// The private key; it must not exist yet.
    file: PathBuf,
    /// The public key.
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
}

pub fn keygen(arguments: &Keygen) -> Result<ExitCode> {
    let private = &arguments.file;
    let public = arguments.public.clone();
    let public = public.unwrap_or_else(|| with_suffix(private, ".pub"));
    if public.exists() {
        bail!("{} exists: it is not written over", public.display());
    }
    let key = pem::generate().context("the system gives no random numbers")?;
    let cannot = |path: &Path| format!("cannot write {}", path.display());
    pem::write_private(private, &key).with_context(|| cannot(private))?;
    pem::write_public(&public, &key.verifying_key()).with_context(|| cannot(&public))?;
    println!("{}", Id::of(&key.verifying_key().to_bytes()));
    Ok(ExitCode::SUCCESS)
}

/// Sign an object for deployment; the signature is a file beside it.
#[derive(Args)]
pub struct Sign {
    /// The object.
    object: PathBuf,
    /// The private key, Ed25519 in PEM (PKCS #8), which nobody else may read.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The app's name, under which it replaces its older versions. Otherwise that of its contract,
    /// or the file's name.
    #[arg(long)]
    name: Option<String>,
    /// The app's version: larger than any that was deployed before. Otherwise the seconds since
    /// 1970.
    #[arg(long, value_name = "NUMBER")]
    version: Option<u64>,
    /// A contract that counts in place of the object's.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// It is accepted from this time on, in seconds since 1970.
    #[arg(long, value_name = "SECONDS")]
    not_before: Option<u64>,
    /// It is accepted until this time, in seconds since 1970.
    #[arg(long, value_name = "SECONDS", conflicts_with = "valid_days")]
    expires: Option<u64>,
    /// It is accepted for so many days from now, or from --not-before, on.
    #[arg(long, value_name = "DAYS")]
    valid_days: Option<u64>,
    /// The signature; otherwise OBJECT.sig.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print what was signed as JSON.
    #[arg(long)]
    json: bool,
}

pub fn sign(arguments: &Sign) -> Result<ExitCode> {
    let path = &arguments.object;
    let object = files::read(path)?;
    // What is no object is refused here and not on the day on which it is needed.
    inspect::inspect(&object).with_context(|| path.display().to_string())?;
    let contract = match &arguments.manifest {
        Some(file) => manifest::record(file)?,
        None => Vec::new(),
    };
    let name = name(arguments, &contract)?;
    let now = now_s()?;
    let not_before = arguments.not_before.unwrap_or(0);
    let days = arguments.valid_days.map(|days| {
        let from = arguments.not_before.unwrap_or(now);
        days.saturating_mul(DAY_S).saturating_add(from)
    });
    let statement = Statement {
        key: Id::NONE,
        object: hash(&object),
        length_bytes: object.len() as u64,
        version: arguments.version.unwrap_or(now),
        not_before_s: not_before,
        expires_s: arguments.expires.or(days).unwrap_or(0),
        name: &name,
        contract: &contract,
    };
    let key = pem::read_private(&arguments.key)
        .with_context(|| format!("cannot use the key {}", arguments.key.display()))?;
    let file = sign::sign(&statement, &key).context("this cannot be signed")?;
    let output = arguments.output.clone();
    let output = output.unwrap_or_else(|| with_suffix(path, ".sig"));
    files::write(&output, &file, false)?;
    if arguments.json {
        print(&file, true)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The name on the command line, that of the contract, or that of the file.
fn name(arguments: &Sign, contract: &[u8]) -> Result<String> {
    let of_contract = match contract {
        [] => String::new(),
        record => manifest::contract(record)?.name.to_string(),
    };
    let stem = arguments.object.file_stem().unwrap_or_default();
    let name = match (&arguments.name, of_contract) {
        (Some(name), _) => name.clone(),
        (None, name) if !name.is_empty() => name,
        (None, _) => stem.to_string_lossy().into_owned(),
    };
    if !name_is_valid(&name) {
        bail!(
            "`{name}` cannot be an app's name ({}): give another one with --name",
            wasm_aot_trust::Malformed::Name
        );
    }
    Ok(name)
}

/// Decide about an object and its signature as the loader would.
#[derive(Args)]
pub struct Verify {
    /// The object.
    object: PathBuf,
    /// The signature; otherwise OBJECT.sig.
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// A public key that is accepted, Ed25519 in PEM (SPKI), and its roles (`deploy`, `operate`,
    /// with commas between them; otherwise `deploy`). May be repeated.
    #[arg(long = "key", value_name = "FILE[=ROLES]", required = true)]
    keys: Vec<String>,
    /// The version that was deployed last.
    #[arg(long, value_name = "NUMBER")]
    installed: Option<u64>,
    /// The largest object that is accepted, bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_bytes: u64,
    /// Decide as if it was this time, in seconds since 1970.
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub fn verify(arguments: &Verify) -> Result<ExitCode> {
    let keys: Vec<KeyRecord> = arguments
        .keys
        .iter()
        .map(|key| public_key(key))
        .collect::<Result<_>>()?;
    let object = files::read(&arguments.object)?;
    let signature = arguments.signature.clone();
    let signature = signature.unwrap_or_else(|| with_suffix(&arguments.object, ".sig"));
    let file = files::read(&signature)?;
    let context = || format!("{} is refused", arguments.object.display());
    decide(arguments, &keys, &object, &file).with_context(context)?;
    print(&file, arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

/// The loader's decision, in the loader's order.
fn decide(arguments: &Verify, keys: &[KeyRecord], object: &[u8], file: &[u8]) -> Result<()> {
    if file.len() > MAX_FILE {
        bail!(
            "malformed signature file: it has {} bytes, at most {MAX_FILE}",
            file.len()
        );
    }
    let (bytes, signature) = read_file(file).context("malformed signature file")?;
    let policy = Policy {
        keys,
        unsigned: false,
        max_object_bytes: arguments.max_bytes,
    };
    let now = match arguments.at {
        Some(at) => at,
        None => now_s()?,
    };
    let statement = wasm_aot_trust::verify(bytes, Some(&signature), &policy, Some(now))?;
    let installed = arguments.installed.map(|version| Installed { version });
    statement.check_version(installed)?;
    statement.check_object(object.len() as u64, hash(object))?;
    Ok(())
}

/// `FILE` or `FILE=ROLES`; a file that is called all of it comes first.
fn public_key(argument: &str) -> Result<KeyRecord> {
    let (file, roles) = match argument.rsplit_once('=') {
        Some((file, roles)) if !Path::new(argument).exists() => (file, roles),
        _ => (argument, "deploy"),
    };
    let roles = Roles::parse(roles)
        .with_context(|| format!("`{roles}` are no roles: `deploy`, `operate`, or both"))?;
    let key = pem::read_public(Path::new(file)).with_context(|| format!("the key {file}"))?;
    Ok(KeyRecord::new(key.to_bytes(), roles))
}

/// What a signature file says.
#[derive(Serialize)]
struct Report {
    name: String,
    version: u64,
    sha256: String,
    length_bytes: u64,
    key: String,
    not_before_s: Option<u64>,
    expires_s: Option<u64>,
    contract: bool,
}

fn print(file: &[u8], json: bool) -> Result<()> {
    let (bytes, _) = read_file(file)?;
    let statement = Statement::read(bytes)?;
    let bound = |seconds| (seconds != 0).then_some(seconds);
    let report = Report {
        name: statement.name.into(),
        version: statement.version,
        sha256: Hex(&statement.object).to_string(),
        length_bytes: statement.length_bytes,
        key: statement.key.to_string(),
        not_before_s: bound(statement.not_before_s),
        expires_s: bound(statement.expires_s),
        contract: !statement.contract.is_empty(),
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "app         {}, version {}", self.name, self.version)?;
        writeln!(f, "sha256      {}", self.sha256)?;
        writeln!(f, "length      {} bytes", self.length_bytes)?;
        writeln!(f, "key         {}", self.key)?;
        if let Some(not_before) = self.not_before_s {
            writeln!(f, "not before  {not_before} s since 1970")?;
        }
        if let Some(expires) = self.expires_s {
            writeln!(f, "expires     {expires} s since 1970")?;
        }
        let contract = if self.contract {
            "in the signature"
        } else {
            "the object's"
        };
        writeln!(f, "contract    {contract}")
    }
}

fn now_s() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(now.context("the clock is before 1970")?.as_secs())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
