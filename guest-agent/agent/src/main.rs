// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-agent`: ships objects from a Linux guest to the seL4 loader, runs them, watches and
//! replaces them.
//!
//! Exit status: 0 for success, 1 for an error here, 2 for a command line that cannot be
//! understood, 3 where the loader refuses, 4 where it cannot be reached, 130 after Ctrl-C. Of
//! `deploy --run` and `wait` it is the program's own, 134 for a trap, 137 where it was killed, 143
//! where it was stopped; errors are 125 there.

mod apps;
mod daemon;
mod deploy;
mod failure;
mod line;
mod session;
mod top;
mod window;

use clap::{Parser, Subcommand};
use failure::Failure;
use line::Address;
use serde_json::json;
use session::Session;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use wasm_aot_protocol::message::Operation;

/// Ship objects to the seL4 loader, run them, watch and replace them.
#[derive(Parser)]
#[command(name = "wasm-agent", version, max_term_width = 100)]
struct Cli {
    /// Where the loader is: `serial:DEVICE`, `unix:PATH`, `shared:FILE[,DOORBELL]`; otherwise the
    /// daemon, `unix:/run/wasm-agent.sock`, if there is one, and `serial:/dev/ttyS1`.
    #[arg(long, global = true, env = "WASM_AGENT_CONNECT")]
    connect: Option<Address>,
    /// How long the loader may be silent, seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    /// Print JSON; errors as well.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Deploy(Box<deploy::Deploy>),
    /// List the apps.
    Ps,
    /// Print what an app has said.
    Logs {
        /// Its name, or its id.
        app: String,
        /// And what it says from now on, until it ends.
        #[arg(short, long)]
        follow: bool,
    },
    /// Wait until an app has ended; its exit status is this command's.
    Wait {
        /// Its name, or its id.
        app: String,
    },
    /// Start an app that does not run.
    Start {
        /// Its name, or its id.
        app: String,
    },
    /// End an app when its job is done.
    Stop {
        /// Its name, or its id.
        app: String,
    },
    /// End an app at once.
    Kill {
        /// Its name, or its id.
        app: String,
    },
    /// Give an app no time.
    Suspend {
        /// Its name, or its id.
        app: String,
    },
    /// Give an app time again.
    Resume {
        /// Its name, or its id.
        app: String,
    },
    /// Forget an app that does not run.
    Rm {
        /// Its name, or its id.
        app: String,
    },
    /// List the versions of an app, newest first.
    History {
        /// Its name, or its id.
        app: String,
    },
    /// Put the version before in place of this one.
    Rollback {
        /// Its name, or its id.
        app: String,
    },
    /// Say how the loader is.
    Status,
    Top(top::Top),
    Daemon(daemon::Daemon),
}

impl Command {
    fn is_daemon(&self) -> bool {
        matches!(self, Self::Daemon(_))
    }

    /// Whether the exit status is a program's.
    fn is_program(&self) -> bool {
        match self {
            Self::Deploy(deploy) => deploy.is_program(),
            Self::Wait { .. } => true,
            _ => false,
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            if cli.json {
                let text = failure.to_string();
                println!(
                    "{}",
                    json!({ "error": { "name": failure.name(), "text": text } })
                );
            } else if !matches!(failure, Failure::Interrupted) {
                eprintln!("error: {failure}");
            }
            ExitCode::from(failure.status(cli.command.is_program()))
        }
    }
}

fn run(cli: &Cli) -> Result<u8, Failure> {
    let address = match &cli.connect {
        Some(address) => address.clone(),
        None if !cli.command.is_daemon() && Path::new(daemon::SOCKET).exists() => {
            Address::Unix(daemon::SOCKET.into())
        }
        None => Address::Serial("/dev/ttyS1".into()),
    };
    if let Command::Daemon(arguments) = &cli.command {
        // It is there before the loader is, and after.
        return daemon::main(&mut Session::new(&address, Duration::MAX)?, arguments);
    }
    let session = &mut Session::open(&address, Duration::from_secs(cli.timeout))?;
    let simple = |session: &mut Session, app: &str, operation| {
        let app = session.find(app)?;
        deploy::command(session, app, operation).map(|()| 0)
    };
    match &cli.command {
        Command::Deploy(arguments) => deploy::main(session, arguments, cli.json),
        Command::Ps => apps::list(session, cli.json),
        Command::Logs { app, follow } => {
            let app = session.find(app)?;
            deploy::follow(session, app, &mut 0, *follow).map(|()| 0)
        }
        Command::Wait { app } => {
            let app = session.find(app)?;
            deploy::end(session, app)
        }
        Command::Start { app } => simple(session, app, Operation::Start),
        Command::Stop { app } => simple(session, app, Operation::Stop),
        Command::Kill { app } => simple(session, app, Operation::Kill),
        Command::Suspend { app } => simple(session, app, Operation::Suspend),
        Command::Resume { app } => simple(session, app, Operation::Resume),
        Command::Rm { app } => simple(session, app, Operation::Remove),
        Command::Rollback { app } => simple(session, app, Operation::Rollback),
        Command::History { app } => apps::history(session, app, cli.json),
        Command::Status => apps::status(session, cli.json),
        Command::Top(arguments) => top::main(session, arguments, cli.json),
        Command::Daemon(_) => Ok(0),
    }
}
