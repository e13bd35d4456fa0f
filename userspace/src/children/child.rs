//! One child, as the daemon has it: started, asked, and in the end killed. How it ended is told and counted.

use std::fmt;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::link::{Link, Lost};
use super::message::{Begin, Ready};
use super::nursery::Nursery;
use crate::sandbox::{Limits, Step, Work};

/// One is ready within milliseconds; on a host in trouble it may take longer.
const READY_DEADLINE: Duration = Duration::from_secs(2);
/// From the end of its socket to its own.
const END_DEADLINE: Duration = Duration::from_millis(300);
/// What is read of its last words.
const LAST_WORDS_MAX: u64 = 4096;
/// How Rust's standard library says that there is no memory (library/std/src/alloc.rs). It ends in SIGABRT, as a stack
/// that overflows does.
const NO_MEMORY: &[u8] = b"memory allocation of";

/// How the work of a child came to no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was not ready in time, and was killed.
    Deadline,
    /// It used more memory than it may.
    Memory,
    /// It used more time on a CPU than it may.
    Cpu,
    /// It crashed.
    Signal,
    /// It ended by itself.
    Exited,
    /// It answered what makes no sense.
    Malformed,
}

impl End {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Signal => "signal",
            Self::Exited => "exited",
            Self::Malformed => "malformed",
        }
    }
}

/// What is said of the process that read the files.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadline => "did not end in time",
            Self::Memory => "needed more memory than it may have",
            Self::Cpu => "needed more time than it may have",
            Self::Signal => "crashed in them",
            Self::Exited => "gave up",
            Self::Malformed => "answered what makes no sense",
        })
    }
}

/// Killed when dropped.
pub(super) struct Helper {
    process: Option<Child>,
    pub(super) link: Link,
    pub(super) name: &'static str,
    nursery: Arc<Nursery>,
}

impl Helper {
    /// One that is ready for work; an error says why there is none.
    pub(super) fn start(nursery: &Arc<Nursery>, work: Work, limits: Limits) -> Result<Self, &'static str> {
        let name = match work {
            Work::Parse => "parser",
            Work::Open => "opener",
        };
        Self::start_as(name, nursery, work, limits)
    }

    /// The same under a name of its own, by which it is counted and shown.
    pub(super) fn start_as(
        name: &'static str,
        nursery: &Arc<Nursery>,
        work: Work,
        limits: Limits,
    ) -> Result<Self, &'static str> {
        let (process, link) = nursery.bear().inspect_err(|_| nursery.count(name, "refused"))?;
        let helper = Self { process: Some(process), link, name, nursery: Arc::clone(nursery) };
        let until = Some(Instant::now() + READY_DEADLINE);
        let begun = helper.link.send(&Begin::Work { work, limits }, None, until);
        match begun.and_then(|()| helper.link.receive::<Ready>(until)) {
            Ok((Ready { steps }, _)) => {
                nursery.metrics().confinement.set(name, steps);
                Ok(helper)
            }
            Err(lost) => {
                helper.end(lost);
                Err("a helper process did not start")
            }
        }
    }

    /// What is in force in a process that gives up what the daemon does.
    pub(super) fn trial(nursery: &Arc<Nursery>) -> Result<Vec<Step>, &'static str> {
        let (process, link) = nursery.bear()?;
        let trial = Self { process: Some(process), link, name: "trial", nursery: Arc::clone(nursery) };
        let until = Some(Instant::now() + READY_DEADLINE);
        let begun = trial.link.send(&Begin::Trial, None, until);
        let said = begun.and_then(|()| trial.link.receive::<Ready>(until));
        said.map(|(Ready { steps }, _)| steps).map_err(|_| "a helper process did not start")
    }

    /// Its work is done.
    pub(super) fn answered(&self) {
        self.nursery.count(self.name, "answered");
    }

    /// It is no use any more: how it came to that.
    pub(super) fn end(mut self, lost: Lost) -> End {
        let end = match lost {
            Lost::Late => End::Deadline,
            Lost::Malformed => End::Malformed,
            Lost::Closed => self.process.as_mut().map_or(End::Exited, died),
        };
        self.nursery.count(self.name, end.as_str());
        tracing::debug!(helper = self.name, end = end.as_str(), "a helper process has ended");
        end
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            self.nursery.end(process);
        }
    }
}

/// How one died that has closed its socket.
fn died(process: &mut Child) -> End {
    let until = Instant::now() + END_DEADLINE;
    let status = loop {
        match process.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
            _ => return End::Exited,
        }
    };
    let mut last_words = Vec::new();
    if let Some(errors) = process.stderr.take() {
        errors.take(LAST_WORDS_MAX).read_to_end(&mut last_words).ok();
    }
    end(status, &last_words)
}

fn end(status: ExitStatus, last_words: &[u8]) -> End {
    let no_memory = last_words.windows(NO_MEMORY.len()).any(|it| it == NO_MEMORY);
    match status.signal().and_then(Signal::from_named_raw) {
        Some(Signal::XCPU) => End::Cpu,
        // Nobody else kills it: the kernel does where a cgroup or the host has no memory left.
        Some(Signal::KILL) => End::Memory,
        Some(Signal::ABORT) if no_memory => End::Memory,
        Some(_) => End::Signal,
        None => End::Exited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        for (status, said, want) in [
            (24, "", End::Cpu),
            (9, "", End::Memory),
            (6, "memory allocation of 8 bytes failed\n", End::Memory),
            (6 | 0x80, "thread 'main' has overflowed its stack", End::Signal),
            (11, "", End::Signal),
            (1 << 8, "memory allocation of 8 bytes failed\n", End::Exited),
            (0, "", End::Exited),
        ] {
            assert_eq!(end(ExitStatus::from_raw(status), said.as_bytes()), want, "{status} {said}");
        }
    }
}
