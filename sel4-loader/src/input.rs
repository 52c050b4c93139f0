// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Standard input: out of the bundle, from the host, which is asked for it when an app wants some,
//! or from whoever sits at the console.

use crate::executive::Interrupt;
use crate::output::Output;
use crate::serial::{CHANNEL, CONSOLE, Uart};
use sel4_boot::frame::MAX_INPUT;

/// Control characters of the console (ASCII).
const END: u8 = 4;
const BACKSPACE: u8 = 8;
const RETURN: u8 = b'\r';
const DELETE: u8 = 0x7f;

/// Where the host's answer is.
#[derive(Clone, Copy)]
enum Answer {
    /// Nothing was asked.
    None,
    /// The first byte of its length has not come.
    Length,
    /// The second has not; this is the first.
    Second(u8),
    /// So many bytes have not.
    Bytes(usize),
}

/// What has come in and was not read yet.
pub struct Input {
    output: Output,
    /// All of the present app's input, where the bundle has that; the part that is left.
    given: Option<&'static [u8]>,
    bytes: [u8; MAX_INPUT],
    start: usize,
    /// Bytes that an app can have end here.
    ready: usize,
    /// Bytes that have come end here: of the console, those of a line that is not complete.
    end: usize,
    /// The end of the input comes behind these bytes.
    ended: bool,
    answer: Answer,
}

impl Input {
    pub fn new(output: Output) -> Self {
        Self {
            output,
            given: None,
            bytes: [0; MAX_INPUT],
            start: 0,
            ready: 0,
            end: 0,
            ended: false,
            answer: Answer::None,
        }
    }

    /// Another app begins.
    pub fn begin(&mut self, given: Option<&'static [u8]>) {
        self.given = given;
    }

    /// The serial port that it comes from.
    pub fn uart(output: Output) -> Uart {
        match output.hosted {
            true => CHANNEL,
            false => CONSOLE,
        }
    }

    /// Whether an app can read without waiting.
    fn is_ready(&self) -> bool {
        self.ready > self.start || self.ended
    }

    /// Whether an app can read now. Where it cannot, the serial port will interrupt.
    pub fn poll(&mut self, interrupt: Interrupt) -> bool {
        if self.given.is_some() {
            return true;
        }
        let uart = Self::uart(self.output);
        uart.interrupt(false);
        self.ask();
        self.receive();
        if !self.is_ready() {
            interrupt.acknowledge();
            // What is there already interrupts at once: nothing is missed.
            uart.interrupt(true);
        }
        self.is_ready()
    }

    /// Takes bytes that have come; 0 at the end.
    pub fn take(&mut self, to: &mut [u8]) -> usize {
        if let Some(given) = &mut self.given {
            let (now, later) = given.split_at(given.len().min(to.len()));
            to[..now.len()].copy_from_slice(now);
            *given = later;
            return now.len();
        }
        let count = to.len().min(self.ready - self.start);
        if count == 0 && self.ready == self.start {
            // A terminal goes on behind the end that was typed.
            self.ended = false;
        }
        to[..count].copy_from_slice(&self.bytes[self.start..self.start + count]);
        self.start += count;
        count
    }

    /// Asks the host, where there is one and nothing is left.
    fn ask(&mut self) {
        if self.output.hosted && !self.is_ready() && matches!(self.answer, Answer::None) {
            (self.start, self.ready, self.end) = (0, 0, 0);
            self.answer = Answer::Length;
            self.output.ask(MAX_INPUT);
        }
    }

    /// Takes what the serial port has received.
    fn receive(&mut self) {
        let uart = Self::uart(self.output);
        // Of the host not more than was asked for: what follows is no part of the answer.
        while !(self.output.hosted && matches!(self.answer, Answer::None)) {
            let Some(byte) = uart.receive() else {
                break;
            };
            match self.output.hosted {
                true => self.answered(byte),
                false => self.typed(byte),
            }
        }
    }

    fn answered(&mut self, byte: u8) {
        self.answer = match self.answer {
            Answer::None => Answer::None,
            Answer::Length => Answer::Second(byte),
            Answer::Second(first) => match usize::from(u16::from_le_bytes([first, byte])) {
                0 => {
                    self.ended = true;
                    Answer::None
                }
                length => Answer::Bytes(length),
            },
            Answer::Bytes(left) => {
                self.keep(byte);
                match left - 1 {
                    0 => {
                        self.ready = self.end;
                        Answer::None
                    }
                    left => Answer::Bytes(left),
                }
            }
        };
    }

    /// Edits a line: echo, backspace, and the end of the input at the start of a line.
    fn typed(&mut self, byte: u8) {
        match byte {
            END if self.end == self.ready => self.ended = true,
            END => self.ready = self.end,
            BACKSPACE | DELETE if self.end == self.ready => {}
            BACKSPACE | DELETE => {
                self.end -= 1;
                CONSOLE.write(b"\x08 \x08");
            }
            RETURN | b'\n' => {
                self.keep(b'\n');
                self.ready = self.end;
                CONSOLE.write(b"\r\n");
            }
            byte => {
                self.keep(byte);
                CONSOLE.write(&[byte]);
            }
        }
    }

    /// Adds a byte; one that there is no room for is lost, as on every terminal, and of a line
    /// that fills everything an app gets what there is.
    fn keep(&mut self, byte: u8) {
        if self.end == self.bytes.len() {
            self.bytes.copy_within(self.start.., 0);
            self.end -= self.start;
            self.ready -= self.start;
            self.start = 0;
        }
        match self.bytes.get_mut(self.end) {
            Some(place) => {
                *place = byte;
                self.end += 1;
            }
            None => self.ready = self.end,
        }
    }
}
