//! Turns one capture after another into a stack, and remembers the files that stacks led through of late. What others
//! wrote is parsed here, at length: only in a process that may die of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::contents::ReadBudget;
use super::effort::Effort;
use super::files::Files;
use super::frame::NO_TIME;
use super::image::read_at;
use super::images::Images;
use super::instruction::{self, Instruction};
use super::load_map::{LoadMap, Module};
use super::notes::Notes;
use super::symbols::Symbols;
use super::unwind::{self, FoundFrame};
use super::{Capture, Frame, Stack};

/// See the module.
pub struct Unwinder {
    images: Images,
}

impl Default for Unwinder {
    fn default() -> Self {
        Self::new()
    }
}

impl Unwinder {
    /// To be made before privileges are given up.
    pub fn new() -> Self {
        Self { images: Images::new() }
    }

    /// The stack, or what is known without any file where one of them makes a parser panic: those of others check
    /// less than they should for files that an attacker wrote.
    pub fn stack(&mut self, capture: &Capture, files: &dyn Files, effort: &Effort) -> Stack {
        let work = AssertUnwindSafe(|| stack(capture, files, &mut self.images, effort));
        let stack = catch_unwind(work).unwrap_or_else(|_| {
            // Whatever was half done in there is forgotten.
            self.images.clear();
            Stack::bare(unwind::bare(capture), "a file could not be read without failing")
        });
        self.images.trim(effort);
        stack
    }

    /// How many files were forgotten to make room, since it was last asked.
    pub fn take_evicted(&mut self) -> u64 {
        self.images.take_evicted()
    }
}

fn stack(capture: &Capture, files: &dyn Files, images: &mut Images, effort: &Effort) -> Stack {
    let deadline = effort.deadline;
    let mut notes = Notes::default();
    let map = LoadMap::new(capture, files, images, deadline, &mut notes);
    let budget = ReadBudget::new(effort.bytes);
    let found = unwind::chain(capture, &map, &budget, deadline, &mut notes);
    let names = Names { files, effort, budget: &budget };
    let mut frames = vec![];
    for found in &found {
        if Instant::now() >= deadline {
            notes.add(NO_TIME);
        }
        frames.extend(names.describe(found, Instant::now() < deadline, &mut notes));
    }
    if budget.is_exceeded() {
        notes.add("the files of this stack are too large together: some were left out");
    }
    if budget.is_exceeded() || effort.frugal {
        // What was left out must not be missing from the next stack.
        images.clear();
    }
    Stack { frames, notes: notes.into_inner(), instruction: instruction(capture, &map) }
}

/// What the file has at the instruction pointer. What a debugger, a compiler at run time or the program itself wrote
/// into its own code is not there.
fn instruction(capture: &Capture, map: &LoadMap) -> Option<Instruction> {
    let ip = capture.registers.as_ref()?.ip;
    let module = map.find(ip)?;
    let file = module.usable()?;
    let at = file.known.image.offset_of(ip.wrapping_sub(module.bias))?;
    let before = at.saturating_sub(2);
    let bytes = read_at(&file.opened.file, before, at - before + instruction::BYTES).ok()?;
    let (before, code) = bytes.split_at_checked(usize::try_from(at - before).ok()?)?;
    instruction::at(before, code)
}

/// What names are found with.
struct Names<'a> {
    files: &'a dyn Files,
    effort: &'a Effort,
    budget: &'a ReadBudget,
}

impl Names<'_> {
    /// The frame, after the functions that were inlined into it.
    fn describe(&self, found: &FoundFrame<'_>, in_time: bool, notes: &mut Notes) -> Vec<Frame> {
        let frame = found.frame();
        let place = found.place().filter(|_| in_time && frame.function.is_none());
        let Some((module, address)) = place else { return vec![frame] };
        let Some(symbols) = self.symbols(module, notes) else { return vec![frame] };
        let (named, unreadable) = symbols.at(address);
        unreadable.iter().for_each(|it| notes.add(format!("{}: {it}", module.name)));
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

    fn symbols<'m>(&self, module: &'m Module, notes: &mut Notes) -> Option<&'m Symbols> {
        let file = module.usable()?;
        match file.known.symbols(&file.opened, self.files, self.effort, self.budget) {
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
}
