// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Reads an object back for people: what `wasm-aot inspect` prints, as text or as JSON.

mod contract;
mod stack;

pub use stack::{Ways, ways};

use object::read::elf::{ElfFile64, FileHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};
use serde::Serialize;
use std::fmt;
use wasm_aot_contract::ContractError;
use wasm_aot_object::meta::{Kind, Meta, NONE, Str, entity};
use wasm_aot_object::table::{AddressMap, TrapTable};
use wasm_aot_object::{FORMAT_VERSION, FormatError, Machine, section};

/// Why a file cannot be inspected.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum InspectError {
    /// Not an ELF64 little-endian file.
    #[error("not an ELF64 object: {0}")]
    Elf(#[from] object::read::Error),
    /// Without one of our sections.
    #[error("not a wasm-aot object: it has no section {0}")]
    Missing(&'static str),
    /// One of our sections cannot be read.
    #[error("section {section}: {error}")]
    Format {
        /// Its name.
        section: &'static str,
        /// What is wrong.
        error: FormatError,
    },
    /// The contract cannot be read.
    #[error("section {section}: {0}", section = section::CONTRACT)]
    Contract(ContractError),
}

/// A section and its size in bytes.
#[derive(Serialize, Debug)]
pub struct Section {
    name: String,
    bytes: u64,
}

/// An import or export.
#[derive(Serialize, Debug)]
pub struct Entity {
    /// Module of an import, absent for an export.
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    name: String,
    kind: &'static str,
    #[serde(rename = "type")]
    ty: String,
    symbol: String,
}

/// A linear memory.
#[derive(Serialize, Debug)]
pub struct Memory {
    imported: bool,
    /// 32, or 64.
    index_bits: u32,
    shared: bool,
    page_bytes: u64,
    min_bytes: u64,
    max_bytes: u64,
    /// Whether faults catch what is outside; otherwise the code compares.
    guarded: bool,
    /// Address of byte 0, absent where it is relocatable.
    base: Option<u64>,
    reservation_bytes: u64,
    symbol: String,
}

/// A table.
#[derive(Serialize, Debug)]
pub struct Table {
    imported: bool,
    /// 32, or 64.
    index_bits: u32,
    element: String,
    min: u64,
    max: u64,
    /// Whether the loader must provide its storage.
    growable: bool,
    symbol: String,
}

/// A function whose code is in the object.
#[derive(Serialize, Debug)]
pub struct Function {
    /// Index in the module, absent for code that the compiler made by itself.
    index: Option<u32>,
    name: String,
    #[serde(rename = "type")]
    ty: Option<String>,
    text_offset: u32,
    code_bytes: u32,
    frame_bytes: u32,
}

/// What is in an object.
#[derive(Serialize, Debug)]
pub struct Report {
    format_version: u32,
    producer: String,
    machine: &'static str,
    module: String,
    module_sha256: String,
    bounds: &'static str,
    has_start: bool,
    cpu_features: Vec<String>,
    wasm_features: Vec<String>,
    sections: Vec<Section>,
    undefined_symbols: Vec<String>,
    memories: Vec<Memory>,
    tables: Vec<Table>,
    imports: Vec<Entity>,
    exports: Vec<Entity>,
    /// What instantiation and each exported function take on the stack at most.
    stack: Vec<stack::Need>,
    functions: Vec<Function>,
    largest_frame_bytes: u32,
    /// What the module asks for; 0 where it makes no objects.
    gc_heap_bytes: u64,
    /// Absent in an object without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    contract: Option<contract::Contract>,
    trap_sites: usize,
    address_map_entries: usize,
}

impl Report {
    /// The stack frame of a function, in bytes; `None` where there is no function of this name.
    #[must_use]
    pub fn frame_bytes(&self, name: &str) -> Option<u32> {
        let function = self.functions.iter().find(|f| f.name == name)?;
        Some(function.frame_bytes)
    }
}

/// Reads an object.
///
/// # Errors
/// Where it is not an object of this format version.
pub fn inspect(bytes: &[u8]) -> Result<Report, InspectError> {
    let file = ElfFile64::<LittleEndian>::parse(bytes)?;
    let machine = Machine::from_elf(file.elf_header().e_machine(LittleEndian).0);
    let machine = machine.map_or("unknown", Machine::name);
    let own = |name: &'static str| {
        let section = file
            .section_by_name(name)
            .ok_or(InspectError::Missing(name))?;
        Ok::<_, InspectError>(section.data()?)
    };
    let at = |section| move |error| InspectError::Format { section, error };
    let meta = Meta::parse(own(section::META)?).map_err(at(section::META))?;
    let traps = TrapTable::parse(own(section::TRAPS)?).map_err(at(section::TRAPS))?;
    let map = AddressMap::parse(own(section::ADDRESS_MAP)?).map_err(at(section::ADDRESS_MAP))?;
    let mut sections = Vec::new();
    for section in file.sections() {
        sections.push(Section {
            name: section.name()?.to_owned(),
            bytes: section.size(),
        });
    }
    let mut undefined_symbols = Vec::new();
    for symbol in file.symbols().filter(|symbol| symbol.is_undefined()) {
        undefined_symbols.push(symbol.name()?.to_owned());
    }
    let contract = match file.section_by_name(section::CONTRACT) {
        Some(section) => {
            let read = wasm_aot_contract::Contract::parse(section.data()?);
            Some((&read.map_err(InspectError::Contract)?).into())
        }
        None => None,
    };
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let header = meta.header();
    Ok(Report {
        format_version: FORMAT_VERSION,
        producer: meta.producer().into(),
        machine,
        module: meta.module_name().into(),
        module_sha256: header
            .module_hash
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect(),
        bounds: if meta.bounds_guard() {
            "guard"
        } else {
            "explicit"
        },
        has_start: header.flags.get() & wasm_aot_object::meta::flags::START != 0,
        cpu_features: words(meta.cpu_features()),
        wasm_features: words(meta.wasm_features()),
        sections,
        undefined_symbols,
        memories: memories(&meta),
        tables: tables(&meta),
        imports: imports(&meta),
        exports: exports(&meta),
        stack: stack::needs(&file, &meta)?,
        functions: functions(&meta),
        largest_frame_bytes: header.largest_frame.get(),
        gc_heap_bytes: header.gc_heap.get(),
        contract,
        trap_sites: traps.len(),
        address_map_entries: map.len(),
    })
}

fn memories(meta: &Meta<'_>) -> Vec<Memory> {
    let memory = |memory: &wasm_aot_object::meta::MemoryRecord| {
        let flags = memory.flags.get();
        let bytes = |pages: u64| pages.saturating_mul(1 << memory.page_size_log2.get());
        Memory {
            imported: flags & entity::IMPORTED != 0,
            index_bits: index_bits(flags),
            shared: flags & entity::SHARED != 0,
            page_bytes: 1 << memory.page_size_log2.get(),
            guarded: flags & entity::GUARDED != 0,
            min_bytes: bytes(memory.min.get()),
            max_bytes: bytes(memory.max.get()),
            base: (flags & entity::CONSTANT_BASE != 0).then(|| memory.base.get()),
            reservation_bytes: memory.reservation.get(),
            symbol: meta.str(memory.symbol).into(),
        }
    };
    meta.memories().iter().map(memory).collect()
}

fn index_bits(flags: u32) -> u32 {
    if flags & entity::INDEX64 != 0 { 64 } else { 32 }
}

fn tables(meta: &Meta<'_>) -> Vec<Table> {
    let table = |table: &wasm_aot_object::meta::TableRecord| Table {
        imported: table.flags.get() & entity::IMPORTED != 0,
        index_bits: index_bits(table.flags.get()),
        element: meta.str(table.element).into(),
        min: table.min.get(),
        max: table.max.get(),
        growable: table.flags.get() & entity::GROWABLE != 0,
        symbol: meta.str(table.symbol).into(),
    };
    meta.tables().iter().map(table).collect()
}

fn imports(meta: &Meta<'_>) -> Vec<Entity> {
    let import = |import: &wasm_aot_object::meta::ImportRecord| {
        let (kind, index) = (import.kind(), import.index.get());
        let module = Some(meta.str(import.module));
        entity_of(meta, module, import.name, kind, index, import.symbol)
    };
    meta.imports().iter().map(import).collect()
}

fn exports(meta: &Meta<'_>) -> Vec<Entity> {
    let export = |export: &wasm_aot_object::meta::ExportRecord| {
        let (kind, index) = (export.kind(), export.index.get());
        entity_of(meta, None, export.name, kind, index, export.symbol)
    };
    meta.exports().iter().map(export).collect()
}

fn entity_of(
    meta: &Meta<'_>,
    module: Option<&str>,
    name: Str,
    kind: Kind,
    index: u32,
    symbol: Str,
) -> Entity {
    let index = index as usize;
    // The metadata's indices have been checked when it was parsed.
    let ty = match kind {
        Kind::Function => meta.str(meta.types()[index].text).to_owned(),
        Kind::Table => meta.str(meta.tables()[index].element).to_owned(),
        Kind::Tag => {
            let ty = meta.tags()[index].type_index.get();
            meta.str(meta.types()[ty as usize].text).to_owned()
        }
        Kind::Memory => {
            let memory = &meta.memories()[index];
            format!("{} to {} pages", memory.min.get(), memory.max.get())
        }
        Kind::Global => {
            let global = &meta.globals()[index];
            let mutable = global.flags.get() & entity::MUTABLE != 0;
            let value = meta.str(global.value_type);
            if mutable {
                format!("mut {value}")
            } else {
                value.to_owned()
            }
        }
    };
    Entity {
        module: module.map(str::to_owned),
        name: meta.str(name).into(),
        kind: kind.name(),
        ty,
        symbol: meta.str(symbol).into(),
    }
}

fn functions(meta: &Meta<'_>) -> Vec<Function> {
    let some = |index: u32| (index != NONE).then_some(index);
    let function = |function: &wasm_aot_object::meta::FunctionRecord| Function {
        index: some(function.wasm_index.get()),
        name: meta.str(function.name).into(),
        ty: some(function.type_index.get())
            .map(|index| meta.str(meta.types()[index as usize].text).to_owned()),
        text_offset: function.text_offset.get(),
        code_bytes: function.text_size.get(),
        frame_bytes: function.frame_size.get(),
    };
    meta.functions().iter().map(function).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "format version {}, {}, {}",
            self.format_version, self.machine, self.producer
        )?;
        writeln!(f, "module {} (sha256 {})", self.module, self.module_sha256)?;
        writeln!(f, "bounds checks: {}", self.bounds)?;
        writeln!(f, "needs of the processor: {}", self.cpu_features.join(" "))?;
        writeln!(f, "WebAssembly features: {}", self.wasm_features.join(" "))?;
        writeln!(f, "\nsections (bytes):")?;
        for section in self.sections.iter().filter(|s| !s.name.is_empty()) {
            writeln!(f, "  {:>10}  {}", section.bytes, section.name)?;
        }
        if !self.memories.is_empty() {
            writeln!(f, "\nmemories:")?;
        }
        for memory in &self.memories {
            let base = match memory.base {
                Some(base) => format!("at {base:#x}"),
                None => "at a relocatable base".into(),
            };
            writeln!(
                f,
                "  {}  {} to {} bytes {base}, {} bytes reserved{}{}{}{}{}",
                memory.symbol,
                memory.min_bytes,
                memory.max_bytes,
                memory.reservation_bytes,
                if memory.guarded { ", guarded" } else { "" },
                if memory.index_bits == 64 {
                    ", 64-bit index"
                } else {
                    ""
                },
                if memory.shared { ", shared" } else { "" },
                if memory.page_bytes == 1 {
                    ", pages of 1 byte"
                } else {
                    ""
                },
                if memory.imported { ", imported" } else { "" }
            )?;
        }
        if !self.tables.is_empty() {
            writeln!(f, "\ntables:")?;
        }
        for table in &self.tables {
            writeln!(
                f,
                "  {}  {} {} to {} elements{}{}",
                table.symbol,
                table.element,
                table.min,
                table.max,
                if table.growable { ", growable" } else { "" },
                if table.imported { ", imported" } else { "" }
            )?;
        }
        for (title, entities) in [("imports", &self.imports), ("exports", &self.exports)] {
            if !entities.is_empty() {
                writeln!(f, "\n{title}:")?;
            }
            for entity in entities {
                writeln!(f, "  {}  {} {}", entity.symbol, entity.kind, entity.ty)?;
            }
        }
        if !self.stack.is_empty() {
            let host = wasm_aot_object::stack::HOST_STACK_BYTES;
            writeln!(
                f,
                "\nstack (bytes at most, {host} for each function of the host or the runtime):"
            )?;
        }
        for need in &self.stack {
            writeln!(f, "  {need}")?;
        }
        if let Some(contract) = &self.contract {
            write!(f, "{contract}")?;
        }
        writeln!(f, "\nfunctions (text offset, code bytes, frame bytes):")?;
        for function in &self.functions {
            writeln!(
                f,
                "  {:#010x} {:>8} {:>6}  {}",
                function.text_offset, function.code_bytes, function.frame_bytes, function.name
            )?;
        }
        writeln!(
            f,
            "\n{} functions, largest frame {} bytes, {} trap sites, {} address map entries",
            self.functions.len(),
            self.largest_frame_bytes,
            self.trap_sites,
            self.address_map_entries
        )?;
        match self.gc_heap_bytes {
            0 => Ok(()),
            bytes => writeln!(f, "a heap of {bytes} bytes is asked for"),
        }
    }
}
