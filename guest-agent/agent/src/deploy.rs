// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-agent deploy`: an object and what is said about it on its way to the loader, and with
//! `--run` the program's output and its exit status back.

use crate::failure::{Failure, INTERRUPTED, status};
use crate::session::{Session, strange};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fs::File;
use std::io::{IsTerminal, Read, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasm_aot_contract::manifest;
use wasm_aot_protocol::Code;
use wasm_aot_protocol::client::{Outcome, Upload};
use wasm_aot_protocol::message::{
    AppId, Body, List, LogRecord, MAX_LISTS, MAX_OBJECT, Operation, Request, Stream, flags,
};
use wasm_aot_trust::statement::{MAX_FILE, MAX_STATEMENT, read_file};
use wasm_aot_trust::{Hex, Id, Statement, hash};

/// How long the loader may take to have something said, milliseconds; then it is asked again.
const LOG_WAIT_MS: u32 = 10_000;
/// How long one waits for a place at the loader, and between two attempts.
const BUSY_LIMIT: Duration = Duration::from_secs(30);
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// Ship an object to the loader and start it there.
#[derive(Args)]
pub struct Deploy {
    /// The object, made by `wasm-aot build`.
    file: PathBuf,
    /// The program's arguments.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    arguments: Vec<String>,
    /// Behave like the program: its output, its errors and its exit status are this command's.
    #[arg(long, conflicts_with_all = ["json", "no_start"])]
    run: bool,
    /// The app's name; otherwise that of the signature, or the file's.
    #[arg(long)]
    name: Option<String>,
    /// The app's version, of what is not signed; otherwise the seconds since 1970.
    #[arg(long, value_name = "NUMBER")]
    version: Option<u64>,
    /// The signature; otherwise FILE.sig, if there is one.
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Without a signature, even if there is one: for images that allow it.
    #[arg(long, conflicts_with = "signature")]
    unsigned: bool,
    /// The contract, of what is not signed, in place of the object's.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["period", "deadline", "budget"])]
    manifest: Option<PathBuf>,
    /// From release to release, of what is not signed: microseconds, or with a unit (`2 ms`).
    #[arg(long, value_name = "TIME", requires = "budget")]
    period: Option<String>,
    /// From a release to when its job has to be done; otherwise the period.
    #[arg(long, value_name = "TIME", requires = "period")]
    deadline: Option<String>,
    /// Processor time in each period.
    #[arg(long, value_name = "TIME", requires = "period")]
    budget: Option<String>,
    /// One more argument of the program, before the others.
    #[arg(long = "arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    more_arguments: Vec<String>,
    /// A variable of the program's environment.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// Start it again when it has trapped, whatever its contract says.
    #[arg(long)]
    restart: bool,
    /// Only load it.
    #[arg(long)]
    no_start: bool,
    /// No progress bar.
    #[arg(short, long)]
    quiet: bool,
}

impl Deploy {
    /// Whether the exit status is the program's.
    pub fn is_program(&self) -> bool {
        self.run
    }

    fn flags(&self) -> u32 {
        let set = |on, flag| if on { flag } else { 0 };
        set(!self.no_start, flags::START)
            | set(self.restart, flags::RESTART)
            | set(self.run, flags::TEMPORARY)
    }
}

pub fn main(session: &mut Session, deploy: &Deploy, as_json: bool) -> Result<u8, Failure> {
    let object = read(&deploy.file, MAX_OBJECT)?;
    let statement = statement(deploy, &object)?;
    let (mut first, mut second) = ([0; MAX_LISTS], [0; MAX_LISTS]);
    let arguments = deploy.more_arguments.iter().chain(&deploy.arguments);
    let arguments = list(arguments, "arguments", &mut first)?;
    let environment = list(deploy.environment.iter(), "environment", &mut second)?;
    if let Some(wrong) = deploy.environment.iter().find(|text| !text.contains('=')) {
        return Err(anyhow!("--env {wrong}: NAME=VALUE is expected").into());
    }
    let begin = Instant::now();
    let again = || Upload::new(&statement, arguments, environment, deploy.flags());
    let mut upload = again();
    let mut not_before = begin;
    let bar = bar(deploy, object.len() as u64);
    let app = session.until(|session| {
        if Instant::now() < not_before {
            return Ok(None);
        }
        let outcome = upload.poll(&mut session.client, &object);
        if let Some(bar) = &bar {
            bar.set_position(upload.progress().0);
            if upload.is_committing() {
                bar.set_message("checked");
            }
        }
        match outcome {
            Outcome::Working => Ok(None),
            Outcome::Done(app) => Ok(Some(app)),
            Outcome::Refused(refusal)
                if refusal.code == Code::BUSY && begin.elapsed() < BUSY_LIMIT =>
            {
                // Others are on their way: one waits for one's turn.
                upload = again();
                not_before = Instant::now() + BUSY_PAUSE;
                Ok(None)
            }
            Outcome::Refused(refusal) => Err(refusal.into()),
        }
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let app = app?;
    if deploy.run {
        return run(session, app);
    }
    let (bytes, _) = read_file(&statement).unwrap_or((&statement, [0; 64]));
    let said = Statement::read(bytes).map_err(anyhow::Error::from)?;
    let sha256 = Hex(&said.object);
    let seconds = begin.elapsed().as_secs_f64();
    if as_json {
        let report = json!({
            "app": app.to_string(), "name": said.name, "version": said.version,
            "sha256": sha256.to_string(), "length_bytes": said.length_bytes,
            "signed": said.key != Id::NONE, "seconds": seconds,
            "interruptions": upload.interruptions(),
        });
        println!("{report}");
    } else {
        println!(
            "{} {app}, version {}, sha256 {sha256}",
            said.name, said.version
        );
    }
    Ok(0)
}

/// The contents of a file, at most so many bytes.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    let mut bytes = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    read.with_context(cannot)?;
    if bytes.len() as u64 > limit {
        bail!("{}: it has more than {limit} bytes", path.display());
    }
    Ok(bytes)
}

/// What is said about the object, with its signature or without.
fn statement(deploy: &Deploy, object: &[u8]) -> Result<Vec<u8>> {
    let beside = {
        let mut name = deploy.file.as_os_str().to_owned();
        name.push(".sig");
        PathBuf::from(name)
    };
    let file = match &deploy.signature {
        Some(file) => Some(file),
        None if !deploy.unsigned && beside.exists() => Some(&beside),
        None => None,
    };
    match file {
        Some(file) => signed(deploy, object, file),
        None => unsigned(deploy, object),
    }
}

fn signed(deploy: &Deploy, object: &[u8], file: &Path) -> Result<Vec<u8>> {
    let bytes = read(file, MAX_FILE as u64)?;
    let context = || format!("{} is no signature", file.display());
    let (statement, _) = read_file(&bytes).with_context(context)?;
    let statement = Statement::read(statement).with_context(context)?;
    let contract = deploy.manifest.is_some() || deploy.period.is_some();
    if deploy.version.is_some() || contract {
        bail!(
            "{} says which version and which contract it is: sign others with `wasm-aot sign`, or \
             deploy without it (--unsigned)",
            file.display()
        );
    }
    if let Some(name) = &deploy.name
        && name != statement.name
    {
        bail!("{} is for an app `{}`", file.display(), statement.name);
    }
    if object.len() as u64 != statement.length_bytes {
        // The loader decides; this is only known too early to be sent.
        bail!(
            "{} has {} bytes, its signature is for an object of {}",
            deploy.file.display(),
            object.len(),
            statement.length_bytes
        );
    }
    Ok(bytes)
}

fn unsigned(deploy: &Deploy, object: &[u8]) -> Result<Vec<u8>> {
    let contract = contract(deploy)?;
    let stem = deploy.file.file_stem().unwrap_or_default();
    let name = deploy.name.clone();
    let name = name.unwrap_or_else(|| stem.to_string_lossy().into_owned());
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.context("the clock is before 1970")?.as_secs();
    let statement = Statement {
        key: Id::NONE,
        object: hash(object),
        length_bytes: object.len() as u64,
        version: deploy.version.unwrap_or(now),
        not_before_s: 0,
        expires_s: 0,
        name: &name,
        contract: &contract,
    };
    let mut buffer = [0; MAX_STATEMENT];
    let context = || format!("`{name}` cannot be deployed (--name gives it another name)");
    Ok(statement.write(&mut buffer).with_context(context)?.to_vec())
}

/// The record of the contract on the command line; none: the object's.
fn contract(deploy: &Deploy) -> Result<Vec<u8>> {
    if let Some(file) = &deploy.manifest {
        let text = read(file, 1 << 20)?;
        return manifest::record(&text).map_err(|error| anyhow!("{}: {error}", file.display()));
    }
    if deploy.period.is_none() {
        return Ok(Vec::new());
    }
    let mut text = "[time]\n".to_string();
    let times = [
        ("period", &deploy.period),
        ("deadline", &deploy.deadline),
        ("budget", &deploy.budget),
    ];
    for (field, time) in times {
        let Some(time) = time else {
            continue;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || " .".contains(c);
        if !time.chars().all(plain) {
            bail!("--{field} {time}: a number and a unit are expected, such as `2 ms`");
        }
        match time.parse::<u64>() {
            Ok(microseconds) => text += &format!("{field}_us = {microseconds}\n"),
            Err(_) => text += &format!("{field} = \"{time}\"\n"),
        }
    }
    manifest::record(text.as_bytes())
        .map_err(|error| anyhow!("--period, --deadline, --budget: {error}"))
}

fn list<'a, 'b>(
    strings: impl Iterator<Item = &'a String>,
    what: &str,
    buffer: &'b mut [u8],
) -> Result<List<'b>> {
    List::pack(strings.map(|string| string.as_bytes()), buffer)
        .with_context(|| format!("the {what} take more than {MAX_LISTS} bytes, or have a NUL"))
}

fn bar(deploy: &Deploy, length: u64) -> Option<ProgressBar> {
    let style = "{msg:8} [{bar:40}] {bytes}/{total_bytes}, {bytes_per_sec}";
    let style = ProgressStyle::with_template(style).ok()?;
    (!deploy.quiet && stderr().is_terminal()).then(|| {
        let bar = ProgressBar::new(length).with_message("sent");
        bar.with_style(style.progress_chars("=> "))
    })
}

/// Passes on what the program says and how it ends, and removes it.
fn run(session: &mut Session, app: AppId) -> Result<u8, Failure> {
    let mut position = 0;
    let ended = follow(session, app, &mut position, true).and_then(|()| end(session, app));
    if matches!(ended, Err(Failure::Interrupted)) {
        session.clear_interrupt();
        // What it had to say until then is said.
        command(session, app, Operation::Kill)?;
        follow(session, app, &mut position, false)?;
        command(session, app, Operation::Remove)?;
        return Ok(INTERRUPTED);
    }
    let ended = ended?;
    command(session, app, Operation::Remove)?;
    Ok(ended)
}

/// Does something with an app.
///
/// # Errors
/// Where the loader refuses it.
pub fn command(session: &mut Session, app: AppId, operation: Operation) -> Result<(), Failure> {
    session
        .ask(&Request::Command { app, operation })
        .map(|_| ())
}

/// Waits until an app has ended; the exit status that this is.
///
/// # Errors
/// Where that cannot be known.
pub fn end(session: &mut Session, app: AppId) -> Result<u8, Failure> {
    match session.ask(&Request::Wait { app })?.body()? {
        Body::Ended { exit } => Ok(status(exit)),
        _ => Err(strange()),
    }
}

/// Passes on what an app has said from a position on, and with `wait` what it says until it ends;
/// moves the position behind it.
///
/// # Errors
/// Where it cannot be asked for.
pub fn follow(
    session: &mut Session,
    app: AppId,
    position: &mut u64,
    wait: bool,
) -> Result<(), Failure> {
    loop {
        let request = Request::Log {
            app,
            from: *position,
            wait_ms: if wait { LOG_WAIT_MS } else { 0 },
        };
        let reply = session.ask(&request)?;
        let Body::Log {
            from,
            next,
            end,
            records,
        } = reply.body()?
        else {
            return Err(strange());
        };
        if from > *position {
            eprintln!(
                "wasm-agent: {} bytes of its output are lost",
                from - *position
            );
        }
        let there_was_more = next > *position;
        for record in records.iter::<LogRecord<'_>>() {
            say(&record)?;
        }
        *position = next.max(*position);
        if end || !(wait || there_was_more) {
            return Ok(());
        }
    }
}

fn say(record: &LogRecord<'_>) -> Result<(), Failure> {
    let written = match record.stream {
        Stream::Output => {
            let mut out = stdout().lock();
            out.write_all(record.bytes.0).and_then(|()| out.flush())
        }
        Stream::Error | Stream::System => stderr().lock().write_all(record.bytes.0),
    };
    Ok(written?)
}
