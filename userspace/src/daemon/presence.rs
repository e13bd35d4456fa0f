//! The note that a daemon runs: made at its start, kept fresh, taken away when it ends in order. Who finds one at a start
//! knows that the daemon before was felled, and when.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::host::{Host, boot_time};
use crate::kinds::case::Case;
use crate::kinds::unclean_stop::facts::HowEnded;
use crate::kinds::unclean_stop::{self, Before};
use crate::queue::cases::entry;
use crate::queue::{Pushed, Queue};
use crate::store::Store;
use crate::{evidence, kmsg, monitor};

const FILE: &str = "running";
/// Between two signs of life: so far off the end's time may be.
const BEAT: Duration = Duration::from_secs(5);
/// Longest note that is read.
const NOTE_BYTES: u64 = 4096;

/// What stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    pid: u32,
    start_ticks: u64,
    boot_id: String,
    /// When it was made, in milliseconds since 1970.
    started_ms: i64,
    /// Whether incidents are in memory alone.
    #[serde(default)]
    unstored: bool,
    /// Why it ends, where it knows.
    #[serde(default)]
    ends: Option<String>,
}

/// This daemon's note.
#[derive(Debug)]
pub(super) struct Presence {
    path: PathBuf,
    note: Note,
}

/// The daemon before this one, which did not end in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Felled {
    pid: u32,
    start_ticks: u64,
    before: Before,
}

/// When this process started, in the kernel's ticks.
pub(super) fn own_start() -> u64 {
    evidence::start_ticks(Path::new("/proc/self")).unwrap_or(0)
}

impl Felled {
    /// Opens an incident about it.
    pub(super) fn tell(self, cases: &Queue<Case>) {
        warn!("the daemon before this one (pid {}) did not end in order; an incident says more", self.pid);
        let process = unclean_stop::process(self.pid, self.start_ticks);
        let case = monitor::case_of(unclean_stop::detect(self.before), process, boot_time());
        if !matches!(cases.push(entry(case)), Pushed::Queued) {
            warn!("there is no room for that incident");
        }
    }
}

impl Presence {
    /// What the note of a daemon before says, if there is any. To be asked before [`Self::begin`].
    pub(super) fn before(dir: &Path, host: &Host) -> Option<Felled> {
        let now = SystemTime::now();
        read(&dir.join(FILE)).map(|(note, seen)| felled(&note, seen, now, host))
    }

    /// Notes that this daemon runs.
    pub(super) fn begin(dir: &Path, host: &Host, start_ticks: u64) -> Self {
        let note = Note {
            pid: std::process::id(),
            start_ticks,
            boot_id: host.boot_id.clone(),
            started_ms: jiff::Timestamp::now().as_millisecond(),
            unstored: false,
            ends: None,
        };
        let presence = Self { path: dir.join(FILE), note };
        presence.write_or_say();
        presence
    }

    /// Keeps it fresh until `shutdown`, and then gives it back.
    pub(super) async fn keep(mut self, store: Store, shutdown: CancellationToken) -> Self {
        let mut timer = interval(BEAT);
        while shutdown.run_until_cancelled(timer.tick()).await.is_some() {
            let unstored = store.is_in_memory();
            let fresh = File::options()
                .write(true)
                .open(&self.path)
                .and_then(|it| it.set_modified(SystemTime::now()));
            if fresh.is_err() || unstored != self.note.unstored {
                self.note.unstored = unstored;
                self.write_or_say();
            }
        }
        self
    }

    /// Takes it away: this daemon ends in order.
    pub(super) fn end(self) {
        if let Err(err) = fs::remove_file(&self.path) {
            warn!(
                "cannot remove {}: {err}; the next start will take this end for a crash",
                self.path.display()
            );
        }
    }

    /// Says in it why this daemon ends, out of order.
    pub(super) fn end_by(mut self, reason: &str) {
        self.note.ends = Some(reason.to_owned());
        self.write_or_say();
    }

    fn write_or_say(&self) {
        // A full disk must not keep the daemon from its job.
        if let Err(err) = self.write() {
            tracing::debug!("cannot write {}: {err:#}", self.path.display());
        }
    }

    fn write(&self) -> Result<()> {
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&self.path)?;
        file.write_all(&serde_json::to_vec(&self.note)?)?;
        file.sync_all().context("fsync")
    }
}

/// A note, and when it was fresh last.
fn read(path: &Path) -> Option<(Note, SystemTime)> {
    let file = File::open(path).ok()?;
    let seen = file.metadata().ok()?.modified().ok()?;
    let mut text = String::new();
    file.take(NOTE_BYTES).read_to_string(&mut text).ok()?;
    // A crash of the host may leave an empty one: that too says that it did not end in order.
    let nobody =
        Note { pid: 0, start_ticks: 0, boot_id: String::new(), started_ms: 0, unstored: false, ends: None };
    Some((serde_json::from_str(&text).unwrap_or(nobody), seen))
}

fn felled(note: &Note, seen: SystemTime, now: SystemTime, host: &Host) -> Felled {
    let how = if note.ends.is_some() {
        HowEnded::ByItself
    } else if note.boot_id != host.boot_id {
        HowEnded::WithTheHost
    } else {
        match kmsg::last_word_of(note.pid) {
            Some(kmsg::LastWord::OomKill) => HowEnded::OomKilled,
            Some(kmsg::LastWord::Fault) => HowEnded::Faulted,
            None => HowEnded::Unknown,
        }
    };
    let started = Duration::from_millis(u64::try_from(note.started_ms).unwrap_or(0));
    let before = Before {
        how,
        ran: seen.duration_since(SystemTime::UNIX_EPOCH + started).unwrap_or_default(),
        gap: now.duration_since(seen).unwrap_or_default(),
        unstored: note.unstored,
    };
    Felled { pid: note.pid, start_ticks: note.start_ticks, before }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample::{host, open};

    #[tokio::test]
    async fn only_an_end_in_order_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let begin = |host: &Host| {
            let felled = Presence::before(dir.path(), host);
            (Presence::begin(dir.path(), host, 7), felled)
        };
        let (presence, felled) = begin(&host());
        assert_eq!(felled, None, "the first start");
        presence.end();
        let (presence, felled) = begin(&host());
        assert_eq!(felled, None);
        drop(presence);

        // As if it had been killed an hour and a half after its start, and that an hour ago.
        let path = dir.path().join(FILE);
        let hour = Duration::from_secs(3600);
        let seen = SystemTime::now() - hour;
        let mut note: Note = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        note.started_ms -= 9_000_000;
        // No process has this pid: nothing in the kernel's log is about it.
        note.pid = u32::MAX;
        let put = |note: &Note| {
            fs::write(&path, serde_json::to_vec(note).unwrap()).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(seen).unwrap();
        };
        put(&note);
        let before = begin(&host()).1.unwrap().before;
        assert_eq!((before.how, before.unstored), (HowEnded::Unknown, false));
        for (span, want) in [(before.gap, 3600), (before.ran, 5400)] {
            assert!((want - 60..want + 60).contains(&span.as_secs()), "{span:?}");
        }
        put(&Note { unstored: true, ends: Some("the scan has stopped by itself".into()), ..note.clone() });
        let before = begin(&host()).1.unwrap().before;
        assert_eq!((before.how, before.unstored), (HowEnded::ByItself, true));
        put(&note);
        let other = Host { boot_id: "boot-2".into(), ..host() };
        assert_eq!(begin(&other).1.unwrap().before.how, HowEnded::WithTheHost);
        fs::write(&path, "").unwrap();
        assert_eq!(begin(&other).1.unwrap().before.how, HowEnded::WithTheHost, "cut by the crash");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_kept_fresh_and_put_back_where_somebody_takes_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let presence = Presence::begin(dir.path(), &host(), 7);
        let stop = CancellationToken::new();
        let keeping = tokio::spawn(presence.keep(store, stop.clone()));
        tokio::time::sleep(BEAT).await;
        let path = dir.path().join(FILE);
        fs::remove_file(&path).unwrap();
        tokio::time::sleep(BEAT * 2).await;
        assert!(path.exists());
        stop.cancel();
        keeping.await.unwrap().end_by("why");
        assert!(fs::read_to_string(&path).unwrap().contains("why"));
    }
}
