// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Writes an object's image: contents, veneers, relocations.
//!
//! Every undefined symbol is resolved exactly once, before anything else, and the result is kept
//! in its veneer: so a symbol costs 28 bytes of the image and nothing needs an allocator. The
//! numbers of the undefined symbols follow the veneers, ascending, to find a veneer by.

use crate::arch::{Refused, veneer_target};
use crate::error::{LoadError, Unresolved};
use crate::layout::{Layout, PAGE, Placed, VENEER};
use crate::object::{Object, Relocations};
use crate::symbol::{Resolution, UndefinedKind, UndefinedSymbol};
use elf::relocation::Rela;
use wasm_aot_object::meta::ImportRecord;

/// Where an image was loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Address of the image's first byte, which is also that of `.text`.
    pub address: u64,
    /// What is where in it.
    pub layout: Layout,
    /// Undefined symbols that were resolved.
    pub resolved: usize,
}

/// A relocation's symbol as an address.
struct Target {
    address: u64,
    /// A jump to it within the image.
    veneer: Option<u64>,
}

impl<'a> Object<'a> {
    /// Writes the image into `image`, for running at `address`.
    ///
    /// `image` is where the bytes are written now, the first [`Layout::total`] of it; what it
    /// held before does not matter. `resolve` says what an undefined symbol becomes, `None` where
    /// nobody defines it. A weak one that nobody defines is 0.
    ///
    /// The caller maps [`Layout::text`] executable and [`Layout::read_only`] read-only
    /// afterwards, tells the instruction cache where that does not see what is written (AArch64,
    /// RISC-V), and provides the memories and growable tables that the metadata asks for.
    ///
    /// # Errors
    /// Where `image` or `address` do not fit, `resolve` does not know a symbol, or something is
    /// too far away.
    pub fn load(
        &self,
        image: &mut [u8],
        address: u64,
        resolve: &mut dyn FnMut(&UndefinedSymbol<'a>) -> Option<Resolution>,
    ) -> Result<Loaded, LoadError<'a>> {
        let layout = self.layout();
        let given = image.len() as u64;
        let image = usize::try_from(layout.total)
            .ok()
            .and_then(|total| image.get_mut(..total))
            .ok_or(LoadError::Image {
                what: "the memory for the image is too small",
                needed: layout.total,
                given,
            })?;
        if !address.is_multiple_of(PAGE) || address.checked_add(layout.total).is_none() {
            return Err(LoadError::Image {
                what: "the image's address is not a multiple of the page size, or too high",
                needed: PAGE,
                given: address,
            });
        }
        image.fill(0);
        for section in self.placement.iter() {
            self.copy(section, image);
        }
        let resolved = self.resolve(image, address, resolve)?;
        for (section, relocations) in self.relocations() {
            self.relocate(&section, &relocations, image, address)?;
        }
        Ok(Loaded {
            address,
            layout: layout.clone(),
            resolved,
        })
    }

    fn copy(&self, section: &Placed, image: &mut [u8]) {
        let (start, size) = (section.offset as usize, section.size as usize);
        // Both ranges were checked by `parse`; zeroed data has no contents.
        if let Some(file) = section.file
            && let Some(from) = self.bytes.get(file..file + size)
            && let Some(to) = image.get_mut(start..start + size)
        {
            to.copy_from_slice(from);
        }
    }

    /// Resolves every undefined symbol into its veneer.
    fn resolve(
        &self,
        image: &mut [u8],
        address: u64,
        resolve: &mut dyn FnMut(&UndefinedSymbol<'a>) -> Option<Resolution>,
    ) -> Result<usize, LoadError<'a>> {
        let place = &self.layout().veneers;
        let mut here = address + place.start;
        let Some(area) = image.get_mut(place.start as usize..place.end as usize) else {
            return Ok(0);
        };
        let count = area.len() / (VENEER as usize + 4);
        let (veneers, numbers) = area.split_at_mut(count * VENEER as usize);
        let slots = veneers.chunks_exact_mut(VENEER as usize);
        let slots = slots.zip(numbers.chunks_exact_mut(4));
        for ((index, symbol), (veneer, number)) in self.undefined_symbols().zip(slots) {
            let code = match resolve(&symbol) {
                Some(Resolution::Address(target)) => (self.arch.veneer)(target),
                Some(Resolution::Trap) if symbol.is_function() => self.arch.stub(here),
                None if self.is_weak(index) => (self.arch.veneer)(0),
                Some(Resolution::Trap) | None => {
                    let meta = *self.meta();
                    return Err(LoadError::Unresolved(Unresolved { symbol, meta }));
                }
            };
            veneer.copy_from_slice(&code);
            number.copy_from_slice(&(index as u32).to_le_bytes());
            here += VENEER;
        }
        Ok(count)
    }

    /// The address that the undefined symbol of this name was given when the image was loaded;
    /// `read` reads the image at an offset, and says whether it could.
    pub fn binding(&self, name: &str, read: &mut dyn FnMut(u64, &mut [u8]) -> bool) -> Option<u64> {
        let position = self.undefined_names().position(|n| n == name)? as u64;
        let mut veneer = [0; VENEER as usize];
        let start = self.layout().veneers.start + position * VENEER;
        read(start, &mut veneer).then(|| veneer_target(&veneer))?
    }

    /// The import whose trapping stand-in ([`Resolution::Trap`]) covers this offset in the image.
    #[must_use]
    pub fn stub(&self, offset: u64) -> Option<&'a ImportRecord> {
        let inside = offset.checked_sub(self.layout().veneers.start)?;
        // Behind the last one are the numbers.
        let position = usize::try_from(inside / VENEER).ok()?;
        match self.undefined().nth(position)?.kind {
            UndefinedKind::Import(import) => Some(import),
            _ => None,
        }
    }

    /// Finds what [`Object::resolve`] wrote about the undefined symbol with this number: offset
    /// of the veneer in the image, and the address in it.
    fn resolved(&self, image: &[u8], index: u32) -> Option<(u64, u64)> {
        let area = &self.layout().veneers;
        let bytes = image.get(area.start as usize..area.end as usize)?;
        let count = bytes.len() / (VENEER as usize + 4);
        let (veneers, numbers) = bytes.split_at_checked(count * VENEER as usize)?;
        let (numbers, _) = numbers.as_chunks::<4>();
        let position = numbers
            .binary_search_by_key(&index, |bytes| u32::from_le_bytes(*bytes))
            .ok()?;
        let start = position * VENEER as usize;
        let veneer = veneers.get(start..start + VENEER as usize)?;
        Some((area.start + start as u64, veneer_target(veneer)?))
    }

    fn relocate(
        &self,
        section: &Placed,
        relocations: &Relocations<'a>,
        image: &mut [u8],
        address: u64,
    ) -> Result<(), LoadError<'a>> {
        for (index, relocation) in relocations.iter().enumerate() {
            let kind = relocation.r_type;
            // The low part of an address has symbol, addend and place of the high part.
            let value = match (self.arch.high_part)(kind) {
                None => relocation.clone(),
                Some(high) => self
                    .high_part(section, relocations, &relocation, high)
                    .ok_or(LoadError::Malformed {
                        what: "a relocation of the low part of an address, without high part",
                        index,
                    })?,
            };
            let Some(target) = self.target(image, &value, address) else {
                return Err(LoadError::RelocationTarget {
                    section: self.section_name(section.index),
                    offset: relocation.r_offset,
                    symbol: self.relocation_symbol(&relocation),
                });
            };
            let offset = section.offset + relocation.r_offset;
            let place = address + section.offset + value.r_offset;
            let width = (self.arch.width)(kind).unwrap_or(0);
            let field = image
                .get_mut(offset as usize..offset as usize + width)
                .unwrap_or_default();
            let mut apply = |symbol| (self.arch.apply)(kind, field, symbol, value.r_addend, place);
            let mut result = apply(target.address);
            if result == Err(Refused::Overflow)
                && (self.arch.is_call)(kind)
                && let Some(veneer) = target.veneer
            {
                result = apply(veneer);
            }
            result.map_err(|refused| self.refusal(refused, section, &value, &target))?;
        }
        Ok(())
    }

    /// The relocation of the high part of an address, which is where the symbol of that of the
    /// low part is. Relocations are in the order of their offsets, as all compilers write them.
    fn high_part(
        &self,
        section: &Placed,
        relocations: &Relocations<'a>,
        low: &Rela,
        kind: u32,
    ) -> Option<Rela> {
        let label = self.symbol_at(low.r_sym as usize)?;
        if usize::from(label.st_shndx) != section.index {
            return None;
        }
        let (mut start, mut end) = (0, relocations.len());
        while start < end {
            let middle = start + (end - start) / 2;
            if relocations.get(middle).ok()?.r_offset < label.st_value {
                start = middle + 1;
            } else {
                end = middle;
            }
        }
        // Beside it there can be a permission to relax.
        let mut there = (start..start + 2).filter_map(|index| relocations.get(index).ok());
        there.find(|high| high.r_offset == label.st_value && high.r_type == kind)
    }

    fn target(&self, image: &[u8], relocation: &Rela, address: u64) -> Option<Target> {
        let direct = |address| Target {
            address,
            veneer: None,
        };
        if relocation.r_sym == 0 {
            return Some(direct(0));
        }
        let symbol = self.symbol_at(relocation.r_sym as usize)?;
        if symbol.is_undefined() {
            let (veneer, target) = self.resolved(image, relocation.r_sym)?;
            return Some(Target {
                address: target,
                veneer: Some(address + veneer),
            });
        }
        Some(direct(self.value(&symbol)?.address(address)))
    }

    fn relocation_symbol(&self, relocation: &Rela) -> &'a str {
        let symbol = self.symbol_at(relocation.r_sym as usize);
        symbol.map_or("", |symbol| self.name(&symbol))
    }

    #[cold]
    fn refusal(
        &self,
        refused: Refused,
        section: &Placed,
        relocation: &Rela,
        target: &Target,
    ) -> LoadError<'a> {
        let (section, offset) = (self.section_name(section.index), relocation.r_offset);
        match refused {
            Refused::Kind => LoadError::RelocationKind {
                section,
                offset,
                kind: relocation.r_type,
            },
            Refused::Overflow => LoadError::RelocationOverflow {
                section,
                offset,
                symbol: self.relocation_symbol(relocation),
                target: target.address.wrapping_add_signed(relocation.r_addend),
            },
        }
    }
}
