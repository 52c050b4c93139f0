// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Bytes for everything that reads bytes: nothing panics, and what is read back is what was
//! written.

use crate::Count;
use crate::system::{KNOWN, signed};
use fastrand::Rng;
use wasm_aot_protocol::Code;
use wasm_aot_protocol::frame::{self, Header, Kind, MAX_FRAME};
use wasm_aot_protocol::message::{
    self, Answer, AppId, AppInfo, Body, Bytes, Call, HistoryEntry, List, LogRecord, Operation,
    Records, Request, State, Stream, TransferId, TransferState,
};
use wasm_aot_protocol::transport::Transport;
use wasm_aot_protocol::transport::serial::{self, Serial};
use wasm_aot_trust::statement::read_file;
use wasm_aot_trust::{KeyRecord, Statement};

/// Strings of bytes that are tried in a case.
const ROUNDS: u32 = 400;

/// Runs the case of a seed.
pub fn run(seed: u64, count: &mut Count) {
    let mut random = Rng::with_seed(seed);
    let samples = samples();
    for _ in 0..ROUNDS {
        let mut bytes = match random.choice(&samples) {
            Some(sample) if random.u32(0..8) != 0 => sample.clone(),
            _ => (0..random.usize(0..300)).map(|_| random.u8(..)).collect(),
        };
        mutate(&mut random, &mut bytes);
        count.decoded += bytes.len() as u64;
        decode(&bytes);
        line(&mut random, &bytes);
    }
}

/// One of each kind, whole.
fn samples() -> Vec<Vec<u8>> {
    let file = signed("app", 7, b"an object", KNOWN);
    let app = AppId {
        place: 1,
        generation: 2,
    };
    let transfer = TransferId {
        place: 3,
        generation: 4,
    };
    let mut all = vec![file.clone(), file[..file.len() - 64].to_vec()];
    let requests = [
        Request::Hello {
            version: 1,
            client: 5,
            name: "client",
        },
        Request::Deploy {
            statement: Bytes(&file[..file.len() - 64]),
            signature: Bytes(&file[file.len() - 64..]),
            arguments: List::new(b"a\0b\0").unwrap_or_default(),
            environment: List::new(b"A=B\0").unwrap_or_default(),
            flags: 3,
        },
        Request::Chunk {
            transfer,
            offset: 1024,
            data: Bytes(&[9; 200]),
        },
        Request::Command {
            app,
            operation: Operation::Rollback,
        },
        Request::Log {
            app,
            from: 1 << 40,
            wait_ms: 1000,
        },
    ];
    all.extend(requests.map(|request| encode(&Call { id: 300, request })));
    let info = AppInfo {
        id: app,
        name: "app",
        version: 1,
        object: [7; 32],
        state: State::Running,
        exit: None,
        class: 2,
        period_us: 1000,
        deadline_us: 1000,
        budget_us: 100,
        releases: 1,
        misses: 2,
        overruns: 3,
        restarts: 4,
        memory_bytes: 5,
        up_ns: 6,
        probation: true,
    };
    let record = LogRecord {
        stream: Stream::Error,
        bytes: Bytes(b"said"),
    };
    let entry = HistoryEntry {
        version: 1,
        object: [8; 32],
        at_ns: 9,
        outcome: "replaced",
    };
    let records = [encode(&info), encode(&record), encode(&entry)].map(|one| one.repeat(3));
    let bodies = [
        Body::Apps {
            next: Some(3),
            apps: Records(&records[0]),
        },
        Body::Log {
            from: 1,
            next: 2,
            end: true,
            records: Records(&records[1]),
        },
        Body::History {
            entries: Records(&records[2]),
            more: false,
        },
        Body::Transfer {
            transfer,
            state: TransferState::Done(app),
            length_bytes: 9000,
            blocks: 9,
            from: 0,
            map: Bytes(&[255, 1]),
        },
    ];
    all.extend(bodies.map(|body| {
        encode(&Answer {
            id: 1,
            more: false,
            code: Code::OK,
            text: "",
            body,
        })
    }));
    all.extend(records);
    let header = Header {
        kind: Kind::Message,
        from: 1,
        to: 2,
        sequence: 3,
        acknowledge: 4,
        window: 5,
    };
    let frames: Vec<Vec<u8>> = all.iter().map(|payload| framed(&header, payload)).collect();
    all.extend(frames);
    all
}

fn encode(value: &impl writing::Encode) -> Vec<u8> {
    value.encode()
}

/// What can be written: the messages and their records.
mod writing {
    use super::{Answer, AppInfo, Call, HistoryEntry, LogRecord, message};

    pub trait Encode {
        fn encode(&self) -> Vec<u8>;
    }

    macro_rules! encode {
        ($($name:ident)*) => {
            $(impl Encode for $name<'_> {
                fn encode(&self) -> Vec<u8> {
                    let mut buffer = [0; 1024];
                    let length = message::write(self, &mut buffer).expect("it fits");
                    buffer[..length].to_vec()
                }
            })*
        };
    }

    encode!(Answer AppInfo Call HistoryEntry LogRecord);
}

fn framed(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut buffer = [0; MAX_FRAME];
    let length = frame::write(header, payload, &mut buffer);
    buffer[..length].to_vec()
}

/// Damages bytes, or not.
fn mutate(random: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.u32(0..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(0..bytes.len());
        match random.u32(0..6) {
            0 => bytes[at] = random.u8(..),
            1 => bytes[at] ^= 1 << random.u32(0..8),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, [0, 1, 0x7f, 0x80, 0xff][random.usize(0..5)]),
            4 => {
                let end = bytes.len().min(at + 10);
                bytes[at..end].fill(0xff);
            }
            _ => {
                let piece = bytes[at..].to_vec();
                bytes.extend_from_slice(&piece);
            }
        }
    }
    bytes.truncate(MAX_FRAME);
}

/// Everything reads them.
fn decode(bytes: &[u8]) {
    if let Some((header, payload)) = frame::read(bytes) {
        assert_eq!(framed(&header, payload), bytes);
    }
    if let Some(call) = message::read::<Call<'_>>(bytes) {
        if let Request::Deploy {
            arguments,
            environment,
            ..
        } = call.request
        {
            let _ = arguments.iter().chain(environment.iter()).count();
        }
        again(&call, bytes);
    }
    if let Some(answer) = message::read::<Answer<'_>>(bytes) {
        again(&answer, bytes);
    }
    let _ = message::read_id(bytes);
    let _ = Records(bytes).iter::<AppInfo<'_>>().count();
    let _ = Records(bytes).iter::<LogRecord<'_>>().count();
    let _ = Records(bytes).iter::<HistoryEntry<'_>>().count();
    // Records without bytes are none.
    assert_eq!(Records(bytes).iter::<()>().count(), 0);
    let _ = List::new(bytes).map(|list| list.iter().count());
    if let Ok((statement, rest)) = Statement::read_prefix(bytes) {
        let mut buffer = [0; wasm_aot_trust::statement::MAX_STATEMENT];
        let written = statement.write(&mut buffer).expect("it was read");
        assert_eq!(written, &bytes[..bytes.len() - rest.len()]);
    }
    let _ = read_file(bytes);
    let _ = KeyRecord::list(bytes);
}

/// What was read is written, and read again: the same.
fn again<T>(value: &T, bytes: &[u8])
where
    T: writing::Encode + PartialEq + std::fmt::Debug,
{
    // Numbers have several encodings, of which the shortest is written.
    if bytes.len() <= 1024 {
        let written = value.encode();
        assert!(written.len() <= bytes.len(), "{value:?}");
    }
}

/// A serial line that says these bytes, in pieces, and then a frame.
fn line(random: &mut Rng, bytes: &[u8]) {
    struct Said<'a>(&'a [u8], usize);
    impl serial::Bytes for Said<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> usize {
            let count = buffer.len().min(self.0.len()).min(self.1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            count
        }
        fn write(&mut self, _: &[u8]) -> usize {
            0
        }
    }
    let end = [bytes, &[0, 6, b'f', b'r', b'a', b'm', b'e', 0]].concat();
    let mut line = Serial::new(Said(&end, random.usize(1..300)));
    let mut buffer = [0; MAX_FRAME];
    let mut last = Vec::new();
    for _ in 0..end.len() + 2 {
        if let Some(length) = line.receive(&mut buffer) {
            last = buffer[..length].to_vec();
        }
    }
    assert_eq!(last, b"frame");
}
