//! One process in the table: what is known of it, from whichever source knew it last.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::end::End;
use crate::cgroup;
use crate::host::{Host, boot_time};
use crate::model::{Comm, ExitRecord, ProcessInfo, ProcessKey, ProcessView};
use crate::observation::{KernelProcess, SeenProcess, Session};
use crate::runtimes::Container;

/// Asked for once: this is compared at each beginning, and the C library asks the kernel each time.
static OWN_PID: LazyLock<u32> = LazyLock::new(std::process::id);

/// What the last scan of /proc measured.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When it happened, as time since boot (CLOCK_BOOTTIME).
    pub at: Duration,
    /// CPU time of its threads and reaped threads, in clock ticks.
    pub cpu_ticks: u64,
    /// CPU use since the scan before, in percent of one core.
    pub cpu_percent: Option<f64>,
    /// Resident set size, in bytes.
    pub rss_bytes: u64,
    /// Number of threads.
    pub threads: u64,
    /// Open descriptors, where they could be counted.
    pub fds: Option<u64>,
    /// State letter of proc_pid_stat(5).
    pub state: char,
}

/// How a process was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// By its exec: argv and path are known.
    Exec,
    /// By a scan of /proc.
    Walk,
    /// Only when it ended: it never began a program of its own, and lived less than a scan takes.
    End,
}

/// What was judged of a program's beginning, so that it is once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Whether the exec, by its executable, was judged.
    pub exec: bool,
    /// Whether the name was judged.
    pub name: bool,
}

/// The state of a process that no scan has measured yet.
pub const UNMEASURED: char = '?';

/// How a process came to be its parent's child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The parent, or a fork of it, began this program: seen at its exec.
    Started,
    /// It was there with this parent when a scan of /proc first saw it.
    Found,
    /// It was forked and never began a program of its own.
    Forked,
    /// Its first parent is gone: the present one has taken it in.
    Orphan,
}

/// One process. Names and arguments are kept as the bytes they are: most are never shown.
#[derive(Clone, Debug)]
pub struct Process {
    /// The process, by pid and start time.
    pub key: ProcessKey,
    /// The parent's pid, when it was last seen.
    pub ppid: u32,
    /// The parent at the first exec, or when the process was first seen.
    pub first_ppid: u32,
    /// When it was first heard of.
    pub met: Duration,
    /// Scans that measured it.
    pub scans: u32,
    /// How it was first seen.
    pub begun: Begun,
    /// Its place in job control, as a scan last saw it.
    pub session: Option<Session>,
    /// Ourselves, or below us, for good: an orphan of ours stays ours.
    pub own: bool,
    /// Whether the present program's beginning was judged, and its name.
    pub judged: Judged,
    /// Its `comm`: at most 15 bytes that the process chose.
    pub comm: Comm,
    /// The parent's `comm` at the last kernel event.
    pub parent_comm: Comm,
    /// argv, NUL after each argument.
    pub argv: Box<[u8]>,
    /// The path of its executable.
    pub exe: Option<Box<[u8]>>,
    /// Its real user id.
    pub uid: Option<u32>,
    /// The path of its cgroup.
    pub cgroup: Option<Arc<str>>,
    /// The container that its cgroup names, and what is known of that.
    pub container: Option<Arc<Container>>,
    /// Whether it is a kernel thread, which has no program.
    pub kernel_thread: bool,
    /// When anything was last heard of it.
    pub touched: Duration,
    /// When the present program began, where its exec was seen.
    pub began: Option<Duration>,
    /// The peak RSS the kernel had on record when this image began: nothing below it is this image's.
    pub peak_before_exec: Option<u64>,
    /// What the last scan measured.
    pub sample: Option<Sample>,
    /// RLIMIT_NOFILE at the last scan that read it.
    pub fd_limit: Option<u64>,
    /// New processes it made since the probes were attached.
    pub forks: Option<u64>,
    /// How it ended; absent while it lives, and where nobody said.
    pub end: Option<End>,
}

impl Process {
    /// Of a kernel event: who it is, and nothing yet of what [`Self::learn`] adds.
    pub fn from_kernel(event: &KernelProcess) -> Self {
        Self {
            key: event.key,
            ppid: event.parent.pid,
            first_ppid: event.parent.pid,
            met: event.at,
            scans: 0,
            begun: Begun::End,
            session: None,
            own: is_us(event.key.pid, event.parent.pid),
            judged: Judged::default(),
            comm: Comm::default(),
            parent_comm: Comm::default(),
            argv: Box::default(),
            exe: None,
            uid: None,
            cgroup: None,
            container: None,
            kernel_thread: event.kernel_thread,
            touched: event.at,
            began: None,
            peak_before_exec: None,
            sample: None,
            fd_limit: None,
            forks: None,
            end: None,
        }
    }

    /// From a scan of /proc.
    pub fn from_scan(seen: &SeenProcess, now: Duration) -> Self {
        let details = seen.details.as_ref();
        Self {
            key: seen.key,
            ppid: seen.ppid,
            first_ppid: seen.ppid,
            met: now,
            scans: 0,
            begun: Begun::Walk,
            session: Some(seen.session),
            own: is_us(seen.key.pid, seen.ppid),
            judged: Judged::default(),
            comm: (&*seen.comm).into(),
            parent_comm: Comm::default(),
            argv: details.map(|it| it.argv.clone()).unwrap_or_default(),
            exe: details.and_then(|it| it.exe.clone()),
            uid: details.and_then(|it| it.uid),
            cgroup: details.and_then(|it| it.cgroup.clone()),
            container: None,
            kernel_thread: seen.kernel_thread,
            touched: now,
            began: None,
            peak_before_exec: None,
            sample: None,
            fd_limit: None,
            forks: None,
            end: None,
        }
    }

    /// Adds what a kernel event knows. Absent values never replace known ones.
    pub fn learn(&mut self, event: KernelProcess, cgroup: Option<Arc<str>>) {
        self.ppid = event.parent.pid;
        (self.comm, self.parent_comm) = (event.comm, event.parent_comm);
        if !event.argv.is_empty() {
            self.argv = event.argv;
        }
        if event.exe.is_some() {
            self.exe = event.exe;
        }
        if cgroup.is_some() {
            self.cgroup = cgroup;
        }
        self.uid = Some(event.uid);
        self.touched = event.at;
    }

    /// Adds what a scan of /proc measured.
    pub fn measure(&mut self, seen: &SeenProcess, now: Duration, host: &Host) {
        let cpu_percent = self.sample.and_then(|before| cpu_percent(&before, seen, now, host));
        self.sample = Some(Sample {
            at: now,
            cpu_ticks: seen.cpu_ticks,
            cpu_percent,
            rss_bytes: seen.rss_bytes,
            threads: seen.threads,
            fds: seen.fds,
            state: seen.state,
        });
        self.scans = self.scans.saturating_add(1);
        self.ppid = seen.ppid;
        self.session = Some(seen.session);
        self.fd_limit = seen.fd_limit;
        if seen.moved_to.is_some() {
            self.cgroup.clone_from(&seen.moved_to);
        }
        self.touched = now;
        if let Some(details) = &seen.details {
            self.comm = (&*seen.comm).into();
            if !details.argv.is_empty() {
                // Empty, too, where it could not be read: a fork storm holds the reader up.
                self.argv.clone_from(&details.argv);
            }
            self.exe = details.exe.clone().or(self.exe.take());
            self.uid = details.uid.or(self.uid);
            self.cgroup = details.cgroup.clone().or(self.cgroup.take());
        }
    }

    /// How it came to be its parent's child.
    pub fn origin(&self) -> Origin {
        match self.begun {
            _ if self.ppid != self.first_ppid => Origin::Orphan,
            Begun::Exec => Origin::Started,
            Begun::Walk => Origin::Found,
            Begun::End => Origin::Forked,
        }
    }

    /// How it ended; `None` for a live one, and where nobody said.
    pub fn exit_record(&self, host: &Host) -> Option<ExitRecord> {
        Some(self.end.as_ref()?.record(lossy(&self.parent_comm), host))
    }

    /// As the contract shows it in an incident.
    pub fn info(&self) -> ProcessInfo {
        ProcessInfo {
            pid: self.key.pid,
            start_ticks: self.key.start_ticks,
            ppid: self.ppid,
            name: lossy(&self.comm),
            exe: self.exe.as_deref().map(lossy),
            argv: split_argv(&self.argv),
            uid: self.uid,
            cgroup: self.cgroup.as_deref().map(str::to_owned),
            container_id: self.cgroup.as_deref().and_then(cgroup::container_id).map(Cow::into_owned),
            unit: self.cgroup.as_deref().and_then(cgroup::unit).map(str::to_owned),
            pod_uid: self.cgroup.as_deref().and_then(cgroup::pod_uid),
            container: self.container.as_ref().and_then(|it| it.info()),
        }
    }

    /// As `/api/v1/processes` shows it; `state` where it is not the sampled one.
    pub fn view(&self, host: &Host, state: Option<char>) -> ProcessView {
        let age = self.end.as_ref().map_or_else(
            || boot_time().saturating_sub(host.ticks_to_duration(self.key.start_ticks)),
            End::age,
        );
        let sample = self.sample;
        ProcessView {
            info: self.info(),
            cpu_percent: sample.and_then(|it| it.cpu_percent),
            rss_bytes: sample.map_or(0, |it| it.rss_bytes),
            threads: sample.map_or(0, |it| it.threads),
            fds: sample.and_then(|it| it.fds),
            forks: self.forks,
            state: state.or(sample.map(|it| it.state)).unwrap_or(UNMEASURED),
            age_s: age.as_secs(),
            exit: self.exit_record(host),
        }
    }
}

/// Ourselves or a child of ours; what is further down, the table knows.
fn is_us(pid: u32, ppid: u32) -> bool {
    pid == *OWN_PID || ppid == *OWN_PID
}

/// CPU use since the sample before, in percent of one core, to one decimal.
fn cpu_percent(before: &Sample, seen: &SeenProcess, now: Duration, host: &Host) -> Option<f64> {
    let elapsed = now.saturating_sub(before.at).as_secs_f64();
    let used = host.ticks_to_duration(seen.cpu_ticks.saturating_sub(before.cpu_ticks)).as_secs_f64();
    (elapsed > 0.0).then(|| (used / elapsed * 1000.0).round() / 10.0)
}

/// Arguments end in NUL; a title set by the process itself (setproctitle) may hold none.
pub fn split_argv(argv: &[u8]) -> Vec<String> {
    let argv = argv.strip_suffix(b"\0").unwrap_or(argv);
    // A rewritten title leaves a tail of NULs behind it.
    let end = argv.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let argv = if argv.len() > end + 1 { &argv[..end] } else { argv };
    if argv.is_empty() { Vec::new() } else { argv.split(|byte| *byte == 0).map(lossy).collect() }
}

/// Bytes as text; what is no UTF-8 becomes a replacement character.
pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_that_finds_no_argv_takes_none_away() {
        let host = Host::read("/proc".as_ref());
        let mut seen = crate::scan::one("/proc".as_ref(), std::process::id(), &host, None).unwrap();
        let event =
            KernelProcess { argv: b"a\0"[..].into(), ..KernelProcess::sample(seen.key, Duration::ZERO) };
        let mut process = Process::from_kernel(&event);
        process.learn(event, None);
        for (argv, want) in [(&b""[..], &b"a\0"[..]), (b"b\0", b"b\0")] {
            seen.details.as_mut().unwrap().argv = argv.into();
            process.measure(&seen, Duration::ZERO, &host);
            assert_eq!(&*process.argv, want);
        }
    }

    #[test]
    fn argv_is_split_at_nuls() {
        for (argv, want) in [
            (&b"a\0b c\0"[..], &["a", "b c"][..]),
            (b"a\0b", &["a", "b"]),
            (b"a\0\0b\0", &["a", "", "b"]),
            (b"a\0\0", &["a", ""]),
            (b"nginx: worker process\0\0\0\0\0", &["nginx: worker process"]),
            (b"\xff\0", &["\u{fffd}"]),
            (b"", &[]),
            (b"\0", &[]),
        ] {
            assert_eq!(split_argv(argv), want, "{argv:?}");
        }
    }
}
