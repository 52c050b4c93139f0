// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a report of a trap says.

use std::fmt;

/// A call in progress.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The function's name.
    pub function: String,
    /// Byte offset in the module, where the report has one.
    pub offset: Option<u64>,
}

/// A report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The sentence after `wasm trap: `.
    pub kind: String,
    /// Innermost first.
    pub frames: Vec<Frame>,
}

impl Report {
    /// Finds the report in what a command wrote to its standard error.
    ///
    /// Ours and wasmtime's have the same parts in another order:
    ///
    /// ```text
    /// error: divide.wasm: the program trapped       Error: failed to run main module
    /// wasm trap: integer divide by zero             Caused by:
    /// wasm backtrace:                                   0: failed to invoke command default
    ///     0: 0x2a1 - main!divide                        1: error while executing at wasm backtrace:
    ///     1: 0x25a - main!checked_by_nobody                 0:    0x2a1 - divide.wasm!divide
    ///                                                       1:    0x25a - divide.wasm!checked...
    ///                                                   2: wasm trap: integer divide by zero
    /// ```
    ///
    /// Frames without a `!` are code that the compiler made by itself.
    #[must_use]
    pub fn find(stderr: &str) -> Option<Self> {
        let kind = stderr
            .lines()
            .find_map(|line| Some(line.split_once("wasm trap: ")?.1.trim()))?;
        // wasmtime adds to the specification's words that the index was out of bounds.
        let kind = match kind.strip_prefix("undefined element") {
            Some(_) => "undefined element".to_owned(),
            None => kind.to_owned(),
        };
        let frames = stderr
            .lines()
            .skip_while(|line| !line.contains("wasm backtrace:"))
            .skip(1)
            .map_while(numbered)
            .filter_map(frame)
            .collect();
        Some(Self { kind, frames })
    }
}

/// What follows the number of a line `    3: ...`, unless it is the next cause of wasmtime's.
fn numbered(line: &str) -> Option<&str> {
    let (number, rest) = line.split_once(':')?;
    number.trim().parse::<u32>().ok()?;
    (!rest.trim_start().starts_with("wasm trap")).then_some(rest)
}

fn frame(text: &str) -> Option<Frame> {
    let (offset, name) = match text.trim().split_once(" - ") {
        Some((offset, name)) => {
            let digits = offset.trim().strip_prefix("0x")?;
            (Some(u64::from_str_radix(digits, 16).ok()?), name)
        }
        None => (None, text.trim()),
    };
    let (_, function) = name.split_once('!')?;
    let function = nameless(function).unwrap_or_else(|| function.to_owned());
    Some(Frame { function, offset })
}

/// wasmtime writes `<wasm function 3>` where we write `function[3]`.
fn nameless(function: &str) -> Option<String> {
    let number = function
        .strip_prefix("<wasm function ")?
        .strip_suffix('>')?;
    Some(format!("function[{number}]"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        for frame in &self.frames {
            match frame.offset {
                Some(offset) => write!(f, "\n  {offset:#x} {}", frame.function)?,
                None => write!(f, "\n  {}", frame.function)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_say_the_same() {
        let ours = "error: divide.wasm: the program trapped\nwasm trap: integer divide by zero\n\
                    wasm backtrace:\n    0: 0x2a1 - main!divide\n    1: 0x25a - main!function[7]\n\
                    \x20   2: 0x10 - main:invoke.%28%29\n";
        let theirs = "Error: failed to run main module `divide.wasm`\n\nCaused by:\n    0: failed \
                      to invoke command default\n    1: error while executing at wasm backtrace:\n\
                      \x20   0:    0x2a1 - divide.wasm!divide\n    1:    0x25a - divide.wasm!<wasm \
                      function 7>\n    2: wasm trap: integer divide by zero\n\nStack backtrace:\n   \
                      0: other\n";
        let report = Report::find(ours).unwrap();
        assert_eq!(report.kind, "integer divide by zero");
        let frame = |function: &str, offset| Frame {
            function: function.into(),
            offset: Some(offset),
        };
        let frames = [frame("divide", 0x2a1), frame("function[7]", 0x25a)];
        assert_eq!(report.frames, frames);
        assert_eq!(Some(report), Report::find(theirs));
    }

    #[test]
    fn an_exhausted_stack_has_a_frame_without_offset() {
        let stderr = "error while executing at wasm backtrace:\n    0: recurse.wasm!descend\n    \
                      1:    0x27b - recurse.wasm!descend\n    2: wasm trap: call stack exhausted\n";
        let report = Report::find(stderr).unwrap();
        let innermost = &report.frames[0];
        assert_eq!((innermost.offset, &*innermost.function), (None, "descend"));
        assert_eq!(report.frames.len(), 2);
    }

    #[test]
    fn no_trap_is_no_report() {
        assert_eq!(Report::find("error: no such file\n"), None);
    }
}
