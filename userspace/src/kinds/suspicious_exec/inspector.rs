//! Looks at processes whose exec may be suspicious: readlinks under /proc by a thread of its own, never by the
//! monitor's; at their files, which may hang who looks, by a helper. Bounded both ways; a look counts only if the process is still the same one after it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{Look, Stdin, Wanted};
use crate::children::Toucher;
use crate::evidence::start_ticks;
use crate::kinds::watch::Waker;
use crate::lookup::{OfProcess, of_process};
use crate::model::ProcessKey;

/// Most looks that wait, each way.
const WAITING: usize = 512;
/// After these times, one after the other, a program in a temporary folder is looked at again: some delete themselves
/// once they run. After the first, too, a program whose file was gone: it may only have been about to be replaced.
const LATER: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(400)];
/// Most of a socket table read to find one socket.
const TABLE_MAX: u64 = 8 << 20;

/// A look, or that there was nobody to look at any more.
pub(super) struct Looked {
    pub(super) key: ProcessKey,
    pub(super) look: Option<Look>,
    /// The second look, at the executable alone.
    pub(super) is_later: bool,
}

/// The way to the thread and back.
pub(super) struct Inspector {
    requests: Option<SyncSender<(ProcessKey, Wanted)>>,
    done: Receiver<Looked>,
}

impl Inspector {
    /// Starts the thread; without one every look is turned away. It wakes who waits for its results.
    pub(super) fn new(proc_root: PathBuf, toucher: Option<Arc<Toucher>>, waker: Waker) -> Self {
        let (requests, waiting) = sync_channel(WAITING);
        let (results, done) = sync_channel(WAITING);
        let looker = Looker { proc_root, toucher };
        let work = move || run(&looker, &waiting, &Results { way: results, waker });
        let started = thread::Builder::new().name("exec-looks".to_owned()).spawn(work);
        Self { requests: started.is_ok().then_some(requests), done }
    }

    /// Asks for a look; whether there was room.
    pub(super) fn ask(&self, key: ProcessKey, wanted: Wanted) -> bool {
        self.requests.as_ref().is_some_and(|requests| requests.try_send((key, wanted)).is_ok())
    }

    /// The looks that are there by now.
    pub(super) fn done(&self) -> impl Iterator<Item = Looked> {
        self.done.try_iter()
    }
}

/// Who looks, and where.
struct Looker {
    proc_root: PathBuf,
    toucher: Option<Arc<Toucher>>,
}

/// The results' way back, and whom to wake.
struct Results {
    way: SyncSender<Looked>,
    waker: Waker,
}

impl Results {
    /// Whether anybody wants to know.
    fn tell(&self, looked: Looked) -> bool {
        let told = self.way.send(looked).is_ok();
        self.waker.notify_one();
        told
    }
}

/// A look that is due.
struct Due {
    at: Instant,
    key: ProcessKey,
    wanted: Wanted,
    /// How many later looks there were before.
    stage: usize,
    /// What the first look found where the file was gone: it stands where the process is gone, too.
    doubted: Option<Look>,
}

/// What was asked for, and what is due; the soonest first.
#[derive(Default)]
struct Later(Vec<Due>);

impl Later {
    /// Plans the next look of a stage, if there is one and room for it.
    fn plan(&mut self, due: Due) {
        let Some(wait) = LATER.get(due.stage).filter(|_| self.0.len() < WAITING) else { return };
        let due = Due { at: Instant::now() + *wait, ..due };
        let place = self.0.partition_point(|other| other.at <= due.at);
        self.0.insert(place, due);
    }

    fn wait(&self) -> Option<Duration> {
        self.0.first().map(|due| due.at.saturating_duration_since(Instant::now()))
    }

    fn take(&mut self) -> Option<Due> {
        self.0.first().is_some_and(|due| due.at <= Instant::now()).then(|| self.0.remove(0))
    }
}

/// Until nobody asks any more, or nobody wants to know.
fn run(looker: &Looker, requests: &Receiver<(ProcessKey, Wanted)>, results: &Results) {
    let mut later = Later::default();
    loop {
        let result = match requests.recv_timeout(later.wait().unwrap_or(Duration::from_secs(3600))) {
            Ok((key, wanted)) => Some(first_look(looker, key, wanted, &mut later)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if result.is_some_and(|it| !results.tell(it)) {
            return;
        }
        while let Some(due) = later.take() {
            let result = later_look(looker, due, &mut later);
            if result.is_some_and(|it| !results.tell(it)) {
                return;
            }
        }
    }
}

fn first_look(looker: &Looker, key: ProcessKey, wanted: Wanted, later: &mut Later) -> Looked {
    let mut look = looker.look(key, wanted);
    // What runs from memory never had a file.
    let doubted = look.as_ref().filter(|it| it.is_deleted && !it.exe.starts_with("/memfd:")).cloned();
    if doubted.is_some() || (look.is_some() && wanted.exe_later) {
        look = look.map(|it| Look { is_deleted: it.is_deleted && doubted.is_none(), ..it });
        later.plan(Due { at: Instant::now(), key, wanted, stage: 0, doubted });
    }
    Looked { key, look, is_later: false }
}

/// What is news: a file that is gone by now, or still.
fn later_look(looker: &Looker, due: Due, later: &mut Later) -> Option<Looked> {
    let (key, wanted) = (due.key, due.wanted);
    let found = looker.look(key, wanted).or(due.doubted)?;
    if found.is_deleted {
        return Some(Looked { key, look: Some(found), is_later: true });
    }
    if wanted.exe_later {
        later.plan(Due { stage: due.stage + 1, doubted: None, ..due });
    }
    None
}

impl Looker {
    fn look(&self, key: ProcessKey, wanted: Wanted) -> Option<Look> {
        let directory = self.proc_root.join(key.pid.to_string());
        let exe = fs::read_link(directory.join("exe")).ok()?.to_string_lossy().into_owned();
        let gone = exe.strip_suffix(" (deleted)");
        let files = if gone.is_some() || wanted.exe_later {
            self.files(&directory, gone.map(Path::new))
        } else {
            OfProcess { has_root: true, ..OfProcess::default() }
        };
        // Where nobody can be asked whether there is another file by now, there may be.
        let is_deleted = gone.is_some() && files.in_place == Some(false);
        // Of a process that has ended meanwhile, nothing is in place: a zombie has no root (proc_pid_root(5)).
        if is_deleted && !files.has_root {
            return None;
        }
        let owner = files.owner.filter(|_| wanted.exe_later || is_deleted);
        let stdin = if wanted.stdin { stdin(&directory) } else { None };
        let look = Look { exe, is_deleted, owner, stdin };
        (start_ticks(&directory) == Some(key.start_ticks)).then_some(look)
    }

    /// Its program's owner, and whether there is a file at the path that /proc gave for one without a name.
    fn files(&self, directory: &Path, gone: Option<&Path>) -> OfProcess {
        match &self.toucher {
            Some(toucher) => toucher.look(directory, gone, true).unwrap_or_default(),
            None => of_process(directory, gone, true),
        }
    }
}

/// What fd 0 is; `None` where it is closed or must not be read.
fn stdin(directory: &Path) -> Option<Stdin> {
    let link = fs::read_link(directory.join("fd/0")).ok()?;
    let link = link.to_string_lossy();
    let Some(inode) = link.strip_prefix("socket:[").and_then(|it| it.strip_suffix(']')) else {
        return Some(Stdin::Ordinary);
    };
    let listed = |table: &str, column| has_inode(&directory.join("net").join(table), column, inode);
    // The tables of the process's own network namespace (proc_pid_net(5)).
    if ["tcp", "tcp6", "udp", "udp6"].iter().any(|table| listed(table, 9)) {
        Some(Stdin::Network)
    } else if listed("unix", 6) {
        Some(Stdin::Local)
    } else {
        Some(Stdin::OtherSocket)
    }
}

fn has_inode(table: &Path, column: usize, inode: &str) -> bool {
    let mut text = String::new();
    let read = fs::File::open(table).and_then(|file| file.take(TABLE_MAX).read_to_string(&mut text));
    read.is_ok() && text.lines().skip(1).any(|line| line.split_whitespace().nth(column) == Some(inode))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use super::*;

    const ALL: Wanted = Wanted { exe: true, exe_later: true, stdin: true, posing: false, place_only: false };

    fn looker() -> Looker {
        Looker { proc_root: "/proc".into(), toucher: None }
    }

    /// `cat` with this stdin, looked at while it waits for more.
    fn look_at_cat(stdin: Stdio) -> Look {
        let mut child = Command::new("/bin/cat").stdin(stdin).stdout(Stdio::null()).spawn().unwrap();
        let directory = Path::new("/proc").join(child.id().to_string());
        let key = ProcessKey { pid: child.id(), start_ticks: start_ticks(&directory).unwrap() };
        let found = looker().look(key, ALL);
        assert_eq!(looker().look(ProcessKey { start_ticks: key.start_ticks + 1, ..key }, ALL), None);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(looker().look(key, ALL), None, "gone");
        found.unwrap()
    }

    #[test]
    fn sockets_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let network = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (local, _other) = UnixStream::pair().unwrap();
        for (stdin, want) in [
            (Stdio::from(OwnedFd::from(network)), Stdin::Network),
            (Stdio::from(OwnedFd::from(local)), Stdin::Local),
            (Stdio::piped(), Stdin::Ordinary),
        ] {
            let look = look_at_cat(stdin);
            assert_eq!(
                (look.stdin, look.is_deleted, look.owner),
                (Some(want), false, Some(0)),
                "{}",
                look.exe
            );
        }
    }

    #[test]
    fn a_file_that_is_gone_is_looked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        for (what, replaced, over, want) in [
            ("deleted", false, false, Some(true)),
            ("replaced at once", true, false, None),
            ("deleted, and over", false, true, Some(true)),
        ] {
            fs::copy("/bin/cat", &program).unwrap();
            let mut child =
                Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            let directory = Path::new("/proc").join(child.id().to_string());
            let key = ProcessKey { pid: child.id(), start_ticks: start_ticks(&directory).unwrap() };
            fs::remove_file(&program).unwrap();
            let mut later = Later::default();
            let wanted = Wanted { exe: true, ..Wanted::default() };
            let first = first_look(&looker(), key, wanted, &mut later);
            assert_eq!(first.look.map(|look| look.is_deleted), Some(false), "{what}: not sure yet");
            if replaced {
                fs::write(&program, "").unwrap();
            }
            if over {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            let due = later.0.remove(0);
            let found = later_look(&looker(), due, &mut later);
            assert_eq!(found.and_then(|it| it.look).map(|look| look.is_deleted), want, "{what}");
            child.kill().ok();
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_full_way_turns_looks_away() {
        let inspector = Inspector::new("/nonexistent".into(), None, Waker::default());
        let key = ProcessKey { pid: 1, start_ticks: 1 };
        let asked = (0..WAITING * 3).filter(|_| inspector.ask(key, ALL)).count();
        assert!(asked < WAITING * 3, "results wait for somebody to take them: {asked}");
    }

    #[tokio::test]
    async fn who_waits_is_woken_for_each_result() {
        let waker = Waker::default();
        let inspector = Inspector::new("/proc".into(), None, Waker::clone(&waker));
        let pid = std::process::id();
        let start_ticks = start_ticks(&Path::new("/proc").join(pid.to_string())).unwrap();
        let mut looks = Vec::new();
        for key in [ProcessKey { pid, start_ticks }, ProcessKey { pid, start_ticks: start_ticks + 1 }] {
            assert!(inspector.ask(key, Wanted { exe: true, ..Wanted::default() }));
            while looks.last().is_none_or(|it: &Looked| it.key != key) {
                waker.notified().await;
                looks.extend(inspector.done());
            }
        }
        let found: Vec<_> = looks.iter().map(|it| it.look.is_some()).collect();
        assert_eq!(found, [true, false]);
    }
}
