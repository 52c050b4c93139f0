// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Messages that wait to be sent or acknowledged.

use crate::frame::MAX_MESSAGE;

/// At most `W` messages, oldest first.
#[derive(Debug)]
pub struct Queue<const W: usize> {
    slots: [[u8; MAX_MESSAGE]; W],
    lengths: [u16; W],
    /// Slot of the oldest one.
    begin: usize,
    length: usize,
    /// Sequence number of the oldest one.
    first: u32,
    /// How many of them have been sent since the last time that we went back.
    sent: usize,
    /// How many of them have ever been sent.
    tried: usize,
}

impl<const W: usize> Queue<W> {
    pub const fn new() -> Self {
        Self {
            slots: [[0; MAX_MESSAGE]; W],
            lengths: [0; W],
            begin: 0,
            length: 0,
            first: 0,
            sent: 0,
            tried: 0,
        }
    }

    /// Nothing in it, and the next message is number 0.
    pub fn clear(&mut self) {
        self.begin = 0;
        self.length = 0;
        self.first = 0;
        self.sent = 0;
        self.tried = 0;
    }

    pub fn room(&self) -> usize {
        W - self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether something was sent that is not acknowledged.
    pub fn outstanding(&self) -> bool {
        self.tried > 0
    }

    /// Number of the message that is sent next.
    pub fn next_number(&self) -> u32 {
        self.first.wrapping_add(self.sent as u32)
    }

    /// Where the next message is written, before [`Queue::push`].
    pub fn slot(&mut self) -> Option<&mut [u8; MAX_MESSAGE]> {
        if self.length == W {
            return None;
        }
        self.slots.get_mut((self.begin + self.length) % W)
    }

    /// Takes up what stands in the slot.
    pub fn push(&mut self, length: usize) {
        if self.length < W {
            let slot = (self.begin + self.length) % W;
            self.lengths[slot] = length.min(MAX_MESSAGE) as u16;
            self.length += 1;
        }
    }

    /// The message that is sent next, if the receiver takes `window` messages from the oldest one
    /// on.
    pub fn next(&self, window: u16) -> Option<&[u8]> {
        if self.sent >= self.length || self.sent >= usize::from(window) {
            return None;
        }
        let slot = (self.begin + self.sent) % W;
        Some(&self.slots[slot][..usize::from(self.lengths[slot])])
    }

    /// The next message has been sent. Whether for the first time.
    pub fn sent(&mut self) -> bool {
        self.sent += 1;
        let first = self.sent > self.tried;
        self.tried = self.tried.max(self.sent);
        first
    }

    /// All messages that are not acknowledged are sent again.
    pub fn go_back(&mut self) {
        self.sent = 0;
    }

    /// The receiver expects message `number` next. How many messages that acknowledges; none
    /// where it can have said so only long ago, or never.
    pub fn acknowledge(&mut self, number: u32) -> Option<usize> {
        let count = number.wrapping_sub(self.first) as usize;
        if count > self.tried {
            return None;
        }
        if count > 0 {
            self.begin = (self.begin + count) % W;
            self.length -= count;
            self.first = number;
            self.tried -= count;
            self.sent = self.sent.saturating_sub(count);
        }
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut Queue<4>, byte: u8) -> bool {
        let Some(slot) = queue.slot() else {
            return false;
        };
        slot[0] = byte;
        queue.push(1);
        true
    }

    #[test]
    fn messages_leave_in_order_and_stay_until_acknowledged() {
        let mut queue = Queue::<4>::new();
        let taken = (0..9).take_while(|byte| push(&mut queue, *byte)).count();
        assert_eq!(taken, 4);
        assert_eq!(queue.next(0), None);
        assert_eq!(queue.next(9), Some(&[0][..]));
        assert!(queue.sent() && queue.sent());
        assert_eq!(queue.next(2), None);
        assert_eq!(queue.next(3), Some(&[2][..]));
        assert_eq!(queue.acknowledge(3), None, "it was not sent");
        assert_eq!(queue.acknowledge(u32::MAX), None);
        assert_eq!(queue.acknowledge(1), Some(1));
        assert_eq!(queue.acknowledge(0), None, "an old one");
        queue.go_back();
        assert_eq!((queue.next_number(), queue.next(9)), (1, Some(&[1][..])));
        assert!(!queue.sent(), "for the second time");
        assert!(push(&mut queue, 4));
        assert!(queue.sent());
        assert_eq!(queue.acknowledge(3), Some(2));
        assert!(!queue.outstanding());
        assert_eq!(queue.next(9), Some(&[3][..]));
        assert_eq!(queue.room(), 2);
    }

    #[test]
    fn what_comes_after_going_back_may_be_acknowledged_before_it_is_sent() {
        let mut queue = Queue::<4>::new();
        for byte in 0..4 {
            push(&mut queue, byte);
            queue.sent();
        }
        queue.go_back();
        assert_eq!(queue.acknowledge(3), Some(3));
        assert_eq!((queue.next_number(), queue.next(9)), (3, Some(&[3][..])));
    }
}
