// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where what apps and the root task say goes: as frames to a host, or as text to the console.

use crate::serial::{CHANNEL, CONSOLE};
use core::fmt::{self, Write};
use sel4_boot::frame::{self, Kind};
use wasm_aot_schedule::report::Report;

/// The bundle's choice.
#[derive(Clone, Copy)]
pub struct Output {
    /// Somebody decodes frames on the second serial port.
    pub hosted: bool,
}

/// Text on its way into frames.
struct Text {
    output: Output,
    kind: Kind,
    app: u16,
    bytes: [u8; frame::MAX_PAYLOAD],
    length: usize,
    /// What does not fit a frame goes into further ones; otherwise it is cut off.
    continued: bool,
}

impl Text {
    fn flush(&mut self) {
        let payload = &self.bytes[..self.length];
        self.output.frame(self.kind, self.app, payload);
        self.length = 0;
    }
}

impl Write for Text {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        loop {
            let cut = text.floor_char_boundary(self.bytes.len() - self.length);
            let (now, rest) = text.split_at(cut);
            self.bytes[self.length..self.length + cut].copy_from_slice(now.as_bytes());
            self.length += cut;
            if rest.is_empty() || !self.continued {
                return Ok(());
            }
            self.flush();
            text = rest;
        }
    }
}

impl Output {
    fn frame(self, kind: Kind, app: u16, payload: &[u8]) {
        CHANNEL.write(&frame::header(kind, app, payload.len()));
        CHANNEL.write(payload);
    }

    /// Bytes of an app's standard output or standard error.
    pub fn stream(self, kind: Kind, app: u16, bytes: &[u8]) {
        if !self.hosted {
            CONSOLE.write(bytes);
            return;
        }
        for payload in bytes.chunks(frame::MAX_PAYLOAD) {
            self.frame(kind, app, payload);
        }
    }

    /// Asks the host for standard input.
    pub fn ask(self, bytes: usize) {
        let bytes = (bytes as u32).to_le_bytes();
        self.frame(Kind::Input, frame::NO_APP, &bytes);
    }

    /// What came of steps of a script, in pieces that belong together.
    pub fn outcomes(self, app: u16, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        if length > frame::MAX_PAYLOAD {
            for part in parts {
                self.stream(Kind::Outcomes, app, part);
            }
            return;
        }
        CHANNEL.write(&frame::header(Kind::Outcomes, app, length));
        parts.iter().for_each(|part| CHANNEL.write(part));
    }

    /// A message about an app, or in the name of the root task.
    pub fn text(self, kind: Kind, app: u16, text: fmt::Arguments<'_>) {
        if !self.hosted {
            let prefix = if kind == Kind::Refused { "error: " } else { "" };
            CONSOLE.print(format_args!("{prefix}{text}\n"));
            return;
        }
        // A backtrace may be long; the host puts its pieces together.
        let report = matches!(kind, Kind::Trap | Kind::Refused);
        let mut frames = Text {
            output: self,
            kind,
            app,
            bytes: [0; frame::MAX_PAYLOAD],
            length: 0,
            continued: report,
        };
        let _ = frames.write_fmt(text);
        if report {
            let _ = frames.write_str("\n");
        }
        frames.flush();
    }

    /// An app that has trapped goes on, or will be back.
    pub fn continued(self, app: u16) {
        if self.hosted {
            self.frame(Kind::Continued, app, &[]);
        }
    }

    /// What became of an app.
    pub fn report(self, name: &str, report: &Report) {
        if self.hosted {
            self.frame(Kind::Report, report.app(), report.as_bytes());
        } else {
            CONSOLE.print(format_args!("{}\n", Line(name, report)));
        }
    }

    /// An app has ended.
    pub fn exit(self, app: u16, name: &str, code: i32) {
        if self.hosted {
            self.frame(Kind::Exit, app, &code.to_le_bytes());
        } else {
            CONSOLE.print(format_args!("sel4-loader: {name}: exit code {code}\n"));
        }
    }
}

/// A report as a line of text.
struct Line<'r>(&'r str, &'r Report);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, report) = self;
        let times = [report.response(), report.jitter(), report.execution()];
        let [response, jitter, execution] = times.map(|histogram| histogram.max_ns());
        write!(
            f,
            "{name}: {} releases, {} done, {} missed, {} skipped, {} overruns, {} traps, {} restarts; \
             response {response} ns, jitter {jitter} ns, execution {execution} ns, budget cut {} ns \
             late (maxima); memory {} bytes, stack {} of {} bytes",
            report.releases(),
            report.completions(),
            report.misses(),
            report.skipped(),
            report.overruns(),
            report.traps(),
            report.restarts(),
            report.cut_lateness_max_ns(),
            report.memory_high_bytes(),
            report.stack_high_bytes(),
            report.stack_bound_bytes(),
        )
    }
}
