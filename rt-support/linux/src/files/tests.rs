// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Paths that try to leave their directory, and what is refused where.

use super::*;
use crate::platform::Program;
use rustix::fd::{AsRawFd, OwnedFd, RawFd};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::string::String;
use std::vec::Vec;
use tempfile::TempDir;

/// A program with one directory.
pub struct One(pub OwnedFd);

impl Program for One {
    fn directory(&self, index: usize) -> Option<(RawFd, &[u8])> {
        (index == 0).then(|| (self.0.as_raw_fd(), &b"/"[..]))
    }
}

/// `inside` is the program's; beside it lies what it must not reach.
struct Tree {
    folder: TempDir,
    program: One,
}

impl Tree {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let inside = root.join("inside");
        fs::create_dir_all(inside.join("sub/deep")).unwrap();
        fs::create_dir(root.join("outside")).unwrap();
        fs::write(root.join("outside/secret"), "secret").unwrap();
        fs::write(inside.join("file"), "contents").unwrap();
        fs::write(inside.join("sub/file"), "more").unwrap();
        for (link, target) in [
            ("out", "../outside"),
            ("out_file", "../outside/secret"),
            ("absolute", "/etc"),
            ("loop", "loop"),
            ("in", "file"),
            ("in_sub", "sub"),
            ("sub/up", "../file"),
            ("sub/far_up", "../../outside/secret"),
            ("proc", "/proc/self/root"),
        ] {
            symlink(target, inside.join(link)).unwrap();
        }
        let program = One(fs::File::open(&inside).unwrap().into());
        Self { folder, program }
    }

    fn files(&self) -> (Directories<'_>, Handle) {
        let files = Directories(&self.program);
        let (dir, _) = files.preopen(0).unwrap();
        (files, dir)
    }

    /// Every path below the folder, with contents, in order.
    fn listing(&self) -> Vec<String> {
        fn walk(path: &Path, list: &mut Vec<String>) {
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap().path();
                let kind = fs::symlink_metadata(&entry).unwrap();
                list.push(std::format!("{} {}", entry.display(), kind.len()));
                if kind.is_dir() {
                    walk(&entry, list);
                }
            }
        }
        let mut list = Vec::new();
        walk(self.folder.path(), &mut list);
        list.sort();
        list
    }
}

const READ: OpenHow = OpenHow::READ;

const MAKE: OpenHow = OpenHow {
    write: true,
    create: true,
    ..READ
};

/// Paths whose last name is outside, or that go through there.
const ESCAPES: &[&str] = &[
    "..",
    "../",
    "../outside",
    "../outside/secret",
    "../inside/file",
    "sub/../../outside/secret",
    "sub/deep/../../../outside/secret",
    "/",
    "/etc/passwd",
    "//etc/passwd",
    "out/secret",
    "out/../outside/secret",
    "absolute/passwd",
    "sub/../out/secret",
    "in_sub/../../outside/secret",
    "proc/etc/passwd",
];

/// Links whose target is outside: an escape only where they are followed.
const LINKS_OUT: &[&str] = &["out", "out_file", "absolute", "sub/far_up", "proc"];

#[test]
fn nothing_leads_out() {
    let tree = Tree::new();
    let (files, dir) = tree.files();
    let before = tree.listing();
    let denied = Some(Errno::PERM);
    for path in ESCAPES.iter().chain(LINKS_OUT) {
        let bytes = path.as_bytes();
        assert_eq!(
            files.open_at(dir, bytes, &READ).err(),
            denied,
            "open {path}"
        );
        assert_eq!(
            files.open_at(dir, bytes, &MAKE).err(),
            denied,
            "make {path}"
        );
        assert_eq!(files.stat_at(dir, bytes, true).err(), denied, "stat {path}");
        let times = (NewTime::At(0), NewTime::At(0));
        let set = files.set_times_at(dir, bytes, true, times.0, times.1);
        assert_eq!(set.err(), denied, "times {path}");
    }
    for path in ESCAPES {
        let bytes = path.as_bytes();
        let no_follow = OpenHow {
            follow: false,
            ..READ
        };
        let mut buffer = [0; 64];
        for (what, errno) in [
            ("open", files.open_at(dir, bytes, &no_follow).err()),
            ("stat", files.stat_at(dir, bytes, false).err()),
            ("mkdir", files.create_dir_at(dir, bytes).err()),
            ("rmdir", files.remove_dir_at(dir, bytes).err()),
            ("unlink", files.unlink_at(dir, bytes).err()),
            (
                "rename from",
                files.rename_at(dir, bytes, dir, b"new").err(),
            ),
            ("rename to", files.rename_at(dir, b"file", dir, bytes).err()),
            ("link from", files.link_at(dir, bytes, dir, b"new").err()),
            ("link to", files.link_at(dir, b"file", dir, bytes).err()),
            ("symlink", files.symlink_at(b"file", dir, bytes).err()),
            (
                "readlink",
                files.read_link_at(dir, bytes, &mut buffer).err(),
            ),
        ] {
            assert_eq!(errno, denied, "{what} {path}");
        }
    }
    assert_eq!(tree.listing(), before);
}

#[test]
fn links_themselves_can_be_handled() {
    let tree = Tree::new();
    let (files, dir) = tree.files();
    for &link in LINKS_OUT {
        let bytes = link.as_bytes();
        let stat = files.stat_at(dir, bytes, false).unwrap();
        assert_eq!(stat.file_type, FileType::SymbolicLink, "{link}");
        let mut buffer = [0; 8];
        let read = files.read_link_at(dir, bytes, &mut buffer).unwrap();
        assert!(read > 3, "{link}");
        assert_eq!(files.read_link_at(dir, bytes, &mut []), Ok(0));
        // A slash behind it would follow it.
        for errno in [
            files.unlink_at(dir, &[bytes, b"/"].concat()).err(),
            files
                .link_at(dir, &[bytes, b"/"].concat(), dir, b"new")
                .err(),
            files
                .read_link_at(dir, &[bytes, b"//"].concat(), &mut buffer)
                .err(),
            files
                .rename_at(dir, &[bytes, b"/"].concat(), dir, b"new")
                .err(),
        ] {
            assert_eq!(errno, Some(Errno::NOTDIR), "{link}");
        }
        files.rename_at(dir, bytes, dir, b"moved").unwrap();
        files.unlink_at(dir, b"moved").unwrap();
    }
    assert!(tree.folder.path().join("outside/secret").exists());
    let handle = files.open_at(dir, b"in", &READ).unwrap();
    let mut bytes = [0; 16];
    assert_eq!(files.read(handle, &mut bytes, None), Ok(8));
    files.close(handle).unwrap();
    let no_follow = OpenHow {
        follow: false,
        ..READ
    };
    assert_eq!(
        files.open_at(dir, b"in", &no_follow).err(),
        Some(Errno::LOOP)
    );
    assert_eq!(files.open_at(dir, b"loop", &READ).err(), Some(Errno::LOOP));
}

#[test]
fn names_that_cannot_be() {
    let tree = Tree::new();
    let (files, dir) = tree.files();
    let long = std::vec![b'a'; 65536];
    let longer_than_a_name = std::vec![b'a'; 300];
    let deep = b"sub/".repeat(1200);
    for (path, errno) in [
        (&long[..], Errno::NAMETOOLONG),
        (&longer_than_a_name, Errno::NAMETOOLONG),
        (&deep, Errno::NAMETOOLONG),
        (b"fi\0le", Errno::INVAL),
        (b"\0", Errno::INVAL),
        (b"", Errno::NOENT),
        (b"file/", Errno::NOTDIR),
        (b"file/x", Errno::NOTDIR),
        (b"none/x", Errno::NOENT),
    ] {
        assert_eq!(files.open_at(dir, path, &READ).err(), Some(errno));
        assert_eq!(files.stat_at(dir, path, false).err(), Some(errno));
        let other = files.rename_at(dir, b"file", dir, path).err();
        // A new name with a slash is for directories.
        assert_eq!(other, Some(errno));
        let new = files.symlink_at(b"x", dir, path).err();
        assert_eq!(new, Some(errno));
    }
    for path in [&b"."[..], b"sub/..", b"./", b"sub/."] {
        assert!(files.create_dir_at(dir, path).is_err());
        assert!(files.remove_dir_at(dir, path).is_err());
        assert!(files.unlink_at(dir, path).is_err());
        assert!(files.rename_at(dir, path, dir, b"new").is_err());
        assert!(files.stat_at(dir, path, true).is_ok());
    }
}

#[test]
fn directories_are_listed_piece_by_piece() {
    let tree = Tree::new();
    let (files, dir) = tree.files();
    for number in 0..300 {
        let name = std::format!("sub/entry-{number:03}-{}", "x".repeat(100));
        files
            .close(files.open_at(dir, name.as_bytes(), &MAKE).unwrap())
            .unwrap();
    }
    let sub = files.open_at(dir, b"sub", &READ).unwrap();
    let mut names = Vec::new();
    let mut cookie = 0;
    loop {
        let mut count = 0;
        files
            .read_dir(sub, cookie, &mut |entry| {
                names.push(String::from_utf8(entry.name.into()).unwrap());
                cookie = entry.next;
                count += 1;
                count < 7
            })
            .unwrap();
        if count < 7 {
            break;
        }
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 300 + 6, "{names:?}");
    assert_eq!(
        files.read_dir(dir, u64::MAX, &mut |_| true),
        Err(Errno::INVAL)
    );
    files.close(sub).unwrap();
}

#[test]
fn files_are_changed() {
    let tree = Tree::new();
    let (files, dir) = tree.files();
    let how = OpenHow {
        exclusive: true,
        ..MAKE
    };
    assert_eq!(files.open_at(dir, b"file", &how).err(), Some(Errno::EXIST));
    let new = files.open_at(dir, b"sub/deep/new", &how).unwrap();
    assert_eq!(files.write(new, b"0123456789", None), Ok(10));
    assert_eq!(files.write(new, b"AB", Some(4)), Ok(2));
    assert_eq!(files.seek(new, -3, Whence::End), Ok(7));
    let mut bytes = [0; 10];
    assert_eq!(files.read(new, &mut bytes, None), Ok(3));
    assert_eq!(files.read(new, &mut bytes, Some(0)), Ok(10));
    assert_eq!(&bytes, b"0123AB6789");
    assert_eq!(files.seek(new, -1, Whence::Set), Err(Errno::INVAL));
    files.set_size(new, 4).unwrap();
    files.allocate(new, 0, 4096).unwrap();
    assert_eq!(files.stat(new).unwrap().size, 4096);
    for out_of_range in [u64::MAX, 1 << 63] {
        assert_eq!(files.set_size(new, out_of_range), Err(Errno::INVAL));
        assert_eq!(
            files.write(new, b"x", Some(out_of_range)),
            Err(Errno::INVAL)
        );
        assert_eq!(files.allocate(new, out_of_range, 1), Err(Errno::INVAL));
    }
    files.sync(new, false).unwrap();
    files.sync(new, true).unwrap();
    let second = 1_000_000_000;
    files
        .set_times(new, NewTime::At(5 * second + 7), NewTime::At(11 * second))
        .unwrap();
    files
        .set_times_at(
            dir,
            b"sub/deep/new",
            true,
            NewTime::Keep,
            NewTime::At(second),
        )
        .unwrap();
    let stat = files.stat(new).unwrap();
    assert_eq!((stat.accessed, stat.modified), (5 * second + 7, second));
    files
        .set_flags(new, StatusFlags(StatusFlags::APPEND))
        .unwrap();
    files.seek(new, 0, Whence::Set).unwrap();
    files.write(new, b"end", None).unwrap();
    assert_eq!(files.stat(new).unwrap().size, 4099);
    files.close(new).unwrap();

    assert_eq!(files.remove_dir_at(dir, b"sub"), Err(Errno::NOTEMPTY));
    assert_eq!(files.unlink_at(dir, b"sub"), Err(Errno::ISDIR));
    assert_eq!(files.remove_dir_at(dir, b"file"), Err(Errno::NOTDIR));
    files.create_dir_at(dir, b"made/").unwrap();
    assert_eq!(files.create_dir_at(dir, b"made"), Err(Errno::EXIST));
    files.rename_at(dir, b"made/", dir, b"renamed/").unwrap();
    assert_eq!(
        files.rename_at(dir, b"file", dir, b"x/"),
        Err(Errno::NOTDIR)
    );
    files.link_at(dir, b"file", dir, b"renamed/hard").unwrap();
    assert_eq!(files.stat_at(dir, b"file", true).unwrap().links, 2);
    files.symlink_at(b"../file", dir, b"renamed/soft").unwrap();
    assert_eq!(files.stat_at(dir, b"renamed/soft", true).unwrap().size, 8);
    for (path, errno) in [
        (&b"none/"[..], Errno::NOENT),
        (b"file//", Errno::NOTDIR),
        (b"renamed/soft/", Errno::NOTDIR),
        (b"renamed/", Errno::EXIST),
    ] {
        assert_eq!(files.symlink_at(b"x", dir, path), Err(errno), "{path:?}");
        assert_eq!(files.link_at(dir, b"file", dir, path), Err(errno));
    }
    files.unlink_at(dir, b"renamed/soft").unwrap();
    files.unlink_at(dir, b"renamed/hard").unwrap();
    files.remove_dir_at(dir, b"renamed").unwrap();
}

#[test]
fn a_tree_that_changes_leads_nowhere_else() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let tree = Tree::new();
    let (files, dir) = tree.files();
    let inside = tree.folder.path().join("inside");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // `sub` is a directory at one moment, a link to the outside at the next.
        scope.spawn(|| {
            let (sub, aside, link) = (inside.join("sub"), inside.join("aside"), inside.join("l"));
            while !done.load(Ordering::Relaxed) {
                fs::rename(&sub, &aside).unwrap();
                symlink("../outside", &link).unwrap();
                fs::rename(&link, &sub).unwrap();
                fs::remove_file(&sub).unwrap();
                fs::rename(&aside, &sub).unwrap();
            }
        });
        for _ in 0..20_000 {
            assert!(files.open_at(dir, b"sub/secret", &READ).is_err());
            assert!(files.rename_at(dir, b"sub/secret", dir, b"stolen").is_err());
            if let Ok(handle) = files.open_at(dir, b"sub/file", &READ) {
                files.close(handle).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    // The other thread has left everything as it was.
    assert!(files.open_at(dir, b"sub/file", &READ).is_ok());
    assert!(tree.folder.path().join("outside/secret").exists());
}
