//! The thread that does the work: it owns the cache of files, and turns one capture after another into a
//! stack. Should a file hang it, or a crafted one take it down, only its caller's patience is lost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use super::contents::ReadBudget;
use super::frame::NO_TIME;
use super::images::Images;
use super::load_map::{LoadMap, Module};
use super::notes::Notes;
use super::symbols::Symbols;
use super::unwind::{self, FoundFrame};
use super::{Capture, Frame, Stack};

/// After this long without a crash, nothing is remembered.
const IDLE: Duration = Duration::from_secs(120);

/// One capture, and who waits for its stack.
pub(super) struct StackRequest {
    pub(super) capture: Capture,
    pub(super) deadline: Instant,
    pub(super) reply: SyncSender<Stack>,
}

/// Until nobody can ask any more.
pub(super) fn run(requests: &Receiver<StackRequest>, evicted: &Counter) {
    let mut images = Images::new(evicted.clone());
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
        Stack::bare(unwind::bare(capture), "a file could not be read")
    })
}

fn stack(capture: &Capture, images: &mut Images, deadline: Instant) -> Stack {
    let mut notes = Notes::default();
    let map = LoadMap::new(capture, images, deadline, &mut notes);
    let budget = ReadBudget::new();
    let found = unwind::chain(capture, &map, &budget, deadline, &mut notes);
    let mut frames = vec![];
    for found in &found {
        if Instant::now() >= deadline {
            notes.add(NO_TIME);
        }
        frames.extend(describe(found, Instant::now() < deadline, &budget, &mut notes));
    }
    if budget.is_exceeded() {
        notes.add("the files of this stack are too large in total: some were omitted");
        // What was left out must not be missing from the next stack.
        images.clear();
    }
    Stack { frames, notes: notes.into_inner() }
}

/// The frame, after the functions that were inlined into it.
fn describe(found: &FoundFrame<'_>, in_time: bool, budget: &ReadBudget, notes: &mut Notes) -> Vec<Frame> {
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

fn symbols<'m>(module: &'m Module, budget: &ReadBudget, notes: &mut Notes) -> Option<&'m Symbols> {
    let file = module.usable()?;
    match file.known.symbols(&file.opened, budget) {
        Ok(symbols) => {
            symbols.left_out().iter().for_each(|it| notes.add(format!("{}: {it}", module.name)));
            Some(symbols)
        }
        Err(error) => {
            notes.add(format!("{} provides no names: {error}", module.name));
            None
        }
    }
}
