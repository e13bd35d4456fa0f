//! The thread that does the work: it owns the cache of files, and turns one capture after another into a
//! stack. Should a file hang it, or a crafted one take it down, only its caller's patience is lost.

use std::cell::OnceCell;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prometheus_client::metrics::counter::Counter;

use super::cfi::Rules;
use super::contents::{self, Budget, Section};
use super::frame::NO_TIME;
use super::image::Image;
use super::load_map::{self, LoadMap, Module};
use super::notes::Notes;
use super::open::{self, FileKey, OpenFile};
use super::symbols::Symbols;
use super::unwind::{self, Found};
use super::{Capture, Frame, Stack};

/// Files remembered. A large server has a hundred modules; the ones in its stacks are few.
const FILES_KEPT: usize = 64;
/// Bytes remembered: unwinding rules and copies of symbols.
const BYTES_KEPT: u64 = 24 << 20;
/// After this long without a crash, nothing is remembered.
const IDLE: Duration = Duration::from_secs(120);

/// One capture, and who waits for its stack.
pub(super) struct Request {
    pub(super) capture: Capture,
    pub(super) deadline: Instant,
    pub(super) reply: SyncSender<Stack>,
}

/// Until nobody can ask any more.
pub(super) fn run(requests: &Receiver<Request>, evicted: &Counter) {
    let mut images = Images { entries: vec![], vdso: None, evicted: evicted.clone() };
    loop {
        match requests.recv_timeout(IDLE) {
            Ok(request) => {
                let stack = survived(&request.capture, &mut images, request.deadline);
                // Who has given up waiting needs no answer.
                request.reply.try_send(stack).ok();
                images.trim();
            }
            Err(RecvTimeoutError::Timeout) => images.clear(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The stack, or what is known without any file where one of them makes a parser fail: those of others check
/// less than they should for files that an attacker wrote.
fn survived(capture: &Capture, images: &mut Images, deadline: Instant) -> Stack {
    let work = AssertUnwindSafe(|| stack(capture, images, deadline));
    catch_unwind(work).unwrap_or_else(|_| {
        // Whatever was half done in there is forgotten.
        images.clear();
        Stack::bare(unwind::bare(capture), "a file could not be read without failing")
    })
}

fn stack(capture: &Capture, images: &mut Images, deadline: Instant) -> Stack {
    let mut notes = Notes::default();
    let map = LoadMap::new(capture, images, deadline, &mut notes);
    let budget = Budget::new();
    let found = unwind::chain(capture, &map, &budget, deadline, &mut notes);
    let mut frames = vec![];
    for found in &found {
        if Instant::now() >= deadline {
            notes.add(NO_TIME);
        }
        frames.extend(describe(found, Instant::now() < deadline, &budget, &mut notes));
    }
    if budget.is_exceeded() {
        notes.add("the files of this stack are too large together: some were left out");
        // What was left out must not be missing from the next stack.
        images.clear();
    }
    Stack { frames, notes: notes.into_inner() }
}

/// The frame, after the functions that were inlined into it.
fn describe(found: &Found<'_>, in_time: bool, budget: &Budget, notes: &mut Notes) -> Vec<Frame> {
    let frame = found.frame();
    let place = found.place().filter(|_| in_time && frame.function.is_none());
    let Some((module, address)) = place else { return vec![frame] };
    let Some(symbols) = symbols(module, budget, notes) else { return vec![frame] };
    let named = symbols.at(address);
    let last = named.len().saturating_sub(1);
    if named.is_empty() {
        return vec![frame];
    }
    let with = |(number, it): (usize, super::symbols::Named)| Frame {
        function: it.function,
        file: it.file,
        line: it.line,
        inlined: number != last,
        ..frame.clone()
    };
    named.into_iter().enumerate().map(with).collect()
}

fn symbols<'m>(module: &'m Module, budget: &Budget, notes: &mut Notes) -> Option<&'m Symbols> {
    let file = module.usable()?;
    match file.known.symbols(&file.opened, budget) {
        Ok(symbols) => {
            symbols.left_out().iter().for_each(|it| notes.add(format!("{}: {it}", module.name)));
            Some(symbols)
        }
        Err(error) => {
            notes.add(format!("{} gives no names: {error}", module.name));
            None
        }
    }
}

/// A file that was read: its image always, the rest when a stack leads through it.
pub(super) struct Known {
    pub(super) image: Image,
    sections: OnceCell<Vec<Section>>,
    rules: OnceCell<Rules>,
    symbols: OnceCell<Result<Symbols, String>>,
}

impl Known {
    fn read(opened: &OpenFile) -> Result<Rc<Self>> {
        let image = Image::read(&opened.file)?;
        Ok(Rc::new(Self {
            image,
            sections: OnceCell::new(),
            rules: OnceCell::new(),
            symbols: OnceCell::new(),
        }))
    }

    /// None is fine: what runs needs no sections.
    fn sections(&self, opened: &OpenFile, budget: &Budget) -> &[Section] {
        self.sections
            .get_or_init(|| contents::sections(&opened.file, &self.image, budget).unwrap_or_default())
    }

    pub(super) fn rules(&self, opened: &OpenFile, budget: &Budget) -> &Rules {
        let sections = self.sections(opened, budget);
        self.rules.get_or_init(|| contents::rules(&opened.file, &self.image, sections, budget))
    }

    fn symbols(&self, opened: &OpenFile, budget: &Budget) -> Result<&Symbols, &String> {
        let sections = self.sections(opened, budget);
        let read =
            || Symbols::of(opened, &self.image, sections, budget).map_err(|error| format!("{error:#}"));
        self.symbols.get_or_init(read).as_ref()
    }

    fn size_bytes(&self) -> u64 {
        let symbols = self.symbols.get().and_then(|it| it.as_ref().ok()).map_or(0, Symbols::size_bytes);
        let sections = self.sections.get().map_or(0, |it| it.len() * size_of::<Section>());
        symbols + (self.rules.get().map_or(0, Rules::size_bytes) + sections) as u64
    }
}

/// The files read of late, the last used at the end.
pub(super) struct Images {
    entries: Vec<(FileKey, Rc<Known>)>,
    vdso: Option<Rc<Known>>,
    evicted: Counter,
}

impl Images {
    /// Opens the file each time: a name may mean another file by now.
    pub(super) fn get(&mut self, root: &OwnedFd, path: &Path) -> Result<(OpenFile, Rc<Known>)> {
        let opened = open::open(root, path)?;
        let known = match self.entries.iter().position(|(key, _)| *key == opened.key) {
            Some(at) => self.entries.remove(at).1,
            None => Known::read(&opened)?,
        };
        self.entries.push((opened.key, Rc::clone(&known)));
        Ok((opened, known))
    }

    pub(super) fn vdso(&mut self) -> Result<(OpenFile, Rc<Known>)> {
        let opened = load_map::own_vdso().context("the vDSO can't be read")?;
        if self.vdso.is_none() {
            self.vdso = Some(Known::read(&opened)?);
        }
        Ok((opened, Rc::clone(self.vdso.as_ref().expect("set above"))))
    }

    /// Back within the limits, the longest unused first.
    fn trim(&mut self) {
        let mut total: u64 = self.entries.iter().map(|(_, known)| known.size_bytes()).sum();
        let mut drop = 0;
        while total > BYTES_KEPT || self.entries.len() - drop > FILES_KEPT {
            total -= self.entries[drop].1.size_bytes();
            drop += 1;
        }
        self.entries.drain(..drop);
        self.evicted.inc_by(drop as u64);
    }

    fn clear(&mut self) {
        self.entries = vec![];
        self.vdso = None;
    }
}
