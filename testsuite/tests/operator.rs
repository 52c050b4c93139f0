// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4: a person at the console starts, stops, suspends, resumes, kills, restarts and replaces apps
//! while the others run, and none of these loses a release.

use sel4_host::bundle::{SystemSpec, encode, flags};
use sel4_host::{Artifacts, qemu_command_line};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use testsuite::realtime::{Load, app};
use testsuite::tools;

/// How long an answer may take, in real time.
const PATIENCE: Duration = Duration::from_secs(60);

struct Console {
    qemu: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Drop for Console {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.seen.join("\n"));
        }
        // Both fail only where it has ended.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Console {
    fn boot(image: &std::path::Path) -> Self {
        let line = qemu_command_line(image, 256);
        let mut qemu = Command::new("sh")
            .args(["-c", &format!("exec {line} -icount shift=3,sleep=off")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(qemu.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines() {
                let Ok(line) = line else { break };
                if sender.send(line.trim_end().to_owned()).is_err() {
                    break;
                }
            }
        });
        Self {
            input: qemu.stdin.take().unwrap(),
            qemu,
            lines,
            seen: Vec::new(),
        }
    }

    /// Waits for a line with these words.
    fn until(&mut self, part: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no `{part}` in:\n{}", self.seen.join("\n"));
            };
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Types a command and waits for its answer.
    fn command(&mut self, command: &str, answer: &str) -> String {
        writeln!(self.input, "{command}").unwrap();
        self.until(answer)
    }

    /// What a report says of promises that were broken.
    fn report(&mut self, name: &str) -> (u64, u64, u64) {
        let command = format!("report {name}");
        let line = self.command(&command, " skipped, ");
        let number = |what: &str| {
            let (before, _) = line.split_once(what).unwrap();
            before.rsplit(' ').next().unwrap().parse().unwrap()
        };
        self.until(&format!("{command}: done"));
        (number(" releases"), number(" missed"), number(" skipped"))
    }
}

#[test]
fn whatever_is_done_to_one_app_the_others_keep_their_releases() {
    let scratch = tempfile::tempdir().unwrap();
    let load = |period_us, budget_us| Load {
        period_us,
        budget_us,
    };
    let loads = [
        load(1_000, 150),
        load(5_000, 500),
        load(5_000, 500),
        load(10_000, 1_000),
    ];
    let apps = loads.iter().enumerate();
    let apps: Vec<_> = apps
        .map(|(number, load)| app(number, *load, scratch.path()).unwrap())
        .collect();
    let bundle = encode(&SystemSpec::new(flags::POWER_OFF), &apps).unwrap();
    let artifacts = Artifacts::read(&tools::share().unwrap()).unwrap();
    let image = scratch.path().join("image");
    std::fs::write(&image, artifacts.image(&bundle).unwrap()).unwrap();
    let mut console = Console::boot(&image);
    console.until("measured");
    // Until all of them have their jobs.
    while !console.command("ps", "load-03: ").contains("jobs") {}

    console.command("help", "replace OLD NEW");
    console.command("nonsense", "error: `nonsense`: no such command");
    console.command("kill nobody", "the image has no app of this name");
    console.command("kill load-02", "load-02: exit code 137");
    console.command("resume load-01", "it is in no state for that");
    console.command("suspend load-03", "suspend load-03: done");
    console.command("ps", "load-03: periodic, jobs, suspended");
    console.command("resume load-03", "resume load-03: done");
    // While load-01 runs load-02 is loaded, and has its place at a release.
    console.command("replace load-01 load-02", "replace load-01 load-02: done");
    console.until("load-01: exit code 0");
    console.command("start load-02", "it runs already");
    console.command("restart load-03", "restart load-03: done");
    // It may not have had a job yet.
    console.command("stop load-03", "load-03: exit code");
    console.command("start load-03", "start load-03: done");
    console.command("replace load-02 load-01", "replace load-02 load-01: done");
    console.until("load-02: exit code 0");

    let (releases, missed, skipped) = console.report("load-00");
    assert!(releases > 20, "{releases} releases");
    assert_eq!((missed, skipped), (0, 0), "load-00");
    for name in ["load-01", "load-03"] {
        let (_, missed, skipped) = console.report(name);
        assert_eq!((missed, skipped), (0, 0), "{name}");
    }
    // The two that had one place after the other: what they said as they ended.
    for name in ["load-01:", "load-02:"] {
        let ended = |line: &&String| {
            line.starts_with(name) && line.contains(" releases, ") && line.contains(" done, ")
        };
        let reports: Vec<_> = console.seen.iter().filter(ended).collect();
        assert!(!reports.is_empty(), "{name}");
        for report in reports {
            assert!(report.contains(" 0 missed, 0 skipped"), "{report}");
        }
    }
}
