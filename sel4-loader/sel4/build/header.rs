// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Constants out of C headers: enumerators and plain `#define`s, with the kernel's options applied.

use crate::config::Options;
use std::fmt::Write as _;

/// Names and values, in the order of the headers.
#[derive(Default)]
pub struct Constants(Vec<(String, i64)>);

/// The text without comments.
fn strip_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    let lines = out
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

/// The lines that the preprocessor keeps. Only conditions on the kernel's options decide; include
/// guards and compiler checks hold.
fn preprocess(text: &str, options: &Options) -> Vec<String> {
    let mut kept = Vec::new();
    let mut stack: Vec<bool> = Vec::new();
    for line in strip_comments(text).lines() {
        let line = line.trim();
        let option = |rest: &str| rest.trim().strip_prefix("CONFIG_").map(str::to_owned);
        if let Some(rest) = line.strip_prefix("#ifdef") {
            stack.push(option(rest).is_none_or(|name| options.is_set(&name)));
        } else if let Some(rest) = line.strip_prefix("#ifndef") {
            stack.push(option(rest).is_none_or(|name| !options.is_set(&name)));
        } else if let Some(rest) = line.strip_prefix("#if") {
            stack.push(options.condition(rest).unwrap_or(true));
        } else if line.starts_with("#else") {
            if let Some(top) = stack.last_mut() {
                *top = !*top;
            }
        } else if line.starts_with("#endif") {
            stack.pop();
        } else if stack.iter().all(|&holds| holds) {
            kept.push(line.to_owned());
        }
    }
    kept
}

impl Constants {
    fn value(&self, expression: &str) -> Option<i64> {
        let text = expression.trim().trim_matches(|c| c == '(' || c == ')');
        if let Some(hex) = text.strip_prefix("0x") {
            return i64::from_str_radix(hex, 16).ok();
        }
        let known = || self.0.iter().find(|(name, _)| name == text);
        text.parse()
            .ok()
            .or_else(|| known().map(|(_, value)| *value))
    }

    /// Adds the constants of one header.
    pub fn add(&mut self, text: &str, options: &Options) {
        let lines = preprocess(text, options);
        for line in &lines {
            let mut words = line.split_whitespace();
            if let (Some("#define"), Some(name), Some(value), None) =
                (words.next(), words.next(), words.next(), words.next())
                && (name.starts_with("seL4_") || name.starts_with("SEL4_"))
                && let Some(value) = self.value(value)
            {
                self.0.push((name.to_owned(), value));
            }
        }
        let code: Vec<_> = lines
            .iter()
            .filter(|l| !l.starts_with('#'))
            .map(String::as_str)
            .collect();
        let code = code.join("\n");
        // Each enumeration: what stands between the braces that follow the word `enum`.
        for block in code.split("enum").skip(1) {
            let Some((head, rest)) = block.split_once('{') else {
                continue;
            };
            if head.contains(';') || head.contains('(') {
                continue;
            }
            self.add_enumeration(rest.split('}').next().unwrap_or(""));
        }
    }

    fn add_enumeration(&mut self, body: &str) {
        let mut next = Some(0);
        for item in body.split(',').map(str::trim) {
            let (name, value) = match item.split_once('=') {
                Some((name, expression)) => (name.trim(), self.value(expression)),
                None => (item, next),
            };
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
            if let (true, Some(value)) = (is_name, value) {
                self.0.push((name.to_owned(), value));
            }
            next = value.map(|v| v + 1);
        }
    }

    /// Adds the tags of the union of faults in a bitfield description.
    pub fn add_faults(&mut self, text: &str, options: &Options) {
        let lines = preprocess(text, options);
        let from = lines
            .iter()
            .position(|l| l.starts_with("tagged_union seL4_Fault "));
        for line in lines[from.unwrap_or(lines.len())..]
            .iter()
            .take_while(|l| *l != "}")
        {
            let words: Vec<_> = line.split_whitespace().collect();
            if let ["tag", name, number] = words[..]
                && let Ok(number) = number.parse()
            {
                self.0.push((format!("seL4_Fault_{name}"), number));
            }
        }
    }

    /// The constants as Rust. Where headers define a name twice, the first counts.
    pub fn rust(&self) -> String {
        let mut out = String::new();
        for (position, (name, value)) in self.0.iter().enumerate() {
            if self.0[..position]
                .iter()
                .all(|(earlier, _)| earlier != name)
            {
                let kind = if *value < 0 { "i64" } else { "u64" };
                let _ = writeln!(out, "pub const {name}: {kind} = {value};");
            }
        }
        out
    }
}
