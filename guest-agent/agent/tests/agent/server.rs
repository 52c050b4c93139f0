// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The loader's end on a Unix socket, with a root task that pretends behind it.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wasm_aot_protocol::frame::MAX_FRAME;
use wasm_aot_protocol::link;
use wasm_aot_protocol::loader::{Config, Loader};
use wasm_aot_protocol::testing::FakeWorld;
use wasm_aot_protocol::transport::Transport;
use wasm_aot_protocol::transport::serial::{Bytes, Serial};
use wasm_aot_protocol::transport::shared::Shared;
use wasm_aot_trust::sign::{record, sign};
use wasm_aot_trust::{Id, KeyRecord, Policy, Roles, Statement, hash};

/// The key that the image knows.
pub const KNOWN: [u8; 32] = [1; 32];

pub struct Server {
    pub folder: TempDir,
    address: String,
    pub world: Arc<Mutex<FakeWorld>>,
    orders: Arc<Orders>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
pub struct Orders {
    stop: AtomicBool,
    /// Close the connection.
    cut: AtomicBool,
    /// Start the loader anew.
    restart: AtomicBool,
    /// Bytes that have arrived.
    received: AtomicU64,
}

/// A socket that does not block, and may be closed.
struct Socket(Option<UnixStream>, Arc<Orders>);

impl Bytes for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let Some(stream) = &mut self.0 else {
            return 0;
        };
        match stream.read(buffer) {
            Ok(0) => self.0 = None,
            Ok(read) => {
                self.1.received.fetch_add(read as u64, Ordering::Relaxed);
                return read;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.0 = None,
        }
        0
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let stream = self.0.as_mut();
        stream.map_or(0, |stream| stream.write(bytes).unwrap_or(0))
    }
}

fn loader(boot: u64, unsigned: bool) -> Box<Loader<'static, 16, 4>> {
    let keys: &'static [KeyRecord] = vec![record(&KNOWN.into(), Roles::DEPLOY)].leak();
    let policy = Policy {
        keys,
        unsigned,
        max_object_bytes: 16 << 20,
    };
    let config = Config::new(policy, "loopback", boot, link::Config::SHARED);
    Box::new(Loader::new(config))
}

impl Server {
    pub fn start(unsigned: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("unix:{}", folder.path().join("socket").display());
        Self::on(folder, address, unsigned, move |orders| {
            let serial = Serial::new(Socket(None, orders));
            Box::new(Sockets { listener, serial })
        })
    }

    /// On a line that is there for good, and has this address.
    pub fn on(
        folder: TempDir,
        address: String,
        unsigned: bool,
        line: impl FnOnce(Arc<Orders>) -> Box<dyn Line> + Send + 'static,
    ) -> Self {
        let world = Arc::new(Mutex::new(FakeWorld::new(4, 8, 64 << 20)));
        let orders = Arc::new(Orders::default());
        let (behind, given) = (world.clone(), orders.clone());
        let thread = std::thread::spawn(move || {
            let mut line = line(given.clone());
            serve(&mut *line, &behind, &given, unsigned);
        });
        Self {
            folder,
            address,
            world,
            orders,
            thread: Some(thread),
        }
    }

    pub fn cut(&self) {
        self.orders.cut.store(true, Ordering::Relaxed);
    }

    pub fn restart(&self) {
        self.orders.restart.store(true, Ordering::Relaxed);
    }

    pub fn received(&self) -> u64 {
        self.orders.received.load(Ordering::Relaxed)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file in the folder.
    pub fn file(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// The agent, connected to this.
    pub fn agent(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wasm-agent"));
        command.current_dir(self.path());
        command.args(["--connect", &self.address]).args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.agent(arguments).output().unwrap()
    }

    /// Runs what is to succeed; its output as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs what is refused; the name of the error.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {output:?}");
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        said["error"]["name"].as_str().unwrap().into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.orders.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

/// A line, and what may be done to it.
pub trait Line: Transport {
    /// Takes a new connection, if there is one.
    fn accept(&mut self) {}
    /// Closes the connection.
    fn cut(&mut self) {}
}

/// A socket at a time, the last one that connected.
struct Sockets {
    listener: UnixListener,
    serial: Serial<Socket>,
}

impl Transport for Sockets {
    fn max_frame(&self) -> usize {
        self.serial.max_frame()
    }
    fn send(&mut self, frame: &[u8]) -> bool {
        self.serial.send(frame)
    }
    fn receive(&mut self, buffer: &mut [u8; MAX_FRAME]) -> Option<usize> {
        self.serial.receive(buffer)
    }
    fn flush(&mut self) {
        self.serial.flush();
    }
}

impl Line for Sockets {
    fn accept(&mut self) {
        if let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true).unwrap();
            let orders = self.serial.bytes().1.clone();
            self.serial = Serial::new(Socket(Some(stream), orders));
        }
    }
    fn cut(&mut self) {
        self.serial.bytes().0 = None;
    }
}

impl Line for Shared<'static, ()> {}

impl Line for Serial<Port> {}

/// The other end of a terminal.
pub struct Port(pub OwnedFd);

impl Bytes for Port {
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        rustix::io::read(&self.0, buffer).unwrap_or(0)
    }
    fn write(&mut self, bytes: &[u8]) -> usize {
        rustix::io::write(&self.0, bytes).unwrap_or(0)
    }
}

fn serve(line: &mut dyn Line, world: &Mutex<FakeWorld>, orders: &Orders, unsigned: bool) {
    let begin = Instant::now();
    let mut boot = 1;
    let mut half = loader(boot, unsigned);
    let mut turned = Duration::ZERO;
    while !orders.stop.load(Ordering::Relaxed) {
        line.accept();
        if orders.cut.swap(false, Ordering::Relaxed) {
            line.cut();
        }
        let mut world = world.lock().unwrap();
        if orders.restart.swap(false, Ordering::Relaxed) {
            boot += 1;
            half = loader(boot, unsigned);
            world.restart();
        }
        let now = begin.elapsed();
        if now >= turned + Duration::from_millis(1) {
            turned = now;
            world.turn(now.as_nanos() as u64);
        }
        let next = half.poll(now.as_nanos() as u64, transport(line), &mut *world);
        drop(world);
        if !next.again {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn transport(line: &mut dyn Line) -> &mut dyn Transport {
    line
}

/// A signature file.
pub fn signed(name: &str, version: u64, object: &[u8], secret: [u8; 32]) -> Vec<u8> {
    let statement = Statement {
        key: Id::NONE,
        object: hash(object),
        length_bytes: object.len() as u64,
        version,
        not_before_s: 0,
        expires_s: 0,
        name,
        contract: b"",
    };
    sign(&statement, &secret.into()).unwrap()
}
