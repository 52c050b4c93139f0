// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
use super::*;
use crate::frame::MAX_MESSAGE;
use alloc::vec;
use alloc::vec::Vec;

fn encode(call: &Call<'_>) -> Vec<u8> {
    let mut buffer = [0; MAX_MESSAGE];
    let length = write(call, &mut buffer).unwrap();
    buffer[..length].to_vec()
}

fn app() -> AppId {
    AppId {
        place: 3,
        generation: 70_000,
    }
}

#[test]
fn the_bytes_are_those_of_the_document() {
    let call = Call {
        id: 300,
        request: Request::Command {
            app: app(),
            operation: Operation::Kill,
        },
    };
    // A varint each: 300, the request's number, the place, the generation, the operation.
    let bytes = [0xac, 0x02, 9, 3, 0xf0, 0xa2, 0x04, 2];
    assert_eq!(encode(&call), bytes);
    assert_eq!(read::<Call<'_>>(&bytes), Some(call));
}

#[test]
fn the_longest_chunk_fits_a_message() {
    let data = vec![7; MAX_CHUNK];
    let call = Call {
        id: u32::MAX,
        request: Request::Chunk {
            transfer: TransferId {
                place: u16::MAX,
                generation: u32::MAX,
            },
            offset: u64::MAX,
            data: Bytes(&data),
        },
    };
    let bytes = encode(&call);
    assert!(bytes.len() <= MAX_CHUNK + CHUNK_OVERHEAD);
    assert_eq!(read::<Call<'_>>(&bytes), Some(call));
}

#[test]
fn the_longest_deployment_fits_a_message() {
    let lists = [b'x'; MAX_LISTS / 2 - 1];
    let mut buffer = [0; MAX_LISTS / 2];
    let list = List::pack([&lists[..]].into_iter(), &mut buffer).unwrap();
    let call = Call {
        id: u32::MAX,
        request: Request::Deploy {
            statement: Bytes(&[1; wasm_aot_trust::statement::MAX_STATEMENT]),
            signature: Bytes(&[2; 64]),
            arguments: list,
            environment: list,
            flags: u32::MAX,
        },
    };
    assert_eq!(read::<Call<'_>>(&encode(&call)), Some(call));
}

#[test]
fn what_is_cut_or_longer_is_nothing() {
    let mut buffer = [0; 64];
    let strings = [&b"10"[..], b"", b"a b"];
    let arguments = List::pack(strings.into_iter(), &mut buffer).unwrap();
    assert!(arguments.iter().eq(strings));
    let call = Call {
        id: 1,
        request: Request::Deploy {
            statement: Bytes(b"statement"),
            signature: Bytes(&[]),
            arguments,
            environment: List::default(),
            flags: flags::START,
        },
    };
    let bytes = encode(&call);
    assert_eq!(read::<Call<'_>>(&bytes), Some(call));
    for length in 0..bytes.len() {
        assert_eq!(read::<Call<'_>>(&bytes[..length]), None, "{length}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(read::<Call<'_>>(&longer), None);
    assert_eq!(read_id(&bytes), Some(1));
    // A request of the future still has a number that can be answered.
    let later = [0xac, 0x02, 99, 1, 2, 3];
    assert_eq!(read::<Call<'_>>(&later), None);
    assert_eq!(read_id(&later), Some(300));
}

#[test]
fn lists_are_checked() {
    assert!(List::new(b"").unwrap().iter().eq::<[&[u8]; 0]>([]));
    assert!(List::new(b"\0").unwrap().iter().eq([b""]));
    assert_eq!(List::new(b"a"), None);
    assert_eq!(List::new(&[0; MAX_LISTS + 1]), None);
    let mut buffer = [0; 4];
    assert!(List::pack([&b"abc"[..]].into_iter(), &mut buffer).is_some());
    assert!(List::pack([&b"abcd"[..]].into_iter(), &mut buffer).is_none());
    assert!(List::pack([&b"a\0b"[..]].into_iter(), &mut buffer).is_none());
}

#[test]
fn records_are_packed_as_far_as_they_fit() {
    let record = LogRecord {
        stream: Stream::Error,
        bytes: Bytes(b"four"),
    };
    let (mut buffer, mut end) = ([0; 15], 0);
    let packed = (0..9)
        .take_while(|_| pack(&record, &mut buffer, &mut end))
        .count();
    assert_eq!((packed, end), (2, 12));
    let read: Vec<LogRecord<'_>> = Records(&buffer[..end]).iter().collect();
    assert_eq!(read, [record; 2]);
    assert_eq!(Records(&buffer[..11]).iter::<LogRecord<'_>>().count(), 1);
}
