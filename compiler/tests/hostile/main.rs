// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Modules made to exhaust the compiler: each is compiled, or refused by a sentence, within
//! 2 GiB of memory and 60 seconds of processor time, all threads added up.
//!
//! Every module is compiled in a process of its own (this program again, told by the environment
//! which one), which reports what came of it and the most memory it ever had.

mod modules;

use libtest_mimic::{Arguments, Failed, Trial};
use modules::{CASES, Expect};
use std::io::Read;
use std::process::{Child, Command, ExitCode, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};
use wasm_aot_compiler::{Options, SUPPORTED_FEATURES, compile};

/// Names the case that the child process is to compile.
const CASE: &str = "WASM_AOT_HOSTILE_CASE";

const MOST_MEMORY: u64 = 2 << 30;
/// In seconds.
const MOST_TIME: f64 = 60.0;
/// After this the child is stopped: it hangs, or the machine is very busy.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(CASE) {
        return child(&name);
    }
    let mut arguments = Arguments::from_args();
    // One at a time: each may take all cores and much of the memory.
    arguments.test_threads = Some(1);
    let trials = CASES
        .iter()
        .map(|case| Trial::test(case.name, move || measure(case.name, case.expect)))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Compiles and reports.
fn child(name: &str) -> ExitCode {
    let case = CASES.iter().find(|case| case.name == name);
    let case = case.expect("the parent knows its cases");
    let module = (case.build)();
    let options = Options {
        features: SUPPORTED_FEATURES,
        ..Options::default()
    };
    match compile(&module, &options) {
        Ok(object) => println!("compiled {} bytes to {}", module.len(), object.len()),
        Err(error) => println!("refused: {error}"),
    }
    println!("seconds {:.1}", processor_time());
    println!("memory {}", peak_memory());
    ExitCode::SUCCESS
}

/// The most resident memory that this process ever had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes.and_then(|n| n.parse().ok()).expect("a number");
    kilobytes * 1024
}

/// Seconds of processor time that this process has taken.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    // After the name, which may hold blanks: state, and from the 12th field on user and system
    // time in hundredths of a second (proc(5)).
    let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|n| n.parse::<u64>().expect("a number")).sum();
    ticks as f64 / 100.0
}

fn measure(name: &str, expect: Expect) -> Result<(), Failed> {
    let mut child = Command::new(std::env::current_exe()?)
        .env(CASE, name)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let outcome = wait(&mut child);
    let report = outcome.map_err(|problem| format!("{name}: {problem}"))?;
    println!("{name}: {}", report.trim_end().replace('\n', "; "));
    let memory: u64 = number(&report, "memory ")?;
    if memory > MOST_MEMORY {
        return Err(format!("{} MiB of memory: {report}", memory >> 20).into());
    }
    let seconds: f64 = number(&report, "seconds ")?;
    if seconds > MOST_TIME {
        return Err(format!("{seconds} s: {report}").into());
    }
    let good = match expect {
        Expect::Compiled => report.starts_with("compiled "),
        Expect::Refused(words) => report.starts_with("refused: ") && report.contains(words),
    };
    match good {
        true => Ok(()),
        false => Err(format!("expected {expect:?}: {report}").into()),
    }
}

/// The number after a word of the report.
fn number<T: FromStr>(report: &str, word: &str) -> Result<T, Failed> {
    let mut found = report
        .lines()
        .filter_map(|line| line.strip_prefix(word)?.parse().ok());
    Ok(found.next().ok_or(format!("no {word}in: {report}"))?)
}

/// What the child says, or why it did not.
fn wait(child: &mut Child) -> Result<String, String> {
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) => break status,
            None if start.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("not done after {} s", PATIENCE.as_secs()));
            }
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    let mut text = String::new();
    if let Some(output) = &mut child.stdout {
        output
            .read_to_string(&mut text)
            .map_err(|e| e.to_string())?;
    }
    if !status.success() {
        if let Some(output) = &mut child.stderr {
            let _ = output.read_to_string(&mut text);
        }
        return Err(format!("{status}: {text}"));
    }
    Ok(text)
}
