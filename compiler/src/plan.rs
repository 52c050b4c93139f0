// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where everything of the instance lives: decided once, before any code is made.
//!
//! Takes the module's facts and the options; gives, for each memory, table and global, its
//! storage and its symbol, and the list of what is left to do when the object is instantiated.
//! Whatever can be evaluated now (constant globals, tables with constant elements) is.

mod dispatch;
mod memory;

pub use dispatch::{Dispatch, Element as TableElement};
pub use memory::{Base, MemoryPlan, limit as memory_limit};

use crate::error::Error;
use crate::heap::{self, StructLayout};
use crate::inline::{self, Inlining};
use crate::module::{Element, ElementItem, Module, SegmentMode};
use crate::options::Options;
use crate::types::{self, TypePlan};
use cranelift_codegen::ir::UserExternalName;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use wasm_aot_object::{MAX_TABLE_ELEMENTS, WASM_PAGE};
use wasm_aot_symbols::{self as names, Runtime};
use wasmparser::{
    CompositeInnerType, ConstExpr, ExternalKind, Operator, RefType, StorageType, ValType,
};

/// Everything that code and data refer to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Symbol {
    /// A Wasm function, imported or defined.
    Function(u32),
    /// The descriptor of a memory.
    Memory(u32),
    /// Byte 0 of a memory with a relocatable base.
    MemoryBase(u32),
    /// The descriptor of a table.
    Table(u32),
    /// The elements of a table that does not grow.
    TableElements(u32),
    /// The value of a global.
    Global(u32),
    /// The bytes of a data segment.
    Data(u32),
    /// The present length of a data segment (0 once dropped).
    DataLength(u32),
    /// The elements of an element segment.
    Element(u32),
    /// The present length of an element segment (0 once dropped).
    ElementLength(u32),
    /// What a reference to a function points at.
    FuncRef(u32),
    /// A function of the runtime, by its position in [`Runtime::ALL`].
    Runtime(u32),
    /// The invoke trampoline of a type, by its index in [`Plan::types`].
    Trampoline(u32),
    /// The function that makes an instance of the object.
    Instantiate,
    /// One of the functions that it is divided into where it would be too large.
    InstantiatePart(u32),
    /// The C entry of a function of the module that has another convention itself.
    Entry(u32),
    /// An imported function in the module's own convention.
    ImportAdapter(u32),
    /// Calls C code at an address, in the module's own convention, by index in [`Plan::types`].
    CodeAdapter(u32),
    /// An imported function's entry for tail calls, where its exporter has one (weak).
    ImportTail(u32),
    /// The descriptor of an imported function's own type, where its exporter has one (weak).
    ImportType(u32),
    /// The word with the address of [`Symbol::ImportTail`].
    ImportTailCell(u32),
    /// A tag of exceptions.
    Tag(u32),
    /// The type descriptor of a tag's exceptions.
    TagDescriptor(u32),
    /// The table of exception handlers.
    Handlers,
    /// The addresses of the tags, which that table counts.
    TagTable,
    /// The descriptor of a type, by its index in [`Plan::types`].
    TypeDescriptor(u32),
    /// The stack maps.
    StackMaps,
    /// The list of words outside frames that may be references into the heap.
    Roots,
    /// The record that the runtime gets when the object is instantiated.
    Registration,
    /// Code addresses for calls through a table, by index in [`Plan::dispatch_tables`].
    Dispatch(u32),
    /// Code that is this trap.
    TrapStub(u32),
}

impl Symbol {
    /// The runtime function.
    pub fn runtime(function: Runtime) -> Self {
        let position = Runtime::ALL.iter().position(|&f| f == function);
        Self::Runtime(position.expect("ALL has every variant") as u32)
    }

    /// As the code generator carries it.
    pub fn to_user(self) -> UserExternalName {
        let (namespace, index) = match self {
            Self::Function(i) => (0, i),
            Self::Memory(i) => (1, i),
            Self::MemoryBase(i) => (2, i),
            Self::Table(i) => (3, i),
            Self::TableElements(i) => (4, i),
            Self::Global(i) => (5, i),
            Self::Data(i) => (6, i),
            Self::DataLength(i) => (7, i),
            Self::Element(i) => (8, i),
            Self::ElementLength(i) => (9, i),
            Self::FuncRef(i) => (10, i),
            Self::Runtime(i) => (11, i),
            Self::Trampoline(i) => (12, i),
            Self::Instantiate => (13, 0),
            Self::Entry(i) => (14, i),
            Self::ImportAdapter(i) => (15, i),
            Self::CodeAdapter(i) => (16, i),
            Self::ImportTail(i) => (17, i),
            Self::ImportTailCell(i) => (18, i),
            Self::ImportType(i) => (20, i),
            Self::Tag(i) => (19, i),
            Self::TagDescriptor(i) => (34, i),
            Self::Handlers => (35, 0),
            Self::TagTable => (36, 0),
            Self::InstantiatePart(i) => (25, i),
            Self::TypeDescriptor(i) => (30, i),
            Self::StackMaps => (31, 0),
            Self::Roots => (32, 0),
            Self::Registration => (33, 0),
            Self::Dispatch(i) => (37, i),
            Self::TrapStub(i) => (38, i),
        };
        UserExternalName { namespace, index }
    }

    /// Back from the code generator.
    pub fn from_user(name: &UserExternalName) -> Self {
        let i = name.index;
        match name.namespace {
            0 => Self::Function(i),
            1 => Self::Memory(i),
            2 => Self::MemoryBase(i),
            3 => Self::Table(i),
            4 => Self::TableElements(i),
            5 => Self::Global(i),
            6 => Self::Data(i),
            7 => Self::DataLength(i),
            8 => Self::Element(i),
            9 => Self::ElementLength(i),
            10 => Self::FuncRef(i),
            11 => Self::Runtime(i),
            12 => Self::Trampoline(i),
            13 => Self::Instantiate,
            14 => Self::Entry(i),
            15 => Self::ImportAdapter(i),
            16 => Self::CodeAdapter(i),
            17 => Self::ImportTail(i),
            18 => Self::ImportTailCell(i),
            20 => Self::ImportType(i),
            19 => Self::Tag(i),
            34 => Self::TagDescriptor(i),
            35 => Self::Handlers,
            36 => Self::TagTable,
            25 => Self::InstantiatePart(i),
            30 => Self::TypeDescriptor(i),
            31 => Self::StackMaps,
            32 => Self::Roots,
            33 => Self::Registration,
            37 => Self::Dispatch(i),
            38 => Self::TrapStub(i),
            other => unreachable!("namespace {other} is never made"),
        }
    }
}

/// Where the elements of a table are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableStorage {
    /// In the object's data, never moving, never growing.
    Inline,
    /// Where the descriptor says.
    Dynamic,
}

/// A table.
#[derive(Debug)]
pub struct TablePlan {
    pub imported: bool,
    pub storage: TableStorage,
    /// Indexed by 64 bits.
    pub index64: bool,
    pub min: u64,
    /// What it may grow to, declared or by its index type.
    pub max: u64,
    pub declared_max: bool,
    /// For inline storage: the elements at the start, by function, `None` for null.
    pub image: Vec<Option<u32>>,
    /// Whether its elements are always those, all references that this object makes.
    pub fixed: bool,
}

/// A value known now.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Const {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    V128([u8; 16]),
    Null,
    Function(u32),
}

/// A global.
#[derive(Debug)]
pub struct GlobalPlan {
    pub imported: bool,
    pub mutable: bool,
    /// Its value at the start, where known.
    pub init: Option<Const>,
}

impl GlobalPlan {
    /// The value that every `global.get` gives.
    pub fn constant(&self) -> Option<Const> {
        if self.mutable { None } else { self.init }
    }
}

/// A tag of exceptions.
#[derive(Debug)]
pub struct TagPlan {
    pub imported: bool,
    /// Its type, by its index in [`Plan::types`].
    pub ty: u32,
}

/// What is left for `MODULE:instantiate`, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Give the reference to an imported function that function's own type.
    ImportedReference(u32),
    /// Evaluate and store the initial value of a global.
    Global(u32),
    /// Fill a table with its initial element.
    TableInit(u32),
    /// Evaluate some items of an element segment into its array.
    ElementItems {
        segment: u32,
        start: u32,
        count: u32,
    },
    /// Copy an active element segment.
    Element(u32),
    /// Copy an active data segment.
    Data(u32),
    /// Call the start function.
    Start(u32),
}

/// How the functions of the module call each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Convention {
    /// As in C: host functions and exports need no adapters.
    C,
    /// With tail calls and exceptions; adapters at the module's boundary.
    Tail,
}

/// The plan of an object.
#[derive(Debug)]
pub struct Plan<'o> {
    pub options: &'o Options,
    pub convention: Convention,
    /// What is inlined, and what is never called.
    pub functions: inline::Decisions,
    pub types: Vec<TypePlan>,
    /// From the type section's indices to [`Plan::types`].
    pub type_of: Vec<u32>,
    /// For each of [`Plan::types`] that is a structure's: see [`Plan::struct_layout`].
    layouts: Vec<Option<StructLayout>>,
    pub memories: Vec<MemoryPlan>,
    pub tables: Vec<TablePlan>,
    /// Tables of which every element is known now, for good.
    pub known_tables: BTreeSet<u32>,
    /// Calls through tables that are known, by table and canonical type.
    pub dispatch: BTreeMap<(u32, u32), Dispatch>,
    /// Tables with a [`Symbol::Dispatch`], each with the canonical type of the calls.
    pub dispatch_tables: Vec<(u32, u32)>,
    pub globals: Vec<GlobalPlan>,
    pub tags: Vec<TagPlan>,
    /// Tags with a [`Symbol::TagDescriptor`]: the module makes exceptions of them.
    pub thrown: BTreeSet<u32>,
    /// Functions with a [`Symbol::FuncRef`].
    pub funcrefs: BTreeSet<u32>,
    /// Types with a [`Symbol::Trampoline`].
    pub trampolines: BTreeSet<u32>,
    /// Functions with a [`Symbol::Entry`].
    pub entries: BTreeSet<u32>,
    /// Element segments whose elements are needed at run time.
    pub element_arrays: BTreeSet<u32>,
    pub actions: Vec<Action>,
    /// Parts of the actions that are functions of their own; empty where one holds all.
    pub parts: Vec<Range<usize>>,
    /// Whether instantiation registers the object: it may hold references into the heap.
    pub registers: bool,
    /// Whether the object makes objects in the heap.
    pub allocates: bool,
}

impl<'o> Plan<'o> {
    /// Decides.
    ///
    /// # Errors
    /// Where the options do not fit the module.
    pub fn new(module: &Module<'_>, options: &'o Options) -> Result<Self, Error> {
        check_memory_base(options)?;
        let (types, type_of) = types::canonical(&module.types, &module.type_groups);
        let mut plan = Plan {
            options,
            convention: match module.uses.tail_calls || module.uses.catches {
                true => Convention::Tail,
                false => Convention::C,
            },
            functions: inline::decide(module, options),
            types,
            type_of,
            layouts: Vec::new(),
            memories: memory::memories(module, options),
            tables: tables(module),
            known_tables: BTreeSet::new(),
            dispatch: BTreeMap::new(),
            dispatch_tables: Vec::new(),
            globals: Vec::new(),
            tags: Vec::new(),
            thrown: module.uses.thrown.clone(),
            funcrefs: module.uses.function_references.clone(),
            trampolines: BTreeSet::new(),
            entries: BTreeSet::new(),
            element_arrays: BTreeSet::new(),
            actions: Vec::new(),
            parts: Vec::new(),
            registers: false,
            allocates: false,
        };
        plan.tags = module.tags.iter().map(|tag| plan.tag(tag)).collect();
        plan.layouts = plan.types.iter().map(|ty| plan.lay_out(ty)).collect();
        let objects = plan.types.iter().any(|ty| !ty.is_function());
        plan.allocates = objects || !plan.thrown.is_empty();
        plan.registers = plan.allocates || module.uses.catches || plan.holds_references(module);
        let functions = plan.funcrefs.iter().copied();
        let open = functions.filter(|&function| plan.is_open_import(module, function));
        plan.actions = open.map(Action::ImportedReference).collect();
        plan.globals(module);
        for function in module.exported_functions() {
            let ty = plan.function_type(module, function);
            plan.trampolines.insert(ty);
        }
        plan.segments(module);
        plan.decide_dispatch(module);
        plan.actions.extend(module.start.map(Action::Start));
        plan.parts = parts(module, &plan.actions);
        plan.entries(module);
        Ok(plan)
    }

    /// Functions that C code calls: exports, and what references lead to.
    fn entries(&mut self, module: &Module<'_>) {
        if self.convention == Convention::C {
            return;
        }
        let called = module.exported_functions();
        let called = called.chain(self.funcrefs.iter().copied());
        let defined = |i: &u32| module.functions[*i as usize].import.is_none();
        self.entries = called.filter(defined).collect();
    }

    /// The C code of a function.
    pub fn c_code(&self, function: u32) -> Symbol {
        match self.entries.contains(&function) {
            true => Symbol::Entry(function),
            false => Symbol::Function(function),
        }
    }

    /// A function's code in the module's own convention.
    pub fn own_code(&self, module: &Module<'_>, function: u32) -> Symbol {
        let imported = module.functions[function as usize].import.is_some();
        match self.convention {
            Convention::Tail if imported => Symbol::ImportAdapter(function),
            _ => Symbol::Function(function),
        }
    }

    /// Whether anything leads to a function.
    pub fn is_live(&self, module: &Module<'_>, function: u32) -> bool {
        let defined = (function as usize).checked_sub(module.imported_functions());
        defined.is_none_or(|defined| self.functions.live[defined])
    }

    /// Where the body of a function takes the place of calls.
    pub fn inlining_of(&self, module: &Module<'_>, function: u32) -> Inlining {
        let defined = (function as usize).checked_sub(module.imported_functions());
        defined.map_or(Inlining::Never, |defined| self.functions.inlining[defined])
    }

    /// The canonical type of a function.
    pub fn function_type(&self, module: &Module<'_>, function: u32) -> u32 {
        self.type_of[module.functions[function as usize].ty as usize]
    }

    /// The text of a value type in the metadata.
    pub fn value_type_text(&self, ty: ValType) -> String {
        types::value_type_text(ty, &|index| types::id_text(self.type_at(index).id))
    }

    /// The text of a reference type in the metadata.
    pub fn ref_type_text(&self, ty: RefType) -> String {
        self.value_type_text(ValType::Ref(ty))
    }

    /// The type with this index in the type section.
    pub fn type_at(&self, index: u32) -> &TypePlan {
        &self.types[self.type_of[index as usize] as usize]
    }

    /// Whether a value of this type may point into the heap: the collector must see it.
    pub fn is_heap_reference(&self, ty: ValType) -> bool {
        types::is_heap_reference(ty, &|index| self.type_at(index).is_function())
    }

    /// Whether a reference into the heap can get here from elsewhere: through a function's type,
    /// a global or a table. (Inside, it would take a type of structures or arrays.)
    fn holds_references(&self, module: &Module<'_>) -> bool {
        let mut types = self
            .types
            .iter()
            .flat_map(|ty| types::value_types(&ty.composite));
        let mut globals = module.globals.iter().map(|global| global.ty.content_type);
        let mut tables = module.tables.iter().map(|table| table.ty.element_type);
        let heap = |ty: ValType| self.is_heap_reference(ty);
        types.any(heap) || globals.any(heap) || tables.any(|ty| heap(ValType::Ref(ty)))
    }

    /// Whether a type, by its index in [`Plan::types`], has a [`Symbol::TypeDescriptor`]: one of
    /// objects, or of functions that may be called or cast to by a supertype.
    pub fn has_descriptor(&self, index: u32) -> bool {
        let ty = &self.types[index as usize];
        !ty.is_function() || ty.supertype.is_some()
    }

    /// Whether a function is imported with a type that may have subtypes, so that it may be of one
    /// of them.
    pub fn is_open_import(&self, module: &Module<'_>, function: u32) -> bool {
        let imported = module.functions[function as usize].import.is_some();
        imported && !self.types[self.function_type(module, function) as usize].is_final
    }

    /// Where the fields of a structure type are; by its index in [`Plan::types`].
    pub fn struct_layout(&self, index: u32) -> &StructLayout {
        self.layouts[index as usize]
            .as_ref()
            .expect("the module is valid: this is a structure type")
    }

    fn lay_out(&self, ty: &TypePlan) -> Option<StructLayout> {
        let CompositeInnerType::Struct(ty) = &ty.composite else {
            return None;
        };
        let fields = ty.fields.iter().map(|field| field.element_type);
        Some(heap::structure(fields, &|ty| self.is_heap_reference(ty)))
    }

    /// Where the fields of a tag's exceptions are: its address, then what they carry.
    pub fn exception_layout(&self, tag: u32) -> StructLayout {
        let ty = self.types[self.tags[tag as usize].ty as usize].function();
        let carried = ty.params().iter().copied();
        let fields = std::iter::once(ValType::I64).chain(carried);
        heap::structure(fields.map(StorageType::Val), &|ty| {
            self.is_heap_reference(ty)
        })
    }

    /// Evaluates a constant expression as far as that is possible now.
    pub fn evaluate(&self, expression: &ConstExpr<'_>) -> Option<Const> {
        let mut stack = Vec::new();
        for operator in expression.get_operators_reader() {
            let mut binary = |op: fn(i64, i64) -> i64| {
                let (b, a) = (stack.pop()?, stack.pop()?);
                stack.push(match (a, b) {
                    (Const::I32(a), Const::I32(b)) => Const::I32(op(a.into(), b.into()) as i32),
                    (Const::I64(a), Const::I64(b)) => Const::I64(op(a, b)),
                    _ => return None,
                });
                Some(())
            };
            match operator.ok()? {
                Operator::I32Add | Operator::I64Add => binary(i64::wrapping_add)?,
                Operator::I32Sub | Operator::I64Sub => binary(i64::wrapping_sub)?,
                Operator::I32Mul | Operator::I64Mul => binary(i64::wrapping_mul)?,
                Operator::I32Const { value } => stack.push(Const::I32(value)),
                Operator::I64Const { value } => stack.push(Const::I64(value)),
                Operator::F32Const { value } => stack.push(Const::F32(value.bits())),
                Operator::F64Const { value } => stack.push(Const::F64(value.bits())),
                Operator::V128Const { value } => stack.push(Const::V128(*value.bytes())),
                Operator::RefNull { .. } => stack.push(Const::Null),
                Operator::RefFunc { function_index } => stack.push(Const::Function(function_index)),
                Operator::GlobalGet { global_index } => {
                    stack.push(self.globals.get(global_index as usize)?.constant()?);
                }
                Operator::End => {}
                _ => return None,
            }
        }
        stack.pop()
    }

    fn tag(&self, tag: &crate::module::Item<'_, u32>) -> TagPlan {
        TagPlan {
            imported: tag.import.is_some(),
            ty: self.type_of[tag.ty as usize],
        }
    }

    fn globals(&mut self, module: &Module<'_>) {
        let imported = module.globals.len() - module.global_inits.len();
        for (index, global) in module.globals.iter().enumerate() {
            let init = match index.checked_sub(imported) {
                Some(defined) => self.evaluate(&module.global_inits[defined]),
                None => None,
            };
            let is_imported = global.import.is_some();
            self.globals.push(GlobalPlan {
                imported: is_imported,
                mutable: global.ty.mutable,
                init,
            });
            if !is_imported && init.is_none() {
                self.actions.push(Action::Global(index as u32));
            }
        }
    }

    /// Element and data segments, in the order in which the specification applies them. An
    /// active element segment is folded into the table's image as long as nothing before it is
    /// left for run time (so that a trap leaves behind what it should).
    fn segments(&mut self, module: &Module<'_>) {
        for (index, init) in module.table_inits.iter().enumerate() {
            let Some(init) = init else { continue };
            let value = self.evaluate(init);
            let table = &mut self.tables[index];
            match value {
                Some(Const::Function(f)) if table.storage == TableStorage::Inline => {
                    table.image.fill(Some(f));
                }
                Some(Const::Null) => {}
                _ => {
                    table.fixed = false;
                    self.actions.push(Action::TableInit(index as u32));
                }
            }
        }
        // A table with a computed initial element is filled at run time, over what is here.
        let computed = |action: &Action| matches!(action, Action::TableInit(_));
        let mut foldable = !self.actions.iter().any(computed);
        for (index, element) in module.elements.iter().enumerate() {
            let index = index as u32;
            let used = module.uses.element_segments.contains(&index);
            match &element.mode {
                SegmentMode::Declared => {}
                SegmentMode::Passive if used => self.element_array(index, element),
                SegmentMode::Passive => {}
                SegmentMode::Active {
                    index: table,
                    offset,
                } => {
                    if foldable && self.fold(element, *table, offset) {
                        continue;
                    }
                    foldable = false;
                    self.tables[*table as usize].fixed = false;
                    self.element_array(index, element);
                    self.actions.push(Action::Element(index));
                }
            }
        }
        for (index, data) in module.data.iter().enumerate() {
            if matches!(data.mode, SegmentMode::Active { .. }) {
                self.actions.push(Action::Data(index as u32));
            }
        }
    }

    fn element_array(&mut self, index: u32, element: &Element<'_>) {
        self.element_arrays.insert(index);
        if self.items(element).is_none() {
            let all = element.items.len() as u32;
            for start in (0..all).step_by(MAX_PART as usize) {
                self.actions.push(Action::ElementItems {
                    segment: index,
                    start,
                    count: MAX_PART.min(all - start),
                });
            }
        }
    }

    /// The items of an element segment, where all are known now.
    pub fn items(&self, element: &Element<'_>) -> Option<Vec<Option<u32>>> {
        let item = |item: &ElementItem<'_>| match item {
            ElementItem::Function(function) => Some(Some(*function)),
            ElementItem::Expression(expression) => match self.evaluate(expression)? {
                Const::Function(function) => Some(Some(function)),
                Const::Null => Some(None),
                _ => None,
            },
        };
        element.items.iter().map(item).collect()
    }

    fn fold(&mut self, element: &Element<'_>, table: u32, offset: &ConstExpr<'_>) -> bool {
        let start = match self.evaluate(offset) {
            Some(Const::I32(offset)) => u64::from(offset as u32),
            Some(Const::I64(offset)) => offset as u64,
            _ => return false,
        };
        let Some(items) = self.items(element) else {
            return false;
        };
        let table = &mut self.tables[table as usize];
        if table.storage != TableStorage::Inline {
            return false;
        }
        let slots = usize::try_from(start)
            .ok()
            .and_then(|start| table.image.get_mut(start..start.checked_add(items.len())?));
        match slots {
            Some(slots) => {
                slots.copy_from_slice(&items);
                true
            }
            None => false,
        }
    }
}

fn check_memory_base(options: &Options) -> Result<(), Error> {
    let limit = options.target.memory_base_limit();
    match options.constant_base() {
        Some(base) if base == 0 || !base.is_multiple_of(WASM_PAGE) || base >= limit => {
            Err(Error::Options(format!(
                "--memory-base {base:#x}: must be a multiple of 0x10000 above 0 and, on {}, below \
                 {limit:#x}",
                options.target
            )))
        }
        _ => Ok(()),
    }
}

fn tables(module: &Module<'_>) -> Vec<TablePlan> {
    let exported: BTreeSet<u32> = module
        .exports
        .iter()
        .filter(|export| export.kind == ExternalKind::Table)
        .map(|export| export.index)
        .collect();
    let plan = |(index, item): (usize, &crate::module::Item<'_, wasmparser::TableType>)| {
        let index = index as u32;
        let ty = item.ty;
        let imported = item.import.is_some();
        let index_limit = if ty.table64 {
            u64::MAX
        } else {
            u32::MAX.into()
        };
        let grows = module.uses.grown_tables.contains(&index) || exported.contains(&index);
        // One that is too large for every loader is not written into the object either.
        let inline = !imported
            && ty.initial <= MAX_TABLE_ELEMENTS
            && (!grows || ty.maximum == Some(ty.initial));
        TablePlan {
            imported,
            storage: if inline {
                TableStorage::Inline
            } else {
                TableStorage::Dynamic
            },
            index64: ty.table64,
            min: ty.initial,
            max: ty.maximum.unwrap_or(index_limit),
            declared_max: ty.maximum.is_some(),
            image: if inline {
                vec![None; ty.initial as usize]
            } else {
                Vec::new()
            },
            fixed: inline
                && !exported.contains(&index)
                && !module.uses.written_tables.contains(&index),
        }
    };
    module.tables.iter().enumerate().map(plan).collect()
}

/// The ELF name of a symbol that other files may see; `None` for a local one.
pub fn global_name(module: &Module<'_>, plan: &Plan<'_>, symbol: Symbol) -> Option<String> {
    let own = |rest: String| format!("{}:{rest}", names::encode(&plan.options.module_name));
    let imported = |import: Option<crate::module::Import<'_>>| {
        import.map(|import| names::member(import.module, import.name))
    };
    Some(match symbol {
        Symbol::Function(i) => return imported(module.functions[i as usize].import),
        Symbol::Memory(i) => imported(module.memories[i as usize].import)
            .unwrap_or_else(|| own(format!("memory.{i}"))),
        Symbol::MemoryBase(i) => global_name(module, plan, Symbol::Memory(i))? + names::BASE_SUFFIX,
        Symbol::Table(i) => {
            imported(module.tables[i as usize].import).unwrap_or_else(|| own(format!("table.{i}")))
        }
        Symbol::Global(i) => imported(module.globals[i as usize].import)
            .unwrap_or_else(|| own(format!("global.{i}"))),
        Symbol::Tag(i) => {
            imported(module.tags[i as usize].import).unwrap_or_else(|| own(format!("tag.{i}")))
        }
        Symbol::Runtime(i) => Runtime::ALL[i as usize].symbol().into(),
        Symbol::Trampoline(i) => {
            let text = names::encode(&plan.types[i as usize].text);
            names::encode(&plan.options.module_name) + names::TRAMPOLINE_PREFIX + &text
        }
        Symbol::Instantiate => names::encode(&plan.options.module_name) + names::INSTANTIATE_SUFFIX,
        Symbol::ImportTail(i) => {
            global_name(module, plan, Symbol::Function(i))? + names::TAIL_SUFFIX
        }
        Symbol::ImportType(i) => {
            global_name(module, plan, Symbol::Function(i))? + names::TYPE_SUFFIX
        }
        Symbol::TableElements(_)
        | Symbol::Data(_)
        | Symbol::InstantiatePart(_)
        | Symbol::DataLength(_)
        | Symbol::Element(_)
        | Symbol::ElementLength(_)
        | Symbol::FuncRef(_)
        | Symbol::Entry(_)
        | Symbol::ImportAdapter(_)
        | Symbol::CodeAdapter(_)
        | Symbol::ImportTailCell(_)
        | Symbol::TagDescriptor(_)
        | Symbol::Handlers
        | Symbol::TagTable
        | Symbol::TypeDescriptor(_)
        | Symbol::StackMaps
        | Symbol::Roots
        | Symbol::Dispatch(_)
        | Symbol::TrapStub(_)
        | Symbol::Registration => return None,
    })
}

/// How much work one function of instantiation does at most, in operators of constant expressions
/// or the like.
const MAX_PART: u32 = 2000;

/// Divides the actions where they are too many for one function.
fn parts(module: &Module<'_>, actions: &[Action]) -> Vec<Range<usize>> {
    let imported = module.globals.len() - module.global_inits.len();
    let weight = |action: &Action| match *action {
        Action::Global(index) => expression_bytes(&module.global_inits[index as usize - imported]),
        Action::ElementItems {
            segment,
            start,
            count,
        } => {
            let items = &module.elements[segment as usize].items;
            let items = &items[start as usize..(start + count) as usize];
            items.iter().map(item_bytes).sum()
        }
        _ => 16,
    };
    let mut parts = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (index, action) in actions.iter().enumerate() {
        sum += weight(action);
        if sum >= u64::from(MAX_PART) {
            parts.push(start..index + 1);
            (start, sum) = (index + 1, 0);
        }
    }
    if parts.is_empty() {
        return parts;
    }
    if start < actions.len() {
        parts.push(start..actions.len());
    }
    parts
}

fn item_bytes(item: &ElementItem<'_>) -> u64 {
    match item {
        ElementItem::Function(_) => 1,
        ElementItem::Expression(expression) => expression_bytes(expression),
    }
}

/// A measure of the work that an expression is.
fn expression_bytes(expression: &ConstExpr<'_>) -> u64 {
    expression.get_binary_reader().bytes_remaining() as u64
}

/// The name of code: that of its symbol where that is global; for people otherwise.
pub fn code_name(module: &Module<'_>, plan: &Plan<'_>, symbol: Symbol) -> String {
    let adapter = |what: &str, index: u32| {
        let module = names::encode(&plan.options.module_name);
        format!("{module}{}{what}.{index}", names::ADAPTER_PREFIX)
    };
    match symbol {
        Symbol::Function(index) => module.function_name(index),
        Symbol::Entry(index) => adapter("entry", index),
        Symbol::ImportAdapter(index) => adapter("import", index),
        Symbol::CodeAdapter(index) => adapter("call", index),
        Symbol::TrapStub(code) => adapter("trap", code),
        Symbol::InstantiatePart(index) => {
            let whole = global_name(module, plan, Symbol::Instantiate);
            format!("{}.{index}", whole.expect("it is global"))
        }
        other => global_name(module, plan, other).expect("all other code is global"),
    }
}
