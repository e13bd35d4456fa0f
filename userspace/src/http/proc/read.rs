//! Reading one process's files so that no name leads elsewhere, no read runs on for ever, and the process read
//! is the process asked for.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use rustix::fs::{CWD, Dir, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use tokio::sync::Semaphore;

use crate::children::Toucher;
use crate::evidence;
use crate::http::error::Error;
use crate::metrics::{LimitLabel, Metrics};

/// The most that is served of one file; the largest real ones, maps of huge processes, are near it.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// `stat` is a few hundred bytes.
const MAX_STAT_BYTES: u64 = 4096;
/// Reads at a time. A read can hang in the kernel on the process's memory lock; so many may, and no more.
const MAX_READS: usize = 16;
/// What is read of a process's own memory: its pages may be of files that hang.
const MEMORY_OF_ITS_OWN: [&str; 2] = ["cmdline", "environ"];
/// How long those are waited for: below the deadline of the whole.
const TOUCH_PATIENCE: Duration = Duration::from_millis(1500);
/// How long a request waits for its read.
const READ_DEADLINE: Duration = Duration::from_secs(2);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) body: Vec<u8>,
    pub(super) truncated: bool,
}

/// Why there is nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The process is gone, or has been replaced by another with its pid.
    Gone,
    /// The process is there, the file is not: this kernel, or this process, has none.
    NoFile,
    /// The daemon lacks the privilege.
    Denied,
    /// It is not the plain file or directory it should be.
    NotPlain,
    /// Any other error of the kernel.
    Failed(Errno),
}

/// A process file system, and how many may read it at a time.
pub(in crate::http) struct Proc {
    root: PathBuf,
    reads: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    /// Who reads what may hang; absent: whoever asks.
    pub(super) toucher: Option<Arc<Toucher>>,
}

impl Proc {
    pub(in crate::http) fn new(root: PathBuf, metrics: Arc<Metrics>) -> Self {
        Self { root, reads: Arc::new(Semaphore::new(MAX_READS)), metrics, toucher: None }
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
    let file = File::from(open_beneath(directory, name, OFlags::RDONLY | OFlags::NONBLOCK)?);
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

/// Opens one name in a directory; never through a link of any kind.
fn open_beneath(directory: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    debug_assert!(!name.contains('/') && !name.starts_with('.'), "one plain name");
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(directory, name, flags, Mode::empty(), beneath) {
        // Before 5.6, or behind a seccomp filter that does not know it (some of those say EPERM). With one
        // plain name and O_NOFOLLOW the old call leads nowhere else either.
        Err(Errno::NOSYS | Errno::PERM) => openat(directory, name, flags, Mode::empty()),
        opened => opened,
    }
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

/// What an error means where the process itself was looked for.
fn process_refusal(errno: Errno) -> Refusal {
    match Refusal::from(errno) {
        Refusal::NoFile => Refusal::Gone,
        refusal => refusal,
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::SRCH => Self::Gone,
            // EINVAL: such as the mounts of a zombie (kernel fs/proc_namespace.c).
            Errno::NOENT | Errno::INVAL => Self::NoFile,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            Errno::LOOP | Errno::XDEV | Errno::ISDIR | Errno::NOTDIR => Self::NotPlain,
            other => Self::Failed(other),
        }
    }
}

#[cfg(test)]
mod tests;
