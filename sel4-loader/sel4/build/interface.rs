// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! System call numbers and invocations out of the kernel's interface description (XML).
//!
//! How parameters become message registers is that of libsel4's own generator
//! (`libsel4/tools/syscall_stub_gen.py`): capabilities go into the extra capabilities, the rest
//! into bits of the message, each aligned to its size or to a word, whichever is smaller.

use crate::config::Options;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const WORD: usize = 64;

/// An XML tag: its name and attributes. Text between tags is not needed.
struct Tag<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'a> Tag<'a> {
    fn attribute(&self, name: &str) -> Option<&'a str> {
        let start = self.text.find(&format!(" {name}=\""))? + name.len() + 3;
        self.text[start..].split('"').next()
    }
}

fn tags(xml: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find('<')? + 1..];
            if let Some(comment) = rest.strip_prefix("!--") {
                rest = &comment[comment.find("-->")?..];
                continue;
            }
            // A `>` inside an attribute's value does not end the tag.
            let mut quoted = false;
            let end = rest.find(|c| {
                quoted ^= c == '"';
                c == '>' && !quoted
            })?;
            let text = &rest[..end];
            rest = &rest[end..];
            let name = text.split([' ', '\n', '\t', '/']).find(|n| !n.is_empty());
            let closing = text.starts_with('/');
            return Some(Tag {
                name: if closing { "/" } else { name.unwrap_or("") },
                text,
            });
        }
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    In,
    Out,
}

struct Parameter {
    direction: Direction,
    name: String,
    type_name: String,
}

struct Method {
    label: String,
    function: String,
    number: usize,
    enabled: bool,
    parameters: Vec<Parameter>,
}

/// What a type becomes in a message.
enum Shape {
    Capability,
    Bits(usize),
    Struct,
}

pub struct Interface<'a> {
    options: &'a Options,
    syscalls: Vec<String>,
    structs: BTreeMap<String, Vec<String>>,
    methods: Vec<Method>,
    labels: usize,
}

impl<'a> Interface<'a> {
    pub fn new(options: &'a Options) -> Self {
        Self {
            options,
            syscalls: Vec::new(),
            structs: BTreeMap::new(),
            methods: Vec::new(),
            // Number 0 is the invalid invocation.
            labels: 1,
        }
    }

    /// The system calls of the API, numbered -1, -2, and so on.
    pub fn add_syscalls(&mut self, xml: &str) {
        let api = xml.split("<debug>").next().unwrap_or(xml);
        let names = tags(api).filter(|tag| tag.name == "syscall");
        self.syscalls = names
            .filter_map(|tag| tag.attribute("name").map(str::to_owned))
            .collect();
    }

    /// Structures and invocations of one description.
    pub fn add_objects(&mut self, xml: &str) -> Result<(), String> {
        let (mut object, mut structure) = (String::new(), String::new());
        for tag in tags(xml) {
            let name = || tag.attribute("name").unwrap_or("").to_owned();
            match tag.name {
                "struct" => {
                    structure = name();
                    self.structs.insert(structure.clone(), Vec::new());
                }
                "member" => {
                    if let Some(members) = self.structs.get_mut(&structure) {
                        members.push(name());
                    }
                }
                "interface" => object = name(),
                "method" => {
                    let condition = tag.attribute("condition").unwrap_or("");
                    let enabled = self.options.condition(condition)?;
                    self.methods.push(Method {
                        label: tag.attribute("id").unwrap_or("").to_owned(),
                        function: format!("{object}_{}", name()),
                        number: self.labels,
                        enabled,
                        parameters: Vec::new(),
                    });
                    self.labels += usize::from(enabled);
                }
                "param" => {
                    if let Some(method) = self.methods.last_mut() {
                        method.parameters.push(Parameter {
                            direction: match tag.attribute("dir") {
                                Some("out") => Direction::Out,
                                _ => Direction::In,
                            },
                            name: snake(&name()),
                            type_name: tag.attribute("type").unwrap_or("").to_owned(),
                        });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn shape(&self, type_name: &str) -> Shape {
        if self.structs.contains_key(type_name) {
            return Shape::Struct;
        }
        match type_name {
            "seL4_Bool" => Shape::Bits(1),
            "seL4_Uint8" => Shape::Bits(8),
            "seL4_Uint16" => Shape::Bits(16),
            "seL4_Uint32" | "int" => Shape::Bits(32),
            name if name.ends_with("_t") || name.ends_with("Attributes") => Shape::Bits(WORD),
            "seL4_Word" | "seL4_Uint64" | "seL4_Domain" | "seL4_NodeId" | "seL4_PAddr" => {
                Shape::Bits(WORD)
            }
            _ => Shape::Capability,
        }
    }

    pub fn rust(&self) -> Result<String, String> {
        let mut out = String::new();
        for (position, name) in self.syscalls.iter().enumerate() {
            let _ = writeln!(out, "pub const seL4_Sys{name}: i64 = -{};", position + 1);
        }
        for (name, members) in &self.structs {
            let _ = writeln!(
                out,
                "#[derive(Clone, Copy, Debug, Default)]\npub struct {name} {{"
            );
            for member in members {
                let _ = writeln!(out, "    pub {member}: u64,");
            }
            let count = members.len();
            let fields = members.join(", ");
            let values: Vec<_> = members.iter().map(|m| format!("self.{m}")).collect();
            let values = values.join(", ");
            let _ = writeln!(
                out,
                "}}\nimpl {name} {{\n    pub const WORDS: usize = {count};\n    \
                 pub fn words(&self) -> [u64; {count}] {{ [{values}] }}\n    \
                 pub fn from_words(words: [u64; {count}]) -> Self {{ \
                 let [{fields}] = words; Self {{ {fields} }} }}\n}}"
            );
        }
        for method in self.methods.iter().filter(|m| m.enabled) {
            let _ = writeln!(out, "pub const {}: u64 = {};", method.label, method.number);
            out.push_str(&self.stub(method));
        }
        Ok(out)
    }

    /// The function that makes one invocation.
    fn stub(&self, method: &Method) -> String {
        let mut arguments = String::from("service: u64");
        let mut caps = Vec::new();
        let mut words: Vec<Vec<String>> = Vec::new();
        let (mut bits, mut out_bits) = (0usize, 0usize);
        let (mut results, mut result_types) = (Vec::new(), Vec::new());
        for parameter in &method.parameters {
            let (name, direction) = (&parameter.name, parameter.direction);
            match (self.shape(&parameter.type_name), direction) {
                (Shape::Capability, _) => {
                    let _ = write!(arguments, ", {name}: u64");
                    caps.push(name.clone());
                }
                (Shape::Struct, Direction::In) => {
                    let kind = &parameter.type_name;
                    let _ = write!(arguments, ", {name}: &{kind}");
                    let members = &self.structs[kind];
                    bits = bits.next_multiple_of(WORD) + members.len() * WORD;
                    words.extend(members.iter().map(|m| vec![format!("{name}.{m}")]));
                }
                (Shape::Struct, Direction::Out) => {
                    let kind = &parameter.type_name;
                    let count = self.structs[kind].len();
                    let first = out_bits.div_ceil(WORD);
                    out_bits = (first + count) * WORD;
                    let items = (first..first + count).map(|i| format!("out[{i}]"));
                    let items = items.collect::<Vec<_>>().join(", ");
                    results.push(format!("{kind}::from_words([{items}])"));
                    result_types.push(kind.clone());
                }
                (Shape::Bits(size), Direction::In) => {
                    let _ = write!(arguments, ", {name}: u64");
                    bits = bits.next_multiple_of(size);
                    words.resize_with(bits / WORD + 1, Vec::new);
                    words[bits / WORD].push(field(name, size, bits % WORD, true));
                    bits += size;
                }
                (Shape::Bits(size), Direction::Out) => {
                    out_bits = out_bits.next_multiple_of(size);
                    let word = format!("out[{}]", out_bits / WORD);
                    results.push(field(&word, size, out_bits % WORD, false));
                    result_types.push("u64".to_owned());
                    out_bits += size;
                }
            }
        }
        let words: Vec<_> = words.iter().map(|fields| fields.join(" | ")).collect();
        let (caps, words, label) = (caps.join(", "), words.join(", "), &method.label);
        let (mut kind, mut value) = (result_types.join(", "), results.join(", "));
        if results.len() != 1 {
            (kind, value) = (format!("({kind})"), format!("({value})"));
        }
        format!(
            "pub fn {}({arguments}) -> Result<{kind}, Error> {{\n    \
             let mut out = [0u64; {}];\n    \
             invoke(service, {label}, &[{caps}], &[{words}], &mut out)?;\n    Ok({value})\n}}\n",
            method.function,
            out_bits.div_ceil(WORD)
        )
    }
}

/// An expression for a value's bits inside a word, or for the value out of a word.
fn field(name: &str, size: usize, shift: usize, into: bool) -> String {
    if size == WORD {
        return name.to_owned();
    }
    let mask = (1u64 << size) - 1;
    match (into, shift) {
        (_, 0) => format!("{name} & {mask:#x}"),
        (true, _) => format!("({name} & {mask:#x}) << {shift}"),
        (false, _) => format!("({name} >> {shift}) & {mask:#x}"),
    }
}

/// Rust's spelling of a parameter's name.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    if out == "type" {
        "kind".to_owned()
    } else {
        out
    }
}
