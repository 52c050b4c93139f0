// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The collector against a model: random graphs, roots in globals, tables and made-up frames.

use crate::object::{self, Descriptor};
use crate::{Frame, Heap, System};
use std::boxed::Box;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;
use wasm_aot_object::descriptor::{
    ARRAY_ELEMENTS_OFFSET, ROOT_TABLE, Registration, RootRange, TableDescriptor, object_kind,
};
use wasm_aot_object::stackmap::stack_maps;

/// Memory that is all there, and a clock that ticks.
#[derive(Default)]
struct Fake {
    time: Cell<u64>,
    refuse: Cell<bool>,
}

impl System for Fake {
    fn commit(&self, _: u64, _: u64) -> bool {
        !self.refuse.get()
    }

    fn now(&self) -> u64 {
        self.time.set(self.time.get() + 7);
        self.time.get()
    }
}

/// No compiled code is running.
const NOWHERE: Frame = Frame { pc: 0, fp: 0 };

fn descriptor(kind: u32, size: u32, references: &[u32]) -> Descriptor {
    let count = match kind {
        object_kind::ARRAY => references.first().copied().unwrap_or(0),
        _ => references.len() as u32,
    };
    let mut words = vec![1, 0, kind, size, count, 4, 1, 0, 0, 0];
    if kind != object_kind::ARRAY {
        words.extend_from_slice(references);
    }
    // 8-aligned, and never freed.
    let pairs = words
        .chunks(2)
        .map(|pair| u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32);
    let words: &'static [u64] = Box::leak(pairs.collect());
    // SAFETY: laid out as a descriptor, and static.
    unsafe { Descriptor::new(words.as_ptr().cast()) }
}

/// A structure of two references and a number.
fn node() -> Descriptor {
    descriptor(object_kind::STRUCT, 32, &[8, 16])
}

fn heap(bytes: usize, stress: bool) -> Heap {
    let region: &'static mut [u64] = Box::leak(vec![u64::MAX; bytes / 8 + 512].into());
    let start = region.as_ptr() as u64;
    let mut heap = Heap::new();
    // SAFETY: fresh memory that nobody else uses.
    unsafe { heap.provide(start..start + region.len() as u64 * 8, stress) };
    heap
}

/// Words that are registered as roots.
fn roots(heap: &mut Heap, count: usize) -> &'static mut [u64] {
    let words: &'static mut [u64] = Box::leak(vec![0; count].into());
    let ranges: &'static mut [RootRange] = Box::leak(Box::new([RootRange {
        address: words.as_ptr() as u64,
        count: count as u64,
    }]));
    register(heap, ranges, &[]);
    words
}

/// Registers an object file whose text is one made-up range of addresses.
fn register(heap: &mut Heap, ranges: &'static [RootRange], maps: &[(u32, u32, Vec<u32>)]) {
    let maps: &'static [u32] = Box::leak(stack_maps(maps).into());
    let record = Box::leak(Box::new(Registration {
        next: 0,
        text_start: 0x1000,
        text_end: 0x2000,
        stack_maps: maps.as_ptr() as u64,
        roots: ranges.as_ptr() as u64,
        root_count: ranges.len() as u64,
        exceptions: 0,
        tags: 0,
        allocation: 0,
    }));
    // SAFETY: all of it is static and true.
    unsafe { heap.register(record) };
}

fn make(heap: &mut Heap, ty: Descriptor, frame: Frame) -> u64 {
    // SAFETY: a structure's descriptor; the frames of these tests are as they must be.
    unsafe { heap.structure(ty, frame, &Fake::default()) }.unwrap()
}

fn get(object: u64, offset: u64) -> u64 {
    // SAFETY: the tests pass objects and offsets inside them.
    unsafe { object::read(object, offset) }
}

fn set(object: u64, offset: u64, value: u64) {
    // SAFETY: likewise.
    unsafe { object::write(object, offset, value) }
}

#[test]
fn what_is_reachable_survives_and_the_rest_is_gone() {
    let mut heap = heap(64 << 10, true);
    let root = roots(&mut heap, 2);
    root[0] = make(&mut heap, node(), NOWHERE);
    set(root[0], 24, 111);
    make(&mut heap, node(), NOWHERE);
    let second = make(&mut heap, node(), NOWHERE);
    set(second, 24, 222);
    set(root[0], 8, second);
    set(root[0], 16, root[0]);
    // An i31 and a host's word are no addresses.
    set(second, 8, 7 << 1 | 1);
    set(second, 16, 9 << 2 | 2);
    root[1] = make(&mut heap, node(), NOWHERE);
    assert_eq!(get(root[0], 24), 111);
    assert_eq!(get(root[0], 16), root[0], "a circle");
    let second = get(root[0], 8);
    assert_eq!(
        (get(second, 24), get(second, 8), get(second, 16)),
        (222, 15, 38)
    );
    let counters = heap.counters();
    assert_eq!(counters.collections, 4);
    assert_eq!(counters.live_bytes, 2 * 32);
    assert_eq!(counters.longest_pause, 7);
}

#[test]
fn a_full_heap_says_so_and_goes_on_once_there_is_room() {
    let mut heap = heap(64 << 10, false);
    let root = roots(&mut heap, 1);
    let fake = Fake::default();
    let mut made = 0;
    // SAFETY: a structure's descriptor, no frames.
    while let Some(object) = unsafe { heap.structure(node(), NOWHERE, &fake) } {
        set(object, 8, root[0]);
        root[0] = object;
        made += 1;
    }
    assert_eq!(made, (32 << 10) / 32, "half the heap");
    root[0] = 0;
    make(&mut heap, node(), NOWHERE);
    let array = descriptor(object_kind::ARRAY, 16, &[]);
    for length in [u64::from(u32::MAX), 1 << 40, 1 << 12] {
        // SAFETY: an array's descriptor, no frames.
        assert_eq!(unsafe { heap.array(array, length, NOWHERE, &fake) }, None);
    }
    // SAFETY: likewise.
    assert!(unsafe { heap.array(array, 2000, NOWHERE, &fake) }.is_some());
}

#[test]
fn without_a_region_or_memory_there_are_no_objects() {
    let fake = Fake::default();
    // SAFETY: a structure's descriptor, no frames.
    let made = unsafe { Heap::new().structure(node(), NOWHERE, &fake) };
    assert_eq!(made, None);
    fake.refuse.set(true);
    let mut heap = heap(64 << 10, false);
    // SAFETY: likewise.
    assert_eq!(unsafe { heap.structure(node(), NOWHERE, &fake) }, None);
}

#[test]
fn tables_are_roots_as_far_as_they_reach_now() {
    let mut heap = heap(64 << 10, true);
    let elements: &'static mut [u64] = Box::leak(Box::new([0; 4]));
    let table = Box::leak(Box::new(TableDescriptor {
        base: elements.as_ptr() as u64,
        length: 2,
        max_length: 4,
    }));
    let ranges = Box::leak(Box::new([RootRange {
        address: &raw const *table as u64,
        count: ROOT_TABLE,
    }]));
    register(&mut heap, ranges, &[]);
    elements[1] = make(&mut heap, node(), NOWHERE);
    elements[3] = elements[1];
    let before = elements[1];
    make(&mut heap, node(), NOWHERE);
    assert_ne!(elements[1], before, "it moved");
    assert_eq!(elements[3], before, "behind the table's end");
}

#[test]
fn frames_are_roots_by_their_stack_maps() {
    let mut heap = heap(64 << 10, true);
    register(&mut heap, &[], &[(0x10, 32, vec![8]), (0x20, 16, vec![0])]);
    // Outermost last: an unknown frame between two known ones, then the end of the chain.
    let stack: &'static mut [u64] = Box::leak(Box::new([0; 32]));
    let address = |index: usize, stack: &[u64]| &raw const stack[index] as u64;
    stack[4] = address(12, stack); // frame at 4, of 32 bytes: words 0..4
    stack[5] = 0x9_0000; // returns into code that nobody registered
    stack[12] = address(20, stack);
    stack[13] = 0x1020; // returns into the third frame, of 16 bytes: words 18..20
    stack[20] = 0;
    stack[21] = 0x7777;
    let frame = Frame {
        pc: 0x1010,
        fp: address(4, stack),
    };
    let object = make(&mut heap, node(), frame);
    set(object, 24, 5);
    stack[1] = object;
    stack[18] = object;
    stack[19] = object;
    make(&mut heap, node(), frame);
    assert_ne!(stack[1], object);
    assert_eq!(stack[18], stack[1]);
    assert_eq!(stack[19], object, "no map names this word");
    assert_eq!(get(stack[1], 24), 5);
}

/// What a random program believes the heap to hold.
#[derive(Default)]
struct Model {
    /// Values by identity: number, then references by identity.
    objects: BTreeMap<u64, (bool, Vec<Option<u64>>)>,
}

/// xorshift64*, so that a failure is found again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// Compares the heap with the model from one reference on.
fn compare(object: u64, identity: u64, model: &Model, seen: &mut BTreeMap<u64, u64>) {
    let mut pending = vec![(object, identity)];
    while let Some((object, identity)) = pending.pop() {
        if let Some(&known) = seen.get(&identity) {
            assert_eq!(known, object, "one object, two addresses");
            continue;
        }
        seen.insert(identity, object);
        let (is_array, references) = &model.objects[&identity];
        let first = if *is_array {
            // SAFETY: the model says that it is an array.
            let length = unsafe { object::array_length(object) };
            assert_eq!(length as usize, references.len());
            ARRAY_ELEMENTS_OFFSET as u64
        } else {
            assert_eq!(get(object, 24), identity);
            8
        };
        for (index, &reference) in references.iter().enumerate() {
            let word = get(object, first + index as u64 * 8);
            match reference {
                None => assert_eq!(word, 0),
                Some(identity) => pending.push((word, identity)),
            }
        }
    }
}

#[test]
fn random_graphs_are_kept_as_they_are() {
    const ROOTS: usize = 12;
    let array = descriptor(object_kind::ARRAY, 8, &[1]);
    for seed in 1..=40 {
        let mut random = Random(seed * 0x9e37_79b9_7f4a_7c15);
        let mut heap = heap(512 << 10, seed % 4 == 0);
        let root = roots(&mut heap, ROOTS);
        let mut identities = [None; ROOTS];
        let mut model = Model::default();
        let fake = Fake::default();
        for identity in 1..3000u64 {
            let at = random.below(ROOTS);
            match random.below(8) {
                0 => (root[at], identities[at]) = (0, None),
                1..=3 => {
                    let is_array = random.below(3) == 0;
                    let count = if is_array { random.below(20) } else { 2 };
                    // SAFETY: descriptors of their kinds; no frames.
                    let object = unsafe {
                        if is_array {
                            heap.array(array, count as u64, NOWHERE, &fake)
                        } else {
                            heap.structure(node(), NOWHERE, &fake)
                        }
                    };
                    let Some(object) = object else {
                        root.fill(0);
                        identities = [None; ROOTS];
                        continue;
                    };
                    if !is_array {
                        set(object, 24, identity);
                    }
                    model
                        .objects
                        .insert(identity, (is_array, vec![None; count]));
                    (root[at], identities[at]) = (object, Some(identity));
                }
                _ => {
                    let to = random.below(ROOTS);
                    let Some(identity) = identities[at] else {
                        continue;
                    };
                    let (is_array, references) = model.objects.get_mut(&identity).unwrap();
                    if references.is_empty() {
                        continue;
                    }
                    let index = random.below(references.len());
                    references[index] = identities[to];
                    let first = if *is_array { 16 } else { 8 };
                    set(root[at], first + index as u64 * 8, root[to]);
                }
            }
        }
        let mut seen = BTreeMap::new();
        for (word, identity) in root.iter().zip(identities) {
            match identity {
                Some(identity) => compare(*word, identity, &model, &mut seen),
                None => assert_eq!(*word, 0),
            }
        }
        assert!(heap.counters().collections > 0 || heap.counters().allocated_bytes < 256 << 10);
    }
}
