// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Ten thousand accounts on the real kernel, several at once, that come and go in any order: what
//! is free afterwards is what was free before, to the byte.

use crate::memory::{Account, Memory, MemoryError, Object, Owner};
use crate::say;
use crate::vspace::{self, Access, LARGE, PAGE};
use sel4::sys;

/// Accounts in all, and at once.
const ROUNDS: u64 = 10_000;
const ALIVE: usize = 12;
/// Pages of an account, at most.
const PAGES: u64 = 600;
/// Bytes that an account may have: some ask for more.
const LIMIT: u64 = 6 << 20;
/// Where its pages are.
const PLACE: u64 = 0x1000_0000;

/// Numbers that look random (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end
    }
}

/// Counts of what happened.
#[derive(Default)]
struct Counts {
    begun: u64,
    refused: u64,
    /// Slots in which something was left.
    left: u64,
}

/// Lets accounts come and go.
pub fn wear(memory: &mut Memory) -> Result<(), MemoryError> {
    memory.pool.set_thorough(true);
    memory.pool.join_all();
    let before = memory.free();
    let mut random = Random(6);
    let mut counts = Counts::default();
    let mut alive: [Option<Account>; ALIVE] = [None; ALIVE];
    while counts.begun < ROUNDS {
        let place = random.below(ALIVE as u64) as usize;
        match alive[place].take() {
            Some(account) => {
                counts.left += memory.end(account)?;
            }
            None => {
                let account = memory.begin(LIMIT)?;
                alive[place] = Some(account);
                match furnish(memory, account, &mut random) {
                    Ok(()) => {}
                    Err(MemoryError::Limit { .. }) => counts.refused += 1,
                    Err(error) => return Err(error),
                }
                counts.begun += 1;
            }
        }
    }
    for account in alive.into_iter().flatten() {
        counts.left += memory.end(account)?;
    }
    // Really, not only by what is noted: nothing is halved any more.
    memory.pool.join_all();
    let (after, lost) = (memory.free(), memory.pool.lost());
    let equal = before == after && counts.left == 0 && lost.bytes == 0 && lost.slots == 0;
    say!(
        "wear\t{}\t{} accounts, of which {} wanted more than their limit\t{before} before, \
         {after} after, {} left",
        if equal { "equal" } else { "DIFFERENT" },
        counts.begun,
        counts.refused,
        counts.left,
    );
    Ok(())
}

/// Makes what an app has, in an address space of its own.
fn furnish(memory: &mut Memory, account: Account, random: &mut Random) -> Result<(), MemoryError> {
    let owner = Owner::App(account);
    let space = memory.object(owner, Object::VSpace)?;
    sys::seL4_X86_ASIDPool_Assign(sys::seL4_CapInitThreadASIDPool, space)?;
    let access = Access::ReadWrite;
    let mut place = PLACE;
    for _ in 0..1 + random.below(3) {
        let pages = 1 + random.below(PAGES);
        let frames = memory.objects(owner, Object::Frame, pages)?;
        let (at, some) = (place, pages.min(20));
        vspace::map_range(memory, owner, space, frames, some, at, access)?;
        place += (pages * PAGE).next_multiple_of(LARGE);
    }
    if random.below(4) == 0 {
        let frame = memory.object(owner, Object::LargeFrame)?;
        vspace::map(memory, owner, space, frame, place, access)?;
    }
    memory.objects(owner, Object::Endpoint, 1 + random.below(40))?;
    let cspace = memory.object(owner, Object::CNode(4))?;
    let tcb = memory.object(owner, Object::Tcb)?;
    sys::seL4_TCB_Configure(tcb, 0, 1, cspace, 0, space, 0, 0, 0)?;
    Ok(())
}
