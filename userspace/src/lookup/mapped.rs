//! The files that a running process has mapped to be executed, as its own root shows them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Base, Root, base, open};

/// More of a list of mappings is not read.
const MAPS_BYTES_MAX: u64 = 1 << 20;
/// More files than any honest program has in its stacks.
const FILES_MAX: usize = 128;
/// Longer names are left out.
const PATH_BYTES_MAX: usize = 512;
/// How an ELF file begins (elf(5)).
const MAGIC: &[u8; 4] = b"\x7fELF";
/// How much is copied at once.
const CHUNK_BYTES: usize = 256 << 10;

/// What tells a file from its successors: the same stamp, the same content. No process can set the time of the last
/// change back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    device: u64,
    inode: u64,
    /// How long the file is.
    pub bytes: u64,
    /// When its content, name or mode was last changed: seconds and nanoseconds since 1970.
    pub changed: (i64, i64),
}

impl Stamp {
    fn of(file: &File) -> Result<Self> {
        let it = file.metadata()?;
        Ok(Self {
            device: it.dev(),
            inode: it.ino(),
            bytes: it.len(),
            changed: (it.ctime(), it.ctime_nsec()),
        })
    }
}

/// One such file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// Its name in the process's root.
    pub path: PathBuf,
    /// Where its first byte is mapped, if it is.
    pub start: Option<u64>,
    /// Whether it is the program.
    pub is_program: bool,
    /// Which file it is.
    pub stamp: Stamp,
}

/// A line of `maps` (proc_pid_maps(5)), as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping {
    path: PathBuf,
    start: Option<u64>,
}

/// The files of the process in `directory`, `/proc/PID`, where its root is another than the host's in `host`.
pub fn mapped(directory: &Path, host: &Path) -> Result<Vec<MappedFile>> {
    let base = other_root(directory, host)?;
    let mut text = Vec::new();
    File::open(directory.join("maps"))?.take(MAPS_BYTES_MAX).read_to_end(&mut text)?;
    // Names are as the kernel sees them from the root of the mount namespace.
    let root = fs::read_link(directory.join("root"))?;
    let program = fs::read_link(directory.join("exe")).ok().and_then(|it| inside(&root, &it));
    let mut files = Vec::new();
    for Mapping { path, start } in mappings(&text) {
        let Some(path) = inside(&root, &path) else { continue };
        let Ok(stamp) = open(&base, &path).and_then(|file| Stamp::of(&file)) else { continue };
        let is_program = program.as_ref() == Some(&path);
        files.push(MappedFile { path, start, is_program, stamp });
    }
    Ok(files)
}

/// The SHA-256 of one of them, in hex, if it still is that one, and an ELF file of at most so many bytes; while its
/// process lives. Copied as well, where there is a file to copy to.
pub fn read_mapped(
    directory: &Path,
    host: &Path,
    (path, stamp): (&Path, Stamp),
    to: Option<&File>,
    bytes_max: u64,
) -> Result<String> {
    let from = open(&other_root(directory, host)?, path)?;
    ensure!(Stamp::of(&from)? == stamp, "it is another file by now");
    ensure!(stamp.bytes <= bytes_max, "it is too large");
    let mut bytes = vec![0; CHUNK_BYTES];
    from.read_exact_at(&mut bytes[..MAGIC.len()], 0)?;
    ensure!(bytes.starts_with(MAGIC), "it is no ELF file");
    let (mut at, mut hasher) = (0, Sha256::new());
    while at < stamp.bytes {
        // An open file holds its mount: whoever takes that away after the process's end need not wait for a copy.
        ensure!(fs::read_link(directory.join("exe")).is_ok(), "the process has ended");
        let length = CHUNK_BYTES.min(usize::try_from(stamp.bytes - at)?);
        from.read_exact_at(&mut bytes[..length], at)?;
        hasher.update(&bytes[..length]);
        if let Some(mut to) = to {
            to.write_all(&bytes[..length])?;
        }
        at += length as u64;
    }
    ensure!(Stamp::of(&from)? == stamp, "it was changed meanwhile");
    Ok(data_encoding::HEXLOWER.encode(&hasher.finalize()))
}

fn other_root(directory: &Path, host: &Path) -> Result<Base> {
    base(&Root::Another { ways: vec![directory.join("root")], host: host.to_owned() })
}

/// The files that are mapped to be executed, each once, with the place of its first byte.
fn mappings(text: &[u8]) -> Vec<Mapping> {
    let mut starts: HashMap<PathBuf, u64> = HashMap::new();
    let mut found: Vec<PathBuf> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Some((start, executable, offset, path)) = mapping(line) else { continue };
        if offset == 0 {
            starts.entry(path.clone()).or_insert(start);
        }
        if executable && found.len() < FILES_MAX && !found.contains(&path) {
            found.push(path);
        }
    }
    found.into_iter().map(|path| Mapping { start: starts.get(&path).copied(), path }).collect()
}

/// `55d0c0de1000-55d0c0e00000 r-xp 00001000 08:01 1234   /bin/x`: start, whether it can be executed, offset, name.
fn mapping(line: &[u8]) -> Option<(u64, bool, u64, PathBuf)> {
    let at = line.iter().position(|byte| *byte == b'/')?;
    let (head, path) = line.split_at(at);
    let head = std::str::from_utf8(head).ok()?;
    let mut fields = head.split_ascii_whitespace();
    let (range, mode, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let start = u64::from_str_radix(range.split_once('-')?.0, 16).ok()?;
    let offset = u64::from_str_radix(offset, 16).ok()?;
    // Device and inode; what has more before its slash is no file.
    fields.next().zip(fields.next()).filter(|_| fields.next().is_none())?;
    // What was taken away while it is mapped; and a name that ends so leads to no file of that name either.
    if path.ends_with(b" (deleted)") || path.len() > PATH_BYTES_MAX {
        return None;
    }
    Some((start, mode.as_bytes().get(2) == Some(&b'x'), offset, PathBuf::from(unescaped(path))))
}

/// The kernel writes a line feed as `\012` there, and nothing else so.
fn unescaped(path: &[u8]) -> OsString {
    let text = path.to_vec();
    match text.windows(4).any(|it| it == b"\\012") {
        false => OsString::from_vec(text),
        true => OsString::from_vec(String::from_utf8_lossy(&text).replace("\\012", "\n").into_bytes()),
    }
}

/// The name as the process has it, whose root the kernel knows as `root`.
fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    if root.as_os_str().as_bytes() == b"/" {
        return Some(path.to_owned());
    }
    Some(Path::new("/").join(path.strip_prefix(root).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_files_are_listed_once_with_the_place_of_their_beginning() {
        let text = b"5500000000-5500001000 r--p 00000000 08:01 11 /bin/a\n\
            5500001000-5500002000 r-xp 00001000 08:01 11                         /bin/a\n\
            5500003000-5500004000 r-xp 00001000 08:01 12 /lib/b (deleted)\n\
            7f00000000-7f00001000 r-xp 00000000 00:00 0 \n\
            7f00002000-7f00003000 r-xp 00002000 08:01 13 /lib/with space\\012x\n\
            7f00004000-7f00005000 rw-p 00000000 08:01 14 /data\n\
            7ffc000000-7ffc001000 r-xp 00000000 00:00 0 [vdso]\n\
            7ffd000000-7ffd001000 r-xp 00000000 00:00 0 anon_inode:/x\n\
            nonsense /x\n\
            zz-1 r-xp 0 08:01 9 /y\n";
        let want = [
            Mapping { path: "/bin/a".into(), start: Some(0x55_0000_0000) },
            Mapping { path: "/lib/with space\nx".into(), start: None },
        ];
        assert_eq!(mappings(text), want);
        let many: String = (0..FILES_MAX * 2).map(|it| format!("10-20 r-xp 0 08:01 9 /{it}\n")).collect();
        assert_eq!(mappings(many.as_bytes()).len(), FILES_MAX);
    }

    #[test]
    fn names_are_as_the_process_has_them() {
        for (root, path, want) in [
            ("/", "/bin/a", Some("/bin/a")),
            ("/srv/jail", "/srv/jail/bin/a", Some("/bin/a")),
            ("/srv/jail", "/bin/a", None),
            ("/srv/jail", "/srv/jailed/a", None),
        ] {
            assert_eq!(inside(root.as_ref(), path.as_ref()), want.map(PathBuf::from), "{root} {path}");
        }
    }

    #[test]
    fn who_has_the_hosts_root_is_left_alone() {
        let error = mapped(Path::new("/proc/self"), Path::new("/")).unwrap_err().to_string();
        assert!(error.contains("is gone"), "{error}");
        // To a host with another root we are elsewhere.
        let files = mapped(Path::new("/proc/self"), Path::new("/usr")).unwrap();
        let own = std::env::current_exe().unwrap();
        let program = files.iter().find(|it| it.is_program).unwrap();
        assert_eq!(program.path, own);
        let libc = files.iter().find(|it| it.path.to_string_lossy().contains("libc.so")).unwrap();
        assert!(libc.start.is_some() && libc.stamp.bytes > 4096, "{libc:?}");
        let copy = tempfile::tempfile().unwrap();
        let read = |stamp, to, max| {
            read_mapped(Path::new("/proc/self"), Path::new("/usr"), (&libc.path, stamp), to, max)
        };
        assert!(read(libc.stamp, Some(&copy), libc.stamp.bytes - 1).is_err(), "too large");
        assert!(read(Stamp { inode: 0, ..libc.stamp }, Some(&copy), u64::MAX).is_err(), "another");
        let digest = read(libc.stamp, None, u64::MAX).unwrap();
        assert_eq!((digest.len(), copy.metadata().unwrap().len()), (64, 0));
        assert_eq!(read(libc.stamp, Some(&copy), u64::MAX).unwrap(), digest);
        assert_eq!(copy.metadata().unwrap().len(), libc.stamp.bytes);
    }
}
