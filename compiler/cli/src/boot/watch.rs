// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a machine says while it runs: passed on line by line, and kept for the end.

use sel4_host::Events;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::time::Instant;
use wasm_aot_schedule::Report;

/// Bytes of a line before it is passed on without its end.
const LINE: usize = 64 << 10;
/// Bytes of an app's stream that are kept for `--json`.
const KEPT: usize = 1 << 20;
/// Reports of traps of an app that are kept, and shown unless all are asked for.
const TRAPS: usize = 3;
/// Colours of names: none is that of errors.
const COLOURS: [u8; 5] = [36, 33, 32, 35, 34];

/// A stream of an app.
#[derive(Default)]
pub struct Stream {
    /// The beginning of it, for `--json`.
    pub kept: Vec<u8>,
    /// Bytes of all of it.
    pub bytes: u64,
    line: Vec<u8>,
}

/// What was seen of an app.
#[derive(Default)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// Standard output.
    pub stdout: Stream,
    /// Standard error.
    pub stderr: Stream,
    /// Reports of its first traps.
    pub traps: Vec<String>,
    /// How many there were.
    pub trap_count: u64,
    /// Why it was not run.
    pub refused: Option<String>,
    /// The last report.
    pub report: Option<Box<Report>>,
    /// Why a report could not be read.
    pub damaged: Option<String>,
    /// Its exit code, when it has ended.
    pub exit_code: Option<i32>,
}

/// Passes on what the machine says.
pub struct Watch {
    apps: BTreeMap<u16, Seen>,
    json: bool,
    verbose: bool,
    begin: Instant,
    /// Whether the streams are terminals that show colours: output, error.
    coloured: [bool; 2],
    /// Characters of the longest name.
    width: usize,
    /// A reader of our output has gone away.
    closed: bool,
}

/// Where a line goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Stdout,
    Stderr,
}

impl Watch {
    /// Of a machine with these apps.
    pub fn new(names: Vec<String>, json: bool, verbose: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminals = [io::stdout().is_terminal(), io::stderr().is_terminal()];
        let width = names.iter().map(|name| name.chars().count()).max();
        let seen = |name| Seen {
            name,
            ..Seen::default()
        };
        Self {
            apps: (0..).zip(names.into_iter().map(seen)).collect(),
            json,
            verbose,
            begin: Instant::now(),
            coloured: terminals.map(|terminal| terminal && !plain),
            width: width.unwrap_or(0).min(24),
            closed: false,
        }
    }

    /// What was seen of each app.
    pub fn finish(mut self) -> Vec<Seen> {
        for app in self.apps.keys().copied().collect::<Vec<_>>() {
            self.flush(app);
        }
        self.apps.into_values().collect()
    }

    fn app(&mut self, app: u16) -> &mut Seen {
        self.apps.entry(app).or_insert_with(|| Seen {
            name: format!("app {app}"),
            ..Seen::default()
        })
    }

    fn write(&mut self, to: To, bytes: &[u8]) {
        let written = match to {
            To::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            To::Stderr => io::stderr().lock().write_all(bytes),
        };
        self.closed |= written.is_err();
    }

    /// Passes on a line of an app, without its end.
    fn line(&mut self, to: To, app: u16, line: &[u8]) {
        if self.json {
            return;
        }
        let (width, coloured) = (self.width, self.coloured[to as usize]);
        let name = &self.app(app).name;
        let prefix = match coloured {
            true => {
                let colour = COLOURS[usize::from(app) % COLOURS.len()];
                format!("\x1b[{colour}m{name:<width$} |\x1b[0m ")
            }
            false => format!("{name:<width$} | "),
        };
        let bytes = [prefix.as_bytes(), line, b"\n"].concat();
        self.write(to, &bytes);
    }

    /// A line about an app, on standard error.
    fn remark(&mut self, app: u16, text: &str) {
        let text = match self.coloured[To::Stderr as usize] {
            true => format!("\x1b[31m{text}\x1b[0m"),
            false => text.to_owned(),
        };
        self.line(To::Stderr, app, text.as_bytes());
    }

    fn stream(seen: &mut Seen, to: To) -> &mut Stream {
        match to {
            To::Stdout => &mut seen.stdout,
            To::Stderr => &mut seen.stderr,
        }
    }

    fn output(&mut self, to: To, app: u16, bytes: &[u8]) {
        let json = self.json;
        let stream = Self::stream(self.app(app), to);
        stream.bytes += bytes.len() as u64;
        if json {
            let room = KEPT.saturating_sub(stream.kept.len()).min(bytes.len());
            stream.kept.extend_from_slice(&bytes[..room]);
            return;
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let stream = Self::stream(self.app(app), to);
            stream.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                stream.line.pop();
            } else if stream.line.len() < LINE {
                continue;
            }
            let line = std::mem::take(&mut stream.line);
            self.line(to, app, &line);
        }
    }

    /// Passes on lines without an end.
    fn flush(&mut self, app: u16) {
        for to in [To::Stdout, To::Stderr] {
            let line = std::mem::take(&mut Self::stream(self.app(app), to).line);
            if !line.is_empty() {
                self.line(to, app, &line);
            }
        }
    }

    fn note(&mut self, text: &str) {
        if self.verbose {
            let seconds = self.begin.elapsed().as_secs_f64();
            let line = format!("[{seconds:.3} s] {}\n", text.trim_end());
            self.write(To::Stderr, line.as_bytes());
        }
    }
}

impl Events for Watch {
    fn stdout(&mut self, app: u16, bytes: &[u8]) {
        self.output(To::Stdout, app, bytes);
    }

    fn stderr(&mut self, app: u16, bytes: &[u8]) {
        self.output(To::Stderr, app, bytes);
    }

    fn trap(&mut self, app: u16, report: &str) {
        self.flush(app);
        let seen = self.app(app);
        seen.trap_count += 1;
        if seen.traps.len() < TRAPS {
            seen.traps.push(report.trim_end().to_owned());
        }
        let count = seen.trap_count;
        if self.verbose || count <= TRAPS as u64 {
            for line in report.trim_end().lines() {
                self.remark(app, line);
            }
        } else if count == TRAPS as u64 + 1 {
            self.remark(
                app,
                "it traps again: from here on counted only (-v shows all)",
            );
        }
    }

    fn refused(&mut self, app: u16, why: &str) {
        // It is about the app that it names.
        let named = format!("{}: ", self.app(app).name);
        let why = why.trim_end();
        let why = why.strip_prefix(&named).unwrap_or(why);
        self.app(app).refused = Some(why.to_owned());
        self.remark(app, &format!("refused: {why}"));
    }

    fn report(&mut self, app: u16, record: &[u8]) {
        match Report::parse(record) {
            Ok(report) => self.app(app).report = Some(Box::new(*report)),
            Err(error) => {
                let error = error.to_string();
                self.remark(app, &error);
                self.app(app).damaged = Some(error);
            }
        }
    }

    fn exit(&mut self, app: u16, code: i32) {
        self.flush(app);
        self.app(app).exit_code = Some(code);
        let name = self.app(app).name.clone();
        self.note(&format!("{name}: exit code {code}"));
    }

    fn input(&mut self) -> Option<Box<dyn Read + Send>> {
        // Unbuffered: what no app asks for is left to whoever comes after it.
        let stdin = io::stdin().as_fd().try_clone_to_owned().ok()?;
        Some(Box::new(File::from(stdin)))
    }

    fn log(&mut self, text: &str) {
        self.note(text);
    }

    fn console(&mut self, bytes: &[u8]) {
        if self.verbose {
            self.write(To::Stderr, bytes);
        }
    }

    fn closed(&self) -> bool {
        self.closed
    }
}
