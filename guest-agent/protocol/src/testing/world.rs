// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A root task that pretends: memory is a heap's, and an "object" is a text that says what the
//! app does. It also watches: what the loader's half must never ask for panics here.
//!
//! ```text
//! pretend          the first line; an object without it is an app that runs until it is ended
//! out TEXT         says the line TEXT on standard output
//! err TEXT         the same on standard error
//! arguments        says its arguments, a line each
//! wait N           does nothing for N turns
//! exit N           ends with the code N
//! trap N           ends with the trap N
//! refuse N TEXT    is not loaded: error N
//! ```

use crate::error::{Code, Refusal};
use crate::loader::{Apps, Deployment, Log, Progress, Store};
use crate::message::{AppId, AppInfo, Exit, HistoryEntry, Operation, State, Status, Stream, flags};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use wasm_aot_trust::{Hash, Installed, hash};

/// Bytes of what an app has said that are kept.
const LOG_BYTES: usize = 64 * 1024;
/// Calls of `install` that an app takes.
const INSTALL_TURNS: u32 = 3;

/// A version of an app.
#[derive(Clone, Debug)]
struct Version {
    number: u64,
    object: Hash,
    bytes: Vec<u8>,
    arguments: Vec<Vec<u8>>,
    at_ns: u64,
    outcome: &'static str,
}

/// An app that pretends.
#[derive(Debug)]
struct FakeApp {
    id: AppId,
    name: String,
    /// The present one last.
    versions: Vec<Version>,
    state: State,
    exit: Option<Exit>,
    /// The line that comes next, and how many turns it is waited for.
    line: usize,
    wait: u64,
    restarts: u32,
    started_ns: u64,
    /// Where the first of `said` was said, and what was.
    said_from: u64,
    said: Vec<(Stream, Vec<u8>)>,
}

/// See the module.
#[derive(Debug)]
pub struct FakeWorld {
    /// What time it is, for apps that measure.
    pub now_ns: u64,
    /// Seconds since 1970, or none.
    pub clock_s: Option<u64>,
    /// Memory for objects, bytes.
    pub total_bytes: u64,
    /// Apps that were loaded so far.
    pub installed: u64,
    /// The report of every app; empty: its id as text.
    pub report: Vec<u8>,
    store: Vec<Option<Vec<u8>>>,
    installing: Vec<u32>,
    apps: Vec<Option<FakeApp>>,
    generation: u32,
    highest: BTreeMap<String, u64>,
}

impl FakeWorld {
    /// So many places for objects on their way, and for apps.
    #[must_use]
    pub fn new(transfers: usize, apps: usize, total_bytes: u64) -> Self {
        Self {
            now_ns: 0,
            clock_s: Some(1_700_000_000),
            total_bytes,
            installed: 0,
            report: Vec::new(),
            store: (0..transfers).map(|_| None).collect(),
            installing: (0..transfers).map(|_| 0).collect(),
            apps: (0..apps).map(|_| None).collect(),
            generation: 0,
            highest: BTreeMap::new(),
        }
    }

    /// Objects on their way.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.store.iter().flatten().count()
    }

    /// The object that runs under a name.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&[u8]> {
        let mut apps = self.apps.iter().flatten();
        let app = apps.find(|app| app.name == name)?;
        app.versions.last().map(|version| &version.bytes[..])
    }

    /// The root task has started anew: all that was on its way is gone. Apps stay, as if they
    /// had been loaded again; how they were called stays.
    pub fn restart(&mut self) {
        self.store.iter_mut().for_each(|place| *place = None);
        self.installing.fill(0);
    }

    /// Forgets all apps and versions.
    pub fn forget(&mut self) {
        self.apps.iter_mut().for_each(|app| *app = None);
        self.highest.clear();
    }

    /// Every app does a line of what it says.
    pub fn turn(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        for app in self.apps.iter_mut().flatten() {
            if app.state == State::Running {
                app.turn();
            }
        }
    }

    fn used_bytes(&self) -> u64 {
        let store = self.store.iter().flatten().map(Vec::len);
        let versions = self.apps.iter().flatten().flat_map(|app| &app.versions);
        let apps = versions.map(|version| version.bytes.len());
        store.chain(apps).sum::<usize>() as u64
    }

    fn find(&mut self, app: AppId) -> &mut FakeApp {
        let found = self.apps[usize::from(app.place)].as_mut();
        found
            .filter(|found| found.id == app)
            .expect("only apps that there are are asked for")
    }
}

impl FakeApp {
    fn start(&mut self, now_ns: u64) {
        self.state = State::Running;
        self.exit = None;
        self.line = 1;
        self.wait = 0;
        self.started_ns = now_ns;
    }

    fn end(&mut self, exit: Exit) {
        self.state = State::Ended;
        self.exit = Some(exit);
    }

    fn say(&mut self, stream: Stream, mut text: Vec<u8>) {
        text.push(b'\n');
        self.said.push((stream, text));
        let mut bytes: usize = self.said.iter().map(|(_, text)| text.len()).sum();
        while bytes > LOG_BYTES {
            let (_, oldest) = self.said.remove(0);
            bytes -= oldest.len();
            self.said_from += oldest.len() as u64;
        }
    }

    fn turn(&mut self) {
        if self.wait > 0 {
            self.wait -= 1;
            return;
        }
        let Some(version) = self.versions.last().cloned() else {
            return;
        };
        if !version.bytes.starts_with(b"pretend\n") {
            return;
        }
        let line = version.bytes.split(|byte| *byte == b'\n').nth(self.line);
        self.line += 1;
        let line = String::from_utf8_lossy(line.unwrap_or(b"exit 0")).into_owned();
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "out" => self.say(Stream::Output, rest.into()),
            "err" => self.say(Stream::Error, rest.into()),
            "arguments" => {
                for argument in version.arguments {
                    self.say(Stream::Output, argument);
                }
            }
            "wait" => self.wait = rest.parse().unwrap_or(0),
            "exit" => self.end(Exit::Code(rest.parse().unwrap_or(0))),
            "trap" => {
                self.say(Stream::System, b"trap: unreachable executed".to_vec());
                self.end(Exit::Trap(rest.parse().unwrap_or(0)));
            }
            _ => {}
        }
    }
}

impl Store for FakeWorld {
    fn reserve(&mut self, place: usize, length_bytes: u64) -> Result<(), Refusal> {
        assert!(self.store[place].is_none(), "the place is in use");
        assert!(length_bytes > 0, "an empty object");
        let free = self.total_bytes - self.used_bytes();
        if length_bytes > free {
            let text = format_args!("{length_bytes} bytes are wanted, {free} are free");
            return Err(Refusal::new(Code::NO_MEMORY, &text));
        }
        self.store[place] = Some(alloc::vec![0xa5; length_bytes as usize]);
        Ok(())
    }

    fn write(&mut self, place: usize, offset: u64, bytes: &[u8]) {
        let object = self.store[place].as_mut().expect("it was reserved");
        object[offset as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    fn read(&self, place: usize, offset: u64, length: usize) -> &[u8] {
        let object = self.store[place].as_ref().expect("it was reserved");
        let piece = &object[offset as usize..][..length];
        // Memory comes in pages that are not beside each other.
        &piece[..length.min(4096 - offset as usize % 4096)]
    }

    fn release(&mut self, place: usize) {
        assert!(self.store[place].take().is_some(), "it was reserved");
        self.installing[place] = 0;
    }
}

/// The refusal that the object itself asks for.
fn refusal(bytes: &[u8]) -> Option<Refusal> {
    let line = bytes.strip_prefix(b"pretend\nrefuse ")?;
    let line = String::from_utf8_lossy(line.split(|byte| *byte == b'\n').next()?).into_owned();
    let (number, text) = line.split_once(' ')?;
    Some(Refusal::new(Code(number.parse().ok()?), &text))
}

impl Apps for FakeWorld {
    fn clock_s(&self) -> Option<u64> {
        self.clock_s
    }

    fn status(&self) -> Status<'_> {
        Status {
            up_ns: self.now_ns,
            free_bytes: self.total_bytes - self.used_bytes(),
            total_bytes: self.total_bytes,
            apps: self.apps.iter().flatten().count() as u16,
            places: self.apps.len() as u16,
            policy: "pretended",
            utilisation_ppm: 0,
        }
    }

    fn installed(&self, name: &str) -> Option<Installed> {
        let version = *self.highest.get(name)?;
        Some(Installed { version })
    }

    fn install(
        &mut self,
        place: usize,
        deployment: &Deployment<'_>,
    ) -> Progress<Result<AppId, Refusal>> {
        self.installing[place] += 1;
        if self.installing[place] < INSTALL_TURNS {
            return Progress::Working;
        }
        let bytes = self.store[place].as_ref().expect("it was reserved");
        assert_eq!(bytes.len() as u64, deployment.length_bytes);
        assert!(hash(bytes) == deployment.object, "another object arrived");
        assert!(
            self.installed(deployment.name)
                .is_none_or(|old| old.version < deployment.version)
        );
        if let Some(refusal) = refusal(bytes) {
            return Progress::Done(Err(refusal));
        }
        let mut apps = self.apps.iter();
        let same = apps.position(|app| app.as_ref().is_some_and(|app| app.name == deployment.name));
        let Some(at) = same.or_else(|| self.apps.iter().position(Option::is_none)) else {
            let text = "all places for apps are in use";
            return Progress::Done(Err(Refusal::new(Code::BUSY, &text)));
        };
        let bytes = self.store[place].take().expect("it was reserved");
        self.installing[place] = 0;
        Progress::Done(Ok(self.put(at, bytes, deployment)))
    }

    fn places(&self) -> u16 {
        self.apps.len() as u16
    }

    fn app(&self, place: u16) -> Option<AppInfo<'_>> {
        let app = self.apps[usize::from(place)].as_ref()?;
        let version = app.versions.last()?;
        Some(AppInfo {
            id: app.id,
            name: &app.name,
            version: version.number,
            object: version.object,
            state: app.state,
            exit: app.exit,
            class: 0,
            period_us: 0,
            deadline_us: 0,
            budget_us: 0,
            releases: app.line as u64,
            misses: 0,
            overruns: 0,
            restarts: app.restarts,
            memory_bytes: version.bytes.len() as u64,
            up_ns: self.now_ns.saturating_sub(app.started_ns),
            probation: false,
        })
    }

    fn command(&mut self, app: AppId, operation: Operation) -> Result<(), Refusal> {
        let now_ns = self.now_ns;
        let found = self.find(app);
        let state = found.state;
        let wrong = || {
            let text = format_args!("the app is {}", state.name());
            Err(Refusal::new(Code::STATE, &text))
        };
        match operation {
            Operation::Start if !state.is_alive() => found.start(now_ns),
            Operation::Stop if state.is_alive() => found.end(Exit::Stopped),
            Operation::Kill if state.is_alive() => found.end(Exit::Killed),
            Operation::Suspend if state == State::Running => found.state = State::Suspended,
            Operation::Resume if state == State::Suspended => found.state = State::Running,
            Operation::Remove if !state.is_alive() => self.apps[usize::from(app.place)] = None,
            Operation::Rollback if found.versions.len() < 2 => {
                let text = "there is no earlier version";
                return Err(Refusal::new(Code::NO_PREVIOUS, &text));
            }
            Operation::Rollback => {
                found.versions.pop();
                found.start(now_ns);
            }
            _ => return wrong(),
        }
        Ok(())
    }

    fn log(&self, app: AppId, log: &mut Log<'_>) {
        let app = self.apps[usize::from(app.place)]
            .as_ref()
            .expect("there is such an app");
        let mut position = app.said_from;
        log.skip_to(position);
        for (stream, bytes) in &app.said {
            log.push(position, *stream, bytes);
            position += bytes.len() as u64;
        }
    }

    fn history(&self, app: AppId, version: u32) -> Option<HistoryEntry<'_>> {
        let app = self.apps[usize::from(app.place)].as_ref()?;
        let version = app.versions.iter().rev().nth(version as usize)?;
        Some(HistoryEntry {
            version: version.number,
            object: version.object,
            at_ns: version.at_ns,
            outcome: version.outcome,
        })
    }

    fn report(&self, app: AppId, buffer: &mut [u8]) -> Result<usize, Refusal> {
        let record = match &self.report[..] {
            [] => app.to_string().into_bytes(),
            record => record.to_vec(),
        };
        buffer[..record.len()].copy_from_slice(&record);
        Ok(record.len())
    }
}

impl FakeWorld {
    /// Puts a version in place.
    fn put(&mut self, at: usize, bytes: Vec<u8>, deployment: &Deployment<'_>) -> AppId {
        self.installed += 1;
        self.highest
            .insert(deployment.name.to_string(), deployment.version);
        let now_ns = self.now_ns;
        let version = Version {
            number: deployment.version,
            object: deployment.object,
            bytes,
            arguments: deployment.arguments.iter().map(<[u8]>::to_vec).collect(),
            at_ns: now_ns,
            outcome: "in place",
        };
        let generation = &mut self.generation;
        let app = self.apps[at].get_or_insert_with(|| {
            *generation += 1;
            FakeApp {
                id: AppId {
                    place: at as u16,
                    generation: *generation,
                },
                name: deployment.name.to_string(),
                versions: Vec::new(),
                state: State::Stopped,
                exit: None,
                line: 0,
                wait: 0,
                restarts: 0,
                started_ns: now_ns,
                said_from: 0,
                said: Vec::new(),
            }
        });
        if let Some(last) = app.versions.last_mut() {
            last.outcome = "replaced";
        }
        app.versions.push(version);
        // Not more than the present one and the one before are kept.
        let old = app.versions.len().saturating_sub(2);
        app.versions.drain(..old);
        if deployment.flags & flags::START != 0 {
            app.start(now_ns);
        }
        app.id
    }
}
