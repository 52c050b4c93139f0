// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The platform of this crate's tests: several threads, a clock, and spaces whose growth is
//! written down.

use crate::platform::{Clock, Platform, Stream, install};
use crate::{Errno, Result, Wasi};
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, Once};
use std::time::{Duration, Instant};
use std::vec::Vec;
use wasm_aot_trap::TrapCode;

/// Makes the platform the one that the runtime uses.
pub fn setup() {
    static ONCE: Once = Once::new();
    // SAFETY: done once, before the test that calls it uses anything of the runtime.
    ONCE.call_once(|| unsafe { install(&Host) });
}

struct Host;

/// A space's addresses, and what of them is accessible.
type Known = (Range<u64>, Option<Range<u64>>);

/// Every space there is.
static SPACES: Mutex<Vec<Known>> = Mutex::new(Vec::new());

/// Reserved memory.
pub struct Space(Vec<u64>);

impl Space {
    pub fn new(bytes: u64) -> Self {
        let space = Self(std::vec![0; bytes as usize / 8]);
        let range = space.start()..space.start() + bytes;
        SPACES.lock().unwrap().push((range, None));
        space
    }

    pub fn start(&self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// What growth has made accessible, as offsets.
    pub fn committed(&self) -> Range<u64> {
        let spaces = SPACES.lock().unwrap();
        let (range, committed) = spaces
            .iter()
            .find(|(range, _)| range.start == self.start())
            .unwrap();
        match committed {
            Some(committed) => committed.start - range.start..committed.end - range.start,
            None => 0..0,
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let start = self.start();
        SPACES
            .lock()
            .unwrap()
            .retain(|(range, _)| range.start != start);
    }
}

static SLEEP: Mutex<()> = Mutex::new(());
static WAKE: Condvar = Condvar::new();

impl Platform for Host {
    fn write(&self, _: Stream, bytes: &[u8]) -> Result<usize> {
        Ok(bytes.len())
    }

    fn read(&self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn clock_time(&self, _: Clock) -> Result<u64> {
        static START: Mutex<Option<Instant>> = Mutex::new(None);
        let start = *START.lock().unwrap().get_or_insert_with(Instant::now);
        Ok(start.elapsed().as_nanos() as u64)
    }

    fn clock_resolution(&self, _: Clock) -> Result<u64> {
        Ok(1)
    }

    fn wait(&self, _: Option<u64>, _: bool) -> Result<bool> {
        Err(Errno::NOTSUP)
    }

    fn random(&self, _: &mut [u8]) -> Result<()> {
        Err(Errno::NOSYS)
    }

    fn commit(&self, address: u64, bytes: u64) -> bool {
        let mut spaces = SPACES.lock().unwrap();
        let end = address + bytes;
        let space = spaces
            .iter_mut()
            .find(|(range, _)| range.start <= address && end <= range.end);
        let Some((_, committed)) = space else {
            return false;
        };
        let before = committed.clone().unwrap_or(address..address);
        assert!(address <= before.end, "a hole");
        *committed = Some(before.start..before.end.max(end));
        true
    }

    fn block(&self, word: &AtomicU32, value: u32, timeout: Option<u64>) -> Result<()> {
        let guard = SLEEP.lock().unwrap();
        if word.load(Ordering::SeqCst) == value {
            match timeout {
                Some(timeout) => {
                    drop(WAKE.wait_timeout(guard, Duration::from_nanos(timeout)));
                }
                None => drop(WAKE.wait(guard)),
            }
        }
        Ok(())
    }

    fn wake(&self, _: *const AtomicU32, _: u32) {
        let _guard = SLEEP.lock().unwrap();
        WAKE.notify_all();
    }

    fn exit(&self, _: u32) -> ! {
        panic!("a test exits")
    }

    fn trap(&self, code: TrapCode) -> ! {
        panic!("a test traps: {code}")
    }

    fn yield_now(&self) {}

    fn arg(&self, _: usize) -> Option<&[u8]> {
        None
    }

    fn env(&self, _: usize) -> Option<&[u8]> {
        None
    }

    fn wasi(&self) -> Option<NonNull<Wasi>> {
        None
    }
}
