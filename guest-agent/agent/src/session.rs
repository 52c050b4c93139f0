// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A client on a line, with time that passes: requests are asked and waited for.

use crate::failure::Failure;
use crate::line::{Address, Line};
use anyhow::{Context, anyhow};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wasm_aot_protocol::client::{Client, LoaderInfo, Reply};
use wasm_aot_protocol::message::{AppId, AppInfo, Body, Request};

/// A client on a line.
pub struct Session {
    pub client: Client,
    line: Box<dyn Line>,
    begin: Instant,
    /// How long the loader may be silent.
    patience: Duration,
    /// Since when there is no session.
    silent: Option<Instant>,
    interrupted: Arc<AtomicBool>,
    /// What else is waited for.
    pub others: Vec<OwnedFd>,
    /// There is something to do now.
    pub again: bool,
}

/// A number that no other process has.
///
/// # Errors
/// Where the system gives none.
pub fn number() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .context("the system gives no random numbers")?;
    Ok(u64::from_le_bytes(bytes))
}

impl Session {
    /// Opens the line and greets the loader.
    ///
    /// # Errors
    /// Where it cannot be opened, or the loader does not answer in time, or does not want us.
    pub fn open(address: &Address, patience: Duration) -> Result<Self, Failure> {
        let mut session = Self::new(address, patience)?;
        session.until(|session| Ok(session.client.session().map(|_| ())))?;
        Ok(session)
    }

    /// Opens the line.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn new(address: &Address, patience: Duration) -> Result<Self, Failure> {
        let line = address.open()?;
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // A second one ends the process as it always did.
            signal_hook::flag::register_conditional_shutdown(signal, 130, interrupted.clone())?;
            signal_hook::flag::register(signal, interrupted.clone())?;
        }
        let name = format!("wasm-agent {}", env!("CARGO_PKG_VERSION"));
        let client = Client::new(line.config(), number()?, &name);
        Ok(Self {
            client,
            line,
            begin: Instant::now(),
            patience,
            silent: None,
            interrupted,
            others: Vec::new(),
            again: false,
        })
    }

    /// What the loader said about itself.
    ///
    /// # Errors
    /// Where it has not.
    pub fn loader(&self) -> Result<&LoaderInfo, Failure> {
        let loader = self.client.loader();
        loader.ok_or_else(|| Failure::Unreachable("the loader has not answered".into()))
    }

    /// Goes on until there is something.
    ///
    /// # Errors
    /// Where the loader cannot be reached for too long, or somebody pressed Ctrl-C.
    pub fn until<T>(
        &mut self,
        mut done: impl FnMut(&mut Self) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        loop {
            let next = self.poll();
            if let Some(done) = done(self)? {
                return Ok(done);
            }
            // What was asked just now goes out before anybody waits.
            let now_ns = self.now_ns();
            self.client.transmit(now_ns, &mut *self.line);
            self.check()?;
            if !(std::mem::take(&mut self.again) || next.again) {
                let alarm = next
                    .alarm_ns
                    .map(|alarm| alarm.saturating_sub(self.now_ns()));
                let limit = alarm.map_or(Duration::from_millis(100), Duration::from_nanos);
                self.line
                    .wait(&self.others, limit.min(Duration::from_millis(100)));
            }
        }
    }

    fn poll(&mut self) -> wasm_aot_protocol::loader::Next {
        let now_ns = self.now_ns();
        self.client.poll(now_ns, &mut *self.line)
    }

    /// Nanoseconds since it was opened.
    pub fn now_ns(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    fn check(&mut self) -> Result<(), Failure> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Failure::Interrupted);
        }
        if let Some(refusal) = self.client.refused() {
            return Err((*refusal).into());
        }
        if self.client.session().is_some() {
            self.silent = None;
            return Ok(());
        }
        if self.silent.get_or_insert_with(Instant::now).elapsed() > self.patience {
            return Err(Failure::Unreachable(format!(
                "the loader does not answer for {} s: does it run, and is this the line to it?",
                self.patience.as_secs()
            )));
        }
        Ok(())
    }

    /// After Ctrl-C: the next one counts anew.
    pub fn clear_interrupt(&self) {
        self.interrupted.store(false, Ordering::Relaxed);
    }

    /// Asks for something.
    ///
    /// # Errors
    /// Where it cannot be asked for.
    pub fn call(&mut self, request: &Request<'_>) -> Result<u32, Failure> {
        let id = self.client.call(request);
        id.ok_or_else(|| Failure::Here(anyhow!("the request is longer than a message")))
    }

    /// Asks for something and waits for the answer.
    ///
    /// # Errors
    /// Where it does not come, or is a refusal.
    pub fn ask(&mut self, request: &Request<'_>) -> Result<Reply, Failure> {
        let id = self.call(request)?;
        let reply = self.until(|session| Ok(session.client.take(id)))?;
        reply.body()?;
        Ok(reply)
    }

    /// All apps, one after the other.
    ///
    /// # Errors
    /// Where they cannot be asked for.
    pub fn apps(&mut self, mut each: impl FnMut(&AppInfo<'_>)) -> Result<(), Failure> {
        let mut from = Some(0);
        while let Some(place) = from {
            let reply = self.ask(&Request::Apps { from: place })?;
            let Body::Apps { next, apps } = reply.body()? else {
                return Err(strange());
            };
            apps.iter().for_each(|app| each(&app));
            from = next.filter(|next| *next > place);
        }
        Ok(())
    }

    /// The app of a name, or of an id as `ps` prints it.
    ///
    /// # Errors
    /// Where there is none.
    pub fn find(&mut self, name: &str) -> Result<AppId, Failure> {
        let mut found = None;
        self.apps(|app| {
            if app.name == name || app.id.to_string() == name {
                found.get_or_insert(app.id);
            }
        })?;
        found
            .ok_or_else(|| Failure::Here(anyhow!("no app is called `{name}`: see `wasm-agent ps`")))
    }
}

/// The loader answers what was not asked.
pub fn strange() -> Failure {
    Failure::Here(anyhow!("the loader's answer is none to the request"))
}
