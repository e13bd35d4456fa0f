//! Who keeps: a thread that looks at programs soon after they began, and again later, for libraries that they load then.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use super::folder::{Bounds, Folder};
use super::index::{Copied, Index};
use crate::children::Copier;
use crate::evidence::start_ticks;
use crate::lookup::MappedFile;
use crate::model::ProcessKey;
use crate::stack::KeptFile;

/// After the news of a program's beginning: once its loader has done its work, once it has begun to work itself, and when
/// it has loaded what it loads late.
const LOOKS: [Duration; 3] = [Duration::from_millis(30), Duration::from_secs(2), Duration::from_secs(30)];
/// News that may wait for the thread.
const WAITING_MAX: usize = 1024;
/// Looks that may wait for their time.
const DUE_MAX: usize = 4096;
/// What may be done in a minute: else a container that starts programs all the time would cost what it likes.
const MINUTE: Duration = Duration::from_secs(60);
const LOOKS_A_MINUTE: u32 = 1200;
const BYTES_A_MINUTE: u64 = 256 << 20;
/// The same program of the same container is looked at once in so long, and so many are remembered for that.
const SAME_PROGRAM: Duration = Duration::from_secs(300);
const PROGRAMS_MAX: usize = 4096;
/// After so long without work the helper is let go.
const IDLE: Duration = Duration::from_secs(120);

/// A program that began.
struct Beginning {
    key: ProcessKey,
    /// Whether it had begun before anybody heard of it.
    found: bool,
    container: Option<String>,
    program: Option<Box<[u8]>>,
}

enum Order {
    Began(Beginning),
    /// These copies were of use.
    Used(Vec<String>),
}

/// See the module above. Asked by who sees processes; never waits for a disk.
pub struct Kept {
    orders: Option<SyncSender<Order>>,
    index: Arc<Mutex<Index>>,
    folder: PathBuf,
    refused: Counter,
}

impl Kept {
    /// Without any copies.
    pub fn none() -> Self {
        Self { orders: None, index: Arc::default(), folder: PathBuf::new(), refused: Counter::default() }
    }

    /// In this folder. `refused` counts what there was no time or no room for.
    pub fn begin(
        folder: PathBuf,
        bounds: Bounds,
        proc_root: PathBuf,
        copier: Copier,
        refused: Counter,
    ) -> anyhow::Result<Self> {
        let (orders, asked) = sync_channel(WAITING_MAX);
        let index = Arc::<Mutex<Index>>::default();
        let keeper = Keeper {
            folder: Folder::open(folder.clone(), bounds)?,
            index: Arc::clone(&index),
            host: proc_root.join("1/root"),
            proc_root,
            copier,
            refused: refused.clone(),
            due: BinaryHeap::new(),
            programs: HashMap::new(),
            minute: Minute::new(),
            put_off: false,
        };
        std::thread::Builder::new().name("kept files".to_owned()).spawn(move || keeper.run(&asked))?;
        Ok(Self { orders: Some(orders), index, folder, refused })
    }

    /// A process runs another program now. It is looked at soon, where its root may be another than the host's.
    pub fn began(&self, key: ProcessKey, container: Option<String>, program: Option<Box<[u8]>>) {
        self.lock().forget(key);
        self.order(Order::Began(Beginning { key, found: false, container, program }));
    }

    /// A process was found, of which nothing was heard before. It is looked at as one that began.
    pub fn found(&self, key: ProcessKey, container: Option<String>) {
        self.order(Order::Began(Beginning { key, found: true, container, program: None }));
    }

    /// The copies of a process's files: of the first of these that any are known of, else of its container.
    pub fn of(&self, keys: &[ProcessKey], container: Option<&str>) -> Vec<KeptFile> {
        let files = self.lock().of(keys, container);
        if !files.is_empty() {
            self.order(Order::Used(files.iter().map(|it| it.digest.clone()).collect()));
        }
        let kept = |it: Copied| KeptFile {
            path: it.path,
            start: it.start,
            is_program: it.is_program,
            copy: self.folder.join(it.digest),
            changed: it.stamp.changed,
        };
        files.into_iter().map(kept).collect()
    }

    fn order(&self, order: Order) {
        if self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_err()) {
            self.refused.inc();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One look that is due, the soonest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Look {
    at: Instant,
    key: ProcessKey,
    /// Whether it had begun before anybody heard of it: that one is not as likely to be gone soon.
    found: bool,
    container: Option<String>,
}

struct Keeper {
    folder: Folder,
    index: Arc<Mutex<Index>>,
    proc_root: PathBuf,
    /// The host's root directory.
    host: PathBuf,
    copier: Copier,
    refused: Counter,
    due: BinaryHeap<Reverse<Look>>,
    /// When a program of a container was looked at.
    programs: HashMap<(String, Box<[u8]>), Instant>,
    minute: Minute,
    /// Whether the present look left something for another minute.
    put_off: bool,
}

impl Keeper {
    fn run(mut self, asked: &Receiver<Order>) {
        loop {
            let now = Instant::now();
            let wait = self.due.peek().map_or(IDLE, |Reverse(look)| look.at.saturating_duration_since(now));
            match asked.recv_timeout(wait) {
                Ok(Order::Began(beginning)) => self.plan(beginning, Instant::now()),
                Ok(Order::Used(digests)) => {
                    for digest in digests {
                        self.folder.use_copy(&digest);
                    }
                }
                Err(RecvTimeoutError::Timeout) if self.due.is_empty() => self.copier.rest(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while self.due.peek().is_some_and(|Reverse(look)| look.at <= Instant::now()) {
                if let Some(Reverse(look)) = self.due.pop() {
                    self.look(look);
                }
            }
        }
    }

    fn plan(&mut self, Beginning { key, found, container, program }: Beginning, now: Instant) {
        // Of a host's processes most are in its root.
        if found && !self.may_be_elsewhere(&self.directory(key)) {
            return;
        }
        if let (Some(container), Some(program)) = (&container, program) {
            if self.programs.len() >= PROGRAMS_MAX {
                self.programs.retain(|_, at| now.saturating_duration_since(*at) < SAME_PROGRAM);
            }
            let known = (container.clone(), program);
            if self.programs.get(&known).is_some_and(|at| now.saturating_duration_since(*at) < SAME_PROGRAM) {
                return;
            }
            if self.programs.len() < PROGRAMS_MAX {
                self.programs.insert(known, now);
            }
        }
        if self.due.len() + LOOKS.len() > DUE_MAX {
            self.refused.inc();
            return;
        }
        let looks = LOOKS.map(|after| Look { at: now + after, key, found, container: container.clone() });
        self.due.extend(looks.map(Reverse));
    }

    fn directory(&self, key: ProcessKey) -> PathBuf {
        self.proc_root.join(key.pid.to_string())
    }

    fn look(&mut self, look: Look) {
        let directory = self.directory(look.key);
        let lives = || start_ticks(&directory) == Some(look.key.start_ticks);
        if !lives() || !self.may_be_elsewhere(&directory) {
            return;
        }
        if !self.minute.take_look() {
            self.refused.inc();
            return;
        }
        let files = self.copier.mapped(&directory, &self.host);
        let Some(mut files) = files else {
            return tracing::debug!(pid = look.key.pid, "no word of what it has mapped");
        };
        // Whose files these are is only known if it has been there all the time.
        if files.is_empty() || !lives() {
            return;
        }
        // Those that need no reading first: they are to be there when the others are.
        files.sort_by_key(|file| self.lock().digest(&file.stamp).is_none());
        let mut known: Vec<Copied> = Vec::new();
        for file in files {
            let Some(file) = self.identify(&directory, file, look.found) else { continue };
            known.push(file.clone());
            // At once: it may crash while the rest is read.
            self.lock().set(look.key, look.container.as_deref(), known.clone());
            let kept = self.keep(&directory, file);
            self.refused.inc_by(u64::from(!kept) + std::mem::take(&mut self.folder.evicted));
        }
        if std::mem::take(&mut self.put_off) && self.due.len() < DUE_MAX {
            self.due.push(Reverse(Look { at: Instant::now() + MINUTE, ..look }));
        }
    }

    /// By what can be asked without entering any file system: in the host's mount namespace and with its root it is not.
    fn may_be_elsewhere(&self, directory: &Path) -> bool {
        let namespace = |directory: &Path| fs::read_link(directory.join("ns/mnt")).ok();
        let own = namespace(directory);
        let hosts =
            || namespace(&self.proc_root.join("1")).or_else(|| namespace(&self.proc_root.join("self")));
        let same = own.is_some() && own == hosts();
        !same || fs::read_link(directory.join("root")).is_ok_and(|root| root != Path::new("/"))
    }

    /// Says what it holds.
    fn identify(&mut self, directory: &Path, file: MappedFile, found: bool) -> Option<Copied> {
        let known = self.lock().digest(&file.stamp).cloned();
        if let Some(digest) = known {
            return Some(Copied::new(file, digest));
        }
        if !self.minute.take_bytes(file.stamp.bytes, found) {
            self.put_off = true;
            self.refused.inc();
            return None;
        }
        let digest = self.read(directory, &file, None)?;
        self.lock().copied(file.stamp, digest.clone());
        Some(Copied::new(file, digest))
    }

    /// Sees that there is a copy of it; whether there is. Of a file that is there already, as that of another container of
    /// the same image, nothing is written.
    fn keep(&mut self, directory: &Path, file: Copied) -> bool {
        if self.folder.use_copy(&file.digest).is_some() {
            return true;
        }
        let Ok(Some(to)) = self.folder.begin(file.stamp.bytes) else { return false };
        let Copied { path, start, is_program, stamp, digest } = file;
        let copied = self.read(directory, &MappedFile { path, start, is_program, stamp }, Some(&to));
        drop(to);
        let kept = copied.is_some() && self.folder.finish().is_ok_and(|it| it == digest);
        if !kept {
            self.folder.abandon();
        }
        kept
    }

    fn read(&mut self, directory: &Path, file: &MappedFile, to: Option<&File>) -> Option<String> {
        let read = self.copier.read((directory, &self.host), file, to)?;
        read.inspect_err(|why| tracing::debug!(why, "a program's file is not kept")).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may still be done in this minute.
struct Minute {
    began: Instant,
    looks: u32,
    bytes: u64,
}

impl Minute {
    fn new() -> Self {
        Self { began: Instant::now(), looks: LOOKS_A_MINUTE, bytes: BYTES_A_MINUTE }
    }

    fn renew(&mut self) {
        if self.began.elapsed() >= MINUTE {
            *self = Self::new();
        }
    }

    fn take_look(&mut self) -> bool {
        self.renew();
        let left = self.looks.checked_sub(1);
        self.looks = left.unwrap_or(0);
        left.is_some()
    }

    /// What was found leaves half of it to what begins.
    fn take_bytes(&mut self, bytes: u64, found: bool) -> bool {
        self.renew();
        let spared = if found { BYTES_A_MINUTE / 2 } else { 0 };
        let left = self.bytes.checked_sub(bytes).filter(|left| *left >= spared);
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_comes_before_what_was_found() {
        let mut minute = Minute::new();
        assert!(minute.take_bytes(BYTES_A_MINUTE / 2, true));
        assert!(!minute.take_bytes(1, true) && minute.take_bytes(1, false));
        assert!(
            !minute.take_bytes(BYTES_A_MINUTE, false) && minute.take_bytes(BYTES_A_MINUTE / 2 - 1, false)
        );
        assert!(!minute.take_bytes(1, false));
        assert!((0..LOOKS_A_MINUTE).all(|_| minute.take_look()) && !minute.take_look());
        minute.began = Instant::now().checked_sub(MINUTE).unwrap();
        assert!(minute.take_look() && minute.take_bytes(BYTES_A_MINUTE, false));
    }

    #[test]
    fn those_without_copies_are_not_asked_and_do_not_fail() {
        let kept = Kept::none();
        let key = ProcessKey { pid: 1, start_ticks: 1 };
        kept.began(key, None, None);
        kept.found(key, Some("box".to_owned()));
        assert!(kept.of(&[key], Some("box")).is_empty());
        assert_eq!(kept.refused.get(), 0);
    }
}
