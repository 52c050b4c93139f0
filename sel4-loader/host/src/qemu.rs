// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Boots an image in QEMU and gives what it says to the caller as it comes.
//!
//! The first serial port (the console) is QEMU's standard error, the second one (the host
//! channel) its standard output: no sockets, no files, and nothing survives this process.

use sel4_boot::frame::{Decoder, Kind, MAX_INPUT, NO_APP};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long QEMU may take to end after the root task said that it is done.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// How long kernel and root task may take until the root task speaks: a hundred times what they
/// take. A machine with too little memory stops without a word.
const BOOT: Duration = Duration::from_secs(30);

/// What all ways to start QEMU share: machine, processor, the device that ends it.
const MACHINE: &str = "-M q35 -accel tcg -cpu max -display none -no-reboot -nodefaults -device \
                       isa-debug-exit,iobase=0xf4,iosize=4";

/// What makes time follow the instructions: 2^3 ns each.
const ICOUNT: [&str; 2] = ["-icount", "shift=3,sleep=off"];

/// How to boot.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// The program.
    pub program: PathBuf,
    /// Memory of the machine in MiB.
    pub memory_mib: u32,
    /// Time is counted in instructions (`-icount`): 8 ns each, and none passes while the machine
    /// sleeps until a timer. Runs repeat exactly; the time has nothing to do with this machine's.
    pub icount: bool,
    /// More of the machine, as QEMU's options say it: devices for apps.
    pub options: Vec<String>,
    /// After this long QEMU is ended and [`QemuError::Timeout`] returned.
    pub timeout: Option<Duration>,
}

impl Default for Qemu {
    fn default() -> Self {
        Self {
            program: "qemu-system-x86_64".into(),
            memory_mib: 512,
            icount: false,
            options: Vec::new(),
            timeout: None,
        }
    }
}

/// Receives what the image says, in order, while it runs.
#[allow(unused_variables)]
pub trait Events {
    /// An app wrote to its standard output.
    fn stdout(&mut self, app: u16, bytes: &[u8]) {}
    /// An app wrote to its standard error.
    fn stderr(&mut self, app: u16, bytes: &[u8]) {}
    /// Outcomes of a test script's steps, as they come (`wasm-aot-script`).
    fn outcomes(&mut self, app: u16, bytes: &[u8]) {}
    /// An app trapped; the report ends with a newline.
    fn trap(&mut self, app: u16, report: &str) {}
    /// An app could not be run; the text says why, and ends with a newline.
    fn refused(&mut self, app: u16, why: &str) {}
    /// A piece of the archive of an app's directories; [`Events::exit`] follows.
    fn archive(&mut self, app: u16, bytes: &[u8]) {}
    /// Where standard input comes from, asked once; without it, it is at its end. It is read from
    /// when an app asks for it, on a thread of its own.
    fn input(&mut self) -> Option<Box<dyn Read + Send>> {
        None
    }
    /// What an app has done so far: a record of `wasm-aot-schedule`.
    fn report(&mut self, app: u16, record: &[u8]) {}
    /// An app has ended.
    fn exit(&mut self, app: u16, code: i32) {}
    /// A line of the root task's log.
    fn log(&mut self, text: &str) {}
    /// Bytes of the console, the first serial port: kernel and root task.
    fn console(&mut self, bytes: &[u8]) {}
    /// Whether nobody listens any more; then QEMU is ended.
    fn closed(&self) -> bool {
        false
    }
}

/// What came of a run in which the root task finished.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Exit codes of the apps, by their index in the bundle.
    pub exit_codes: BTreeMap<u16, i32>,
    /// The root task's summary.
    pub summary: String,
}

impl Outcome {
    /// The exit code of the whole: the first one that is not 0.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        let mut codes = self.exit_codes.values().copied();
        codes.find(|&code| code != 0).unwrap_or(0)
    }
}

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// QEMU is not installed.
    #[error("{} is not installed; on Debian: apt install qemu-system-x86", .0.display())]
    Missing(PathBuf),
    /// QEMU cannot be started.
    #[error("cannot run {}: {source}", program.display())]
    Start {
        /// What was run.
        program: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The time given in [`Qemu::timeout`] is over.
    #[error("no end after {} s: QEMU was stopped", .0.as_secs_f64())]
    Timeout(Duration),
    /// [`Events::closed`] said so.
    #[error("nobody reads the output any more: QEMU was stopped")]
    Closed,
    /// The root task did not come up.
    #[error(
        "seL4 did not start within {} s on a machine with {memory_mib} MiB; give it more memory. \
         Its console said:\n{console}",
        BOOT.as_secs()
    )]
    NotBooted {
        /// Memory of the machine.
        memory_mib: u32,
        /// The end of the console.
        console: String,
    },
    /// QEMU ended before the root task was done. What it said last is added.
    #[error("QEMU ended before the root task was done ({status}); its console said:\n{console}")]
    Ended {
        /// QEMU's exit status.
        status: String,
        /// The end of the console.
        console: String,
    },
}

/// A command line that boots the image by hand, console on the terminal.
#[must_use]
pub fn qemu_command_line(image: &Path, memory_mib: u32) -> String {
    let image = image.display().to_string().replace('\'', r"'\''");
    format!("qemu-system-x86_64 {MACHINE} -m {memory_mib} -serial stdio -kernel '{image}'")
}

/// QEMU's process. Ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where the child has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

enum Piece {
    Channel(Vec<u8>),
    Console(Vec<u8>),
    Closed,
}

/// Reads a stream to its end on a thread of its own.
fn pump(mut from: impl Read + Send + 'static, to: mpsc::Sender<Piece>, wrap: fn(Vec<u8>) -> Piece) {
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match from.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    if to.send(wrap(buffer[..count].to_vec())).is_err() {
                        return;
                    }
                }
            }
        }
        let _ = to.send(Piece::Closed);
    });
}

/// Answers when an app asks for standard input, on a thread of its own: the number of bytes, and
/// the bytes (`sel4_boot::frame::Kind::Input`). Gives the way to ask.
fn feed(mut from: Option<Box<dyn Read + Send>>, mut to: impl Write + Send + 'static) -> Asker {
    let (sender, receiver) = mpsc::channel::<usize>();
    thread::spawn(move || {
        while let Ok(wanted) = receiver.recv() {
            let mut answer = vec![0; 2 + wanted.min(MAX_INPUT)];
            let count = loop {
                match from.as_mut().map(|from| from.read(&mut answer[2..])) {
                    Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                    Some(Ok(count)) => break count,
                    // As at the end.
                    Some(Err(_)) | None => break 0,
                }
            };
            answer[..2].copy_from_slice(&(count as u16).to_le_bytes());
            answer.truncate(2 + count);
            if to.write_all(&answer).and_then(|()| to.flush()).is_err() {
                break;
            }
        }
    });
    sender
}

type Asker = mpsc::Sender<usize>;

impl Qemu {
    fn start(&self, image: &Path) -> Result<Running, QemuError> {
        let mut command = Command::new(&self.program);
        command
            .args(MACHINE.split_whitespace())
            .args(self.icount.then_some(ICOUNT).into_iter().flatten())
            .arg("-m")
            .arg(self.memory_mib.to_string())
            .args(["-chardev", "file,id=console,path=/dev/stderr"])
            .args(["-chardev", "stdio,id=channel,signal=off"])
            .args(["-serial", "chardev:console", "-serial", "chardev:channel"])
            .args(&self.options)
            .arg("-kernel")
            .arg(image)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
        unsafe {
            command.pre_exec(|| {
                // Also where this process is killed, QEMU ends.
                let signal = rustix::process::Signal::KILL;
                Ok(rustix::process::set_parent_process_death_signal(Some(
                    signal,
                ))?)
            });
        }
        match command.spawn() {
            Ok(child) => Ok(Running(child)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(QemuError::Missing(self.program.clone()))
            }
            Err(source) => Err(QemuError::Start {
                program: self.program.clone(),
                source,
            }),
        }
    }

    /// Boots the image and stays until the root task is done.
    ///
    /// # Errors
    /// Where QEMU cannot be started, ends too early, or takes too long.
    pub fn run(&self, image: &Path, events: &mut dyn Events) -> Result<Outcome, QemuError> {
        let begin = Instant::now();
        let mut qemu = self.start(image)?;
        let (sender, receiver) = mpsc::channel();
        if let Some(stdout) = qemu.0.stdout.take() {
            pump(stdout, sender.clone(), Piece::Channel);
        }
        if let Some(stderr) = qemu.0.stderr.take() {
            pump(stderr, sender, Piece::Console);
        }
        let mut deadline = self.timeout.map(|timeout| begin + timeout);
        let mut session = Session::default();
        if let Some(stdin) = qemu.0.stdin.take() {
            session.asker = Some(feed(events.input(), stdin));
        }
        let mut open = 2;
        while open > 0 {
            let boot = (!session.started).then_some(begin + BOOT);
            let next = [deadline, boot].into_iter().flatten().min();
            let left = next.map_or(Duration::MAX, |d| {
                d.saturating_duration_since(Instant::now())
            });
            match receiver.recv_timeout(left) {
                Ok(Piece::Channel(bytes)) => session.channel(&bytes, events),
                Ok(Piece::Console(bytes)) => session.console(&bytes, events),
                Ok(Piece::Closed) => open -= 1,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if session.done => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(match self.timeout {
                        Some(timeout) if next != boot => QemuError::Timeout(timeout),
                        _ => QemuError::NotBooted {
                            memory_mib: self.memory_mib,
                            console: session.last_words(),
                        },
                    });
                }
            }
            if events.closed() {
                return Err(QemuError::Closed);
            }
            if session.done && !session.ending {
                session.ending = true;
                deadline = Some(Instant::now() + SHUTDOWN);
            }
        }
        if session.done {
            return Ok(session.outcome);
        }
        let status = qemu
            .0
            .wait()
            .map_or_else(|e| e.to_string(), |s| s.to_string());
        Err(QemuError::Ended {
            status,
            console: session.last_words(),
        })
    }
}

/// What has been said of traps and refusals, app by app, until it is complete; and whether it is
/// of a refusal.
#[derive(Default)]
struct Reports(BTreeMap<u16, (Vec<u8>, bool)>);

impl Reports {
    /// Bytes of a report that are kept, far more than the root task sends.
    const KEPT: usize = 1 << 20;

    fn add(&mut self, app: u16, refused: bool, text: &[u8]) {
        let report = self.0.entry(app).or_default();
        report.1 = refused;
        let room = Self::KEPT.saturating_sub(report.0.len());
        report.0.extend_from_slice(&text[..text.len().min(room)]);
    }

    fn complete(&mut self, app: u16, events: &mut dyn Events) {
        let Some((report, refused)) = self.0.remove(&app) else {
            return;
        };
        let report = String::from_utf8_lossy(&report);
        match (report.is_empty(), refused) {
            (true, _) => {}
            (false, false) => events.trap(app, &report),
            (false, true) => events.refused(app, &report),
        }
    }
}

/// What has been understood of a run so far.
#[derive(Default)]
struct Session {
    decoder: Decoder,
    outcome: Outcome,
    console: Vec<u8>,
    reports: Reports,
    started: bool,
    done: bool,
    ending: bool,
    /// Where to ask for standard input.
    asker: Option<Asker>,
}

impl Session {
    /// Bytes of the console that are kept for an error message.
    const KEPT: usize = 4096;

    fn channel(&mut self, bytes: &[u8], events: &mut dyn Events) {
        self.decoder.push(bytes);
        while let Some(frame) = self.decoder.next_frame() {
            self.started = true;
            let text = || String::from_utf8_lossy(frame.payload);
            match frame.kind {
                Kind::Stdout => events.stdout(frame.app, frame.payload),
                Kind::Stderr => events.stderr(frame.app, frame.payload),
                Kind::Archive => events.archive(frame.app, frame.payload),
                Kind::Input => {
                    if let (Some(asker), Some(wanted)) = (&self.asker, frame.wanted()) {
                        // Where the thread has ended, QEMU has as well.
                        let _ = asker.send(wanted);
                    }
                }
                Kind::Outcomes => events.outcomes(frame.app, frame.payload),
                Kind::Report => events.report(frame.app, frame.payload),
                Kind::Trap => self.reports.add(frame.app, false, frame.payload),
                Kind::Refused => self.reports.add(frame.app, true, frame.payload),
                Kind::Hello | Kind::Log => events.log(&text()),
                Kind::Continued => self.reports.complete(frame.app, events),
                Kind::Exit => {
                    self.reports.complete(frame.app, events);
                    if let Some(code) = frame.exit_code().filter(|_| frame.app != NO_APP) {
                        self.outcome.exit_codes.insert(frame.app, code);
                        events.exit(frame.app, code);
                    }
                }
                Kind::Done => {
                    self.outcome.summary = text().into_owned();
                    self.done = true;
                }
            }
        }
    }

    fn console(&mut self, bytes: &[u8], events: &mut dyn Events) {
        events.console(bytes);
        self.console.extend_from_slice(bytes);
        let surplus = self.console.len().saturating_sub(Self::KEPT);
        self.console.drain(..surplus);
    }

    fn last_words(&self) -> String {
        let text = String::from_utf8_lossy(&self.console);
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;
    impl Events for Nothing {}

    #[test]
    fn a_missing_qemu_names_the_package() {
        let qemu = Qemu {
            program: "no-such-qemu".into(),
            ..Qemu::default()
        };
        let error = qemu.run(Path::new("image"), &mut Nothing).unwrap_err();
        assert!(error.to_string().contains("apt install qemu-system-x86"));
    }

    #[test]
    fn a_report_in_pieces_is_one_report() {
        struct Reports(Vec<String>);
        impl Events for Reports {
            fn trap(&mut self, app: u16, report: &str) {
                self.0.push(format!("{app}: {report}"));
            }
            fn refused(&mut self, app: u16, why: &str) {
                self.0.push(format!("{app} refused: {why}"));
            }
        }
        let frame = |kind, payload: &[u8]| {
            let mut bytes = Vec::from(sel4_boot::frame::header(kind, 3, payload.len()));
            bytes.extend_from_slice(payload);
            bytes
        };
        let (mut session, mut reports) = (Session::default(), Reports(Vec::new()));
        for (kind, payload) in [
            (Kind::Trap, "wasm trap: \u{e4}".as_bytes()),
            (Kind::Trap, b"bc\n"),
            (Kind::Continued, b""),
            (Kind::Trap, b"again\n"),
            (Kind::Exit, &134i32.to_le_bytes()),
            (Kind::Exit, &0i32.to_le_bytes()),
            (Kind::Refused, b"x.o: no\n"),
            (Kind::Exit, &1i32.to_le_bytes()),
        ] {
            session.channel(&frame(kind, payload), &mut reports);
        }
        let expected = [
            "3: wasm trap: \u{e4}bc\n",
            "3: again\n",
            "3 refused: x.o: no\n",
        ];
        assert_eq!(reports.0, expected);
    }

    #[test]
    fn the_first_failure_is_the_exit_code() {
        let mut outcome = Outcome::default();
        assert_eq!(outcome.exit_code(), 0);
        outcome.exit_codes.extend([(0, 0), (1, 134), (2, 1)]);
        assert_eq!(outcome.exit_code(), 134);
    }
}
