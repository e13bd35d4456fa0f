//! The files of one thread, `/proc/PID/task/TID/…`: what they say, as far as it can be had without waiting for it.

use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::time::Duration;

use super::cmdline::Cmdlines as PatientReader;
use crate::observation::{IoCounts, SystemCall, ThreadLook};
use crate::sandbox::as_admin;

/// Functions kept of a kernel stack.
const STACK_FRAMES: usize = 12;
/// Longest name of a kernel function kept.
const SYMBOL_MAX: usize = 96;

/// Reads the files of one process that it could hold up, until it has held up one: each costs a reader and time.
pub(super) struct Careful<'a> {
    pub(super) reader: &'a mut PatientReader,
    pub(super) held_up: bool,
}

impl Careful<'_> {
    fn read(&mut self, path: &Path) -> Option<String> {
        self.read_open(File::open(path).ok()?)
    }

    fn read_open(&mut self, file: File) -> Option<String> {
        let file = Some(file).filter(|_| !self.held_up)?;
        let bytes = self.reader.read(file);
        self.held_up = bytes.is_none();
        // What must not be read comes as nothing, and so does what is gone.
        bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What `stat` says; `None` where the thread is gone.
pub(super) fn stat(task: &Path) -> Option<ThreadLook> {
    parse_stat(&fs::read(task.join("stat")).ok()?)
}

/// Adds what the other files say. `process` is `/proc/PID`.
pub(super) fn detail(process: &Path, thread: &mut ThreadLook, reader: &mut Careful<'_>) {
    let task = process.join("task").join(thread.tid.to_string());
    // None of these takes a lock that the thread could hold for long (kernel fs/proc/base.c and array.c, 6.18).
    let status = fs::read_to_string(task.join("status")).unwrap_or_default();
    thread.voluntary_switches = field(&status, "voluntary_ctxt_switches:");
    thread.involuntary_switches = field(&status, "nonvoluntary_ctxt_switches:");
    // `io`, `syscall` and `stack` wait for exec_update_lock, which an exec that hangs may hold (there, `lock_trace`).
    thread.io = io(&task, reader);
    // One in state S is here only because of what it waits in.
    if !matches!(thread.state, 'D' | 'S') {
        thread.queued = fs::read_to_string(task.join("schedstat")).ok().and_then(|it| queued(&it));
        return;
    }
    thread.wchan = fs::read_to_string(task.join("wchan")).ok().and_then(|it| symbol(&it));
    thread.child_is_ready = thread.wchan.as_deref().is_some_and(is_vfork) && child_is_ready(process, &task);
    thread.syscall = reader.read(&task.join("syscall")).and_then(|it| SystemCall::parse(&it));
    let stack = as_admin(|| File::open(task.join("stack"))).ok();
    let stack = stack.and_then(|it| reader.read_open(it)).unwrap_or_default();
    thread.stack = stack.lines().filter_map(frame).take(STACK_FRAMES).collect();
    thread.file = thread.syscall.and_then(|call| call.descriptor()).and_then(|fd| {
        let target = fs::read_link(process.join("fd").join(fd.to_string())).ok()?;
        Some(target.into_os_string().into_vec().into_boxed_slice())
    });
}

/// Whether who sleeps in this function waits for the answer of a FUSE file system's program (kernel fs/fuse/dev.c).
pub(super) fn is_fuse_wait(function: &str) -> bool {
    crate::observation::waits_for_fuse(function.trim())
}

/// Where a vfork(2) parent waits (kernel/fork.c): which of them depends on what the compiler inlined.
pub(super) fn is_vfork(function: &str) -> bool {
    const VFORK: [&str; 4] = ["kernel_clone", "wait_for_vfork_done", "_do_fork", "do_fork"];
    function.split('.').next().is_some_and(|function| VFORK.contains(&function))
}

/// Whether the youngest child of this thread, which makes no other while it waits for that one, is ready to run.
fn child_is_ready(process: &Path, task: &Path) -> bool {
    let children = fs::read_to_string(task.join("children")).unwrap_or_default();
    let youngest = children.split_ascii_whitespace().next_back().and_then(|pid| pid.parse::<u32>().ok());
    let directory = youngest.zip(process.parent()).map(|(pid, root)| root.join(pid.to_string()));
    directory.and_then(|it| stat(&it)).is_some_and(|child| child.state == 'R')
}

/// The counters of `io` in `directory`, of a process or a thread.
pub(super) fn io(directory: &Path, reader: &mut Careful<'_>) -> Option<IoCounts> {
    parse_io(&reader.read(&directory.join("io"))?)
}

/// proc_pid_stat(5). The name in field 2 may hold blanks and parentheses: the last one ends it.
fn parse_stat(stat: &[u8]) -> Option<ThreadLook> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Fields are numbered from 1; the first here is the third.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(ThreadLook {
        tid: std::str::from_utf8(&stat[..open]).ok()?.trim().parse().ok()?,
        comm: stat.get(open + 1..close)?.into(),
        state: fields.first()?.chars().next()?,
        faults: number(10)?.saturating_add(number(12)?),
        user_ticks: number(14)?,
        system_ticks: number(15)?,
        nice: fields.get(19 - 3)?.parse().ok()?,
        start_ticks: number(22)?,
        policy: u32::try_from(number(41)?).ok()?,
        ..ThreadLook::default()
    })
}

/// For the fuzzer: all that is parsed here.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzz(bytes: &[u8]) {
    drop(parse_stat(bytes));
    let text = String::from_utf8_lossy(bytes);
    let _ = parse_io(&text);
    let _ = queued(&text);
    for line in text.lines() {
        drop(frame(line));
        let _ = is_vfork(line);
    }
}

fn parse_io(text: &str) -> Option<IoCounts> {
    let sum = |names: &[&str]| {
        names.iter().map(|name| field(text, name)).try_fold(0_u64, |sum, it| Some(sum.saturating_add(it?)))
    };
    Some(IoCounts {
        bytes: sum(&["rchar:", "wchar:", "read_bytes:", "write_bytes:"])?,
        calls: sum(&["syscr:", "syscw:"])?,
    })
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// The second of time on a CPU, time waited for one (both in nanoseconds) and turns (kernel
/// Documentation/scheduler/sched-stats.rst); all zero where the kernel was built without.
pub(super) fn queued(schedstat: &str) -> Option<Duration> {
    let mut numbers = schedstat.split_ascii_whitespace().map(str::parse::<u64>);
    let (on_cpu, waited) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (on_cpu > 0).then(|| Duration::from_nanos(waited))
}

/// The function of `[<0>] folio_wait_bit_common+0x12a/0x390`.
fn frame(line: &str) -> Option<Box<str>> {
    let text = line.trim().strip_prefix('[').and_then(|it| it.split_once("] ")).map_or(line, |(_, it)| it);
    symbol(text.split('+').next()?)
}

/// A kernel function's name; `None` for `0`, which the kernel writes where it does not say.
fn symbol(text: &str) -> Option<Box<str>> {
    let name: String = text.trim().chars().filter(char::is_ascii_graphic).take(SYMBOL_MAX).collect();
    (!name.is_empty() && name != "0").then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_of_a_thread_with_a_hostile_name() {
        let fields: Vec<_> = (4..=52).map(|n| n.to_string()).collect();
        let line = format!("77 (a) R (b)) D {}", fields.join(" "));
        let thread = parse_stat(line.as_bytes()).unwrap();
        assert_eq!((thread.tid, &*thread.comm, thread.state), (77, &b"a) R (b)"[..], 'D'));
        assert_eq!((thread.faults, thread.user_ticks, thread.system_ticks), (10 + 12, 14, 15));
        assert_eq!((thread.nice, thread.start_ticks, thread.policy), (19, 22, 41));
        for broken in ["", "77", "77 (a", "77 (a)", "77 (a) D 1 2 3", "x (a) D 1"] {
            assert_eq!(parse_stat(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn io_counts_need_every_field() {
        let text = "rchar: 1\nwchar: 2\nsyscr: 5\nsyscw: 6\nread_bytes: 10\nwrite_bytes: 20\ncancelled_write_bytes: 9\n";
        assert_eq!(parse_io(text), Some(IoCounts { bytes: 33, calls: 11 }));
        assert_eq!(parse_io("rchar: 1\n"), None);
    }

    #[test]
    fn the_wait_for_a_cpu() {
        for (text, want) in [("1000 39 98\n", Some(39)), ("1000 0 98", Some(0)), ("0 0 0", None), ("", None)]
        {
            assert_eq!(queued(text), want.map(Duration::from_nanos), "{text}");
        }
    }

    #[test]
    fn frames_and_wait_channels() {
        for (line, want) in [
            ("[<0>] folio_wait_bit_common+0x12a/0x390", Some("folio_wait_bit_common")),
            ("[<ffffffffa0b1>] nfs_wait_bit_killable+0x1e/0x90 [nfs]", Some("nfs_wait_bit_killable")),
            ("0", None),
            ("", None),
            ("a\u{202e}b\x1b[2J", Some("ab[2J")),
        ] {
            assert_eq!(frame(line).as_deref(), want, "{line}");
        }
    }
}
