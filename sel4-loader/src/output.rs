// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where what apps and the root task say goes: as frames to a host, or as text to the console.

use crate::serial::{CHANNEL, CONSOLE};
use core::fmt::{self, Write};
use sel4_boot::frame::{self, Kind};

/// The bundle's choice.
#[derive(Clone, Copy)]
pub struct Output {
    /// Somebody decodes frames on the second serial port.
    pub hosted: bool,
}

/// Text of bounded length; what does not fit is cut off.
struct Buffer {
    bytes: [u8; frame::MAX_PAYLOAD],
    length: usize,
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut cut = text.len().min(self.bytes.len() - self.length);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        self.bytes[self.length..self.length + cut].copy_from_slice(&text.as_bytes()[..cut]);
        self.length += cut;
        Ok(())
    }
}

impl Output {
    fn frame(self, kind: Kind, app: u16, payload: &[u8]) {
        CHANNEL.write(&frame::header(kind, app, payload.len()));
        CHANNEL.write(payload);
    }

    /// Bytes of an app's standard output or standard error.
    pub fn stream(self, kind: Kind, app: u16, bytes: &[u8]) {
        if !self.hosted {
            CONSOLE.write(bytes);
            return;
        }
        for payload in bytes.chunks(frame::MAX_PAYLOAD) {
            self.frame(kind, app, payload);
        }
    }

    /// A message about an app, or in the name of the root task.
    pub fn text(self, kind: Kind, app: u16, text: fmt::Arguments<'_>) {
        if !self.hosted {
            CONSOLE.print(format_args!("{text}\n"));
            return;
        }
        let mut buffer = Buffer {
            bytes: [0; frame::MAX_PAYLOAD],
            length: 0,
        };
        let _ = buffer.write_fmt(text);
        if kind == Kind::Trap {
            let _ = buffer.write_str("\n");
        }
        self.frame(kind, app, &buffer.bytes[..buffer.length]);
    }

    /// An app has ended.
    pub fn exit(self, app: u16, name: &str, code: i32) {
        if self.hosted {
            self.frame(Kind::Exit, app, &code.to_le_bytes());
        } else {
            CONSOLE.print(format_args!("sel4-loader: {name}: exit code {code}\n"));
        }
    }
}
