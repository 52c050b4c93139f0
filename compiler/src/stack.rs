// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a call of each function takes on the stack at most, over the calls of the whole object.
//!
//! The graph has a node for each piece of code, and one for each way of calling several: functions
//! of a type by reference, the elements of a table that never changes, what is exported with a
//! type. A call by type so is one edge, however many functions it may lead to, and each function
//! has one edge in, from its type; a type leads to its subtypes, which may be called as it.
//!
//! What calls are there is read off the code that was made: its relocations, and for calls without
//! one the last state of the intermediate code ([`crate::codegen::Calls`]). What leads out of the
//! object, an import or the runtime, is a node without calls of its own; what another object's
//! references lead to is not in the graph ([`Stacks::foreign_references`]).

mod graph;

use crate::codegen::{Code, Target, stack_arguments};
use crate::module::Module;
use crate::plan::{Convention, Plan, Symbol, TableElement};
use crate::translate::{self, Leads};
use cranelift_codegen::isa::TargetIsa;
use graph::{Deepest, Edge, Graph, Node};
use std::collections::{BTreeSet, HashMap};
use wasm_aot_object::meta::{NONE, StackRecord};
use wasm_aot_object::stack::{Call, Next};
use wasm_aot_symbols::Runtime;
use wasmparser::{ExternalKind, ValType};

/// What is known of the stack.
pub struct Stacks {
    /// For each piece of code, in order.
    pub functions: Vec<StackRecord>,
    /// For each imported function, the deepest stack at which code of the object calls it: 0 where
    /// it never does, [`NONE`] without bound.
    pub imports: Vec<u32>,
    /// Whether the object calls through references that another object may have made.
    pub foreign_references: bool,
}

/// Finds out for all code of an object.
pub fn analyze(
    module: &Module<'_>,
    plan: &Plan<'_>,
    isa: &dyn TargetIsa,
    codes: &[Code],
) -> Stacks {
    let builder = Builder {
        module,
        plan,
        codes,
        places: Places::new(module, plan, codes),
        code: codes
            .iter()
            .zip(0..)
            .map(|(code, at)| (code.symbol, at))
            .collect(),
        imported: (0..)
            .zip(&module.imports)
            .filter(|(_, import)| is_function(import.0))
            .map(|(place, _)| place)
            .collect(),
    };
    let graph = builder.graph(isa);
    let (found, depths) = graph.solve();
    let record = |deepest: &Deepest| StackRecord {
        bytes: word(deepest.bytes).into(),
        next: builder.next(&found, deepest.next, |node| node.next).into(),
        outside: match deepest.bytes {
            Some(_) => deepest.outside.map_or(NONE, |outside| word(Some(outside))),
            None => NONE,
        }
        .into(),
        outside_next: builder
            .next(&found, deepest.outside_next, |node| node.outside_next)
            .into(),
    };
    let imports = builder.places.imports as usize..builder.places.runtime as usize;
    Stacks {
        functions: found[..codes.len()].iter().map(record).collect(),
        imports: depths[imports].iter().map(|&depth| word(depth)).collect(),
        foreign_references: builder.calls_by_reference() && admits_references(module, plan),
    }
}

/// Bytes in the metadata: no stack is as large as what does not fit.
fn word(bytes: Option<u64>) -> u32 {
    let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok());
    bytes.unwrap_or(NONE)
}

/// Where the nodes of a kind begin; those of code come first.
struct Places {
    /// Functions of a type, by their C code.
    by_type: u32,
    /// Likewise, by their code in the module's own convention.
    own_by_type: u32,
    /// What is exported with a type.
    exported: u32,
    /// Elements of tables that never change.
    tables: u32,
    /// Imported functions of which the type is open, in either convention.
    open: u32,
    /// Imported functions.
    imports: u32,
    /// Functions of the runtime.
    runtime: u32,
}

impl Places {
    fn new(module: &Module<'_>, plan: &Plan<'_>, codes: &[Code]) -> Self {
        let types = plan.types.len();
        let mut end = 0;
        let mut place = |count: usize| {
            end += count;
            u32::try_from(end).expect("the compiler limits modules to well below that")
        };
        Self {
            by_type: place(codes.len()),
            own_by_type: place(types),
            exported: place(types),
            tables: place(types),
            open: place(plan.dispatch_tables.len()),
            imports: place(2),
            runtime: place(module.imported_functions()),
        }
    }
}

struct Builder<'a> {
    module: &'a Module<'a>,
    plan: &'a Plan<'a>,
    codes: &'a [Code],
    places: Places,
    /// Where code is in the list.
    code: HashMap<Symbol, u32>,
    /// Places of the imported functions among all imports.
    imported: Vec<u32>,
}

impl Builder<'_> {
    fn graph(&self, isa: &dyn TargetIsa) -> Graph {
        let mut graph = Graph::default();
        for code in self.codes {
            let node = Node {
                frame: code.frame_size.into(),
                area: code.leads.area.into(),
                apart: matches!(code.symbol, Symbol::Trampoline(_)),
                ..Node::default()
            };
            graph.add(node, self.calls(code));
        }
        self.types(isa, &mut graph);
        self.tables(isa, &mut graph);
        for convention in [Convention::C, Convention::Tail] {
            let open = self.plan.funcrefs.iter().copied();
            let open = open.filter(|&function| self.plan.is_open_import(self.module, function));
            let calls = open.filter_map(|function| self.function(function, convention));
            graph.add(Node::default(), calls.map(|to| Edge { to, tail: false }));
        }
        let outside = Node {
            outside: true,
            ..Node::default()
        };
        for _ in 0..self.module.imported_functions() + Runtime::ALL.len() {
            graph.add(outside, []);
        }
        graph
    }

    /// The calls of a piece of code.
    fn calls(&self, code: &Code) -> impl Iterator<Item = Edge> {
        let by_name = code.relocations.iter().filter_map(|relocation| {
            let symbol = match relocation.target {
                // For code of other objects only: all references of this one have what else is
                // called.
                Target::Symbol(Symbol::CodeAdapter(_)) | Target::Here(_) => return None,
                Target::Symbol(symbol) => symbol,
            };
            let tail = code.leads.tail.binary_search(&symbol).is_ok();
            let to = self.symbol(symbol)?;
            Some(Edge { to, tail })
        });
        let indirect = code.leads.indirect.iter().filter_map(|&(leads, tail)| {
            let to = match (code.symbol, leads) {
                (Symbol::Trampoline(ty), _) => self.places.exported + ty,
                // Whoever is called so is of another object.
                (Symbol::CodeAdapter(_) | Symbol::ImportAdapter(_), _) => return None,
                (_, Leads::ByTable(table)) => self.places.tables + table,
                (_, Leads::ByType { ty, convention }) => self.by_type(ty, convention),
            };
            Some(Edge { to, tail })
        });
        by_name.chain(indirect)
    }

    /// The node of a symbol, where that is code.
    fn symbol(&self, symbol: Symbol) -> Option<u32> {
        match symbol {
            Symbol::Runtime(index) => Some(self.places.runtime + index),
            Symbol::Function(index) if (index as usize) < self.module.imported_functions() => {
                Some(self.places.imports + index)
            }
            _ => self.code.get(&symbol).copied(),
        }
    }

    /// The node of a function's code in a convention.
    fn function(&self, function: u32, convention: Convention) -> Option<u32> {
        self.symbol(match convention {
            Convention::C => self.plan.c_code(function),
            Convention::Tail => self.plan.own_code(self.module, function),
        })
    }

    fn by_type(&self, ty: u32, convention: Convention) -> u32 {
        match convention {
            Convention::C => self.places.by_type + ty,
            Convention::Tail => self.places.own_by_type + ty,
        }
    }

    /// Adds the nodes of types: functions by reference in either convention, and exports.
    fn types(&self, isa: &dyn TargetIsa, graph: &mut Graph) {
        let types = self.plan.types.len();
        let (mut referenced, mut exported) = (vec![Vec::new(); types], vec![Vec::new(); types]);
        for &function in &self.plan.funcrefs {
            let ty = self.plan.function_type(self.module, function);
            referenced[ty as usize].push(function);
        }
        for function in self.module.exported_functions() {
            let ty = self.plan.function_type(self.module, function);
            exported[ty as usize].push(function);
        }
        let mut subtypes = vec![Vec::new(); types];
        for (ty, index) in self.plan.types.iter().zip(0..) {
            if let Some(supertype) = ty.supertype {
                subtypes[supertype as usize].push(index);
            }
        }
        for convention in [Convention::C, Convention::Tail] {
            for ty in 0..types as u32 {
                let functions = referenced[ty as usize].iter();
                let functions =
                    functions.filter_map(|&function| self.function(function, convention));
                let subtypes = subtypes[ty as usize].iter();
                let subtypes = subtypes.map(|&ty| self.by_type(ty, convention));
                let calls = functions.chain(subtypes).map(|to| Edge { to, tail: true });
                let open = Edge {
                    to: self.places.open + u32::from(convention == Convention::Tail),
                    tail: false,
                };
                let open = self.plan.types[ty as usize].supertype.map(|_| open);
                graph.add(self.through(isa, ty, convention), calls.chain(open));
            }
        }
        for functions in exported {
            let functions = functions.into_iter();
            let calls = functions.filter_map(|function| self.function(function, Convention::C));
            graph.add(Node::default(), calls.map(|to| Edge { to, tail: true }));
        }
    }

    fn tables(&self, isa: &dyn TargetIsa, graph: &mut Graph) {
        let convention = self.plan.convention;
        for &(table, ty) in &self.plan.dispatch_tables {
            let elements = 0..self.plan.tables[table as usize].image.len() as u64;
            let stub = |trap: wasm_aot_trap::TrapCode| {
                let to = self.symbol(Symbol::TrapStub(trap as u32))?;
                Some(Edge { to, tail: false })
            };
            let [null, other] = translate::STUBS.map(stub);
            let call = |index| match self.plan.element(self.module, table, ty, index)? {
                TableElement::Null => null,
                TableElement::OtherType => other,
                TableElement::Function(function) => {
                    let to = self.function(function, convention)?;
                    Some(Edge { to, tail: true })
                }
            };
            graph.add(self.through(isa, ty, convention), elements.filter_map(call));
        }
    }

    /// A node that stands for functions of a type: it has no frame, and their arguments.
    fn through(&self, isa: &dyn TargetIsa, ty: u32, convention: Convention) -> Node {
        let ty = &self.plan.types[ty as usize];
        let area = match convention {
            Convention::Tail if ty.is_function() => {
                let signature = translate::own_signature(isa, self.plan, ty.function());
                stack_arguments(&signature, self.plan.options.target)
            }
            _ => 0,
        };
        Node {
            area: area.into(),
            ..Node::default()
        }
    }

    /// The next function on a way, as the metadata has it.
    fn next(
        &self,
        found: &[Deepest],
        edge: Option<Edge>,
        way: fn(&Deepest) -> Option<Edge>,
    ) -> u32 {
        let Some(first) = edge else {
            return NONE;
        };
        let mut to = first.to;
        // Through the nodes that stand for several. (No circle is of such nodes alone: subtypes
        // are not their own supertypes.)
        while (self.places.by_type..self.places.imports).contains(&to) {
            match way(&found[to as usize]) {
                Some(edge) => to = edge.to,
                None => return NONE,
            }
        }
        let call = Call {
            indirect: to != first.to,
            tail: first.tail,
        };
        let next = match to {
            to if to < self.places.by_type => Next::Function { index: to, call },
            to if to < self.places.runtime => Next::Import {
                index: self.imported[(to - self.places.imports) as usize],
                call,
            },
            to => Next::Runtime {
                index: to - self.places.runtime,
            },
        };
        next.word()
    }

    fn calls_by_reference(&self) -> bool {
        let own = |code: &&Code| {
            !matches!(
                code.symbol,
                Symbol::Trampoline(_) | Symbol::CodeAdapter(_) | Symbol::ImportAdapter(_)
            )
        };
        let mut leads = self
            .codes
            .iter()
            .filter(own)
            .flat_map(|code| &code.leads.indirect);
        leads.any(|(leads, _)| matches!(leads, Leads::ByType { .. }))
    }
}

fn is_function(kind: ExternalKind) -> bool {
    matches!(kind, ExternalKind::Func | ExternalKind::FuncExact)
}

/// Whether a reference to a function can come into the module from another one: through what is
/// imported, what others can write, or what they pass.
fn admits_references(module: &Module<'_>, plan: &Plan<'_>) -> bool {
    let objects = plan.types.iter().any(|ty| !ty.is_function());
    // Into what may be an object, a reference to a function may be packed.
    let carries =
        |ty: ValType| matches!(ty, ValType::Ref(_)) && (objects || !plan.is_heap_reference(ty));
    let exports = module.exports.iter();
    let exported: BTreeSet<(bool, u32)> = exports
        .filter(|export| matches!(export.kind, ExternalKind::Table | ExternalKind::Global))
        .map(|export| (export.kind == ExternalKind::Table, export.index))
        .collect();
    let shared = |table: bool, index: usize| exported.contains(&(table, index as u32));
    let mut tables = module.tables.iter().enumerate();
    let mut globals = module.globals.iter().enumerate();
    let ty = |function: u32| plan.types[plan.function_type(module, function) as usize].function();
    let imported = 0..module.imported_functions() as u32;
    let mut given = imported.flat_map(|function| ty(function).results());
    let exports = module.exported_functions();
    let mut taken = exports.flat_map(|function| ty(function).params());
    let mut thrown = plan
        .tags
        .iter()
        .flat_map(|tag| plan.types[tag.ty as usize].function().params());
    tables.any(|(index, table)| {
        let element = ValType::Ref(table.ty.element_type);
        (table.import.is_some() || shared(true, index)) && carries(element)
    }) || globals.any(|(index, global)| {
        let written = global.ty.mutable && shared(false, index);
        (global.import.is_some() || written) && carries(global.ty.content_type)
    }) || given.any(|&ty| carries(ty))
        || taken.any(|&ty| carries(ty))
        || thrown.any(|&ty| carries(ty))
}
