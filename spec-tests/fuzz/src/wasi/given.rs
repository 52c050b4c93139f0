// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the program is given: a directory of this machine, beside which lies what it must not
//! reach and in which somebody else moves things; or a file system in memory.

use super::guest::SECRET;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use wasm_aot_linux::platform::Program;
use wasm_aot_memfs::MemFs;
use wasm_aot_runtime::platform::Files;

/// What the file system in memory may take.
const LIMIT: u64 = 4 << 20;

/// What the program's paths are resolved in.
enum Place {
    Directory {
        folder: TempDir,
        inside: RawFd,
        before: Vec<String>,
    },
    Memory(Alone),
}

/// A file system that one thread uses.
struct Alone(Box<MemFs<'static>>);

// SAFETY: a program's files are used by the thread on which it runs, the one that makes and checks
// them; the thread of `Others` knows nothing of them.
#[allow(unsafe_code)]
unsafe impl Sync for Alone {}

/// A program's files and its socket.
pub struct Given {
    place: Place,
    listener: RawFd,
    others: Option<Others>,
}

impl Given {
    /// A tree with links of every kind, in a directory or in memory.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new(in_memory: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let place = match in_memory {
            true => Place::Memory(Alone(Box::new(memory()?))),
            false => directory()?,
        };
        let moved = match &place {
            Place::Directory { folder, .. } => Some(folder.path().join("inside")),
            Place::Memory(_) => None,
        };
        Ok(Self {
            place,
            listener: listener.into_raw_fd(),
            others: Some(Others::new(address, moved)),
        })
    }

    /// Checks that nothing outside has been touched, and that bounds were kept.
    ///
    /// # Errors
    /// Says what is not as it was.
    pub fn check(&mut self) -> Result<()> {
        drop(self.others.take());
        match &self.place {
            Place::Directory { folder, before, .. } => {
                let now = listing(folder.path())?;
                ensure!(now == *before, "outside was {before:?}, is {now:?}");
            }
            Place::Memory(files) => {
                let used = files.0.used();
                ensure!(used <= LIMIT, "{used} bytes of {LIMIT} are taken");
            }
        }
        Ok(())
    }
}

impl Program for Given {
    fn arg(&self, index: usize) -> Option<&[u8]> {
        [&b"program"[..], b"", b"x"].get(index).copied()
    }

    fn env(&self, index: usize) -> Option<&[u8]> {
        (index == 0).then_some(b"A=1")
    }

    fn directory(&self, index: usize) -> Option<(RawFd, &[u8])> {
        match &self.place {
            Place::Directory { inside, .. } if index == 0 => Some((*inside, b"/")),
            _ => None,
        }
    }

    fn socket(&self, index: usize) -> Option<RawFd> {
        (index == 0).then_some(self.listener)
    }

    fn files(&self) -> Option<&dyn Files> {
        match &self.place {
            Place::Directory { .. } => None,
            Place::Memory(files) => Some(&*files.0),
        }
    }
}

fn directory() -> Result<Place> {
    let folder = tempfile::tempdir()?;
    let inside = folder.path().join("inside");
    fs::create_dir_all(inside.join("sub/deep"))?;
    fs::create_dir(folder.path().join("outside"))?;
    fs::write(folder.path().join("outside/secret"), SECRET)?;
    fs::write(inside.join("file"), "contents")?;
    fs::write(inside.join("sub/file"), "more")?;
    for (link, target) in [
        ("link", "sub"),
        ("sub/up", "../file"),
        ("loop", "loop"),
        ("out", "../outside"),
        ("out_file", "../outside/secret"),
        ("absolute", "/etc"),
    ] {
        symlink(target, inside.join(link))?;
    }
    let before = listing(folder.path())?;
    let inside = File::open(inside)?.into_raw_fd();
    Ok(Place::Directory {
        folder,
        inside,
        before,
    })
}

fn memory() -> Result<MemFs<'static>> {
    let now = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_nanos() as u64
    };
    let mut files = MemFs::new(LIMIT, now);
    let full = |errno| anyhow::anyhow!("no file system in memory: {errno:?}");
    files.add_directory(b"/").map_err(full)?;
    Ok(files)
}

/// Everything outside of the program's directory, with contents.
fn listing(folder: &Path) -> Result<Vec<String>> {
    let mut list = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        list.push(path.display().to_string());
    }
    for entry in fs::read_dir(folder.join("outside"))? {
        let path = entry?.path();
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let times = fs::metadata(&path)?.modified()?;
        list.push(format!(
            "{} {times:?} {}",
            path.display(),
            bytes.escape_ascii()
        ));
    }
    list.sort();
    Ok(list)
}

/// What goes on beside the program: connections come, say a word and go; and `swap` in its
/// directory is a directory at one moment and a link to the outside at the next.
struct Others {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Others {
    fn new(address: SocketAddr, inside: Option<PathBuf>) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1))
                {
                    // The program may not want to hear it.
                    let _ = stream.set_nonblocking(true);
                    let _ = stream.write(b"hello");
                }
                if let Some(inside) = &inside {
                    swap(inside);
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        Self {
            done,
            thread: Some(thread),
        }
    }
}

/// The program may be in the way of each of these steps.
fn swap(inside: &Path) {
    let (swap, link) = (inside.join("swap"), inside.join("swap-link"));
    let _ = fs::create_dir(&swap);
    let _ = symlink("../outside", &link);
    let _ = fs::remove_dir(&swap);
    let _ = fs::rename(&link, &swap);
    let _ = fs::remove_file(&swap);
}

impl Drop for Others {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}
