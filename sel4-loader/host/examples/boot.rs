// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Boots objects on seL4 in QEMU, one after the other:
//! `cargo run -p sel4-host --example boot -- SHARE OBJECT[,ARG...]...`.
//! An argument `--invoke=NAME` of an object names the function to run.

use sel4_host::bundle::{AppSpec, SystemSpec, app_flags, encode, flags};
use sel4_host::{Artifacts, Events, Qemu};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

struct Print(Instant);

impl Events for Print {
    fn stdout(&mut self, _: u16, bytes: &[u8]) {
        let _ = std::io::stdout().write_all(bytes);
    }
    fn stderr(&mut self, _: u16, bytes: &[u8]) {
        let _ = std::io::stderr().write_all(bytes);
    }
    fn trap(&mut self, _: u16, report: &str) {
        eprint!("{report}");
    }
    fn refused(&mut self, _: u16, why: &str) {
        eprint!("error: {why}");
    }
    fn exit(&mut self, app: u16, code: i32) {
        eprintln!("[{:?}] app {app}: exit code {code}", self.0.elapsed());
    }
    fn log(&mut self, text: &str) {
        eprintln!("[{:?}] {text}", self.0.elapsed());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let share = arguments.next().ok_or("the share folder is missing")?;
    let mut apps = Vec::new();
    for argument in arguments {
        let mut parts = argument.split(',').map(str::to_owned);
        let path = parts.next().unwrap_or_default();
        let mut app = AppSpec {
            name: path.clone(),
            modules: vec![(String::new(), std::fs::read(&path)?)],
            args: vec![path],
            invoke: "_start".into(),
            flags: app_flags::UNKNOWN_IMPORTS_TRAP,
            ..AppSpec::default()
        };
        for part in parts {
            match part.split_once('=') {
                Some(("--invoke", name)) => {
                    name.clone_into(&mut app.invoke);
                    app.flags |= app_flags::INVOKE;
                }
                Some(("--memory-limit", bytes)) => app.memory_limit = bytes.parse()?,
                Some(("--stack-size", bytes)) => app.stack_size = bytes.parse()?,
                Some(("--env", variable)) => app.env.push(variable.to_owned()),
                _ => app.args.push(part),
            }
        }
        apps.push(app);
    }
    let bundle =
        encode(&SystemSpec::new(flags::HOSTED | flags::POWER_OFF), &apps).ok_or("too large")?;
    let image = Artifacts::read(Path::new(&share))?.image(&bundle)?;
    let path = std::env::temp_dir().join(format!("sel4-boot-{}.elf", std::process::id()));
    std::fs::write(&path, image)?;
    let qemu = Qemu {
        timeout: Some(Duration::from_secs(60)),
        ..Qemu::default()
    };
    let outcome = qemu.run(&path, &mut Print(Instant::now()));
    std::fs::remove_file(&path)?;
    let outcome = outcome?;
    eprintln!("{}", outcome.summary);
    std::process::exit(outcome.exit_code())
}
