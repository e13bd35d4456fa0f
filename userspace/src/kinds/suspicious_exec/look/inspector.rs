//! Looks at processes whose exec may be suspicious: readlinks under /proc by a thread of its own, never by the
//! monitor's; at their files, which may hang who looks, by a helper. Bounded both ways; a look counts only if the process is still the same one after it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::looker::{Looker, Seen};
use crate::children::Toucher;
use crate::kinds::suspicious_exec::executed::Look;
use crate::kinds::suspicious_exec::wanted::Wanted;
use crate::kinds::watch::Waker;
use crate::model::ProcessKey;

/// Most looks that wait, each way.
const WAITING: usize = 512;
/// After these times, one after the other, a program in a temporary folder is looked at again: some delete themselves
/// once they run. After the first, too, a program whose file was gone: it may only have been about to be replaced.
const LATER: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(400)];

/// A look, or that there was nobody to look at any more.
pub(in crate::kinds::suspicious_exec) struct Looked {
    pub(in crate::kinds::suspicious_exec) key: ProcessKey,
    pub(in crate::kinds::suspicious_exec) look: Option<Look>,
}

/// The way to the thread and back.
pub(in crate::kinds::suspicious_exec) struct Inspector {
    requests: Option<SyncSender<(ProcessKey, Wanted)>>,
    done: Receiver<Looked>,
}

impl Inspector {
    /// Starts the thread; without one every look is turned away. It wakes who waits for its results.
    pub(in crate::kinds::suspicious_exec) fn new(
        proc_root: PathBuf,
        toucher: Option<Arc<Toucher>>,
        folders: Vec<String>,
        waker: Waker,
    ) -> Self {
        let (requests, waiting) = sync_channel(WAITING);
        let (results, done) = sync_channel(WAITING);
        let looker = Looker::new(proc_root, toucher, folders);
        let work = move || run(&looker, &waiting, &Results { way: results, waker });
        let started = thread::Builder::new().name("exec-looks".to_owned()).spawn(work);
        Self { requests: started.is_ok().then_some(requests), done }
    }

    /// Asks for a look; whether there was room.
    pub(in crate::kinds::suspicious_exec) fn ask(&self, key: ProcessKey, wanted: Wanted) -> bool {
        self.requests.as_ref().is_some_and(|requests| requests.try_send((key, wanted)).is_ok())
    }

    /// The looks that are there by now.
    pub(in crate::kinds::suspicious_exec) fn done(&self) -> impl Iterator<Item = Looked> {
        self.done.try_iter()
    }
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
    /// Whether it was not known yet where its commands come from.
    unsettled: bool,
    /// Whether it may be about to give up the rights of its file.
    keeps_rights: bool,
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
    let Some(Seen { mut look, unsettled }) = looker.look(key, wanted) else {
        return Looked { key, look: None };
    };
    // What runs from memory never had a file.
    let doubted = (look.is_deleted && !look.exe.starts_with("/memfd:")).then(|| look.clone());
    look.is_deleted &= doubted.is_none();
    // A shell gives up what its file gave it once it has begun, unless it is told to keep it.
    let keeps_rights = look.has_rights && !wanted.keeps_rights;
    look.has_rights &= !keeps_rights;
    if doubted.is_some() || wanted.exe_later || unsettled || keeps_rights {
        later.plan(Due { at: Instant::now(), key, wanted, stage: 0, doubted, unsettled, keeps_rights });
    }
    Looked { key, look: Some(look) }
}

/// What is news: a file that is gone by now, or still; a connection that was not there; rights that it has kept.
fn later_look(looker: &Looker, due: Due, later: &mut Later) -> Option<Looked> {
    let (key, wanted) = (due.key, due.wanted);
    let seen = looker.look(key, wanted);
    let unsettled = due.unsettled && seen.as_ref().is_some_and(|it| it.unsettled);
    let found = seen.map(|it| it.look).or(due.doubted)?;
    let is_news =
        found.is_deleted || due.unsettled && found.remote.is_some() || due.keeps_rights && found.has_rights;
    if is_news {
        return Some(Looked { key, look: Some(found) });
    }
    if wanted.exe_later || unsettled {
        later.plan(Due { stage: due.stage + 1, doubted: None, unsettled, keeps_rights: false, ..due });
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::evidence::start_ticks;
    use crate::kinds::suspicious_exec::look::Stdin;

    const ALL: Wanted = Wanted {
        exe: true,
        exe_later: true,
        stdin: true,
        interactive: false,
        rights: true,
        keeps_rights: false,
        folder: true,
        preload: true,
        posing: false,
        place_only: false,
    };

    fn looker() -> Looker {
        Looker::new("/proc".into(), None, Vec::new())
    }

    /// `cat` with this stdin, looked at while it waits for more.
    fn look_at_cat(stdin: Stdio) -> Look {
        let mut child = Command::new("/bin/cat").stdin(stdin).stdout(Stdio::null()).spawn().unwrap();
        let directory = Path::new("/proc").join(child.id().to_string());
        let key = ProcessKey { pid: child.id(), start_ticks: start_ticks(&directory).unwrap() };
        let found = looker().look(key, ALL);
        let other = ProcessKey { start_ticks: key.start_ticks + 1, ..key };
        assert!(looker().look(other, ALL).is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(looker().look(key, ALL).is_none(), "gone");
        found.unwrap().look
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
            let connection = look.remote.map(|it| (it.connection.peer.map(|it| it.port), it.carrier));
            let port = listener.local_addr().unwrap().port();
            assert_eq!(connection, (want == Stdin::Network).then_some((Some(port), None)));
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
        let inspector = Inspector::new("/nonexistent".into(), None, Vec::new(), Waker::default());
        let key = ProcessKey { pid: 1, start_ticks: 1 };
        let asked = (0..WAITING * 3).filter(|_| inspector.ask(key, ALL)).count();
        assert!(asked < WAITING * 3, "results wait for somebody to take them: {asked}");
    }

    #[tokio::test]
    async fn who_waits_is_woken_for_each_result() {
        let waker = Waker::default();
        let inspector = Inspector::new("/proc".into(), None, Vec::new(), Waker::clone(&waker));
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
