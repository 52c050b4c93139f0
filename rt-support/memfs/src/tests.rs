// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Bounds, cookies, links and archives. That errors are those of Linux is tested where Linux is
//! (`rt-support/linux/src/files/differential.rs`).

use super::*;
use std::string::String;
use std::vec;
use wasm_aot_runtime::platform::{FileType, Files, OpenHow, Whence};

const LIMIT: u64 = 1 << 20;

const READ: OpenHow = OpenHow::READ;

const MAKE: OpenHow = OpenHow {
    write: true,
    create: true,
    ..READ
};

fn new<'a>(limit: u64) -> (MemFs<'a>, Handle) {
    let mut files = MemFs::new(limit, || 7_000_000_000);
    files.add_directory(b"/").unwrap();
    let (dir, _) = files.preopen(0).unwrap();
    (files, dir)
}

fn put(files: &MemFs<'_>, dir: Handle, path: &str, contents: &[u8]) {
    let file = files.open_at(dir, path.as_bytes(), &MAKE).unwrap();
    assert_eq!(files.write(file, contents, None), Ok(contents.len()));
    files.close(file).unwrap();
}

fn get(files: &MemFs<'_>, dir: Handle, path: &str) -> Result<Vec<u8>> {
    let file = files.open_at(dir, path.as_bytes(), &READ)?;
    let mut contents = vec![0; files.stat(file)?.size as usize];
    assert_eq!(files.read(file, &mut contents, Some(0)), Ok(contents.len()));
    files.close(file)?;
    Ok(contents)
}

fn names(files: &MemFs<'_>, dir: Handle, cookie: u64, most: usize) -> Vec<(String, u64)> {
    let mut names = Vec::new();
    let mut sink = |entry: &wasm_aot_runtime::platform::DirEntry<'_>| {
        names.push((String::from_utf8(entry.name.into()).unwrap(), entry.next));
        names.len() < most
    };
    files.read_dir(dir, cookie, &mut sink).unwrap();
    names
}

#[test]
fn everything_is_given_back() {
    let (files, dir) = new(LIMIT);
    // What the lists of nodes and handles have grown to is kept.
    put(&files, dir, "file", b"x");
    let open = files.open_at(dir, b"file", &READ).unwrap();
    files.create_dir_at(dir, b"sub").unwrap();
    files.remove_dir_at(dir, b"sub").unwrap();
    files.unlink_at(dir, b"file").unwrap();
    assert_eq!(files.read(open, &mut [0], None), Ok(1));
    files.close(open).unwrap();
    let before = files.used();
    for round in 0..100 {
        put(&files, dir, "file", &vec![1; 30_000]);
        files.symlink_at(b"file", dir, b"link").unwrap();
        files.link_at(dir, b"file", dir, b"hard").unwrap();
        let how = OpenHow {
            truncate: round % 2 == 0,
            ..MAKE
        };
        let open = files.open_at(dir, b"hard", &how).unwrap();
        files.set_size(open, 5000).unwrap();
        for name in [&b"file"[..], b"link", b"hard"] {
            files.unlink_at(dir, name).unwrap();
        }
        assert!(files.used() > before || how.truncate);
        files.close(open).unwrap();
        assert_eq!(files.used(), before);
    }
}

#[test]
fn a_full_file_system_says_so_and_works_again() {
    let (files, dir) = new(LIMIT);
    let file = files.open_at(dir, b"large", &MAKE).unwrap();
    let block = vec![7; 10_000];
    let mut written = 0;
    let full = loop {
        match files.write(file, &block, None) {
            Ok(count) => written += count,
            Err(errno) => break errno,
        }
    };
    assert_eq!(full, Errno::NOSPC);
    assert!(written as u64 > LIMIT / 2 && (written as u64) < LIMIT);
    assert_eq!(files.stat(file).unwrap().size, written as u64);
    // Holes take nothing, and what is not there cannot be promised.
    files.set_size(file, 1 << 40).unwrap();
    assert_eq!(files.allocate(file, 0, 1 << 40), Err(Errno::NOSPC));
    assert_eq!(files.set_size(file, 1 << 50), Err(Errno::FBIG));
    assert_eq!(files.write(file, b"x", Some(1 << 44)), Err(Errno::FBIG));
    let mut last = [1; 8];
    assert_eq!(files.read(file, &mut last, Some((1 << 40) - 8)), Ok(8));
    assert_eq!(last, [0; 8]);
    files.set_size(file, 0).unwrap();
    assert_eq!(files.write(file, &block, Some(0)), Ok(block.len()));
    files.set_size(file, 0).unwrap();
    // Entries, and handles.
    let mut count = 0;
    let full = loop {
        let name = std::format!("{count}-{}", "n".repeat(200));
        match files.open_at(dir, name.as_bytes(), &MAKE) {
            Ok(_) => count += 1,
            Err(errno) => break errno,
        }
    };
    assert!(matches!(full, Errno::NOSPC | Errno::NFILE), "{full:?}");
    assert!(count > 1000, "{count}");
    assert!(files.used() <= LIMIT);
    assert_eq!(names(&files, dir, 0, usize::MAX).len(), count + 3);
}

#[test]
fn what_is_cut_off_is_gone() {
    let (files, dir) = new(LIMIT);
    let file = files.open_at(dir, b"file", &MAKE).unwrap();
    files.write(file, &[9; 6000], None).unwrap();
    files.set_size(file, 4100).unwrap();
    files.set_size(file, 6000).unwrap();
    let contents = get(&files, dir, "file").unwrap();
    assert!(contents[..4100].iter().all(|&byte| byte == 9));
    assert!(contents[4100..].iter().all(|&byte| byte == 0));
}

#[test]
fn cookies_stay() {
    let (files, dir) = new(LIMIT);
    for number in 0..300 {
        put(&files, dir, &std::format!("{number}"), b"");
    }
    let mut seen = Vec::new();
    let mut cookie = 0;
    let mut removed = 0;
    loop {
        let some = names(&files, dir, cookie, 7);
        let Some((_, next)) = some.last() else {
            break;
        };
        cookie = *next;
        // What has been listed is removed, so that the directory is tidied up meanwhile.
        for (name, _) in some {
            if name != "." && name != ".." {
                files.unlink_at(dir, name.as_bytes()).unwrap();
                removed += 1;
            }
            seen.push(name);
        }
        if removed < 100 {
            put(&files, dir, &std::format!("new{removed}"), b"");
        }
    }
    assert_eq!(seen.len(), removed + 2);
    assert!(seen.len() > 302, "{}", seen.len());
    assert_eq!(names(&files, dir, 0, 9).len(), 2);
    let all = files.read_dir(dir, u64::MAX, &mut |_| true);
    assert_eq!(all, Err(Errno::INVAL));
}

#[test]
fn many_entries_are_found_fast() {
    let (files, dir) = new(1 << 30);
    for number in 0..100_000 {
        put(&files, dir, &std::format!("file-{number}"), b"");
    }
    let mut handles = Vec::new();
    for number in 0..100_000 {
        let name = std::format!("file-{number}");
        handles.push(files.open_at(dir, name.as_bytes(), &READ).unwrap());
    }
    for (number, handle) in handles.into_iter().enumerate() {
        files.close(handle).unwrap();
        let name = std::format!("file-{}", (number * 7919) % 100_000);
        files.unlink_at(dir, name.as_bytes()).unwrap();
    }
    assert_eq!(names(&files, dir, 0, 9).len(), 2);
}

fn archive() -> std::vec::Vec<u8> {
    let mut builder = ::tar::Builder::new(std::vec::Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_mtime(1_000_000_000);
    let long = std::format!("0/{}/{}", "d".repeat(200), "f".repeat(250));
    for (path, kind, contents, target) in [
        ("0/", ::tar::EntryType::Directory, &b""[..], ""),
        ("0/sub/", ::tar::EntryType::Directory, b"", ""),
        ("0/sub/file", ::tar::EntryType::Regular, b"contents", ""),
        ("0/empty", ::tar::EntryType::Regular, b"", ""),
        ("0/link", ::tar::EntryType::Symlink, b"", "sub/file"),
        ("0/hard", ::tar::EntryType::Link, b"", "0/sub/file"),
        (&long, ::tar::EntryType::Regular, b"deep", ""),
        ("1/other", ::tar::EntryType::Regular, b"second", ""),
    ] {
        header.set_entry_type(kind);
        header.set_size(contents.len() as u64);
        match target {
            "" => builder.append_data(&mut header, path, contents).unwrap(),
            target => builder.append_link(&mut header, path, target).unwrap(),
        }
    }
    builder.into_inner().unwrap()
}

/// An archive as two directories, `/a` and `/b`.
fn unpacked(archive: &[u8]) -> (MemFs<'_>, [Handle; 2]) {
    let mut files = MemFs::new(LIMIT, || 0);
    files.add_directory(b"/a").unwrap();
    files.add_directory(b"/b").unwrap();
    files.unpack(archive).unwrap();
    let dirs = [0, 1].map(|index| files.preopen(index).unwrap().0);
    (files, dirs)
}

#[test]
fn archives_become_trees() {
    let archive = archive();
    let (files, [a, b]) = unpacked(&archive);
    assert_eq!(files.preopen(1).unwrap().1, b"/b");
    assert_eq!(get(&files, a, "link").unwrap(), b"contents");
    assert_eq!(get(&files, b, "other").unwrap(), b"second");
    let deep = std::format!("{}/{}", "d".repeat(200), "f".repeat(250));
    assert_eq!(get(&files, a, &deep).unwrap(), b"deep");
    let stat = files.stat_at(a, b"hard", true).unwrap();
    assert_eq!((stat.links, stat.modified), (2, 1_000_000_000_000_000_000));
    let stat = files.stat_at(a, b"sub", true).unwrap();
    assert_eq!(stat.modified, 1_000_000_000_000_000_000);
    let stat = files.stat_at(a, b"link", false).unwrap();
    assert_eq!(stat.file_type, FileType::SymbolicLink);
    // A change is the program's, not the archive's.
    let file = files.open_at(a, b"hard", &MAKE).unwrap();
    files.seek(file, 2, Whence::Set).unwrap();
    files.write(file, b"N", None).unwrap();
    assert_eq!(get(&files, a, "sub/file").unwrap(), b"coNtents");
}

/// The tree as an archive, with references replaced by contents.
fn packed(files: &MemFs<'_>, archive: &[u8]) -> std::vec::Vec<(String, u8, std::vec::Vec<u8>)> {
    use std::io::Read;
    let mut bytes = std::vec::Vec::new();
    let left_out = files.pack(archive, &mut |piece| {
        bytes.extend_from_slice(piece);
        true
    });
    assert_eq!(left_out, Ok(0));
    let mut list = std::vec::Vec::new();
    for entry in ::tar::Archive::new(&bytes[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into()).unwrap();
        let kind = entry.header().entry_type().as_byte();
        let mut contents = std::vec::Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        if let Some(target) = entry.link_name_bytes() {
            contents = target.into();
        }
        list.push((path, kind, contents));
    }
    list
}

#[test]
fn trees_become_archives() {
    let archive = archive();
    let (files, [a, b]) = unpacked(&archive);
    files.unlink_at(a, b"link").unwrap();
    files.rename_at(a, b"sub", b, b"moved").unwrap();
    put(&files, b, "moved/new", &[5; 5000]);
    put(&files, a, "empty", b"no more");
    let list = packed(&files, &archive);
    let find = |name: &str| {
        let found = list.iter().find(|(path, ..)| path == name);
        found.map(|(_, kind, contents)| (*kind, &contents[..]))
    };
    assert_eq!(find("0/link"), None);
    assert_eq!(find("0/sub/file"), None);
    assert_eq!(find("0/empty"), Some((b'0', &b"no more"[..])));
    assert_eq!(find("1/moved/new"), Some((b'0', &[5; 5000][..])));
    assert_eq!(find("1/moved/file"), Some((b'1', &b"0/hard"[..])));
    let (kind, place) = find("0/hard").unwrap();
    assert_eq!(kind, REFERENCE);
    let place = std::str::from_utf8(place).unwrap();
    let (offset, length) = place.split_once(' ').unwrap();
    let offset: usize = offset.parse().unwrap();
    let length: usize = length.parse().unwrap();
    assert_eq!(&archive[offset..offset + length], b"contents");
    // Twice the same: nothing of the first time is left.
    files.unlink_at(b, b"moved/new").unwrap();
    assert!(
        packed(&files, &archive)
            .iter()
            .any(|(path, kind, _)| { path == "0/hard" && *kind == REFERENCE })
    );
}

#[test]
fn what_cannot_be_packed_is_left_out() {
    let (files, dir) = new(LIMIT);
    let file = files.open_at(dir, b"huge", &MAKE).unwrap();
    files.set_size(file, 1 << 44).unwrap();
    let name = [b'd'; 255];
    let mut current = dir;
    for _ in 0..20 {
        files.create_dir_at(current, &name).unwrap();
        current = files.open_at(current, &name, &READ).unwrap();
    }
    let mut bytes = 0;
    let left_out = files.pack(&[], &mut |piece| {
        bytes += piece.len();
        true
    });
    assert_eq!(left_out, Ok(1 + 5));
    assert!(bytes < 100_000);
    assert_eq!(files.pack(&[], &mut |_| false), Err(PackError::Sink));
}

#[test]
fn damaged_archives_are_refused_or_harmless() {
    let good = archive();
    let mut refused = 0;
    for position in 0..good.len() {
        for bit in [0, 3, 7] {
            let mut damaged = good.clone();
            damaged[position] ^= 1 << bit;
            let mut files = MemFs::new(LIMIT, || 0);
            files.add_directory(b"/a").unwrap();
            files.add_directory(b"/b").unwrap();
            refused += usize::from(files.unpack(&damaged).is_err());
        }
    }
    assert!(refused > 10_000, "{refused}");
    for length in 0..good.len() {
        let mut files = MemFs::new(LIMIT, || 0);
        files.add_directory(b"/a").unwrap();
        files.add_directory(b"/b").unwrap();
        let _ = files.unpack(&good[..length]);
    }
    // Paths that would lead elsewhere, and what has no directory.
    for path in ["0/../x", "2/x", "x", "0"] {
        let header = crate::tar::header(b'0', path.as_bytes(), b"", 0, 0);
        let mut files = MemFs::new(LIMIT, || 0);
        files.add_directory(b"/a").unwrap();
        assert!(files.unpack(&header).is_err(), "{path}");
    }
    // A limit that the tree does not fit.
    let mut files = MemFs::new(2000, || 0);
    let _ = files.add_directory(b"/a");
    let _ = files.add_directory(b"/b");
    assert!(files.unpack(&good).is_err());
}
