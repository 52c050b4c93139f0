// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The file system in memory, compared with that of Linux: the same random calls over both give
//! the same results, the same errors, and the same tree in the end.
//!
//! What may differ is left out: numbers of nodes, cookies, sizes and links of directories, and
//! times that nobody has set.

use super::tests::One;
use super::*;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;
use wasm_aot_memfs::MemFs;

/// Sequences of calls, and calls in each.
const SEQUENCES: u64 = 200;
const CALLS: usize = 250;

/// Names, few enough that most calls meet something.
const NAMES: &[&str] = &["a", "b", "c", "dd", "long"];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// A path: mostly names, now and then what leads up, away or nowhere.
    fn path(&mut self) -> Vec<u8> {
        let mut path = Vec::new();
        if self.one_in(40) {
            path.push(b'/');
        }
        let names = self.below(4).min(self.below(4));
        for position in 0..=names {
            if position > 0 {
                path.push(b'/');
            }
            match self.below(24) {
                0 => path.extend(b"."),
                1 | 2 => path.extend(b".."),
                3 if self.one_in(4) => path.extend([b'x'; 256]),
                4 if self.one_in(8) => path.push(b'/'),
                5 if self.one_in(8) => path.push(0),
                _ => path.extend(self.pick(NAMES).bytes()),
            }
        }
        if self.one_in(8) {
            path.push(b'/');
        }
        if self.one_in(200) {
            path.clear();
        }
        if self.one_in(400) {
            path.resize(5000, b'y');
        }
        path
    }

    fn how(&mut self) -> OpenHow {
        OpenHow {
            read: !self.one_in(4),
            write: self.one_in(2),
            create: self.one_in(2),
            exclusive: self.one_in(4),
            truncate: self.one_in(6),
            directory: self.one_in(8),
            follow: !self.one_in(4),
            flags: StatusFlags(match self.below(6) {
                0 => StatusFlags::APPEND,
                _ => 0,
            }),
        }
    }

    fn size(&mut self) -> u64 {
        match self.below(12) {
            0 => u64::MAX,
            1 => 1 << 63,
            2 => 0,
            _ => self.word() % 20_000,
        }
    }

    fn time(&mut self) -> NewTime {
        match self.below(3) {
            0 => NewTime::Keep,
            // ext4 keeps seconds from 1901 to 2446.
            _ => NewTime::At(self.word() % 10_000_000_000_000_000_000),
        }
    }
}

/// What both are asked.
enum Question {
    Open(usize, Vec<u8>, OpenHow),
    Close(usize),
    Read(usize, usize, Option<u64>),
    Write(usize, Vec<u8>, Option<u64>),
    Seek(usize, i64, Whence),
    Stat(usize),
    StatAt(usize, Vec<u8>, bool),
    ReadDir(usize),
    Flags(usize, StatusFlags),
    SetSize(usize, u64),
    Allocate(usize, u64, u64),
    Sync(usize, bool),
    SetTimes(usize, NewTime, NewTime),
    SetTimesAt(usize, Vec<u8>, bool, NewTime, NewTime),
    MakeDir(usize, Vec<u8>),
    RemoveDir(usize, Vec<u8>),
    Unlink(usize, Vec<u8>),
    Rename(usize, Vec<u8>, usize, Vec<u8>),
    Link(usize, Vec<u8>, usize, Vec<u8>),
    Symlink(Vec<u8>, usize, Vec<u8>),
    ReadLink(usize, Vec<u8>, usize),
}

/// The open files, whose types the runtime knows and asks accordingly: a handle of a directory or
/// of a file, by its number in the list.
struct Open {
    directory: bool,
    /// Whether the runtime would let it be read and written.
    read: bool,
    write: bool,
}

fn question(random: &mut Random, open: &[Option<Open>]) -> Question {
    let number = |random: &mut Random, wanted: &dyn Fn(&Open) -> bool| {
        let fit: Vec<usize> = (0..open.len())
            .filter(|&index| open[index].as_ref().is_some_and(wanted))
            .collect();
        match fit.len() {
            0 => None,
            count => Some(fit[random.below(count)]),
        }
    };
    loop {
        // Mostly the root, which is never closed.
        let dir = |random: &mut Random| match random.one_in(3) {
            true => number(random, &|open| open.directory).unwrap_or(0),
            false => 0,
        };
        let file = number(random, &|open| !open.directory);
        let readable = number(random, &|open| !open.directory && open.read);
        let writable = number(random, &|open| !open.directory && open.write);
        let question = match random.below(40) {
            0..8 => Some(Question::Open(dir(random), random.path(), random.how())),
            8 | 9 => number(random, &|_| true)
                .filter(|&number| number > 0)
                .map(Question::Close),
            10 | 11 => readable.map(|file| {
                let at = random.one_in(2).then(|| random.size());
                Question::Read(file, random.below(9000) + 1, at)
            }),
            12..15 => writable.map(|file| {
                let bytes = (0..random.below(9000) + 1).map(|at| (at % 251) as u8 + 1);
                let bytes = bytes.collect();
                let at = random.one_in(2).then(|| random.size());
                Question::Write(file, bytes, at)
            }),
            15 => file.map(|file| {
                let whence = [Whence::Set, Whence::Current, Whence::End][random.below(3)];
                let offset = (random.word() % 20_000) as i64 - 5000;
                Question::Seek(file, offset, whence)
            }),
            16 => number(random, &|_| true).map(Question::Stat),
            17 | 18 => Some(Question::StatAt(
                dir(random),
                random.path(),
                random.one_in(2),
            )),
            19 => number(random, &|open| open.directory).map(Question::ReadDir),
            20 => file.map(|file| {
                let flags = random.word() as u16 & StatusFlags::ALL;
                Question::Flags(file, StatusFlags(flags))
            }),
            21 => file.map(|file| Question::SetSize(file, random.size())),
            22 => file.map(|file| Question::Allocate(file, random.size(), random.size())),
            // A disk takes its time.
            23 => number(random, &|_| true)
                .filter(|_| random.one_in(20))
                .map(|file| Question::Sync(file, random.one_in(2))),
            24 => file.map(|file| Question::SetTimes(file, random.time(), random.time())),
            25 => Some(Question::SetTimesAt(
                dir(random),
                random.path(),
                random.one_in(2),
                random.time(),
                random.time(),
            )),
            26..29 => Some(Question::MakeDir(dir(random), random.path())),
            29 => Some(Question::RemoveDir(dir(random), random.path())),
            30 => Some(Question::Unlink(dir(random), random.path())),
            31..34 => Some(Question::Rename(
                dir(random),
                random.path(),
                dir(random),
                random.path(),
            )),
            34 | 35 => Some(Question::Link(
                dir(random),
                random.path(),
                dir(random),
                random.path(),
            )),
            36..39 => Some(Question::Symlink(random.path(), dir(random), random.path())),
            _ => Some(Question::ReadLink(
                dir(random),
                random.path(),
                random.below(8),
            )),
        };
        if let Some(question) = question {
            return question;
        }
    }
}

/// One side: a file system and its handles, whose numbers in the list are those of the other side.
struct Side<'f> {
    files: &'f dyn Files,
    handles: Vec<Handle>,
}

fn shown(stat: &FileStat) -> String {
    // Directories have sizes and links as their file system likes.
    match stat.file_type {
        FileType::Directory => "directory".to_string(),
        kind => format!("{kind:?} {} {}", stat.size, stat.links),
    }
}

impl Side<'_> {
    fn ask(&mut self, question: &Question) -> Result<String> {
        let files = self.files;
        let handle = |number: &usize| self.handles[*number];
        match question {
            Question::Open(dir, path, how) => {
                let opened = files.open_at(handle(dir), path, how)?;
                self.handles.push(opened);
                Ok(shown(&files.stat(opened)?))
            }
            Question::Close(file) => files.close(handle(file)).map(|()| String::new()),
            Question::Read(file, length, at) => {
                let mut bytes = std::vec![0; *length];
                let count = files.read(handle(file), &mut bytes, *at)?;
                Ok(format!("{:?}", &bytes[..count]))
            }
            Question::Write(file, bytes, at) => {
                let count = files.write(handle(file), bytes, *at)?;
                Ok(count.to_string())
            }
            Question::Seek(file, offset, whence) => {
                let position = files.seek(handle(file), *offset, *whence)?;
                Ok(position.to_string())
            }
            Question::Stat(file) => Ok(shown(&files.stat(handle(file))?)),
            Question::StatAt(dir, path, follow) => {
                Ok(shown(&files.stat_at(handle(dir), path, *follow)?))
            }
            Question::ReadDir(dir) => self.listing(handle(dir)).map(|list| list.join(" ")),
            Question::Flags(file, flags) => {
                files.set_flags(handle(file), *flags)?;
                Ok(String::new())
            }
            Question::SetSize(file, size) => {
                files.set_size(handle(file), *size)?;
                Ok(String::new())
            }
            Question::Allocate(file, start, length) => {
                files.allocate(handle(file), *start, *length)?;
                Ok(String::new())
            }
            Question::Sync(file, data) => {
                files.sync(handle(file), *data)?;
                Ok(String::new())
            }
            Question::SetTimes(file, accessed, modified) => {
                files.set_times(handle(file), *accessed, *modified)?;
                Ok(self.times(&files.stat(handle(file))?, *accessed, *modified))
            }
            Question::SetTimesAt(dir, path, follow, accessed, modified) => {
                let dir = handle(dir);
                files.set_times_at(dir, path, *follow, *accessed, *modified)?;
                let stat = files.stat_at(dir, path, *follow)?;
                Ok(self.times(&stat, *accessed, *modified))
            }
            Question::MakeDir(dir, path) => {
                files.create_dir_at(handle(dir), path)?;
                Ok(String::new())
            }
            Question::RemoveDir(dir, path) => {
                files.remove_dir_at(handle(dir), path)?;
                Ok(String::new())
            }
            Question::Unlink(dir, path) => {
                files.unlink_at(handle(dir), path)?;
                Ok(String::new())
            }
            Question::Rename(dir, path, to_dir, to) => {
                files.rename_at(handle(dir), path, handle(to_dir), to)?;
                Ok(String::new())
            }
            Question::Link(dir, path, to_dir, to) => {
                files.link_at(handle(dir), path, handle(to_dir), to)?;
                Ok(String::new())
            }
            Question::Symlink(contents, dir, path) => {
                files.symlink_at(contents, handle(dir), path)?;
                Ok(String::new())
            }
            Question::ReadLink(dir, path, length) => {
                let mut buffer = [0; 8];
                let count = files.read_link_at(handle(dir), path, &mut buffer[..*length])?;
                Ok(format!("{:?}", &buffer[..count]))
            }
        }
    }

    /// The times that were set.
    fn times(&self, stat: &FileStat, accessed: NewTime, modified: NewTime) -> String {
        let of = |time, new| match new {
            NewTime::At(_) => time,
            NewTime::Keep | NewTime::Now => 0,
        };
        let times = (of(stat.accessed, accessed), of(stat.modified, modified));
        format!("{times:?}")
    }

    /// The names in a directory, in the order of the alphabet.
    fn listing(&self, dir: Handle) -> Result<Vec<String>> {
        let mut list = Vec::new();
        self.files.read_dir(dir, 0, &mut |entry| {
            let name = String::from_utf8_lossy(entry.name);
            list.push(format!("{name}:{:?}", entry.file_type));
            true
        })?;
        list.sort();
        Ok(list)
    }

    /// Everything below a directory, with contents.
    fn tree(&self, dir: Handle, prefix: &str, all: &mut Vec<String>) {
        for entry in self.listing(dir).unwrap() {
            let (name, kind) = entry.rsplit_once(':').unwrap();
            if name == "." || name == ".." {
                continue;
            }
            let stat = self.files.stat_at(dir, name.as_bytes(), false).unwrap();
            all.push(format!("{prefix}/{name} {}", shown(&stat)));
            let how = OpenHow {
                read: true,
                ..OpenHow::default()
            };
            if kind == "SymbolicLink" {
                let mut text = [0; 4096];
                let link = self.files.read_link_at(dir, name.as_bytes(), &mut text);
                all.push(format!("-> {:?}", &text[..link.unwrap()]));
                continue;
            }
            let opened = self.files.open_at(dir, name.as_bytes(), &how).unwrap();
            if kind == "Directory" {
                self.tree(opened, &format!("{prefix}/{name}"), all);
            } else {
                let mut contents = std::vec![0; stat.size as usize];
                let read = self.files.read(opened, &mut contents, Some(0));
                assert_eq!(read, Ok(contents.len()));
                all.push(format!("{contents:?}"));
            }
            self.files.close(opened).unwrap();
        }
    }
}

fn show(question: &Question) -> String {
    let text = |path: &[u8]| String::from_utf8_lossy(&path[..path.len().min(60)]).into_owned();
    match question {
        Question::Open(dir, path, how) => format!("open {dir} {} {how:?}", text(path)),
        Question::Close(file) => format!("close {file}"),
        Question::Read(file, length, at) => format!("read {file} {length} {at:?}"),
        Question::Write(file, bytes, at) => format!("write {file} {} {at:?}", bytes.len()),
        Question::Seek(file, offset, whence) => format!("seek {file} {offset} {whence:?}"),
        Question::Stat(file) => format!("stat {file}"),
        Question::StatAt(dir, path, follow) => format!("stat {dir} {} {follow}", text(path)),
        Question::ReadDir(dir) => format!("readdir {dir}"),
        Question::Flags(file, flags) => format!("flags {file} {flags:?}"),
        Question::SetSize(file, size) => format!("size {file} {size}"),
        Question::Allocate(file, at, length) => format!("allocate {file} {at} {length}"),
        Question::Sync(file, _) => format!("sync {file}"),
        Question::SetTimes(file, a, m) => format!("times {file} {a:?} {m:?}"),
        Question::SetTimesAt(dir, path, ..) => format!("times {dir} {}", text(path)),
        Question::MakeDir(dir, path) => format!("mkdir {dir} {}", text(path)),
        Question::RemoveDir(dir, path) => format!("rmdir {dir} {}", text(path)),
        Question::Unlink(dir, path) => format!("unlink {dir} {}", text(path)),
        Question::Rename(dir, path, to, new) => {
            format!("rename {dir} {} {to} {}", text(path), text(new))
        }
        Question::Link(dir, path, to, new) => {
            format!("link {dir} {} {to} {}", text(path), text(new))
        }
        Question::Symlink(contents, dir, path) => {
            format!("symlink {} {dir} {}", text(contents), text(path))
        }
        Question::ReadLink(dir, path, length) => format!("readlink {dir} {} {length}", text(path)),
    }
}

/// Runs one sequence over both; gives how many calls succeeded.
fn compare(seed: u64) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let program = One(std::fs::File::open(folder.path()).unwrap().into());
    let linux = Directories(&program);
    let mut memory = MemFs::new(1 << 26, || 1_000_000_000);
    memory.add_directory(b"/").unwrap();
    let mut ours = Side {
        files: &memory,
        handles: std::vec![memory.preopen(0).unwrap().0],
    };
    let mut theirs = Side {
        files: &linux,
        handles: std::vec![linux.preopen(0).unwrap().0],
    };
    let mut open = std::vec![Some(Open {
        directory: true,
        read: false,
        write: false,
    })];
    let mut random = Random(seed);
    let mut log = Vec::new();
    let mut succeeded = 0;
    for _ in 0..CALLS {
        let question = question(&mut random, &open);
        log.push(show(&question));
        let (our, their) = (ours.ask(&question), theirs.ask(&question));
        assert_eq!(
            our,
            their,
            "seed {seed}, memory and Linux after\n{}",
            log.join("\n")
        );
        let Ok(answer) = our else {
            continue;
        };
        succeeded += 1;
        match question {
            Question::Open(_, _, how) => open.push(Some(Open {
                directory: answer == "directory",
                read: how.read,
                write: how.write,
            })),
            Question::Close(number) => open[number] = None,
            _ => {}
        }
    }
    let mut trees = [Vec::new(), Vec::new()];
    ours.tree(ours.handles[0], "", &mut trees[0]);
    theirs.tree(theirs.handles[0], "", &mut trees[1]);
    assert_eq!(trees[0], trees[1], "seed {seed}\n{}", log.join("\n"));
    for (number, open) in open.iter().enumerate().skip(1) {
        if open.is_some() {
            theirs.files.close(theirs.handles[number]).unwrap();
        }
    }
    succeeded
}

#[test]
fn memory_and_linux_answer_alike() {
    let succeeded: usize = (0..SEQUENCES).map(compare).sum();
    // Calls that fail alike prove less.
    assert!(succeeded > SEQUENCES as usize * CALLS / 4, "{succeeded}");
}

#[test]
fn as_many_links_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let program = One(std::fs::File::open(folder.path()).unwrap().into());
    let linux = Directories(&program);
    let mut memory = MemFs::new(1 << 20, || 0);
    memory.add_directory(b"/").unwrap();
    let answers = [&linux as &dyn Files, &memory].map(|files| {
        let (dir, _) = files.preopen(0).unwrap();
        files.create_dir_at(dir, b"l0").unwrap();
        (1..60)
            .map(|number| {
                let (from, to) = (format!("l{}", number - 1), format!("l{number}"));
                files
                    .symlink_at(from.as_bytes(), dir, to.as_bytes())
                    .unwrap();
                // At the end of a path, and within one: each link counts, wherever it is.
                let within = format!("{to}/../{to}/.");
                [to, within].map(|path| {
                    let stat = files.stat_at(dir, path.as_bytes(), true);
                    stat.map(|stat| stat.file_type)
                })
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[1][39][0], Ok(FileType::Directory));
    assert_eq!(answers[1][40][0], Err(wasm_aot_runtime::Errno::LOOP));
}
