// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Puts a bundle into the root task, and the root task and the kernel into one bootable file.
//!
//! seL4 takes its root task as a multiboot module, and a kernel that is booted as one file has
//! none. So the image has, behind the kernel, a segment of ours:
//!
//! ```text
//! code           marks the multiboot information as having one module, jumps to the kernel
//! module list    one entry
//! root task      the ELF file, page-aligned
//! ```

use crate::elf::{self, Class, Elf};
use sel4_boot::bundle;

const PAGE: usize = 4096;
const EM_386: u16 = 3;
const EM_X86_64: u16 = 62;
/// First word of a multiboot header (Multiboot specification 0.6.96, section 3.1.1).
const MULTIBOOT_HEADER: [u8; 4] = 0x1bad_b002u32.to_le_bytes();
/// The header must be in this many first bytes of the file.
const MULTIBOOT_SEARCH: usize = 8192;
/// Physical addresses have to stay below this: the kernel reaches modules with 32-bit pointers.
const ADDRESS_LIMIT: u64 = 1 << 30;

/// Why an image cannot be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ImageError {
    /// The kernel or root task is no such file.
    #[error("{what} is not {expected}")]
    Not {
        /// Which file.
        what: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The root task has no place for a bundle.
    #[error(
        "the root task has no segment for a bundle; it was linked without linker-scripts/loader.ld"
    )]
    NoPayload,
    /// An image without a bundle.
    #[error(
        "the image has no boot bundle of version {}; make it with `wasm-aot image` of the same \
         release",
        bundle::VERSION
    )]
    NoBundle,
    /// The bundle cannot be read by the root task.
    #[error("{0}")]
    Bundle(#[from] bundle::BundleError),
    /// The image would not fit below 1 GiB.
    #[error("the image would take {0} bytes of memory and has to stay below 1 GiB")]
    TooLarge(u64),
}

fn parse(file: &[u8], what: &'static str, class: Class, machine: u16) -> Result<Elf, ImageError> {
    elf::parse(file)
        .filter(|elf| elf.class == class && elf.machine == machine)
        .filter(|elf| {
            let mut segments = elf.segments.iter();
            segments.all(|s| s.bytes(file).is_some() && s.file_size <= s.memory_size)
        })
        .ok_or(ImageError::Not {
            what,
            expected: match class {
                Class::Elf32 => "a 32-bit x86 ELF file",
                Class::Elf64 => "an x86-64 ELF file",
            },
        })
}

/// The root task with the bundle as its payload: the bytes are appended, and the program header
/// that the linker script reserved is pointed at them.
///
/// # Errors
/// Where the root task has no place for a bundle, or the bundle is none.
pub fn root_task_image(loader_elf: &[u8], bundle: &[u8]) -> Result<Vec<u8>, ImageError> {
    bundle::Bundle::parse(bundle)?;
    let elf = parse(loader_elf, "the root task", Class::Elf64, EM_X86_64)?;
    let marker = bundle::PAYLOAD_MARKER;
    let payload = elf.segments.iter().find(|segment| {
        let bytes = segment.bytes(loader_elf).unwrap_or_default();
        segment.kind == elf::LOAD && bytes.starts_with(marker)
    });
    let payload = payload.ok_or(ImageError::NoPayload)?;
    let mut image = loader_elf.to_vec();
    image.resize(image.len().next_multiple_of(PAGE), 0);
    let (offset, length) = (image.len() as u64, bundle.len() as u64);
    // Elf64_Phdr: p_offset, p_filesz, p_memsz.
    for (at, value) in [(8, offset), (32, length), (40, length)] {
        let at = payload.header + at;
        image[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    image.extend_from_slice(bundle);
    Ok(image)
}

/// One 32-bit ELF file that multiboot loaders boot: the kernel, and the root task as its module.
///
/// # Errors
/// Where one of the files is not what it should be, or both do not fit.
pub fn bootable_image(kernel_elf32: &[u8], root_task: &[u8]) -> Result<Vec<u8>, ImageError> {
    let kernel = parse(kernel_elf32, "the kernel", Class::Elf32, EM_386)?;
    parse(root_task, "the root task", Class::Elf64, EM_X86_64)?;
    let loads: Vec<_> = kernel
        .segments
        .iter()
        .filter(|s| s.kind == elf::LOAD && s.memory_size > 0)
        .collect();
    let end = loads.iter().map(|s| s.paddr + s.memory_size).max();
    let base = end.unwrap_or(0).next_multiple_of(PAGE as u64);
    let total = base + (PAGE + root_task.len()) as u64;
    if total > ADDRESS_LIMIT {
        return Err(ImageError::TooLarge(total));
    }
    let boot = boot_segment(base as u32, kernel.entry as u32, root_task);

    let mut parts: Vec<(u32, u32, &[u8], u64, u32)> = Vec::new();
    for segment in loads {
        let bytes = segment.bytes(kernel_elf32).unwrap_or_default();
        let (vaddr, paddr) = (segment.vaddr as u32, segment.paddr as u32);
        parts.push((vaddr, paddr, bytes, segment.memory_size, segment.flags));
    }
    let readable_executable = 5;
    let size = boot.len() as u64;
    parts.push((base as u32, base as u32, &boot, size, readable_executable));

    let mut headers = Vec::new();
    let mut body = Vec::new();
    for (vaddr, paddr, bytes, memory_size, flags) in &parts {
        body.resize(body.len().next_multiple_of(PAGE), 0);
        let offset = (PAGE + body.len()) as u32;
        body.extend_from_slice(bytes);
        // Elf32_Phdr.
        let words = [
            elf::LOAD,
            offset,
            *vaddr,
            *paddr,
            bytes.len() as u32,
            *memory_size as u32,
            *flags,
            PAGE as u32,
        ];
        headers.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    }
    let mut image = elf_header(base as u32, parts.len() as u16);
    image.extend(headers);
    image.resize(PAGE, 0);
    image.extend(body);
    let searched = &image[..image.len().min(MULTIBOOT_SEARCH)];
    if !searched.chunks(4).any(|word| word == MULTIBOOT_HEADER) {
        return Err(ImageError::Not {
            what: "the kernel",
            expected: "a multiboot kernel",
        });
    }
    Ok(image)
}

/// Elf32_Ehdr of an executable with program headers right behind.
fn elf_header(entry: u32, segments: u16) -> Vec<u8> {
    const SIZE: u16 = 52;
    let mut header = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let executable = 2u16;
    header.extend(executable.to_le_bytes());
    header.extend(EM_386.to_le_bytes());
    for word in [1, entry, u32::from(SIZE), 0, 0] {
        header.extend(word.to_le_bytes());
    }
    for half in [SIZE, 32, segments, 0, 0, 0] {
        header.extend(half.to_le_bytes());
    }
    header
}

/// The segment behind the kernel. A multiboot loader enters it in 32-bit protected mode with the
/// address of the multiboot information in EBX and undefined ESP (section 3.2).
fn boot_segment(base: u32, kernel_entry: u32, root_task: &[u8]) -> Vec<u8> {
    const LIST: u32 = 64;
    const NAME: u32 = LIST + 16;
    let mut bytes = Vec::new();
    // or dword [ebx], 8: flags, bit 3: there are modules
    bytes.extend([0x83, 0x0b, 0x08]);
    // mov dword [ebx + 20], 1: mods_count
    bytes.extend([0xc7, 0x43, 20]);
    bytes.extend(1u32.to_le_bytes());
    // mov dword [ebx + 24], list: mods_addr
    bytes.extend([0xc7, 0x43, 24]);
    bytes.extend((base + LIST).to_le_bytes());
    // jmp kernel_entry, relative to the next instruction
    bytes.push(0xe9);
    let next = base + bytes.len() as u32 + 4;
    bytes.extend(kernel_entry.wrapping_sub(next).to_le_bytes());
    bytes.resize(LIST as usize, 0);
    // The module: first byte, byte after the last, name, reserved (section 3.3).
    let start = base + PAGE as u32;
    for word in [start, start + root_task.len() as u32, base + NAME, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(b"sel4-loader\0");
    bytes.resize(PAGE, 0);
    bytes.extend_from_slice(root_task);
    bytes
}

/// Whether these are the bytes of a bootable image rather than of an object or module.
#[must_use]
pub fn is_image(bytes: &[u8]) -> bool {
    let machine = bytes
        .get(18..20)
        .and_then(|machine| machine.try_into().ok());
    let machine = machine.map(u16::from_le_bytes);
    bytes.starts_with(b"\x7fELF\x01\x01") && machine == Some(EM_386)
}

/// Makes an image that was made for its console talk to a host instead, and end the machine when
/// it is done. Gives the names of its apps.
///
/// # Errors
/// Where there is no bundle in it that this version can read.
pub fn hosted(image: &mut [u8]) -> Result<Vec<String>, ImageError> {
    // The root task has the magic number among its constants: what follows has to be a bundle.
    let starts = image.windows(bundle::MAGIC.len()).enumerate();
    let mut starts = starts.filter(|(_, bytes)| *bytes == bundle::MAGIC);
    let found = starts.find_map(|(at, _)| {
        let bundle = bundle::Bundle::parse(&image[at..]).ok()?;
        let names = bundle.apps().map(|app| app.name.to_owned());
        Some((at, names.collect()))
    });
    let (at, names) = found.ok_or(ImageError::NoBundle)?;
    let flags = bundle::flags::HOSTED | bundle::flags::POWER_OFF;
    bundle::set_flags(&mut image[at..], flags);
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one PT_LOAD at `paddr` holding `content`.
    fn elf_file(class: Class, paddr: u32, content: &[u8]) -> Vec<u8> {
        let mut file = match class {
            Class::Elf32 => {
                let mut file = elf_header(paddr, 1);
                let size = content.len() as u32;
                for word in [1, 4096, paddr, paddr, size, size + 100, 7, 4096] {
                    file.extend(word.to_le_bytes());
                }
                file
            }
            Class::Elf64 => {
                let mut file = vec![0; 64 + 56];
                file[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
                file[18] = EM_X86_64 as u8;
                file[0x20] = 64;
                file[0x36] = 56;
                file[0x38] = 1;
                file[64] = 1;
                file[64 + 9] = 16;
                file[64 + 32] = content.len() as u8;
                file[64 + 40] = content.len() as u8;
                file
            }
        };
        file.resize(4096, 0);
        file.extend_from_slice(content);
        file
    }

    #[test]
    fn the_bundle_becomes_the_payload() {
        let loader = elf_file(Class::Elf64, 0, bundle::PAYLOAD_MARKER);
        let bundle = bundle::encode(&bundle::SystemSpec::default(), &[]).unwrap();
        let image = root_task_image(&loader, &bundle).unwrap();
        let elf = elf::parse(&image).unwrap();
        assert_eq!(elf.segments[0].bytes(&image), Some(&bundle[..]));
        assert_eq!(elf.segments[0].memory_size, bundle.len() as u64);
        let other = elf_file(Class::Elf64, 0, b"something else, longer than it");
        assert_eq!(root_task_image(&other, &bundle), Err(ImageError::NoPayload));
        assert!(root_task_image(&loader, b"no bundle").is_err());
    }

    #[test]
    fn the_root_task_becomes_a_module_behind_the_kernel() {
        let kernel = elf_file(Class::Elf32, 0x10_0000, &MULTIBOOT_HEADER);
        let root = elf_file(Class::Elf64, 0, b"root");
        let image = bootable_image(&kernel, &root).unwrap();
        let elf = elf::parse(&image).unwrap();
        assert_eq!(elf.entry, 0x10_1000);
        let boot = elf.segments[1].bytes(&image).unwrap();
        assert_eq!(&boot[4096..], root);
        // The jump ends at the kernel's entry.
        let relative = u32::from_le_bytes(boot[18..22].try_into().unwrap());
        assert_eq!(boot[17], 0xe9);
        assert_eq!(
            0x10_1000u32.wrapping_add(22).wrapping_add(relative),
            0x10_0000
        );
    }

    #[test]
    fn damage_never_panics() {
        let kernel = elf_file(Class::Elf32, 0x10_0000, &MULTIBOOT_HEADER);
        let root = elf_file(Class::Elf64, 0, b"root");
        for position in 0..200 {
            for bit in 0..8 {
                let mut damaged = kernel.clone();
                damaged[position] ^= 1 << bit;
                let _ = bootable_image(&damaged, &root);
                let mut damaged = root.clone();
                damaged[position] ^= 1 << bit;
                let _ = bootable_image(&kernel, &damaged);
            }
        }
    }
}
