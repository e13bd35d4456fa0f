//! From a ring's bytes to an observation. Pure; what is malformed is `None` and counted by the caller.

use std::time::Duration;

use ai_debugger_ebpf::event::{
    CRASH_SIGNALS, EXIT, FLAG_AGAIN, FLAG_CAPTURED, FLAG_FALLBACK, FLAG_FROM_KERNEL, FLAG_HAS_CPU,
    FLAG_HAS_FAULTS, FLAG_HAS_IO, FLAG_HAS_MEMORY_CGROUP, FLAG_HAS_NS_PID, FLAG_HAS_REGISTERS, FLAG_HAS_RSS,
    FLAG_HAS_SIGINFO, FLAG_HAS_THREADS, FLAG_HAS_TIMERS, FLAG_KTHREAD, FLAG_OOM, FLAG_PARENT_DEATH,
    FLAG_RSS_OF_IMAGE, FLAG_SENDER_EXITING, FLAG_SENDER_IS_INIT, MODULES_MAX, Module, OomEvent,
    ProcessHeader, SignalEvent, StackFrame, UNSET,
};

use super::wire::{RingRecord, parse};
use crate::coverage::EventKind;
use crate::host::Host;
use crate::model::ProcessKey;
use crate::observation::{
    CgroupIds, FatalSignal, KernelExit, KernelProcess, Observation, OomVictim, PeakRss, SignalTask,
    StackCapture, WalkedFrame,
};

/// The observation in one record.
pub(super) fn observation(bytes: &[u8], host: &Host) -> Option<Observation> {
    Some(match parse(bytes)? {
        RingRecord::Crash { header, frames, modules, path, stack } => {
            let capture = (header.signal.flags & FLAG_CAPTURED != 0).then(|| StackCapture {
                registers: (header.signal.flags & FLAG_HAS_REGISTERS != 0).then_some(header.registers),
                frames: frames.iter().filter_map(walked).collect(),
                stack: stack.into(),
                modules: modules.iter().map(module).collect(),
                modules_cut: modules.len() >= MODULES_MAX,
                stack_start: header.stack_start,
                vdso: (header.vdso != 0).then_some(header.vdso),
                entry: (header.entry != 0).then_some(header.entry),
                executable: absolute(path),
            });
            let signal = signal(&header.signal, header.fault_address, host);
            Observation::Signal(Box::new(FatalSignal { capture, ..signal }))
        }
        RingRecord::Signal(event) => Observation::Signal(Box::new(signal(&event, 0, host))),
        RingRecord::Oom(event) => Observation::OomVictim(oom_victim(&event, host)),
        RingRecord::Process { header, argv, path } => {
            if header.kind == EXIT {
                Observation::Exit(exit(&header, process(&header, argv, b"", host), path))
            } else {
                Observation::Exec(process(&header, argv, path, host))
            }
        }
    })
}

/// Whether the record is of a classic tracepoint, which names a pid alone.
pub(super) fn lacks_identity(bytes: &[u8]) -> bool {
    match parse(bytes) {
        Some(RingRecord::Process { header, .. }) => header.flags & FLAG_FALLBACK != 0,
        Some(RingRecord::Oom(event)) => event.trigger_start_ns == 0,
        _ => false,
    }
}

/// The kind of an observation, for counting it.
pub(super) fn kind(observation: &Observation) -> EventKind {
    match observation {
        Observation::Exec(_) => EventKind::Exec,
        Observation::OomVictim(_) => EventKind::OomKill,
        Observation::Signal(signal) if is_captured(signal.signal) => EventKind::Crash,
        Observation::Signal(_) => EventKind::Signal,
        _ => EventKind::Exit,
    }
}

/// When the kernel stamped it.
pub(super) fn at(observation: &Observation) -> Duration {
    match observation {
        Observation::Exec(process) => process.at,
        Observation::Exit(exit) => exit.process.at,
        Observation::OomVictim(victim) => victim.at,
        Observation::Signal(signal) => signal.at,
        _ => Duration::ZERO,
    }
}

fn process(header: &ProcessHeader, argv: &[u8], exe: &[u8], host: &Host) -> KernelProcess {
    let has_memory = header.flags & FLAG_HAS_MEMORY_CGROUP != 0;
    KernelProcess {
        key: key(header.tgid, header.start_ns, host),
        at: Duration::from_nanos(header.at_ns),
        started: Duration::from_nanos(header.start_ns),
        parent: key(header.ppid, header.parent_start_ns, host),
        comm: header.comm.into(),
        parent_comm: header.parent_comm.into(),
        argv: argv.into(),
        argv_cut: header.argv_total > u64::from(header.argv_len),
        exe: (!exe.is_empty()).then(|| exe.into()),
        uid: header.uid,
        gid: header.gid,
        ns_pid: (header.flags & FLAG_HAS_NS_PID != 0).then_some(header.ns_pid),
        cgroup: CgroupIds {
            unified: header.cgroup_id,
            memory: has_memory.then_some(header.memory_cgroup_id),
        },
        kernel_thread: header.flags & FLAG_KTHREAD != 0,
        peak_rss: peak_rss(header),
    }
}

fn exit(header: &ProcessHeader, process: KernelProcess, cgroup: &[u8]) -> KernelExit {
    KernelExit {
        process,
        cgroup: absolute(cgroup).and_then(|path| Some(str::from_utf8(&path).ok()?.into())),
        // What fallback has is a signal or nothing: no status is ever 0 for want of one.
        exit_code: (header.flags & FLAG_FALLBACK == 0 || header.exit_code != 0).then_some(header.exit_code),
        oom_killed: header.flags & FLAG_OOM != 0,
        cpu_ns: (header.flags & FLAG_HAS_CPU != 0).then_some(header.cpu_ns),
        major_faults: (header.flags & FLAG_HAS_FAULTS != 0).then_some(header.major_faults),
        io_bytes: (header.flags & FLAG_HAS_IO != 0).then_some((header.read_bytes, header.written_bytes)),
        threads: (header.flags & FLAG_HAS_THREADS != 0).then_some(header.threads),
    }
}

const fn peak_rss(header: &ProcessHeader) -> Option<PeakRss> {
    match header.flags & (FLAG_HAS_RSS | FLAG_RSS_OF_IMAGE) {
        0 => None,
        FLAG_HAS_RSS => Some(PeakRss::OfLife(header.peak_rss_pages)),
        _ => Some(PeakRss::OfImage(header.peak_rss_pages)),
    }
}

fn oom_victim(event: &OomEvent, host: &Host) -> OomVictim {
    let known = event.victim_start_ns != 0;
    OomVictim {
        pid: event.victim_tgid,
        start_ticks: known.then(|| host.ticks_from_boot_ns(event.victim_start_ns)),
        at: Duration::from_nanos(event.at_ns),
        trigger: key(event.trigger_tgid, event.trigger_start_ns, host),
        trigger_comm: until_nul(&event.trigger_comm),
    }
}

/// Whether such a signal comes with a capture, on the ring for those.
pub(super) const fn is_captured(signal: u8) -> bool {
    signal < 32 && CRASH_SIGNALS >> signal & 1 != 0
}

/// All but the capture; the address counts where the code says that there is one.
fn signal(event: &SignalEvent, fault_address: u64, host: &Host) -> FatalSignal {
    let has = |flag| event.flags & flag != 0;
    let set = |number| Some(number).filter(|number| *number != UNSET);
    // The same 32 bits, as the kernel means them.
    let code = has(FLAG_HAS_SIGINFO).then_some(event.code.cast_signed());
    FatalSignal {
        key: key(event.tgid, event.start_ns, host),
        tid: event.tid,
        at: Duration::from_nanos(event.at_ns),
        signal: u8::try_from(event.signal).unwrap_or(u8::MAX),
        code,
        fault_address: code.filter(|code| *code > 0).map(|_| fault_address),
        from_kernel: has(FLAG_FROM_KERNEL),
        asked_at_parents_death: has(FLAG_PARENT_DEATH),
        has_timers: has(FLAG_HAS_TIMERS),
        again: has(FLAG_AGAIN),
        sender: SignalTask {
            key: key(event.sender.tgid, event.sender.start_ns, host),
            comm: event.sender.comm.into(),
            uid: event.sender.uid,
            login_uid: set(event.sender.login_uid),
            session_id: set(event.sender.session_id),
            exiting: has(FLAG_SENDER_EXITING),
            first_of_namespace: has(FLAG_SENDER_IS_INIT),
        },
        capture: None,
    }
}

/// `BPF_STACK_BUILD_ID_VALID` and `BPF_STACK_BUILD_ID_IP` (kernel include/uapi/linux/bpf.h).
const fn walked(frame: &StackFrame) -> Option<WalkedFrame> {
    match frame.status {
        1 => Some(WalkedFrame::InFile(frame.build_id, frame.offset)),
        2 => Some(WalkedFrame::At(frame.offset)),
        _ => None,
    }
}

/// From names upwards, each with a NUL, to a path downwards; `None` where there are none.
fn absolute(names: &[u8]) -> Option<Box<[u8]>> {
    let names = names.strip_suffix(b"\0")?;
    let downwards = names.split(|byte| *byte == 0).rev();
    Some(downwards.flat_map(|name| [&b"/"[..], name]).flatten().copied().collect())
}

fn module(module: &Module) -> (u64, Box<[u8]>) {
    let len = usize::try_from(module.name_len).unwrap_or(usize::MAX).min(module.name.len());
    (module.bias, module.name[..len].into())
}

const fn key(pid: u32, start_ns: u64, host: &Host) -> ProcessKey {
    ProcessKey { pid, start_ticks: host.ticks_from_boot_ns(start_ns) }
}

fn until_nul(comm: &[u8]) -> Box<[u8]> {
    comm.split(|byte| *byte == 0).next().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u32, flags: u32) -> ProcessHeader {
        let mut comm = [0; 16];
        comm[..4].copy_from_slice(b"a\xff c");
        ProcessHeader {
            kind,
            flags,
            at_ns: 5_000_000_000,
            start_ns: 2_000_000_000,
            parent_start_ns: 1_000_000_000,
            cgroup_id: 1,
            memory_cgroup_id: 7,
            cpu_ns: 9,
            peak_rss_pages: 3,
            argv_total: 4,
            major_faults: 1,
            read_bytes: 2,
            written_bytes: 3,
            ns_pid: 1,
            threads: 4,
            tgid: 42,
            tid: 43,
            ppid: 1,
            uid: 1000,
            gid: 1000,
            exit_code: 0x8b,
            argv_len: 4,
            exe_len: 0,
            comm,
            parent_comm: [b'p'; 16],
        }
    }

    #[test]
    fn identity_names_and_times_come_through() {
        let got = process(&header(1, 0), b"a\0b\0", b"/bin/a", &Host::sample());
        assert_eq!(got.key, ProcessKey { pid: 42, start_ticks: 200 });
        assert_eq!(got.parent, ProcessKey { pid: 1, start_ticks: 100 });
        assert_eq!((&*got.comm, got.parent_comm.len()), (&b"a\xff c"[..], 16));
        assert_eq!((got.at, got.started), (Duration::from_secs(5), Duration::from_secs(2)));
        assert_eq!(got.exe.as_deref(), Some(&b"/bin/a"[..]));
        assert!(!got.argv_cut);
    }

    #[test]
    fn what_the_kernel_does_not_say_is_absent_and_never_zero() {
        let all = FLAG_HAS_CPU
            | FLAG_HAS_RSS
            | FLAG_HAS_MEMORY_CGROUP
            | FLAG_HAS_FAULTS
            | FLAG_HAS_IO
            | FLAG_HAS_NS_PID
            | FLAG_HAS_THREADS
            | FLAG_OOM;
        for (flags, cpu, rss, memory, oom) in
            [(0, None, None, None, false), (all, Some(9), Some(PeakRss::OfLife(3)), Some(7), true)]
        {
            let header = header(EXIT, flags);
            let got = exit(&header, process(&header, b"", b"", &Host::sample()), b"b\0a\0");
            assert_eq!((got.cpu_ns, got.process.peak_rss, got.oom_killed), (cpu, rss, oom));
            assert_eq!(got.process.cgroup.memory, memory);
            assert_eq!((got.exit_code, got.cgroup.as_deref()), (Some(0x8b), Some("/a/b")));
            assert_eq!(
                (got.major_faults, got.io_bytes),
                if flags == 0 { (None, None) } else { (Some(1), Some((2, 3))) }
            );
            assert_eq!(
                (got.threads, got.process.ns_pid),
                if flags == 0 { (None, None) } else { (Some(4), Some(1)) }
            );
        }
    }

    #[test]
    fn a_cause_that_was_not_seen_is_absent() {
        for (flags, code, want) in
            [(0, 0, Some(0)), (0, 9, Some(9)), (FLAG_FALLBACK, 0, None), (FLAG_FALLBACK, 9, Some(9))]
        {
            let header = ProcessHeader { exit_code: code, ..header(EXIT, flags) };
            let got = exit(&header, process(&header, b"", b"", &Host::sample()), b"");
            assert_eq!((got.exit_code, got.cgroup), (want, None), "{flags} {code}");
        }
    }

    #[test]
    fn names_upwards_are_a_path_downwards() {
        for (names, want) in [
            (&b"app\0bin\0opt\0"[..], Some(&b"/opt/bin/app"[..])),
            (b"app\0", Some(b"/app")),
            (b"", None),
            (b"app", None),
        ] {
            assert_eq!(absolute(names).as_deref(), want, "{names:?}");
        }
    }

    #[test]
    fn a_cut_argv_is_flagged() {
        let mut cut = header(1, 0);
        cut.argv_total = 5000;
        assert!(process(&cut, b"a\0b\0", b"", &Host::sample()).argv_cut);
    }

    #[test]
    fn an_old_kernels_victim_has_no_start_time() {
        let mut event = OomEvent {
            kind: 3,
            victim_tgid: 9,
            at_ns: 1,
            victim_start_ns: 0,
            trigger_start_ns: 0,
            trigger_tgid: 8,
            reserved: 0,
            trigger_comm: [0; 16],
        };
        assert_eq!(oom_victim(&event, &Host::sample()).start_ticks, None);
        event.victim_start_ns = 2_000_000_000;
        assert_eq!(oom_victim(&event, &Host::sample()).start_ticks, Some(200));
    }
}
