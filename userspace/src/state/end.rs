//! What is kept of a process's end: the kernel's numbers as they came. The record that is shown is made of them when
//! one is shown, for most never are.

use std::time::Duration;

use crate::host::{Host, wall_time};
use crate::model::{ExitCause, ExitRecord, SignalSource};
use crate::observation::{KernelExit, PeakRss};

/// How a process ended.
#[derive(Clone, Debug)]
pub struct End {
    /// When it happened, as time since boot (CLOCK_BOOTTIME).
    pub at: Duration,
    /// Since boot: when it had started, exactly.
    pub started: Duration,
    /// Whether the OOM killer chose it.
    pub oom_killed: bool,
    exit_code: Option<u32>,
    cpu_ns: Option<u64>,
    peak_pages: Option<u64>,
    threads: Option<u32>,
    major_faults: Option<u64>,
    io_bytes: Option<(u64, u64)>,
    /// The pid in its own pid namespace.
    pub ns_pid: Option<u32>,
    gid: u32,
    argv_cut: bool,
    /// Where the signal that ended it came from.
    pub signal: Option<Box<SignalSource>>,
}

impl End {
    /// Of a process that had had this peak when its program began.
    pub fn new(event: &KernelExit, peak_before_exec: Option<u64>) -> Self {
        let peak_pages = event.process.peak_rss.and_then(|peak| match peak {
            PeakRss::OfImage(pages) => Some(pages),
            // Not above what was there before the exec: this image's own peak is not known.
            PeakRss::OfLife(pages) => peak_before_exec.is_none_or(|before| pages > before).then_some(pages),
        });
        Self {
            at: event.process.at,
            started: event.process.started,
            oom_killed: event.oom_killed,
            exit_code: event.exit_code,
            cpu_ns: event.cpu_ns,
            peak_pages,
            threads: event.threads,
            major_faults: event.major_faults,
            io_bytes: event.io_bytes,
            ns_pid: event.process.ns_pid,
            gid: event.process.gid,
            argv_cut: event.process.argv_cut,
            signal: None,
        }
    }

    /// The exit status or signal, as far as it is known.
    pub fn cause(&self) -> ExitCause {
        self.exit_code.map_or(ExitCause::Unknown, ExitCause::of_wait_status)
    }

    /// From start to end.
    pub const fn age(&self) -> Duration {
        self.at.saturating_sub(self.started)
    }

    /// As the contract shows it; the time by the clocks as they stand now.
    pub fn record(&self, parent_name: String, host: &Host) -> ExitRecord {
        ExitRecord {
            at: wall_time(self.at),
            cause: self.cause(),
            core_dumped: self.exit_code.is_some_and(|code| code & 0x80 != 0),
            oom_killed: self.oom_killed,
            cpu_ns: self.cpu_ns,
            age_ms: u64::try_from(self.age().as_millis()).unwrap_or(0),
            peak_rss_bytes: self.peak_pages.map(|pages| pages.saturating_mul(host.page_size)),
            threads: self.threads,
            major_faults: self.major_faults,
            read_bytes: self.io_bytes.map(|(read, _)| read),
            written_bytes: self.io_bytes.map(|(_, written)| written),
            ns_pid: self.ns_pid,
            gid: self.gid,
            parent_name,
            argv_cut: self.argv_cut,
            signal: self.signal.as_deref().cloned(),
        }
    }
}
