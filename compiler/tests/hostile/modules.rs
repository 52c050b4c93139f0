// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The modules, as functions that make their bytes.

use std::borrow::Cow;
use wasm_encoder::{
    BlockType, CodeSection, CompositeInnerType, CompositeType, ConstExpr, DataSection,
    ElementSection, Elements, EntityType, ExportKind, ExportSection, FieldType, Function,
    FunctionSection, GlobalSection, GlobalType, HeapType, ImportSection, MemorySection, MemoryType,
    Module, RefType, StorageType, StructType, SubType, TableSection, TableType, TagKind,
    TagSection, TagType, TypeSection, ValType,
};

/// What must come of a module.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    Compiled,
    /// An error with these words.
    Refused(&'static str),
}

/// A module.
pub struct Case {
    pub name: &'static str,
    pub build: fn() -> Vec<u8>,
    pub expect: Expect,
}

macro_rules! cases {
    ($($build:ident: $expect:expr;)*) => {
        pub const CASES: &[Case] = &[$(Case {
            name: stringify!($build),
            build: $build,
            expect: $expect,
        }),*];
    };
}

cases! {
    a_million_functions: Expect::Compiled;
    a_million_exports: Expect::Refused("effective type size");
    a_million_imports: Expect::Refused("effective type size");
    a_million_globals: Expect::Compiled;
    a_million_global_initialisers: Expect::Compiled;
    a_million_types: Expect::Refused("parameters and results of types");
    types_of_a_thousand_values: Expect::Refused("bytes of types");
    functions_of_a_thousand_parameters: Expect::Refused("locals of all functions");
    parameters_at_the_limit: Expect::Compiled;
    a_chain_of_supertypes: Expect::Refused("sub type hierarchy too deep");
    types_with_many_supertypes: Expect::Compiled;
    a_large_recursion_group: Expect::Compiled;
    a_million_tags: Expect::Refused("effective type size");
    many_tags: Expect::Compiled;
    casts_at_the_limit: Expect::Compiled;
    five_million_elements: Expect::Refused("elements of element segments");
    five_million_expressions: Expect::Refused("elements of element segments");
    four_million_elements: Expect::Compiled;
    element_expressions: Expect::Compiled;
    computed_elements: Expect::Compiled;
    large_tables: Expect::Refused("elements of tables");
    many_active_data_segments: Expect::Compiled;
    many_active_element_segments: Expect::Compiled;
    nesting_a_million_deep: Expect::Refused("blocks inside each other");
    nesting_at_the_limit: Expect::Compiled;
    nesting_in_unreachable_code: Expect::Refused("blocks inside each other");
    locals_of_one_function: Expect::Compiled;
    locals_of_many_functions: Expect::Refused("locals of all functions");
    a_branch_table_of_a_million: Expect::Refused("targets of a br_table");
    many_branch_tables: Expect::Refused("in one function");
    branch_tables_at_the_limit: Expect::Compiled;
    branches_with_many_values: Expect::Refused("in one function");
    branches_at_the_limit: Expect::Compiled;
    calls_with_many_values: Expect::Refused("in one function");
    calls_at_the_limit: Expect::Compiled;
    locals_in_nested_loops: Expect::Refused("in one function");
    locals_live_over_many_blocks: Expect::Refused("locals times blocks");
    locals_at_the_limit: Expect::Compiled;
    blocks_at_the_limit: Expect::Compiled;
    sums_in_one_function: Expect::Refused("in one function");
    loads_in_one_function: Expect::Refused("in one function");
    loads_at_the_limit: Expect::Compiled;
    large_functions_at_once: Expect::Compiled;
    a_long_constant_expression: Expect::Refused("of a constant expression");
    long_names: Expect::Refused("bytes of names");
}

/// A module of functions, each of the type with its index.
struct Functions {
    types: TypeSection,
    functions: FunctionSection,
    code: CodeSection,
}

impl Functions {
    fn new() -> Self {
        Self {
            types: TypeSection::new(),
            functions: FunctionSection::new(),
            code: CodeSection::new(),
        }
    }

    fn ty(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        let function = self.types.ty();
        function.function(params.iter().copied(), results.iter().copied());
        self.types.len() - 1
    }

    fn add(&mut self, ty: u32, body: &Function) {
        self.functions.function(ty);
        self.code.function(body);
    }

    fn finish(self) -> Vec<u8> {
        let mut module = Module::new();
        module.section(&self.types).section(&self.functions);
        module.section(&self.code);
        module.finish()
    }
}

fn empty_body() -> Function {
    let mut body = Function::new([]);
    body.instructions().end();
    body
}

/// One function without parameters and results.
fn one(locals: &[(u32, ValType)], write: impl FnOnce(&mut Function)) -> Vec<u8> {
    let mut module = Functions::new();
    let ty = module.ty(&[], &[]);
    let mut body = Function::new(locals.iter().copied());
    write(&mut body);
    body.instructions().end();
    module.add(ty, &body);
    module.finish()
}

fn a_million_functions() -> Vec<u8> {
    let mut module = Functions::new();
    let ty = module.ty(&[], &[]);
    let body = empty_body();
    (0..1_000_000).for_each(|_| module.add(ty, &body));
    module.finish()
}

fn a_million_exports() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    for index in 0..1_000_000 {
        exports.export(&format!("export {index}"), ExportKind::Func, 0);
    }
    let mut code = CodeSection::new();
    code.function(&empty_body());
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports);
    module.section(&code);
    module.finish()
}

fn a_million_imports() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut imports = ImportSection::new();
    for index in 0..1_000_000 {
        imports.import("m", &format!("f{index}"), EntityType::Function(0));
    }
    let mut module = Module::new();
    module.section(&types).section(&imports);
    module.finish()
}

const I32_GLOBAL: GlobalType = GlobalType {
    val_type: ValType::I32,
    mutable: false,
    shared: false,
};

fn a_million_globals() -> Vec<u8> {
    let mut globals = GlobalSection::new();
    for value in 0..1_000_000 {
        globals.global(I32_GLOBAL, &ConstExpr::i32_const(value));
    }
    let mut module = Module::new();
    module.section(&globals);
    module.finish()
}

/// An import that makes every initialiser work for run time.
fn global_import() -> ImportSection {
    let mut imports = ImportSection::new();
    imports.import("m", "g", EntityType::Global(I32_GLOBAL));
    imports
}

fn a_million_global_initialisers() -> Vec<u8> {
    let mut globals = GlobalSection::new();
    for _ in 1..1_000_000 {
        globals.global(I32_GLOBAL, &ConstExpr::global_get(0));
    }
    let mut module = Module::new();
    module.section(&global_import()).section(&globals);
    module.finish()
}

const NUMBERS: [ValType; 4] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];

fn a_million_types() -> Vec<u8> {
    let mut types = TypeSection::new();
    for index in 0..1_000_000_usize {
        let params = (0..10).map(|digit| NUMBERS[index >> (2 * digit) & 3]);
        types.ty().function(params, []);
    }
    let mut module = Module::new();
    module.section(&types);
    module.finish()
}

fn types_of_a_thousand_values() -> Vec<u8> {
    let mut types = TypeSection::new();
    for index in 0..50_000_usize {
        let params = (0..1000).map(|digit| NUMBERS[index >> (2 * (digit % 20)) & 3]);
        types.ty().function(params, []);
    }
    let mut module = Module::new();
    module.section(&types);
    module.finish()
}

fn functions_of_a_thousand_parameters() -> Vec<u8> {
    functions_with_parameters(1_000_000)
}

/// As much as is compiled.
fn parameters_at_the_limit() -> Vec<u8> {
    functions_with_parameters(16_000)
}

fn functions_with_parameters(count: u32) -> Vec<u8> {
    let mut module = Functions::new();
    let ty = module.ty(&[ValType::I32; 1000], &[]);
    let body = empty_body();
    (0..count).for_each(|_| module.add(ty, &body));
    module.finish()
}

/// A structure of these fields, open to subtypes.
fn structure(supertype: Option<u32>, fields: &[ValType]) -> SubType {
    let field = |&ty: &ValType| FieldType {
        element_type: StorageType::Val(ty),
        mutable: false,
    };
    SubType {
        is_final: false,
        supertype_idxs: supertype.into_iter().collect(),
        composite_type: CompositeType {
            inner: CompositeInnerType::Struct(StructType {
                fields: fields.iter().map(field).collect(),
            }),
            shared: false,
            descriptor: None,
            describes: None,
        },
    }
}

fn with_types(types: &TypeSection) -> Vec<u8> {
    let mut module = Module::new();
    module.section(types);
    module.finish()
}

fn a_chain_of_supertypes() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().subtype(&structure(None, &[]));
    for index in 1..100_000 {
        types.ty().subtype(&structure(Some(index - 1), &[]));
    }
    with_types(&types)
}

/// As deep as types may be, as many as fit; each another.
fn types_with_many_supertypes() -> Vec<u8> {
    const DEEP: u32 = 62;
    let mut types = TypeSection::new();
    types.ty().subtype(&structure(None, &[]));
    for index in 1..DEEP {
        types.ty().subtype(&structure(Some(index - 1), &[]));
    }
    for index in 0..300_000_usize {
        let fields: Vec<ValType> = (0..10).map(|d| NUMBERS[index >> (2 * d) & 3]).collect();
        types.ty().subtype(&structure(Some(DEEP - 1), &fields));
    }
    with_types(&types)
}

fn a_large_recursion_group() -> Vec<u8> {
    const COUNT: u32 = 500_000;
    let next = |index: u32| {
        let heap_type = HeapType::Concrete((index + 1) % COUNT);
        ValType::Ref(RefType {
            nullable: true,
            heap_type,
        })
    };
    let mut types = TypeSection::new();
    let all: Vec<SubType> = (0..COUNT)
        .map(|index| structure(None, &[next(index)]))
        .collect();
    types.ty().rec(all);
    with_types(&types)
}

fn tags(count: u32) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut tags = TagSection::new();
    let mut exports = ExportSection::new();
    for index in 0..count {
        let kind = TagKind::Exception;
        tags.tag(TagType {
            kind,
            func_type_idx: 0,
        });
        exports.export(&format!("tag {index}"), ExportKind::Tag, index);
    }
    let mut module = Module::new();
    module.section(&types).section(&tags).section(&exports);
    module.finish()
}

fn a_million_tags() -> Vec<u8> {
    tags(1_000_000)
}

fn many_tags() -> Vec<u8> {
    tags(200_000)
}

/// Casts, each to a type with many supertypes.
fn casts_at_the_limit() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().subtype(&structure(None, &[]));
    for index in 1..60 {
        types.ty().subtype(&structure(Some(index - 1), &[]));
    }
    let any = ValType::Ref(RefType::ANYREF);
    types.ty().function([any], []);
    let mut functions = FunctionSection::new();
    functions.function(60);
    let mut body = Function::new([]);
    for index in 0..15_000 {
        let mut code = body.instructions();
        code.local_get(0);
        code.ref_cast_nullable(HeapType::Concrete(index % 60))
            .drop();
    }
    body.instructions().end();
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module.finish()
}

/// A function and segments of references to it.
fn elements(write: impl FnOnce(&mut ElementSection)) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut imports = global_import();
    imports.import("m", "f", EntityType::Function(0));
    let reference = GlobalType {
        val_type: ValType::Ref(RefType::FUNCREF),
        ..I32_GLOBAL
    };
    imports.import("m", "r", EntityType::Global(reference));
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 1000,
        maximum: None,
        shared: false,
    });
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut elements = ElementSection::new();
    write(&mut elements);
    let mut code = CodeSection::new();
    let mut body = Function::new([]);
    let mut numbers = body.instructions();
    numbers.i32_const(0).i32_const(0).i32_const(0);
    numbers.table_init(0, 0).end();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions);
    module.section(&tables).section(&elements).section(&code);
    module.finish()
}

fn five_million_elements() -> Vec<u8> {
    elements(|section| {
        section.passive(Elements::Functions(Cow::Owned(vec![0; 5_000_000])));
    })
}

fn five_million_expressions() -> Vec<u8> {
    let items = vec![ConstExpr::ref_func(0); 5_000_000];
    elements(|section| {
        section.passive(Elements::Expressions(RefType::FUNCREF, Cow::Owned(items)));
    })
}

fn four_million_elements() -> Vec<u8> {
    elements(|section| {
        section.passive(Elements::Functions(Cow::Owned(vec![0; 4_000_000])));
    })
}

/// Each known only at run time.
fn computed_elements() -> Vec<u8> {
    let items = vec![ConstExpr::global_get(1); 1_000_000];
    elements(|section| {
        section.passive(Elements::Expressions(RefType::FUNCREF, Cow::Owned(items)));
    })
}

fn element_expressions() -> Vec<u8> {
    let items = vec![ConstExpr::ref_func(0); 1_000_000];
    elements(|section| {
        section.passive(Elements::Expressions(RefType::FUNCREF, Cow::Owned(items)));
    })
}

fn many_active_element_segments() -> Vec<u8> {
    elements(|section| {
        for _ in 0..100_000 {
            let items = Elements::Functions(Cow::Borrowed(&[0]));
            section.active(None, &ConstExpr::global_get(0), items);
        }
    })
}

fn large_tables() -> Vec<u8> {
    let mut tables = TableSection::new();
    for _ in 0..100_000 {
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: 1 << 20,
            maximum: Some(1 << 20),
            shared: false,
        });
    }
    let mut module = Module::new();
    module.section(&tables);
    module.finish()
}

fn many_active_data_segments() -> Vec<u8> {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut data = DataSection::new();
    for _ in 0..100_000 {
        data.active(0, &ConstExpr::global_get(0), *b"x");
    }
    let mut module = Module::new();
    module.section(&global_import()).section(&memories);
    module.section(&data);
    module.finish()
}

fn nesting_a_million_deep() -> Vec<u8> {
    nesting(1_000_000)
}

/// As much as is compiled.
fn nesting_at_the_limit() -> Vec<u8> {
    nesting(99_999)
}

fn nesting(count: u32) -> Vec<u8> {
    one(&[], |body| {
        for _ in 0..count {
            body.instructions().block(BlockType::Empty);
        }
        for _ in 0..count {
            body.instructions().end();
        }
    })
}

fn nesting_in_unreachable_code() -> Vec<u8> {
    one(&[], |body| {
        body.instructions().unreachable();
        for _ in 0..1_000_000 {
            body.instructions().loop_(BlockType::Empty);
        }
        for _ in 0..1_000_000 {
            body.instructions().end();
        }
    })
}

fn locals_of_one_function() -> Vec<u8> {
    one(&[(50_000, ValType::I64)], |body| {
        for local in 0..50_000 {
            body.instructions().local_get(local).drop();
        }
    })
}

fn locals_of_many_functions() -> Vec<u8> {
    let mut module = Functions::new();
    let ty = module.ty(&[], &[]);
    let mut body = Function::new([(50_000, ValType::I64)]);
    body.instructions().end();
    (0..100_000).for_each(|_| module.add(ty, &body));
    module.finish()
}

fn a_branch_table_of_a_million() -> Vec<u8> {
    one(&[], |body| {
        let targets = vec![0; 1_000_000];
        body.instructions().i32_const(0).br_table(targets, 0);
    })
}

fn many_branch_tables() -> Vec<u8> {
    branch_tables(100)
}

/// As much as is compiled.
fn branch_tables_at_the_limit() -> Vec<u8> {
    branch_tables(90)
}

fn branch_tables(count: u32) -> Vec<u8> {
    one(&[], |body| {
        for _ in 0..count {
            body.instructions().block(BlockType::Empty).i32_const(0);
            body.instructions().br_table(vec![0; 65_000], 0).end();
        }
    })
}

fn branches_with_many_values() -> Vec<u8> {
    branches(1_000_000)
}

/// As much as is compiled.
fn branches_at_the_limit() -> Vec<u8> {
    branches(6_000)
}

fn branches(count: u32) -> Vec<u8> {
    let mut module = Functions::new();
    let none = module.ty(&[], &[]);
    let many = module.ty(&[], &[ValType::I32; 1000]);
    let mut body = Function::new([]);
    body.instructions().block(BlockType::FunctionType(many));
    for _ in 0..1000 {
        body.instructions().i32_const(1);
    }
    for _ in 0..count {
        body.instructions().i32_const(0).br_if(0);
    }
    body.instructions().end();
    for _ in 0..1000 {
        body.instructions().drop();
    }
    body.instructions().end();
    module.add(none, &body);
    module.finish()
}

fn calls_with_many_values() -> Vec<u8> {
    calls(1_000_000)
}

/// As much as is compiled.
fn calls_at_the_limit() -> Vec<u8> {
    calls(1_000)
}

fn calls(count: u32) -> Vec<u8> {
    let mut module = Functions::new();
    let many = [ValType::I32; 1000];
    let ty = module.ty(&many, &many);
    let mut body = Function::new([]);
    for local in 0..1000 {
        body.instructions().local_get(local);
    }
    for _ in 0..count {
        body.instructions().call(0);
    }
    body.instructions().end();
    module.add(ty, &body);
    module.finish()
}

fn locals_in_nested_loops() -> Vec<u8> {
    const DEPTH: u32 = 5_000;
    const LOCALS: u32 = 50_000;
    one(&[(LOCALS, ValType::I32)], |body| {
        for _ in 0..DEPTH {
            body.instructions().loop_(BlockType::Empty);
        }
        for local in 0..LOCALS {
            body.instructions().local_get(local).i32_const(1).i32_add();
            body.instructions().local_set(local);
        }
        for _ in 0..DEPTH {
            body.instructions().i32_const(0).br_if(0).end();
        }
    })
}

fn locals_live_over_many_blocks() -> Vec<u8> {
    locals_live(10_000, 10)
}

/// As much as is compiled: 33 million pairs for each of the three blocks of an `if`.
fn locals_at_the_limit() -> Vec<u8> {
    locals_live(3_000, 3)
}

/// Few locals, many blocks.
fn blocks_at_the_limit() -> Vec<u8> {
    locals_live(100, 1_800)
}

fn locals_live(locals: u32, rounds: u32) -> Vec<u8> {
    one(&[(locals, ValType::I32)], |body| {
        for round in 0..rounds {
            for local in 0..locals {
                let mut code = body.instructions();
                code.local_get(local).if_(BlockType::Empty);
                let other = (local * 7919 + round) % locals;
                code.local_get(other).i32_const(1).i32_add();
                code.local_set(local).end();
            }
        }
    })
}

fn sums_in_one_function() -> Vec<u8> {
    one(&[(2, ValType::I32)], |body| {
        body.instructions().local_get(0);
        for _ in 0..2_500_000 {
            body.instructions().local_get(1).i32_add();
        }
        body.instructions().drop();
    })
}

/// A function of loads, each of the address that the one before gave.
fn loads(count: u32) -> Function {
    let argument = wasm_encoder::MemArg {
        offset: 4,
        align: 0,
        target: wasm_encoder::MemArgTarget::Memory(0),
        ordering: None,
    };
    let mut body = Function::new([(1, ValType::I32)]);
    body.instructions().local_get(0);
    for _ in 0..count {
        body.instructions().i32_load(argument);
    }
    body.instructions().drop().end();
    body
}

fn with_memory(bodies: &[Function]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut code = CodeSection::new();
    for body in bodies {
        functions.function(0);
        code.function(body);
    }
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&memories);
    module.section(&code);
    module.finish()
}

/// As much as is compiled.
fn loads_at_the_limit() -> Vec<u8> {
    with_memory(&[loads(1_500_000)])
}

fn loads_in_one_function() -> Vec<u8> {
    with_memory(&[loads(2_500_000)])
}

fn large_functions_at_once() -> Vec<u8> {
    let body = loads(100_000);
    with_memory(&vec![body; 16])
}

fn a_long_constant_expression() -> Vec<u8> {
    let mut expression = ConstExpr::global_get(0);
    for _ in 0..2_000_000 {
        expression = expression.with_i32_const(1).with_i32_add();
    }
    let mut globals = GlobalSection::new();
    globals.global(I32_GLOBAL, &expression);
    let mut module = Module::new();
    module.section(&global_import()).section(&globals);
    module.finish()
}

fn long_names() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    let mut exports = ExportSection::new();
    for index in 0..200 {
        functions.function(0);
        code.function(&empty_body());
        let name = format!("{index}{}", " ".repeat(99_990));
        exports.export(&name, ExportKind::Func, index);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports);
    module.section(&code);
    module.finish()
}
