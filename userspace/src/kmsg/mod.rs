//! The kernel's log, followed for the OOM killer's own report: whose limit ran out and who had the memory,
//! which no event says. Where it cannot be read, OOM incidents go on without the report.

mod clock;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz;
mod last_word;
mod lines;
mod reader;
mod record;
mod report;

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, SeekFrom, major, minor};
use rustix::io::Errno;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tracing::warn;

use crate::coverage::Coverage;
use crate::health::Health;
use crate::observation::Observation;
#[cfg(any(test, feature = "fuzzing"))]
pub use fuzz::fuzz;
pub use last_word::{LastWord, last_word_of};
use reader::LogReader;

/// Where the kernel shows its log, one record a read.
const DEVICE: &str = "/dev/kmsg";
/// Its device number (kernel Documentation/admin-guide/devices.txt).
const NUMBER: (u32, u32) = (1, 11);
/// What is missing and what to do, by the name of this component in the state of health.
const COMPONENT: &str = "kmsg";

/// The log, open at its end.
pub struct Log(OwnedFd);

/// The kernel log, followed by a thread of its own.
pub struct Follower {
    /// Written to, to end the thread.
    stop: Arc<OwnedFd>,
    /// Closed when it has ended.
    ended: oneshot::Receiver<()>,
}

impl Log {
    /// Why the kernel's log can't be followed here, and what to do about it; `None`: it can.
    pub fn trouble() -> Option<(String, &'static str)> {
        open(Path::new(DEVICE)).err().map(explain)
    }

    /// Opens the kernel's log; `None`, and said in `health`, where that is not allowed or there is none.
    pub fn open(health: &Health) -> Option<Self> {
        open(Path::new(DEVICE))
            .inspect_err(|error| {
                let (reason, remedy) = explain(*error);
                health.degrade(
                    COMPONENT,
                    format!("OOM incidents will lack the kernel's report: {reason}"),
                    remedy,
                );
            })
            .ok()
            .map(Self)
    }

    /// Sends a report for every victim of the OOM killer from now on, from a thread that sleeps while the kernel
    /// logs nothing. `None`, and said in `health`, where there can be no such thread.
    pub fn follow(
        self,
        page_size: u64,
        batches: Sender<Vec<Observation>>,
        coverage: Coverage,
        health: &Health,
    ) -> Option<Follower> {
        let failed = |error: anyhow::Error| {
            health.degrade(
                COMPONENT,
                format!("cannot follow the kernel log: {error:#}"),
                "restart the daemon",
            );
        };
        self.start(page_size, batches, coverage, health.clone()).map_err(failed).ok()
    }

    fn start(
        self,
        page_size: u64,
        batches: Sender<Vec<Observation>>,
        coverage: Coverage,
        health: Health,
    ) -> anyhow::Result<Follower> {
        let (end, ended) = oneshot::channel();
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).context("cannot create an eventfd")?);
        let reader = LogReader::new(self.0, Arc::clone(&stop), page_size, batches, coverage);
        let run = move || {
            if let Err(error) = reader.run() {
                let reason = format!("{DEVICE} cannot be read any more: {error}");
                warn!("{reason}");
                health.degrade(COMPONENT, reason, "restart the daemon");
            }
            drop(end);
        };
        let thread = std::thread::Builder::new().name("kmsg".to_owned()).spawn(run);
        thread.context("cannot start its thread")?;
        Ok(Follower { stop, ended })
    }
}

impl Follower {
    /// Takes in what was logged before, and ends.
    pub async fn stop(self) {
        if rustix::io::write(&*self.stop, &1_u64.to_ne_bytes()).is_ok() {
            // Closed, never sent.
            let _ = self.ended.await;
        }
    }
}

fn open(device: &Path) -> Result<OwnedFd, Errno> {
    let log = shown(device).or_else(|error| given().ok_or(error))?;
    // What was logged before the start belongs to deaths nobody saw.
    rustix::fs::seek(&log, SeekFrom::End(0))?;
    Ok(log)
}

fn shown(device: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let log = rustix::fs::open(device, flags, Mode::empty())?;
    // Some containers have another device there, or a file.
    if is_log(&log) { Ok(log) } else { Err(Errno::NODEV) }
}

/// The log as standard input, where whoever started the daemon has opened it: the unit does, which then can take away the
/// device and the privilege to open it.
fn given() -> Option<OwnedFd> {
    let input = io::stdin();
    let log = is_log(&input).then(|| rustix::io::fcntl_dupfd_cloexec(&input, 3).ok()).flatten()?;
    rustix::fs::fcntl_setfl(&log, OFlags::NONBLOCK).ok()?;
    Some(log)
}

fn is_log(file: impl AsFd) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| {
        let is_device = FileType::from_raw_mode(stat.st_mode).is_char_device();
        is_device && (major(stat.st_rdev), minor(stat.st_rdev)) == NUMBER
    })
}

/// Why, and what to do.
fn explain(error: Errno) -> (String, &'static str) {
    match error {
        Errno::PERM | Errno::ACCESS => (
            format!("{DEVICE} may not be read ({})", io::Error::from(error)),
            "run as root or with CAP_SYSLOG, or set kernel.dmesg_restrict=0",
        ),
        Errno::NOENT | Errno::NXIO | Errno::NODEV => (
            format!("{DEVICE} is not the kernel's device, or does not exist"),
            "pass the device to the container: --device /dev/kmsg",
        ),
        error => (
            format!("{DEVICE} cannot be followed ({})", io::Error::from(error)),
            "check that it is the kernel's character device 1:11",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_log_is_an_error_with_a_remedy() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "6,1,1,-;x\n").unwrap();
        for path in [root.path().join("absent"), file, "/dev/null".into()] {
            let error = open(&path).expect_err("not the device");
            assert!(explain(error).1.contains("--device"), "{error}");
        }
        assert!(explain(Errno::PERM).1.contains("CAP_SYSLOG"));
    }
}
