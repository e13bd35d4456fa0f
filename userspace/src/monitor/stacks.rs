//! What a crash's stack can be made from, of what the kernel captured.

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::host::wall_time;
use crate::model::ProcessInfo;
use crate::observation::{FatalSignal, StackCapture, WalkedFrame};
use crate::stack::{BuildId, Capture, CapturedFrame, KeptFile, LoadedModule, Register, Registers, Root};

/// A program written and started at once is not a changed one: file systems' clocks tick coarsely.
const CLOCK_SLACK: Duration = Duration::from_millis(10);

/// Registers by their place in `struct pt_regs` of x86-64.
const REGISTERS: [(usize, Register); 15] = [
    (0, Register::R15),
    (1, Register::R14),
    (2, Register::R13),
    (3, Register::R12),
    (4, Register::Rbp),
    (5, Register::Rbx),
    (6, Register::R11),
    (7, Register::R10),
    (8, Register::R9),
    (9, Register::R8),
    (10, Register::Rax),
    (11, Register::Rcx),
    (12, Register::Rdx),
    (13, Register::Rsi),
    (14, Register::Rdi),
];
const IP: usize = 16;
const SP: usize = 19;

/// What the stack can be made from; `None` where nothing was captured.
pub(super) fn capture(
    crash: &FatalSignal,
    process: &ProcessInfo,
    started: Duration,
    root: Root,
    kept: Vec<KeptFile>,
) -> Option<Capture> {
    let captured = crash.capture.as_ref()?;
    let started = wall_time(started + CLOCK_SLACK);
    // A relative path means nothing without the directory it was relative to.
    let executable = process.exe.as_deref().map(PathBuf::from).filter(|path| path.is_absolute());
    let mapped = captured.executable.as_deref().map(|path| PathBuf::from(OsStr::from_bytes(path)));
    Some(Capture {
        registers: captured.registers.as_ref().map(registers),
        frames: captured.frames.iter().filter_map(frame).collect(),
        top_of_stack: top_of_stack(captured),
        stack: captured.stack.to_vec(),
        stack_address: (!captured.stack.is_empty()).then_some(captured.stack_start),
        modules: captured.modules.iter().map(|(bias, path)| module(*bias, path)).collect(),
        modules_cut: captured.modules_cut,
        executable,
        mapped,
        entry: captured.entry,
        vdso: captured.vdso,
        root,
        kept,
        owner: owner(process),
        started_at: Some(started.into()),
    })
}

/// Whoever could have made the files of its stack: in a container nobody is the host's root.
fn owner(process: &ProcessInfo) -> u64 {
    let mut hasher = DefaultHasher::new();
    (process.uid, &process.container_id).hash(&mut hasher);
    hasher.finish()
}

fn registers(captured: &[u64; 21]) -> Registers {
    let start = Registers::new(captured[IP], captured[SP]);
    REGISTERS.iter().fold(start, |all, (index, register)| all.with(*register, captured[*index]))
}

fn frame(frame: &WalkedFrame) -> Option<CapturedFrame> {
    Some(match frame {
        WalkedFrame::InFile(build_id, offset) => {
            CapturedFrame::File { build_id: BuildId::new(build_id)?, offset: *offset }
        }
        WalkedFrame::At(address) => CapturedFrame::Address(*address),
    })
}

fn module(bias: u64, path: &[u8]) -> LoadedModule {
    let path = (!path.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(path)));
    LoadedModule { bias, path, build_id: None }
}

/// The eight bytes at the stack pointer, where the copy begins there.
fn top_of_stack(captured: &StackCapture) -> Option<u64> {
    let sp = captured.registers?[SP];
    let first = captured.stack.first_chunk()?;
    (captured.stack_start == sp).then_some(u64::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_name_is_none_and_the_file_that_is_mapped_is_told_beside_it() {
        for (mapped, executed, want) in [
            (Some("/opt/app"), Some("./app"), None),
            (Some("/usr/bin/python3"), Some("/opt/script"), Some("/opt/script")),
            (None, Some("/opt/app"), Some("/opt/app")),
            (None, None, None),
        ] {
            let capture = StackCapture {
                registers: None,
                frames: Vec::new(),
                stack: Box::default(),
                stack_start: 0,
                modules: Vec::new(),
                modules_cut: false,
                vdso: None,
                entry: None,
                executable: mapped.map(|path: &str| path.as_bytes().into()),
            };
            let crash = FatalSignal { capture: Some(capture), ..FatalSignal::sample(11, None, 7) };
            let process = ProcessInfo {
                pid: 7,
                start_ticks: 1,
                ppid: 1,
                name: "app".into(),
                exe: executed.map(str::to_owned),
                argv: Vec::new(),
                uid: None,
                cgroup: None,
                container_id: None,
                unit: None,
                pod_uid: None,
                container: None,
            };
            let got = super::capture(&crash, &process, Duration::ZERO, Root::Ours, Vec::new()).unwrap();
            let want = (want.map(PathBuf::from), mapped.map(PathBuf::from));
            assert_eq!((got.executable, got.mapped), want, "{executed:?}");
        }
    }
}
