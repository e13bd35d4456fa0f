//! For the fuzzer: an ELF file with its symbols, DWARF and unwinding rules, of a process that crashed in it. The last
//! bytes are its registers and its stack.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};

use super::{BuildId, Capture, Effort, Files, FoundFile, LoadedModule, Registers, Unwinder};

/// Bytes at the end that are the stack.
const STACK: usize = 64;
const PROGRAM: &str = "/fuzz/program";

/// One file, whatever is asked for.
struct One(File);

impl Files for One {
    fn root(&self) -> Result<(), String> {
        Ok(())
    }

    fn open(&self, _: &Path) -> Result<FoundFile, String> {
        let file = self.0.try_clone().map_err(|error| error.to_string())?;
        Ok(FoundFile { file, kept: None })
    }

    fn debug(&self, _: &BuildId) -> Option<File> {
        self.0.try_clone().ok()
    }
}

/// See [`crate::fuzzing`].
pub fn fuzz(bytes: &[u8]) {
    let (file, stack) = bytes.split_at(bytes.len().saturating_sub(STACK));
    let word = |at: usize| {
        let bytes = stack.get(at * 8..at * 8 + 8).and_then(|it| it.try_into().ok());
        u64::from_le_bytes(bytes.unwrap_or_default())
    };
    let memory = memfd_create("fuzz", MemfdFlags::CLOEXEC).expect("there is memory for a file");
    let mut copy = File::from(memory);
    copy.write_all(file).expect("there is memory for a file");
    let files = One(copy);
    let (ip, bias) = (word(0), word(1) & !0xfff);
    let capture = Capture {
        registers: Some(Registers::new(ip, 0x7fff_0000)),
        stack: stack.to_vec(),
        stack_address: Some(0x7fff_0000),
        modules: vec![LoadedModule { bias, path: Some(PathBuf::from(PROGRAM)), build_id: None }],
        executable: Some(PathBuf::from(PROGRAM)),
        entry: Some(word(2)),
        ..Capture::default()
    };
    let mut unwinder = Unwinder::new();
    for frugal in [true, false] {
        let deadline = Instant::now() + Duration::from_millis(500);
        let stack = unwinder.stack(&capture, &files, &Effort { deadline, bytes: 16 << 20, frugal });
        assert!(deadline + Duration::from_secs(5) > Instant::now(), "it keeps its deadline");
        assert!(stack.frames.len() <= 1024, "{} frames", stack.frames.len());
    }
}
