//! Reading one process's files so that no name leads elsewhere, no read runs on for ever, and the process read
//! is the process asked for.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::Errno;
use tokio::sync::Semaphore;

use super::beneath::{Content, Refusal, open_beneath, process_refusal};
use super::direct::Direct;
use crate::children::Toucher;
use crate::evidence;
use crate::http::error::Error;
use crate::metrics::{LimitLabel, Metrics};
use crate::sandbox::as_admin;

/// The most that is served of one file; the largest real ones, maps of huge processes, are near it.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// `stat` is a few hundred bytes.
const MAX_STAT_BYTES: u64 = 4096;
/// Reads at a time. A read can hang in the kernel on the process's memory lock; so many may, and no more: the
/// threads they hang on are those that the incidents are stored by, and there are few (`main.rs`).
const MAX_READS: usize = 4;
/// What is read of a process's own memory: its pages may be of files that hang.
const MEMORY_OF_ITS_OWN: [&str; 2] = ["cmdline", "environ"];
/// How long those are waited for: below the deadline of the whole.
const TOUCH_PATIENCE: Duration = Duration::from_millis(1500);
/// How long a request waits for its read.
const READ_DEADLINE: Duration = Duration::from_secs(2);

/// A process file system, and how many may read it at a time.
pub(in crate::http) struct Proc {
    root: PathBuf,
    pub(super) direct: Option<Direct>,
    reads: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    /// Who reads what may hang; absent: whoever asks.
    pub(super) toucher: Option<Arc<Toucher>>,
}

impl Proc {
    pub(in crate::http) fn new(root: PathBuf, metrics: Arc<Metrics>) -> Self {
        let direct = Direct::open(&root);
        Self { root, direct, reads: Arc::new(Semaphore::new(MAX_READS)), metrics, toucher: None }
    }

    /// With a helper for what may hang.
    pub(in crate::http) fn reading_by(self, toucher: Arc<Toucher>) -> Self {
        Self { toucher: Some(toucher), ..self }
    }

    /// Does blocking work on the root, on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turned_away = || {
            self.metrics.turned_away.get_or_create(&LimitLabel { limit: "http_proc_reads" }).inc();
            Error::unavailable(format!("{MAX_READS} reads of /proc are already running; try again later"))
        };
        let deadline = tokio::time::Instant::now() + READ_DEADLINE;
        let permit = tokio::time::timeout_at(deadline, Arc::clone(&self.reads).acquire_owned())
            .await
            .map_err(|_| turned_away())?
            .map_err(|closed| Error::internal("cannot read /proc", closed))?;
        let root = self.root.clone();
        let reading = tokio::task::spawn_blocking(move || {
            // Given back when the read ends, not when the request gives up.
            let _permit = permit;
            work(&root)
        });
        match tokio::time::timeout_at(deadline, reading).await {
            Ok(done) => done.map_err(|fault| Error::internal("cannot read /proc", fault)),
            Err(_) => Err(Error::new(
                StatusCode::GATEWAY_TIMEOUT,
                format!("the kernel took longer than {} s to read it", READ_DEADLINE.as_secs()),
            )),
        }
    }
}

/// The pids of the processes there are, in numeric order.
pub(super) fn pids(root: &Path) -> Result<Vec<u32>, Refusal> {
    let names = names(open_root(root, OFlags::RDONLY)?)?;
    let mut pids: Vec<u32> = names.iter().filter_map(|it| super::path::parse_pid(it)).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// The names in a process's directory, in alphabetical order.
pub(super) fn files(root: &Path, pid: u32) -> Result<Vec<String>, Refusal> {
    let root = open_root(root, OFlags::PATH)?;
    let pid = pid.to_string();
    let directory = open_beneath(root.as_fd(), &pid, OFlags::RDONLY | OFlags::DIRECTORY);
    let mut names = names(directory.map_err(process_refusal)?).map_err(process_refusal)?;
    names.sort_unstable();
    Ok(names)
}

/// One file of a process, as the kernel gives it.
pub(super) fn file(
    root: &Path,
    pid: u32,
    name: &'static str,
    toucher: Option<&Toucher>,
) -> Result<Content, Refusal> {
    let toucher = toucher.filter(|_| MEMORY_OF_ITS_OWN.contains(&name));
    ProcessFolder::open(root, pid)?.file(name, MAX_FILE_BYTES, toucher)
}

/// A process's directory, held open: the kernel ties it to the process, not to the pid.
struct ProcessFolder {
    directory: OwnedFd,
    start_ticks: u64,
}

impl ProcessFolder {
    fn open(root: &Path, pid: u32) -> Result<Self, Refusal> {
        let root = open_root(root, OFlags::PATH)?;
        let directory = open_beneath(root.as_fd(), &pid.to_string(), OFlags::PATH | OFlags::DIRECTORY);
        let directory = directory.map_err(process_refusal)?;
        let start_ticks = start_ticks(directory.as_fd())?;
        Ok(Self { directory, start_ticks })
    }

    fn file(&self, name: &str, max_bytes: u64, toucher: Option<&Toucher>) -> Result<Content, Refusal> {
        let content = read_by(toucher, self.directory.as_fd(), name, max_bytes);
        // Looked at after the read, whatever came of it: a process that ends makes reads fail in many ways.
        if start_ticks(self.directory.as_fd())? == self.start_ticks {
            Ok(content?)
        } else {
            Err(Refusal::Gone)
        }
    }
}

/// Field 22 of `stat` (proc_pid_stat(5)). The name in field 2 may hold anything, brackets and spaces too.
fn start_ticks(process: BorrowedFd<'_>) -> Result<u64, Refusal> {
    let stat = read_by(None, process, "stat", MAX_STAT_BYTES).map_err(process_refusal)?.body;
    evidence::start_ticks_in(&stat).ok_or(Refusal::Gone)
}

fn read_by(
    toucher: Option<&Toucher>,
    directory: BorrowedFd<'_>,
    name: &str,
    max_bytes: u64,
) -> Result<Content, Errno> {
    let open = || open_beneath(directory, name, OFlags::RDONLY | OFlags::NONBLOCK);
    // The kernel's stack of a process is an administrator's to see.
    let file = File::from(if name == "stack" { as_admin(open) } else { open() }?);
    let mut body = Vec::new();
    if let Some(toucher) = toucher {
        body = toucher.read(&file, max_bytes + 1, TOUCH_PATIENCE).ok_or(Errno::TIMEDOUT)?;
        return Ok(cut(body, max_bytes));
    }
    let errno = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    file.take(max_bytes + 1).read_to_end(&mut body).map_err(errno)?;
    Ok(cut(body, max_bytes))
}

fn cut(mut body: Vec<u8>, max_bytes: u64) -> Content {
    let max = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    let truncated = body.len() > max;
    body.truncate(max);
    Content { body, truncated }
}

/// A root that cannot be opened is nobody's wrong question.
fn open_root(root: &Path, flags: OFlags) -> Result<OwnedFd, Refusal> {
    openat(CWD, root, flags | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(Refusal::Failed)
}

fn names(directory: OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::new(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
