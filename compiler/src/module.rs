// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Parsing and validation: bytes to the facts of a module.
//!
//! The whole module is validated before anything else looks at it. Validation of the function
//! bodies runs in parallel and collects, in the same pass, what later phases must know about all
//! bodies before they translate the first: which tables grow, which segments are used.

use crate::effort::{Effort, Meter};
use crate::error::Error;
use crate::features::{self, SUPPORTED_FEATURES};
use crate::inline::{Shape, Survey};
use crate::limits::{self, Counter};
use crate::types;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use wasmparser::{
    CompositeInnerType, ConstExpr, DataKind, ElementItems, ElementKind, ExternalKind,
    FuncToValidate, FuncType, FunctionBody, GlobalType, MemoryType, Name, Operator, Parser,
    Payload, RefType, SubType, TableInit, TableType, TypeRef, ValidPayload, Validator,
    ValidatorResources, WasmFeatures,
};

/// Where an import comes from.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    pub module: &'a str,
    pub name: &'a str,
}

/// An item of an index space, imported or defined here.
#[derive(Clone, Debug)]
pub struct Item<'a, T> {
    pub import: Option<Import<'a>>,
    pub ty: T,
}

/// An export.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    pub name: &'a str,
    pub kind: ExternalKind,
    pub index: u32,
}

/// Where a segment goes by itself, if it does.
#[derive(Clone, Debug)]
pub enum SegmentMode<'a> {
    Passive,
    Declared,
    Active { index: u32, offset: ConstExpr<'a> },
}

/// One element of an element segment.
#[derive(Clone, Debug)]
pub enum ElementItem<'a> {
    Function(u32),
    Expression(ConstExpr<'a>),
}

/// An element segment.
#[derive(Clone, Debug)]
pub struct Element<'a> {
    pub mode: SegmentMode<'a>,
    pub ty: RefType,
    pub items: Vec<ElementItem<'a>>,
}

/// A data segment.
#[derive(Clone, Debug)]
pub struct Data<'a> {
    pub mode: SegmentMode<'a>,
    pub bytes: &'a [u8],
}

/// What the bodies do, taken together.
#[derive(Default, Debug)]
pub struct Uses {
    /// Tables with a `table.grow`.
    pub grown_tables: BTreeSet<u32>,
    /// Tables with a `table.set`, `fill`, `copy` to them, `init` or `grow`.
    pub written_tables: BTreeSet<u32>,
    /// Tables and types of `call_indirect`, and how often.
    pub indirect_calls: BTreeMap<(u32, u32), u32>,
    /// Data segments with an instruction that names them.
    pub data_segments: BTreeSet<u32>,
    /// Element segments with an instruction that names them.
    pub element_segments: BTreeSet<u32>,
    /// Functions whose reference is taken, in bodies, constant expressions and segments.
    pub function_references: BTreeSet<u32>,
    /// Whether there is a `return_call`, `return_call_indirect` or `return_call_ref`.
    pub tail_calls: bool,
    /// Whether there is a `try_table`.
    pub catches: bool,
    /// Tags with a `throw`.
    pub thrown: BTreeSet<u32>,
}

impl Uses {
    fn operator(&mut self, operator: &Operator<'_>) {
        if let Operator::TableSet { table }
        | Operator::TableFill { table }
        | Operator::TableGrow { table }
        | Operator::TableInit { table, .. }
        | Operator::TableCopy {
            dst_table: table, ..
        } = *operator
        {
            self.written_tables.insert(table);
        }
        if let Operator::CallIndirect {
            table_index,
            type_index,
        } = *operator
        {
            let key = (table_index, type_index);
            *self.indirect_calls.entry(key).or_default() += 1;
        }
        match *operator {
            Operator::TableGrow { table } => self.grown_tables.insert(table),
            Operator::MemoryInit { data_index, .. }
            | Operator::DataDrop { data_index }
            | Operator::ArrayNewData {
                array_data_index: data_index,
                ..
            }
            | Operator::ArrayInitData {
                array_data_index: data_index,
                ..
            } => self.data_segments.insert(data_index),
            Operator::TableInit { elem_index, .. }
            | Operator::ElemDrop { elem_index }
            | Operator::ArrayNewElem {
                array_elem_index: elem_index,
                ..
            }
            | Operator::ArrayInitElem {
                array_elem_index: elem_index,
                ..
            } => self.element_segments.insert(elem_index),
            Operator::RefFunc { function_index } => self.function_references.insert(function_index),
            Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => std::mem::replace(&mut self.tail_calls, true),
            Operator::TryTable { .. } => std::mem::replace(&mut self.catches, true),
            Operator::Throw { tag_index } => self.thrown.insert(tag_index),
            _ => false,
        };
    }

    fn merge(mut self, other: Self) -> Self {
        self.grown_tables.extend(other.grown_tables);
        self.written_tables.extend(other.written_tables);
        for (key, count) in other.indirect_calls {
            let known = self.indirect_calls.entry(key).or_default();
            *known = known.saturating_add(count);
        }
        self.data_segments.extend(other.data_segments);
        self.element_segments.extend(other.element_segments);
        self.function_references.extend(other.function_references);
        self.tail_calls |= other.tail_calls;
        self.catches |= other.catches;
        self.thrown.extend(other.thrown);
        self
    }
}

/// A validated module.
#[derive(Default, Debug)]
pub struct Module<'a> {
    /// The type section. See [`Module::function_type`].
    pub types: Vec<SubType>,
    /// The recursion groups that the type section is made of.
    pub type_groups: Vec<Range<u32>>,
    /// Functions by their type's index.
    pub functions: Vec<Item<'a, u32>>,
    pub tables: Vec<Item<'a, TableType>>,
    /// Initial element of each defined table, where it is not null.
    pub table_inits: Vec<Option<ConstExpr<'a>>>,
    pub memories: Vec<Item<'a, MemoryType>>,
    pub globals: Vec<Item<'a, GlobalType>>,
    /// Initial value of each defined global.
    pub global_inits: Vec<ConstExpr<'a>>,
    /// Tags by their type's index.
    pub tags: Vec<Item<'a, u32>>,
    pub exports: Vec<Export<'a>>,
    /// Imports in the module's order: kind and index in its index space.
    pub imports: Vec<(ExternalKind, u32)>,
    pub start: Option<u32>,
    pub elements: Vec<Element<'a>>,
    pub data: Vec<Data<'a>>,
    /// Bodies of the defined functions.
    pub bodies: Vec<FunctionBody<'a>>,
    /// Names of functions by the name section; empty where it says nothing.
    pub function_names: Vec<&'a str>,
    /// Names of tags, likewise.
    pub tag_names: Vec<&'a str>,
    pub uses: Uses,
    /// Of the bodies.
    pub efforts: Vec<Effort>,
    /// Of the bodies.
    pub shapes: Vec<Shape>,
}

impl<'a> Module<'a> {
    /// Parses and validates a binary module.
    ///
    /// # Errors
    /// What the specification objects to, or a feature that is not enabled.
    pub fn parse(binary: &'a [u8], features: WasmFeatures) -> Result<Self, Error> {
        let missing = features.difference(SUPPORTED_FEATURES);
        if !missing.is_empty() {
            return Err(Error::Options(format!(
                "WebAssembly features that are not supported yet: {}",
                features::names(missing)
            )));
        }
        let bytes = binary.len() as u64;
        limits::check("bytes", bytes, limits::MAX_MODULE as u64)?;
        let mut counter = Counter::default();
        let mut validator = Validator::new_with_features(features);
        let mut module = Module::default();
        let mut to_validate = Vec::new();
        let mut parser = Parser::new(0);
        parser.set_features(features);
        for payload in parser.parse_all(binary) {
            let payload = payload?;
            counter.payload(&payload)?;
            if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
                to_validate.push((function, body.clone()));
                module.bodies.push(body);
            }
            module.payload(payload, &mut counter)?;
        }
        module.name_tags();
        (module.uses, module.efforts, module.shapes) = module.validate_bodies(to_validate)?;
        module.collect_references()?;
        Ok(module)
    }

    fn payload(&mut self, payload: Payload<'a>, counter: &mut Counter) -> Result<(), Error> {
        match payload {
            Payload::TypeSection(reader) => {
                for group in reader {
                    let start = self.types.len() as u32;
                    for ty in group?.into_types() {
                        counter.ty(types::value_types(&ty.composite_type.inner).len())?;
                        self.types.push(ty);
                    }
                    self.type_groups.push(start..self.types.len() as u32);
                }
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports_with_offsets() {
                    let (offset, import) = import?;
                    self.import(import, offset)?;
                }
            }
            Payload::FunctionSection(reader) => {
                for ty in reader {
                    self.functions.push(Item {
                        import: None,
                        ty: ty?,
                    });
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    let table = table?;
                    self.tables.push(Item {
                        import: None,
                        ty: table.ty,
                    });
                    self.table_inits.push(match table.init {
                        TableInit::RefNull => None,
                        TableInit::Expr(expression) => Some(expression),
                    });
                }
            }
            Payload::MemorySection(reader) => {
                for ty in reader {
                    self.memories.push(Item {
                        import: None,
                        ty: ty?,
                    });
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    let global = global?;
                    self.globals.push(Item {
                        import: None,
                        ty: global.ty,
                    });
                    self.global_inits.push(global.init_expr);
                }
            }
            Payload::TagSection(reader) => {
                for tag in reader {
                    self.tags.push(Item {
                        import: None,
                        ty: tag?.func_type_idx,
                    });
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    let (name, kind, index) = (export.name, export.kind, export.index);
                    self.exports.push(Export { name, kind, index });
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(reader) => {
                for element in reader {
                    self.element(element?)?;
                }
            }
            Payload::DataSection(reader) => {
                for data in reader {
                    let data = data?;
                    let mode = match data.kind {
                        DataKind::Passive => SegmentMode::Passive,
                        DataKind::Active {
                            memory_index,
                            offset_expr,
                        } => SegmentMode::Active {
                            index: memory_index,
                            offset: offset_expr,
                        },
                    };
                    self.data.push(Data {
                        mode,
                        bytes: data.data,
                    });
                }
            }
            Payload::CustomSection(reader) => {
                if let wasmparser::KnownCustom::Name(names) = reader.as_known() {
                    self.names(names);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: wasmparser::Import<'a>, offset: u64) -> Result<(), Error> {
        let from = Some(Import {
            module: import.module,
            name: import.name,
        });
        let (kind, index) = match import.ty {
            TypeRef::Func(ty) => {
                self.functions.push(Item { import: from, ty });
                (ExternalKind::Func, self.functions.len())
            }
            TypeRef::Table(ty) => {
                self.tables.push(Item { import: from, ty });
                self.table_inits.push(None);
                (ExternalKind::Table, self.tables.len())
            }
            TypeRef::Memory(ty) => {
                self.memories.push(Item { import: from, ty });
                (ExternalKind::Memory, self.memories.len())
            }
            TypeRef::Global(ty) => {
                self.globals.push(Item { import: from, ty });
                (ExternalKind::Global, self.globals.len())
            }
            TypeRef::Tag(tag) => {
                let ty = tag.func_type_idx;
                self.tags.push(Item { import: from, ty });
                (ExternalKind::Tag, self.tags.len())
            }
            TypeRef::FuncExact(_) => {
                return Err(Error::unsupported("this kind of import", offset));
            }
        };
        self.imports.push((kind, index as u32 - 1));
        Ok(())
    }

    fn element(&mut self, element: wasmparser::Element<'a>) -> Result<(), Error> {
        let mode = match element.kind {
            ElementKind::Passive => SegmentMode::Passive,
            ElementKind::Declared => SegmentMode::Declared,
            ElementKind::Active {
                table_index,
                offset_expr,
            } => SegmentMode::Active {
                index: table_index.unwrap_or(0),
                offset: offset_expr,
            },
        };
        let (ty, items) = match element.items {
            ElementItems::Functions(reader) => {
                let items = reader
                    .into_iter()
                    .map(|index| index.map(ElementItem::Function));
                (RefType::FUNC, items.collect::<Result<Vec<_>, _>>()?)
            }
            ElementItems::Expressions(ty, reader) => {
                let items = reader
                    .into_iter()
                    .map(|expression| expression.map(ElementItem::Expression));
                (ty, items.collect::<Result<Vec<_>, _>>()?)
            }
        };
        self.elements.push(Element { mode, ty, items });
        Ok(())
    }

    /// The name section is advice: what of it does not parse is left out.
    fn names(&mut self, reader: wasmparser::NameSectionReader<'a>) {
        let mut bytes = 0;
        for subsection in reader {
            let (map, names, count) = match subsection {
                Ok(Name::Function(map)) => (map, &mut self.function_names, self.functions.len()),
                Ok(Name::Tag(map)) => (map, &mut self.tag_names, self.tags.len()),
                _ => continue,
            };
            for naming in map {
                let Ok(naming) = naming else { break };
                let index = naming.index as usize;
                bytes += naming.name.len();
                if index < count && bytes <= limits::MAX_NAMES {
                    names.resize(count, "");
                    names[index] = naming.name;
                }
            }
        }
    }

    /// Tags that the name section is silent about are called as they are imported or exported.
    fn name_tags(&mut self) {
        self.tag_names.resize(self.tags.len(), "");
        for (name, tag) in self.tag_names.iter_mut().zip(&self.tags) {
            if let (true, Some(import)) = (name.is_empty(), tag.import) {
                *name = import.name;
            }
        }
        let tags = |export: &&Export<'a>| export.kind == ExternalKind::Tag;
        for export in self.exports.iter().filter(tags) {
            let name = &mut self.tag_names[export.index as usize];
            if name.is_empty() {
                *name = export.name;
            }
        }
    }

    /// References to functions outside of bodies.
    fn collect_references(&mut self) -> Result<(), Error> {
        let mut references = BTreeSet::new();
        let mut expressions: Vec<&ConstExpr<'_>> = self.global_inits.iter().collect();
        expressions.extend(self.table_inits.iter().flatten());
        for element in &self.elements {
            for item in &element.items {
                match item {
                    ElementItem::Function(index) => drop(references.insert(*index)),
                    ElementItem::Expression(expression) => expressions.push(expression),
                }
            }
        }
        let offsets = self.elements.iter().map(|element| &element.mode);
        for mode in offsets.chain(self.data.iter().map(|data| &data.mode)) {
            if let SegmentMode::Active { offset, .. } = mode {
                limits::check_expression(offset)?;
            }
        }
        for expression in expressions {
            limits::check_expression(expression)?;
            for operator in expression.get_operators_reader() {
                if let Operator::RefFunc { function_index } = operator? {
                    references.insert(function_index);
                }
            }
        }
        self.uses.function_references.extend(references);
        Ok(())
    }

    /// The work that a defined function is.
    pub fn effort(&self, index: u32) -> Effort {
        self.efforts[index as usize - self.imported_functions()]
    }

    /// Number of imported functions.
    pub fn imported_functions(&self) -> usize {
        self.functions.len() - self.bodies.len()
    }

    /// The functions that are exported, as often as they are.
    pub fn exported_functions(&self) -> impl Iterator<Item = u32> {
        let functions = self
            .exports
            .iter()
            .filter(|export| export.kind == ExternalKind::Func);
        functions.map(|export| export.index)
    }

    /// The name of a tag for people: that of the name section, or of its import or export.
    pub fn tag_name(&self, index: u32) -> String {
        match self.tag_names[index as usize] {
            "" => format!("tag[{index}]"),
            name => name.replace('\0', "\u{fffd}"),
        }
    }

    /// The function type with this index in the type section, which validation has checked.
    pub fn function_type(&self, ty: u32) -> &FuncType {
        match &self.types[ty as usize].composite_type.inner {
            CompositeInnerType::Func(ty) => ty,
            other => unreachable!("the module is valid, but this is no function type: {other:?}"),
        }
    }

    /// The name of a function for people.
    pub fn function_name(&self, index: u32) -> String {
        match self.function_names.get(index as usize) {
            Some(&name) if !name.is_empty() => name.replace('\0', "\u{fffd}"),
            _ => format!("function[{index}]"),
        }
    }

    /// Validates and measures the bodies.
    fn validate_bodies(
        &self,
        bodies: Vec<(FuncToValidate<ValidatorResources>, FunctionBody<'_>)>,
    ) -> Result<(Uses, Vec<Effort>, Vec<Shape>), Error> {
        // Of several errors the one of the first function is reported: collect in order first.
        let results: Vec<Result<(Uses, Effort, Shape), Error>> = bodies
            .into_par_iter()
            .map(|(function, body)| {
                let index = function.index;
                self.validate_body(function, &body)
                    .map_err(|error| self.in_function(error, index))
            })
            .collect();
        let mut all = Uses::default();
        let mut locals = 0;
        let mut efforts = Vec::with_capacity(results.len());
        let mut shapes = Vec::with_capacity(results.len());
        for result in results {
            let (uses, effort, shape) = result?;
            all = all.merge(uses);
            locals += effort.locals();
            let what = "parameters, results and locals of all functions";
            limits::check(what, locals, limits::MAX_LOCALS as u64)?;
            efforts.push(effort);
            shapes.push(shape);
        }
        Ok((all, efforts, shapes))
    }

    /// Validates and measures a body.
    fn validate_body(
        &self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<(Uses, Effort, Shape), Error> {
        let ty = function.ty;
        let mut validator = function.into_validator(Default::default());
        let (mut uses, mut survey) = (Uses::default(), Survey::default());
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader)?;
        let count = validator.len_locals();
        let results = self.function_type(ty).results().len();
        let mut meter = Meter::new(self, count, results as u32);
        let mut operators = wasmparser::OperatorsReader::new(reader);
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            validator.op(offset, &operator)?;
            uses.operator(&operator);
            survey.operator(&operator);
            meter.operator(&operator, |depth| {
                let frame = validator.get_control_frame(depth as usize)?;
                Some((frame.kind, frame.block_type))
            })?;
        }
        operators.finish()?;
        Ok((uses, meter.finish()?, survey.finish()))
    }

    /// An error with the function in which it lies.
    pub fn in_function(&self, error: impl Into<Error>, index: u32) -> Error {
        error.into().in_function(index, self.function_name(index))
    }
}
