// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Many accounts at random, against the model of the kernel: whatever they do, in whatever order
//! they end, everything is back in the end, or counted as lost where the kernel refused.

mod model;

use model::{Model, Random, UNTYPED};
use sel4_pool::{Account, Error, Free, Owner, Pool, Shape};

const MIB: u64 = 1 << 20;
const PAGE: Shape = shape(1, 12);
const LARGE: Shape = shape(2, 21);
const ENDPOINT: Shape = shape(3, 4);
const NOTIFICATION: Shape = shape(4, 5);
const THREAD: Shape = shape(5, 11);
const CNODE: Shape = shape(6, 14);

const fn shape(kind: u64, bits: u8) -> Shape {
    Shape {
        kind,
        size: bits as u64,
        bits,
    }
}

/// 16 KiB to 16 MiB, as a machine's memory is in pieces, and one too small for anything.
const UNTYPEDS: &[u8] = &[4, 12, 14, 15, 16, 18, 20, 21, 22, 23, 24];
const FIRST_SLOT: u64 = 20;

struct App {
    account: Account,
    limit: u64,
    taken: u64,
    /// Slots of its pages.
    pages: Vec<u64>,
}

struct Machine {
    pool: Pool<Model>,
    random: Random,
    apps: Vec<App>,
    /// Nothing is refused, and there are slots enough.
    ideal: bool,
}

impl Machine {
    fn new(seed: u64, slots: u64) -> Self {
        let mut random = Random::new(seed);
        let mut sizes = UNTYPEDS.to_vec();
        for index in (1..sizes.len()).rev() {
            sizes.swap(index, random.below(index as u64 + 1) as usize);
        }
        let range = FIRST_SLOT..FIRST_SLOT + slots;
        let (model, untypeds) = Model::new(range.clone(), &sizes, random.clone());
        let pool = Pool::new(model, range, untypeds.into_iter()).ok().unwrap();
        Self {
            pool,
            random,
            apps: Vec::new(),
            ideal: true,
        }
    }

    fn step(&mut self) {
        match self.random.below(10) {
            0 | 1 if self.apps.len() < 12 => self.begin(),
            2 => self.end(),
            3 => self.loose(),
            4 if self.random.below(8) == 0 => {
                self.pool.join_all();
            }
            5 if self.random.below(8) == 0 => {
                let _ = self.pool.clear_ahead(21);
            }
            _ => self.objects(),
        }
    }

    fn begin(&mut self) {
        let limit = match self.random.below(4) {
            0 => u64::MAX,
            1 => self.random.below(100) * 4096,
            _ => self.random.below(8 * MIB),
        };
        let account = self.pool.begin(limit).unwrap();
        self.apps.push(App {
            account,
            limit,
            taken: 0,
            pages: Vec::new(),
        });
    }

    fn end(&mut self) {
        if self.apps.is_empty() {
            return;
        }
        let index = self.random.below(self.apps.len() as u64) as usize;
        let app = self.apps.swap_remove(index);
        let usage = self.pool.usage(app.account).unwrap();
        assert_eq!((usage.taken, usage.high_water), (app.taken, app.taken));
        let left = self.pool.end(app.account);
        if self.ideal {
            assert_eq!(left, Ok(0));
        }
        // A closed account gives nothing.
        assert_eq!(self.pool.usage(app.account), None);
        let owner = Owner::App(app.account);
        assert_eq!(self.pool.objects(owner, PAGE, 1), Err(Error::Closed));
        assert_eq!(self.pool.loose(owner, 1), Err(Error::Closed));
        assert_eq!(self.pool.end(app.account), Err(Error::Closed));
    }

    /// Copies of another app's pages: they are deleted with the account, or before, with theirs.
    fn loose(&mut self) {
        if self.apps.is_empty() {
            return;
        }
        let of = self.random.below(self.apps.len() as u64) as usize;
        let to = self.random.below(self.apps.len() as u64) as usize;
        let count = self.random.below(5);
        let owner = Owner::App(self.apps[to].account);
        let Ok(first) = self.pool.loose(owner, count) else {
            assert!(!self.ideal);
            return;
        };
        for (slot, &page) in (first..first + count).zip(&self.apps[of].pages) {
            self.pool.kernel_mut().copy(page, slot);
        }
    }

    fn objects(&mut self) {
        if self.apps.is_empty() {
            return;
        }
        let index = self.random.below(self.apps.len() as u64) as usize;
        let (shape, most) = match self.random.below(12) {
            0 => (LARGE, 3),
            1 => (ENDPOINT, 300),
            2 => (NOTIFICATION, 3),
            3 => (THREAD, 4),
            4 => (CNODE, 2),
            5..8 => (PAGE, 4),
            8..11 => (PAGE, 70),
            _ => (PAGE, 1200),
        };
        let count = 1 + self.random.below(most);
        let bytes = count << shape.bits;
        let app = &self.apps[index];
        let owner = Owner::App(app.account);
        let budget = self.pool.budget(app.account);
        assert!(budget <= app.limit - app.taken);
        let before = self.pool.free();
        match self.pool.objects(owner, shape, count) {
            Ok(first) => {
                let app = &mut self.apps[index];
                app.taken += bytes;
                assert!(app.taken <= app.limit);
                if shape == PAGE {
                    app.pages.extend(first..first + count);
                    assert!(bytes <= budget);
                }
                if shape.kind >= THREAD.kind && self.random.below(2) == 0 {
                    self.pool.delete_first(owner, first).unwrap();
                }
                for slot in first..first + count {
                    assert!(sel4_pool::Kernel::is_occupied(self.pool.kernel_mut(), slot));
                }
            }
            Err(Error::Limit { limit }) => {
                assert_eq!(limit, app.limit);
                assert!(bytes > limit - app.taken);
                assert_eq!(self.pool.free(), before);
            }
            Err(Error::NoMemory { .. }) => {
                // Pages fit wherever there are bytes, but for the piece that is too small.
                let lost = self.pool.lost().bytes;
                assert!(shape != PAGE || bytes + 16 > budget || lost > 0);
                assert!(self.pool.free() == before || !self.ideal);
            }
            Err(Error::NoSlots) => assert!(!self.ideal),
            Err(Error::Kernel(_)) => {
                assert!(!self.ideal);
                // What was made until then is noted.
                self.apps[index].taken = self.pool.usage(app.account).unwrap().taken;
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    fn end_all(&mut self) {
        while !self.apps.is_empty() {
            self.end();
        }
    }
}

fn sum(one: Free, two: Free) -> Free {
    Free {
        slots: one.slots + two.slots,
        bytes: one.bytes + two.bytes,
    }
}

#[test]
fn everything_is_back() {
    for seed in 0..400 {
        let mut machine = Machine::new(seed, 40_000);
        machine.pool.set_thorough(seed % 2 == 0);
        let before = machine.pool.free();
        let bytes = UNTYPEDS.iter().map(|bits| 1 << bits).sum();
        assert_eq!((before.slots, before.bytes), (40_000, bytes));
        for _ in 0..3 {
            (0..300).for_each(|_| machine.step());
            machine.end_all();
            assert_eq!(machine.pool.free(), before, "seed {seed}");
        }
        // As it was: nothing is halved, and nothing but what came out of the boot exists.
        machine.pool.join_all();
        assert_eq!(machine.pool.free(), before);
        assert_eq!(machine.pool.kernel().count(), UNTYPEDS.len());
        assert_eq!(machine.pool.lost(), Free::default());
    }
}

#[test]
fn slots_that_run_out_are_an_error_of_whoever_wants_them() {
    for seed in 0..200 {
        let mut machine = Machine::new(seed, 700);
        machine.ideal = false;
        let before = machine.pool.free();
        (0..600).for_each(|_| machine.step());
        machine.end_all();
        assert_eq!(machine.pool.free(), before, "seed {seed}");
        machine.pool.join_all();
        assert_eq!(machine.pool.kernel().count(), UNTYPEDS.len());
    }
}

#[test]
fn what_the_kernel_refuses_is_counted() {
    let mut lost = 0;
    for seed in 0..600 {
        let mut machine = Machine::new(seed, 40_000);
        machine.ideal = false;
        let before = machine.pool.free();
        machine.pool.kernel_mut().refuses = [20, 100, 1000][seed as usize % 3];
        (0..500).for_each(|_| machine.step());
        machine.end_all();
        let now = machine.pool.free();
        assert_eq!(sum(now, machine.pool.lost()), before, "seed {seed}");
        lost += machine.pool.lost().bytes;
        // Whatever is not lost can be had again.
        machine.pool.kernel_mut().refuses = 0;
        let account = machine.pool.begin(u64::MAX).unwrap();
        let owner = Owner::App(account);
        let pages = machine.pool.budget(account) >> 12;
        let one = machine.pool.objects(owner, PAGE, pages - 1);
        assert!(one.is_ok() || pages == 0, "seed {seed}");
        assert_eq!(machine.pool.end(account), Ok(0));
        assert_eq!(sum(machine.pool.free(), machine.pool.lost()), before);
    }
    assert!(lost > 0, "nothing was ever refused");
}

/// Ten thousand apps of one size: what they cost does not grow.
#[test]
fn churn_does_not_wear_out() {
    let mut machine = Machine::new(1, 40_000);
    let before = machine.pool.free();
    let round = |machine: &mut Machine| {
        machine.begin();
        let app = machine.apps.last_mut().unwrap();
        let (account, owner) = (app.account, Owner::App(app.account));
        machine.apps.clear();
        let _ = machine.pool.objects(owner, PAGE, 1);
        let calls = machine.pool.kernel().calls;
        let cleared = machine.pool.kernel().cleared;
        machine.pool.end(account).unwrap();
        (calls, cleared)
    };
    for _ in 0..100 {
        round(&mut machine);
    }
    let (calls, cleared) = round(&mut machine);
    for _ in 0..10_000 {
        round(&mut machine);
    }
    let (calls_now, cleared_now) = round(&mut machine);
    assert!(calls_now - calls < 10_000 * 8);
    assert!(cleared_now - cleared <= 10_001 * 16384);
    assert_eq!(machine.pool.free(), before);
}

/// A batch takes what it needs and no more, however it is made up.
#[test]
fn a_batch_wastes_nothing() {
    for pages in 1..700 {
        let mut machine = Machine::new(pages, 40_000);
        let before = machine.pool.free().bytes;
        let account = machine.pool.begin(u64::MAX).unwrap();
        let owner = Owner::App(account);
        machine.pool.objects(owner, PAGE, pages).unwrap();
        let taken = before - machine.pool.free().bytes;
        assert_eq!(taken, (pages << 12).next_multiple_of(16384).max(16384));
        // The rest of the chunk is the next one's.
        let more = (4 - pages % 4) % 4;
        machine.pool.objects(owner, PAGE, more).unwrap();
        assert_eq!(before - machine.pool.free().bytes, taken);
        let usage = machine.pool.usage(account).unwrap();
        assert_eq!(usage.taken, (pages + more) << 12);
        machine.pool.end(account).unwrap();
    }
}

/// The kernel clears no more than what is asked for, as long as there are fitting pieces.
#[test]
fn small_requests_do_not_clear_large_memory() {
    let mut machine = Machine::new(3, 40_000);
    let account = machine.pool.begin(u64::MAX).unwrap();
    machine
        .pool
        .objects(Owner::App(account), PAGE, 256)
        .unwrap();
    let cleared = machine.pool.kernel().cleared;
    assert!(cleared <= MIB, "{cleared} bytes");
    // Clearing ahead leaves nothing to be cleared of what is larger than what is wanted.
    while let Some(bytes) = machine.pool.clear_ahead(21).unwrap() {
        assert!(bytes > 2 * MIB);
    }
    let cleared = machine.pool.kernel().cleared;
    let pages = machine.pool.objects(Owner::App(account), LARGE, 4);
    pages.unwrap();
    assert!(machine.pool.kernel().cleared - cleared <= 2 * MIB);
    machine.pool.end(account).unwrap();
}

/// A defect elsewhere, a capability in the slot of an object that is not its account's, is found,
/// removed and reported.
#[test]
fn what_is_left_in_a_slot_is_found() {
    let mut machine = Machine::new(5, 40_000);
    let before = machine.pool.free();
    let [one, two] = [(); 2].map(|()| machine.pool.begin(u64::MAX).unwrap());
    let pages = machine.pool.objects(Owner::App(one), PAGE, 4).unwrap();
    let other = machine.pool.objects(Owner::App(two), PAGE, 40).unwrap();
    // The app's own object goes, something of the other's comes.
    sel4_pool::Kernel::delete(machine.pool.kernel_mut(), other).unwrap();
    machine.pool.kernel_mut().copy(pages, other);
    assert_eq!(machine.pool.end(two), Ok(1));
    assert_eq!(machine.pool.end(one), Ok(0));
    assert_eq!(machine.pool.free(), before);
    assert_ne!(PAGE.kind, UNTYPED);
}
