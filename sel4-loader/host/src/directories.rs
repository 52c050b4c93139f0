// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Directories of this machine that an app is given, as the archive in its boot bundle; and what
//! the app left behind in them, as an archive for people.
//!
//! In the bundle, paths begin with the number of the directory (`wasm-aot-memfs`); in the archive
//! for people, with the name that the program knows it by.

use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Archive, Builder, EntryType, Header};
use wasm_aot_memfs::REFERENCE;

/// The largest archive: an image has to stay below 1 GiB.
const MAX_ARCHIVE: u64 = 1 << 30;

/// A directory for an app.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directory {
    /// Its path here.
    pub host: PathBuf,
    /// Its name for the program.
    pub guest: String,
}

impl Directory {
    /// `HOST[::GUEST]`.
    #[must_use]
    pub fn parse(argument: &str) -> Self {
        let (host, guest) = argument.split_once("::").unwrap_or((argument, argument));
        Self {
            host: host.into(),
            guest: guest.into(),
        }
    }
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Something cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The files are too many or too large.
    #[error(
        "{}: with this file the directories take more than {MAX_ARCHIVE} bytes, which an image \
         has no room for; give the program less of them",
        .0.display()
    )]
    TooLarge(PathBuf),
    /// What the app sent is no archive that its runtime makes.
    #[error("what the app left behind cannot be read: {0}")]
    Damaged(String),
}

/// An archive for a bundle.
#[derive(Debug, Default)]
pub struct Packed {
    /// The archive; empty where there are no directories.
    pub archive: Vec<u8>,
    /// What is neither file nor directory nor symbolic link, and so not in it.
    pub skipped: Vec<PathBuf>,
}

/// Packs directories, symbolic links as what they are. The same tree gives the same bytes.
///
/// # Errors
/// Where something cannot be read, or is too large.
pub fn pack(directories: &[Directory]) -> Result<Packed, DirectoryError> {
    let mut builder = Builder::new(Vec::new());
    let mut skipped = Vec::new();
    for (number, directory) in directories.iter().enumerate() {
        let root = PathBuf::from(number.to_string());
        let mut left = vec![(directory.host.clone(), root)];
        while let Some((host, inside)) = left.pop() {
            add_directory(&mut builder, &host, &inside, &mut left, &mut skipped)?;
        }
    }
    let archive = match directories {
        [] => Vec::new(),
        // Writing to memory does not fail.
        _ => builder.into_inner().unwrap_or_default(),
    };
    Ok(Packed { archive, skipped })
}

/// Adds a directory and its files; its directories are left for later.
fn add_directory(
    builder: &mut Builder<Vec<u8>>,
    host: &Path,
    inside: &Path,
    left: &mut Vec<(PathBuf, PathBuf)>,
    skipped: &mut Vec<PathBuf>,
) -> Result<(), DirectoryError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| DirectoryError::Read { path, source }
    };
    let metadata = fs::metadata(host).map_err(failed(host))?;
    let mut header = header(EntryType::Directory, &metadata);
    builder
        .append_data(&mut header, inside, io::empty())
        .map_err(failed(host))?;
    let mut entries = Vec::new();
    for entry in fs::read_dir(host).map_err(failed(host))? {
        entries.push(entry.map_err(failed(host))?.path());
    }
    entries.sort();
    for path in entries {
        let metadata = fs::symlink_metadata(&path).map_err(failed(&path))?;
        let inside = inside.join(path.file_name().unwrap_or_default());
        let kind = metadata.file_type();
        if kind.is_dir() {
            left.push((path, inside));
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(failed(&path))?;
            let mut header = self::header(EntryType::Symlink, &metadata);
            add_link(builder, &mut header, &inside, &target).map_err(failed(&path))?;
        } else if kind.is_file() {
            let file = fs::File::open(&path).map_err(failed(&path))?;
            // Not more than the header says, also where the file grows meanwhile.
            let mut contents = Vec::new();
            let room = MAX_ARCHIVE.saturating_sub(builder.get_ref().len() as u64);
            file.take(room + 1)
                .read_to_end(&mut contents)
                .map_err(failed(&path))?;
            if contents.len() as u64 > room {
                return Err(DirectoryError::TooLarge(path));
            }
            let mut header = self::header(EntryType::Regular, &metadata);
            header.set_size(contents.len() as u64);
            builder
                .append_data(&mut header, inside, &contents[..])
                .map_err(failed(&path))?;
        } else {
            skipped.push(path);
        }
        if builder.get_ref().len() as u64 > MAX_ARCHIVE {
            return Err(DirectoryError::TooLarge(host.to_owned()));
        }
    }
    Ok(())
}

fn header(kind: EntryType, metadata: &fs::Metadata) -> Header {
    let since = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).ok();
    let time = metadata.modified().ok().and_then(since);
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
    header.set_mtime(time.map_or(0, |time| time.as_secs()));
    header.set_size(0);
    header
}

/// Adds a symbolic link, its text as it is wherever that fits a header.
fn add_link(
    builder: &mut Builder<Vec<u8>>,
    header: &mut Header,
    inside: &Path,
    target: &Path,
) -> io::Result<()> {
    match header.set_link_name_literal(target.as_os_str().as_bytes()) {
        Ok(()) => builder.append_data(header, inside, io::empty()),
        Err(_) => builder.append_link(header, inside, target),
    }
}

/// The archive for people of what an app sent. `archive` is the one that it was given, `guests`
/// are the names of its directories.
///
/// # Errors
/// Where it sent something else than its runtime does: nothing of that is trusted.
pub fn left_behind(
    sent: &[u8],
    archive: &[u8],
    guests: &[String],
) -> Result<Vec<u8>, DirectoryError> {
    let damaged = |what: &str| DirectoryError::Damaged(what.to_owned());
    let wrong = |error: io::Error| DirectoryError::Damaged(error.to_string());
    let mut builder = Builder::new(Vec::new());
    let mut total = 0u64;
    let mut reader = Archive::new(sent);
    for entry in reader.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let path = outside(&entry.path_bytes(), guests).ok_or(damaged("a path is none"))?;
        let target = entry.link_name_bytes().map(|target| target.into_owned());
        let target = target.as_deref().unwrap_or_default();
        let mut header = Header::new_gnu();
        header.set_mode(entry.header().mode().map_err(wrong)?);
        header.set_mtime(entry.header().mtime().map_err(wrong)?);
        header.set_size(0);
        let kind = entry.header().entry_type();
        header.set_entry_type(kind);
        match kind {
            EntryType::Directory => builder.append_data(&mut header, path, io::empty()),
            EntryType::Symlink => {
                let target = Path::new(std::ffi::OsStr::from_bytes(target));
                add_link(&mut builder, &mut header, &path, target)
            }
            EntryType::Link => {
                let target = outside(target, guests).ok_or(damaged("a hard link to nowhere"))?;
                builder.append_link(&mut header, path, target)
            }
            EntryType::Regular => {
                let mut contents = Vec::new();
                entry.read_to_end(&mut contents).map_err(wrong)?;
                header.set_size(contents.len() as u64);
                builder.append_data(&mut header, path, &contents[..])
            }
            other if other.as_byte() == REFERENCE => {
                let contents = referred(target, archive);
                let contents = contents.ok_or(damaged("a reference to nothing"))?;
                // The same bytes may be referred to again and again.
                total += contents.len() as u64;
                if total > MAX_ARCHIVE {
                    return Err(damaged("it is larger than any that fits an app"));
                }
                header.set_entry_type(EntryType::Regular);
                header.set_size(contents.len() as u64);
                builder.append_data(&mut header, path, contents)
            }
            _ => return Err(damaged("an entry is of a kind that no app makes")),
        }
        .map_err(wrong)?;
    }
    builder.into_inner().map_err(wrong)
}

/// The path for people of one that begins with a directory's number.
fn outside(path: &[u8], guests: &[String]) -> Option<PathBuf> {
    let path = std::str::from_utf8(path).ok()?;
    let (number, rest) = path.split_once('/')?;
    let guest = guests.get(number.parse::<usize>().ok()?)?;
    let names = |text: &str| {
        let names = text
            .split('/')
            .filter(|name| !matches!(*name, "" | "." | ".."));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    if rest.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return None;
    }
    Some(names(guest).into_iter().chain(names(rest)).collect())
}

/// The bytes that `OFFSET LENGTH` stands for.
fn referred<'a>(place: &[u8], archive: &'a [u8]) -> Option<&'a [u8]> {
    let (offset, length) = std::str::from_utf8(place).ok()?.split_once(' ')?;
    let rest = archive.get(offset.parse::<usize>().ok()?..)?;
    rest.get(..length.parse::<usize>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use wasm_aot_memfs::MemFs;
    use wasm_aot_runtime::platform::{Files, OpenHow};

    fn list(archive: &[u8]) -> Vec<(String, u8, Vec<u8>)> {
        let mut list = Vec::new();
        for entry in Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = String::from_utf8(entry.path_bytes().into()).unwrap();
            let kind = entry.header().entry_type().as_byte();
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents).unwrap();
            let target = entry.link_name_bytes().map(|target| target.into_owned());
            list.push((path, kind, target.unwrap_or(contents)));
        }
        list
    }

    #[test]
    fn directories_go_in_and_come_out() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
        fs::create_dir_all(folder.path().join("sub")).unwrap();
        fs::create_dir_all(folder.path().join("d".repeat(120))).unwrap();
        fs::write(folder.path().join("sub/file"), "contents").unwrap();
        fs::write(folder.path().join(&long), "deep").unwrap();
        symlink("./sub//file", folder.path().join("link")).unwrap();
        symlink("t".repeat(300), folder.path().join("far")).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket"));
        socket.unwrap();
        let directories = [folder.path().to_str().unwrap()].map(|host| Directory {
            host: host.into(),
            guest: "/data".into(),
        });
        let packed = pack(&directories).unwrap();
        assert_eq!(packed.skipped, [folder.path().join("socket")]);
        assert_eq!(packed.archive, pack(&directories).unwrap().archive);

        let mut files = MemFs::new(1 << 20, || 5_000_000_000);
        files.add_directory(b"/data").unwrap();
        files.unpack(&packed.archive).unwrap();
        let (dir, _) = files.preopen(0).unwrap();
        let how = OpenHow {
            write: true,
            create: true,
            ..OpenHow::default()
        };
        let new = files.open_at(dir, b"sub/new", &how).unwrap();
        files.write(new, b"made", None).unwrap();
        let mut sent = Vec::new();
        let all = files.pack(&packed.archive, &mut |bytes| {
            sent.extend_from_slice(bytes);
            true
        });
        assert_eq!(all, Ok(0));
        assert!(!sent.windows(8).any(|bytes| bytes == b"contents"));
        let guests = [String::from("/data")];
        let out = left_behind(&sent, &packed.archive, &guests).unwrap();
        let out = list(&out);
        let find = |name: &str| {
            let found = out.iter().find(|(path, ..)| path == name);
            let (_, kind, contents) = found.unwrap_or_else(|| panic!("no {name} in {out:?}"));
            (*kind, &contents[..])
        };
        assert_eq!(find("data/sub/file"), (b'0', &b"contents"[..]));
        assert_eq!(find("data/sub/new"), (b'0', &b"made"[..]));
        assert_eq!(find("data/link"), (b'2', &b"./sub//file"[..]));
        assert_eq!(find("data/far"), (b'2', "t".repeat(300).as_bytes()));
        assert_eq!(find(&format!("data/{long}")), (b'0', &b"deep"[..]));
    }

    #[test]
    fn what_an_app_sends_is_not_trusted() {
        let guests = [String::from("/data")];
        let entry = |path: &str, kind: u8, target: &str| {
            let mut header = Header::new_gnu();
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_link_name_literal(target).unwrap();
            header.set_entry_type(EntryType::new(kind));
            header.set_size(0);
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_cksum();
            let mut bytes = header.as_bytes().to_vec();
            bytes.extend([0; 1024]);
            bytes
        };
        let good = entry("0/x", REFERENCE, "1 2");
        let out = left_behind(&good, b"abcd", &guests).unwrap();
        assert_eq!(list(&out)[0], ("data/x".into(), b'0', b"bc".to_vec()));
        for (path, kind, target) in [
            ("0/../x", b'0', ""),
            ("/etc/passwd", b'0', ""),
            ("1/x", b'0', ""),
            ("x", b'0', ""),
            ("0/x", REFERENCE, "3 2"),
            ("0/x", REFERENCE, "18446744073709551615 1"),
            ("0/x", REFERENCE, "one two"),
            ("0/x", b'1', "../x"),
            ("0/x", b'3', ""),
        ] {
            let sent = entry(path, kind, target);
            let out = left_behind(&sent, b"abcd", &guests);
            assert!(out.is_err(), "{path} {kind} {target}");
        }
        for position in 0..good.len() {
            for bit in 0..8 {
                let mut damaged = good.clone();
                damaged[position] ^= 1 << bit;
                let _ = left_behind(&damaged, b"abcd", &guests);
            }
        }
    }
}
