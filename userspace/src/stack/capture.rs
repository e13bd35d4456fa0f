//! What the kernel captured of a crashing thread: plain data, in which absent is absent.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::wire;
use crate::lookup::Root;

/// Everything captured of one crash. The default has nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The registers of user mode at the crash.
    pub registers: Option<Registers>,
    /// The kernel's walk by frame pointers, the crashing instruction first.
    pub frames: Vec<CapturedFrame>,
    /// The eight bytes at the stack pointer, where they could be read.
    pub top_of_stack: Option<u64>,
    /// A copy of the stack, upwards.
    #[serde(with = "wire::bytes")]
    pub stack: Vec<u8>,
    /// The address of `stack`'s first byte; absent: the stack pointer. A stack that has overflowed is readable
    /// from the page above only.
    pub stack_address: Option<u64>,
    /// The load map, in the order of the process's own list.
    pub modules: Vec<LoadedModule>,
    /// Whether there may be more modules than those.
    pub modules_cut: bool,
    /// The file that was executed, where known.
    #[serde(with = "wire::path")]
    pub executable: Option<PathBuf>,
    /// The same as the kernel had it mapped, from the root of the mount namespace: for where `executable` leads to no
    /// program, as the name of a script, or is not known.
    #[serde(with = "wire::path")]
    pub mapped: Option<PathBuf>,
    /// `AT_ENTRY`: where the executable's first instruction was. Gives the executable's place where there is
    /// no load map, as in static programs.
    pub entry: Option<u64>,
    /// `AT_SYSINFO_EHDR`: where the vDSO was.
    pub vdso: Option<u64>,
    /// Copies of its files. They are for who opens files, not for who reads them.
    #[serde(skip)]
    pub kept: Vec<KeptFile>,
    /// Where the process's root directory is. Names in the load map are resolved inside it.
    pub root: Root,
    /// Who could have made its files: a user, or a container. Crashes of one owner wait for each other.
    #[serde(skip)]
    pub owner: u64,
    /// When the process started: a file changed after that may not be the one that was loaded.
    pub started_at: Option<SystemTime>,
}

/// One module of the load map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedModule {
    /// What the loader added to the file's own addresses (`l_addr`).
    pub bias: u64,
    /// Its name in the load map; absent or empty: the executable.
    #[serde(with = "wire::path")]
    pub path: Option<PathBuf>,
    /// The build-id seen in memory, where that could be read.
    pub build_id: Option<BuildId>,
}

/// A copy of a file that the process had mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// Its name in the process's root, without links.
    pub path: PathBuf,
    /// Where its first byte was mapped, if it was; absent, too, where that was another process of the same root.
    pub start: Option<u64>,
    /// Whether it was the program.
    pub is_program: bool,
    /// Where the copy is.
    pub copy: PathBuf,
    /// When the original was changed last, in seconds and nanoseconds since 1970.
    pub changed: (i64, i64),
}

/// One frame of the kernel's walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CapturedFrame {
    /// Inside a mapped file that has a build-id.
    File {
        /// The build-id of the file.
        build_id: BuildId,
        /// The offset in the file.
        offset: u64,
    },
    /// An address outside every file.
    Address(u64),
}

/// The digest a linker gave a file: of 1 to 20 bytes, and not all zero.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BuildId(Box<[u8]>);

impl BuildId {
    /// The longest there is: a SHA-1, and what the kernel has room for.
    pub const LENGTH_MAX: usize = 20;

    /// `None` for what can be no build-id. The kernel pads short ones with zeroes: they are cut.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > Self::LENGTH_MAX {
            return None;
        }
        let length = bytes.iter().rposition(|byte| *byte != 0)? + 1;
        Some(Self(bytes[..length].into()))
    }

    /// The bytes of the build-id, without trailing zeroes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for BuildId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for BuildId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = HEXLOWER.decode(String::deserialize(from)?.as_bytes()).map_err(D::Error::custom)?;
        Self::new(&bytes).ok_or_else(|| D::Error::custom("no build-id"))
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildId({self})")
    }
}

/// A general register of x86-64, by its number in DWARF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Register {
    Rax = 0,
    Rdx = 1,
    Rcx = 2,
    Rbx = 3,
    Rsi = 4,
    Rdi = 5,
    Rbp = 6,
    Rsp = 7,
    R8 = 8,
    R9 = 9,
    R10 = 10,
    R11 = 11,
    R12 = 12,
    R13 = 13,
    R14 = 14,
    R15 = 15,
}

/// The registers of user mode: the instruction and stack pointers always, of the others what is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registers {
    /// The instruction pointer (rip or pc).
    pub ip: u64,
    /// The general registers, by their number in DWARF.
    general: [Option<u64>; Self::GENERAL],
}

impl Registers {
    pub(super) const GENERAL: usize = 16;

    /// The least that is of use.
    pub fn new(ip: u64, sp: u64) -> Self {
        Self { ip, general: [None; Self::GENERAL] }.with(Register::Rsp, sp)
    }

    /// With one more known.
    #[must_use]
    pub fn with(mut self, register: Register, value: u64) -> Self {
        self.set(register, value);
        self
    }

    /// The stack pointer (rsp or sp).
    pub fn sp(&self) -> u64 {
        self.get(Register::Rsp).expect("made with a stack pointer, and never without")
    }

    pub(super) fn get(&self, register: Register) -> Option<u64> {
        self.numbered(usize::from(number(register)))
    }

    pub(super) fn set(&mut self, register: Register, value: u64) {
        self.general[usize::from(number(register))] = Some(value);
    }

    /// By the number in DWARF; `None` for what is no general register, or isn't known.
    pub(super) fn numbered(&self, number: usize) -> Option<u64> {
        self.general.get(number).copied().flatten()
    }

    /// The stack pointer can't be forgotten.
    pub(super) fn set_numbered(&mut self, number: usize, value: Option<u64>) {
        if value.is_none() && number == usize::from(self::number(Register::Rsp)) {
            return;
        }
        if let Some(register) = self.general.get_mut(number) {
            *register = value;
        }
    }
}

/// The number in DWARF.
fn number(register: Register) -> u8 {
    #[expect(clippy::as_conversions, reason = "a fieldless enum's discriminant, at most 15")]
    let number = register as u8;
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_ids_are_what_linkers_make() {
        for (bytes, want) in [
            (&[0xab, 0xcd][..], Some("abcd")),
            (&[0x0a, 0, 0x0b, 0, 0], Some("0a000b")),
            (&[0; 20], None),
            (&[], None),
            (&[1; 21], None),
        ] {
            assert_eq!(BuildId::new(bytes).map(|id| id.to_string()).as_deref(), want, "{bytes:?}");
        }
    }

    #[test]
    fn registers_keep_a_stack_pointer() {
        let mut registers = Registers::new(1, 2).with(Register::R15, 3);
        registers.set_numbered(7, None);
        registers.set_numbered(15, None);
        registers.set_numbered(16, Some(9));
        assert_eq!((registers.sp(), registers.numbered(15), registers.numbered(16)), (2, None, None));
    }

    #[test]
    fn a_capture_comes_out_as_it_went_in() {
        use std::os::unix::ffi::OsStringExt as _;

        let odd = PathBuf::from(std::ffi::OsString::from_vec(vec![b'/', 0xff, b'\n', b'"']));
        let build_id = BuildId::new(&[0xab, 0x01]);
        let capture = Capture {
            registers: Some(Registers::new(u64::MAX, 0x7fff_0000_0000)),
            frames: vec![
                CapturedFrame::File { build_id: build_id.clone().unwrap(), offset: 7 },
                CapturedFrame::Address(u64::MAX),
            ],
            stack: vec![0, 0xff],
            modules: vec![LoadedModule { bias: 1, path: Some(odd.clone()), build_id }],
            executable: Some(odd),
            started_at: Some(SystemTime::now()),
            ..Capture::default()
        };
        let text = serde_json::to_string(&capture).unwrap();
        assert_eq!(serde_json::from_str::<Capture>(&text).unwrap(), capture, "{text}");
        assert!(serde_json::from_str::<BuildId>("\"zz\"").is_err());
        assert!(serde_json::from_str::<BuildId>(&format!("\"{}\"", "11".repeat(21))).is_err());
    }
}
