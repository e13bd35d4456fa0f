//! What the daemon and its children say to each other. Whatever a child says is checked: it may be an attacker's by now.

use serde::{Deserialize, Serialize};

use crate::lookup::{Root, Stamp};
use crate::sandbox::{Limits, Step, Work};
use crate::stack::{BuildId, Capture, Stack};

/// To a child that has just started.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum Begin {
    /// Give up what this work does not need, and do it.
    Work { work: Work, limits: Limits },
    /// Give up what the daemon does, say what is in force, and end.
    Trial,
}

/// Its first word.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ready {
    pub(super) steps: Vec<Step>,
}

/// To a parser, with the socket that the files will come by.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StackJob {
    pub(super) capture: Capture,
    pub(super) left_ms: u64,
    /// What the files may take in memory.
    pub(super) bytes: u64,
    /// Whether to leave debug information alone.
    pub(super) frugal: bool,
}

/// From a parser.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StackAnswer {
    pub(super) stack: Stack,
    pub(super) evicted: u64,
    /// Whether it has used up what it may.
    pub(super) last: bool,
}

/// To an opener.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum OpenJob {
    /// Open these, and hand them to the parser by the socket that comes along; of a name that can't be opened the copy
    /// that was kept.
    Files { root: Root, names: Vec<Name>, kept: Vec<Kept>, left_ms: u64 },
    /// Look at the program of the process in this directory.
    Look { directory: Name, program: Option<Name>, owner: bool },
    /// Read so much of the file that comes along.
    Read { max: u64 },
    /// Read so much of the first of these that is there and root's alone.
    First { root: Root, names: Vec<Name>, max: u64 },
    /// Which files the process in this directory has mapped, if its root is not the host's.
    Mapped { directory: Name, host: Name },
    /// Read one of those: what it holds, in 64 digits. Copy it into the file that comes along, if one does.
    Copy { directory: Name, host: Name, name: Name, stamp: Stamp, max: u64 },
}

/// From an opener to the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum OpenAnswer {
    /// No more files are wanted, or the time is over.
    Opened,
    Looked {
        has_root: bool,
        in_place: Option<bool>,
        owner: Option<u32>,
        gives_rights: bool,
    },
    /// Which file it is that follows, where one is there.
    Found(Option<usize>),
    /// A part of what was read; an empty one is the end.
    Part(Name),
    /// The files that are mapped.
    Mapped(Vec<Mapped>),
    /// What the file that was read holds, in 64 digits; else why it was not read.
    Copied(Result<String, String>),
}

/// From an opener to a parser.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum Delivery {
    /// Whether the root can be reached; else why not.
    Root(Result<(), String>),
    /// The file of this number, which comes along; else why not.
    File(usize, Result<(), String>),
    /// The file of this number as it was kept, which comes along, and when the original was changed last.
    Kept(usize, (i64, i64)),
    /// That was the last of those asked for at first.
    All,
    /// The answer to an [`Ask`]: with a file, or without.
    Debug,
}

/// From a parser to an opener: the distribution's debug information of this file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask(pub(super) BuildId);

/// A copy of the file of this number.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) number: usize,
    /// Where it is, in our own root.
    pub(super) copy: Name,
    pub(super) changed: (i64, i64),
}

/// A file that a process has mapped.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapped {
    pub(super) name: Name,
    pub(super) start: Option<u64>,
    pub(super) is_program: bool,
    pub(super) stamp: Stamp,
}

/// Bytes that need not be text, in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Name(pub(super) Vec<u8>);

impl From<Name> for String {
    fn from(name: Name) -> Self {
        data_encoding::HEXLOWER.encode(&name.0)
    }
}

impl TryFrom<String> for Name {
    type Error = data_encoding::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).map(Self)
    }
}

impl From<&std::path::Path> for Name {
    fn from(path: &std::path::Path) -> Self {
        use std::os::unix::ffi::OsStrExt as _;
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl From<Name> for std::path::PathBuf {
    fn from(name: Name) -> Self {
        use std::os::unix::ffi::OsStringExt as _;
        std::ffi::OsString::from_vec(name.0).into()
    }
}
