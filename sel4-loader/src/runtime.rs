// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The app runtime that this program carries: what it exports, and its pages in each app.

use crate::memory::{DEPTH, Memory, MemoryError, Object, Owner, ROOT};
use crate::vspace::{self, Access, PAGE};
use crate::window;
use elf::ElfBytes;
use elf::abi::{PF_W, PT_LOAD};
use elf::endian::LittleEndian;
use sel4::{rights, sys};
use sel4_boot::space;
use sel4_boot::startup::exports::{self, Entry, Header};
use zerocopy::FromBytes;

/// The program `sel4-app-runtime`, as its linker wrote it.
static IMAGE: &[u8] = include_bytes!(env!("SEL4_APP_RUNTIME"));

const MAX_SEGMENTS: usize = 4;

/// A part of the runtime.
#[derive(Clone, Copy)]
struct Segment {
    address: u64,
    bytes: &'static [u8],
    pages: u64,
    /// First of the frames that all apps share; `None` for data.
    shared: Option<u64>,
}

/// The runtime, ready to be mapped.
pub struct Runtime {
    segments: [Option<Segment>; MAX_SEGMENTS],
    header: Header,
}

impl Runtime {
    /// Reads the program and fills the frames that apps share. The message says what is wrong
    /// with the program, which is a defect of the build.
    pub fn new(memory: &mut Memory) -> Result<Self, &'static str> {
        let file = ElfBytes::<LittleEndian>::minimal_parse(IMAGE);
        let file = file.map_err(|_| "the app runtime is not an ELF file")?;
        let mut segments = [None; MAX_SEGMENTS];
        let headers = file.segments().ok_or("the app runtime has no segments")?;
        let loads = headers
            .iter()
            .filter(|h| h.p_type == PT_LOAD && h.p_memsz > 0);
        for (place, header) in loads.enumerate() {
            let end = header.p_vaddr.checked_add(header.p_memsz);
            let inside = header.p_vaddr >= space::RUNTIME
                && end.is_some_and(|end| end <= space::RUNTIME_END)
                && header.p_vaddr.is_multiple_of(PAGE);
            let bytes = file.segment_data(&header).ok().filter(|_| inside);
            let bytes = bytes.ok_or("a segment of the app runtime is out of place")?;
            let slot = segments
                .get_mut(place)
                .ok_or("the app runtime has too many segments")?;
            let pages = header.p_memsz.div_ceil(PAGE);
            let shared = if header.p_flags & PF_W == 0 {
                let frames = filled(memory, Owner::Root, bytes, pages);
                Some(frames.map_err(|_| "there is no memory for the app runtime")?)
            } else {
                None
            };
            *slot = Some(Segment {
                address: header.p_vaddr,
                bytes,
                pages,
                shared,
            });
        }
        let mut runtime = Self {
            segments,
            header: Header::default(),
        };
        runtime.header = runtime
            .at(space::RUNTIME, size_of::<Header>() as u64)
            .and_then(|bytes| Header::read_from_bytes(bytes).ok())
            .filter(|header| header.magic == exports::MAGIC)
            .ok_or("the app runtime has no header")?;
        Ok(runtime)
    }

    /// Bytes of the program at an address.
    fn at(&self, address: u64, length: u64) -> Option<&'static [u8]> {
        self.segments.iter().flatten().find_map(|segment| {
            let start = address.checked_sub(segment.address)? as usize;
            segment.bytes.get(start..)?.get(..length as usize)
        })
    }

    /// Where an app begins.
    pub fn entry(&self) -> u64 {
        self.header.entry
    }

    /// Where the thread of a script is put.
    pub fn call(&self) -> u64 {
        self.header.call
    }

    /// The function that reads the header of an object of the heap.
    pub fn object_header(&self) -> u64 {
        self.header.object_header
    }

    /// Where the thread of an app that has ended sends its directories.
    pub fn pack(&self) -> u64 {
        self.header.pack
    }

    /// The word in which thunks note the memory of whoever calls a function of WASI.
    pub fn caller(&self) -> u64 {
        self.header.caller
    }

    /// Address of a function that the runtime exports.
    pub fn export(&self, name: &str) -> Option<u64> {
        self.entry_of(name).map(|entry| entry.address)
    }

    /// Whether a type of the metadata is that of a function that the runtime exports. True where
    /// it exports none of this name.
    pub fn fits(&self, name: &str, kind: &str) -> bool {
        let Some(entry) = self.entry_of(name) else {
            return true;
        };
        entry.signature != exports::UNTYPED && exports::signature(kind) == Some(entry.signature)
    }

    fn entry_of(&self, name: &str) -> Option<Entry> {
        let size = size_of::<Entry>() as u64;
        (0..self.header.count).find_map(|number| {
            let at = self.header.entries + number * size;
            let entry = Entry::read_from_bytes(self.at(at, size)?).ok()?;
            let bytes = self.at(entry.name, entry.length)?;
            (bytes == name.as_bytes()).then_some(entry)
        })
    }

    /// Maps the runtime into an app's address space. Frames that all apps share are copied into slots
    /// of the app's, which are emptied when it ends.
    pub fn map(&self, memory: &mut Memory, owner: Owner, vspace: u64) -> Result<(), MemoryError> {
        let shared = self.segments.iter().flatten();
        let count = shared.filter(|s| s.shared.is_some()).map(|s| s.pages).sum();
        let mut next = memory.slots(owner, count)?;
        for segment in self.segments.iter().flatten() {
            let Some(frames) = segment.shared else {
                let frames = filled(memory, owner, segment.bytes, segment.pages)?;
                let access = Access::ReadWrite;
                let (address, pages) = (segment.address, segment.pages);
                vspace::map_range(memory, owner, vspace, frames, pages, address, access)?;
                continue;
            };
            for number in 0..segment.pages {
                let frame = frames + number;
                sys::seL4_CNode_Copy(ROOT, next, DEPTH, ROOT, frame, DEPTH, rights::READ)?;
                let at = segment.address + number * PAGE;
                vspace::map(memory, owner, vspace, next, at, Access::ReadOnly)?;
                next += 1;
            }
        }
        Ok(())
    }
}

/// New frames with these bytes, zeroes behind.
fn filled(memory: &mut Memory, owner: Owner, bytes: &[u8], pages: u64) -> Result<u64, MemoryError> {
    let frames = memory.objects(owner, Object::Frame, pages)?;
    window::fill(memory, owner, frames, pages, |page| {
        page[..bytes.len()].copy_from_slice(bytes);
    })?;
    Ok(frames)
}
