// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where each section is in the image, and which rights each page needs.
//!
//! One contiguous image: text (with `.text` first, so that offsets in the tables are offsets in
//! the image), veneers, read-only data, data, zeroed data. The three parts begin on pages of
//! their own, so that nothing is ever both writable and executable.

use crate::error::LoadError;
use core::ops::Range;
use elf::abi;
use elf::section::SectionHeader;
use wasm_aot_object::section as own;

/// The page size of the layout in bytes.
pub const PAGE: u64 = 4096;

/// An image is smaller than this, so that every distance in it fits a 32-bit relocation.
pub const MAX_IMAGE: u64 = 1 << 31;

/// The most sections with contents; `wasm-aot build` writes five.
pub(crate) const MAX_SECTIONS: usize = 48;

/// Bytes of a veneer: a jump (of at most 16 bytes) through the eight bytes behind it.
pub(crate) const VENEER: u64 = 24;

/// What the code and the address in a veneer want to be aligned to.
const VENEER_ALIGNMENT: u64 = 8;

/// Bytes that the image keeps for an undefined symbol: its veneer, and its number.
const BYTES_PER_UNDEFINED: u64 = VENEER + 4;

/// The image, as offsets from its start. Every range is a whole number of pages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Bytes of the image.
    pub total: u64,
    /// To be mapped readable and executable, once written.
    pub text: Range<u64>,
    /// To be mapped read-only, once written.
    pub read_only: Range<u64>,
    /// To be mapped readable and writable.
    pub read_write: Range<u64>,
    /// In [`Layout::text`]: jumps to functions that are too far away for a direct call.
    pub veneers: Range<u64>,
}

/// The part of the image that a section goes to, in the order of the image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Text,
    ReadOnly,
    Data,
    Zero,
}

/// A section that is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    /// Number of the section in the file.
    pub index: usize,
    pub part: Part,
    /// Offset in the image.
    pub offset: u64,
    /// Bytes in the image.
    pub size: u64,
    pub alignment: u64,
    /// Offset of its contents in the file; nothing for zeroed data.
    pub file: Option<usize>,
}

/// The sections that are loaded, without an allocator.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    sections: [Placed; MAX_SECTIONS],
    count: usize,
}

impl Placement {
    pub fn new() -> Self {
        let nothing = Placed {
            index: usize::MAX,
            part: Part::Zero,
            offset: 0,
            size: 0,
            alignment: 1,
            file: None,
        };
        Self {
            sections: [nothing; MAX_SECTIONS],
            count: 0,
        }
    }

    pub fn push(&mut self, section: Placed) -> bool {
        match self.sections.get_mut(self.count) {
            Some(slot) => {
                *slot = section;
                self.count += 1;
                true
            }
            None => false,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Placed> {
        self.sections.iter().take(self.count)
    }

    /// The section with this number in the file, if it is loaded.
    pub fn get(&self, index: usize) -> Option<&Placed> {
        self.iter().find(|placed| placed.index == index)
    }

    /// Gives every section its offset. `.text` (with this number) becomes offset 0; room for
    /// `undefined` veneers follows the code.
    pub fn arrange(&mut self, text: usize, undefined: u64) -> Result<Layout, LoadError<'static>> {
        let mut end = 0;
        self.arrange_part(&mut end, |section| section.index == text)?;
        self.arrange_part(&mut end, |section| {
            section.part == Part::Text && section.index != text
        })?;
        let veneers_start = end.next_multiple_of(VENEER_ALIGNMENT);
        let veneers = veneers_start..veneers_start + undefined * BYTES_PER_UNDEFINED;
        end = limit(veneers.end)?.next_multiple_of(PAGE);
        let text = 0..end;
        self.arrange_part(&mut end, |section| section.part == Part::ReadOnly)?;
        end = end.next_multiple_of(PAGE);
        let read_only = text.end..end;
        self.arrange_part(&mut end, |section| section.part == Part::Data)?;
        self.arrange_part(&mut end, |section| section.part == Part::Zero)?;
        end = limit(end.next_multiple_of(PAGE))?;
        let read_write = read_only.end..end;
        Ok(Layout {
            total: end,
            text,
            read_only,
            read_write,
            veneers,
        })
    }

    fn arrange_part(
        &mut self,
        end: &mut u64,
        belongs: impl Fn(&Placed) -> bool,
    ) -> Result<(), LoadError<'static>> {
        for section in self.sections.iter_mut().take(self.count) {
            if belongs(section) {
                section.offset = end.next_multiple_of(section.alignment);
                *end = limit(section.offset.saturating_add(section.size))?;
            }
        }
        Ok(())
    }
}

fn limit(bytes: u64) -> Result<u64, LoadError<'static>> {
    if bytes < MAX_IMAGE {
        Ok(bytes)
    } else {
        Err(LoadError::TooLarge { bytes })
    }
}

/// What is done with a section.
pub(crate) enum Fate {
    Load(Part),
    Ignore,
}

/// Decides whether and where a section is loaded.
pub(crate) fn fate<'a>(name: &'a str, header: &SectionHeader) -> Result<Fate, LoadError<'a>> {
    let refuse = |why| Err(LoadError::Section { name, why });
    let flags = header.sh_flags;
    let has = |bit: u32| flags & u64::from(bit) != 0;
    let ours = [own::META, own::TRAPS, own::ADDRESS_MAP, own::CONTRACT].contains(&name);
    // Unwinding tables and notes are for other loaders and debuggers.
    let foreign = name == ".eh_frame" || name.starts_with(".note") || name == ".comment";
    if !has(abi::SHF_ALLOC) || ours || foreign {
        return Ok(Fate::Ignore);
    }
    if has(abi::SHF_TLS) {
        return refuse("thread-local data is not supported");
    }
    if has(abi::SHF_COMPRESSED) {
        return refuse("compressed contents cannot be loaded");
    }
    let (executable, writable) = (has(abi::SHF_EXECINSTR), has(abi::SHF_WRITE));
    match header.sh_type {
        abi::SHT_PROGBITS if executable && writable => {
            refuse("both writable and executable, which is never loaded")
        }
        abi::SHT_PROGBITS if executable => Ok(Fate::Load(Part::Text)),
        // Written by relocations only.
        abi::SHT_PROGBITS if writable && !name.starts_with(".data.rel.ro") => {
            Ok(Fate::Load(Part::Data))
        }
        abi::SHT_PROGBITS => Ok(Fate::Load(Part::ReadOnly)),
        abi::SHT_NOBITS if writable && !executable => Ok(Fate::Load(Part::Zero)),
        abi::SHT_NOBITS => refuse("zeroed contents that are not writable"),
        _ if header.sh_size == 0 => Ok(Fate::Ignore),
        _ => refuse("a kind of section that cannot be loaded"),
    }
}
