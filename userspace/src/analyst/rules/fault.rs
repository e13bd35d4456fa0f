//! What the daemon's own facts say of how a process ended: by which signal, what raised or sent it, and where in the
//! program. Only statements that begin with the daemon's own words are believed; names stand after them.

use crate::model::{CaseFile, Finding, is_crash_signal, signal_name};
use crate::text;

/// The frozen stack.
const STACK: &str = "stack.txt";
/// With fewer frames recursion cannot be told from an ordinary call chain.
const MIN_RECURSIVE_FRAMES: usize = 12;
/// What stands between a parent and what it starts again.
const STARTED: &str = " has started it with the same arguments ";
/// Frames of a stack that are looked at.
const MAX_FRAMES: usize = 512;

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By a signal that means a fault; its name.
    Crash(String),
    /// By the OOM killer.
    OomKill,
    /// By exit status, by another signal, or nobody knows.
    Other,
}

/// The statements of one finding.
#[derive(Clone, Copy)]
pub(super) struct Fault<'a> {
    file: &'a CaseFile,
    finding: &'a Finding,
}

impl<'a> Fault<'a> {
    pub(super) const fn of(file: &'a CaseFile, finding: &'a Finding) -> Self {
        Self { file, finding }
    }

    /// How it ended, as `exit status 3 after living 3.2 s`.
    pub(super) fn cause(self) -> Option<&'a str> {
        self.statement("ended by ")
    }

    /// Whether its parent, no known supervisor, has started it again each time, in words.
    pub(super) fn started_again_by(self) -> Option<&'a str> {
        let fact = self.file.facts.iter().find(|fact| {
            self.finding.facts.contains(&fact.id)
                && fact.source == "monitor:history"
                && fact.text().contains(STARTED)
        })?;
        fact.text().split_once(STARTED).map(|(parent, _)| parent)
    }

    /// How it ended, by the exit's fact; by the summary where there is none.
    pub(super) fn ending(self) -> Ending {
        let last = || self.finding.said().rsplit_once(", last by ").map(|(_, cause)| cause);
        let Some(cause) = self.statement("ended by ").or_else(last) else { return Ending::Other };
        let first = cause.split([' ', '.', ',']).next().unwrap_or("");
        if first == signal_name(9) && self.statement("the OOM killer chose it").is_some() {
            return Ending::OomKill;
        }
        let crash = (1..=64).filter(|signal| is_crash_signal(*signal)).map(signal_name);
        crash.into_iter().find(|name| name == first).map_or(Ending::Other, Ending::Crash)
    }

    /// What raised the signal, as `an access to address 0x8, …`.
    pub(super) fn raised_by(self) -> Option<&'a str> {
        self.after_signal(" was raised by ")
    }

    /// Who sent the signal, as `gdb (pid 7)`.
    pub(super) fn sent_by(self) -> Option<&'a str> {
        self.after_signal(" was sent to it by ")
    }

    /// The function at fault, with file and line where they are known, and the one that called it.
    pub(super) fn place(self) -> Option<String> {
        let frames: Vec<&str> = self.statement("its stack was ").map(|it| it.split(" ← ").collect())?;
        let function = self.function();
        let named = |frame: &&str| function.is_some_and(|it| frame.split(" at ").next() == Some(it));
        let at = frames.iter().position(named).unwrap_or(0);
        let caller = frames.get(at + 1).filter(|frame| **frame != "…");
        let called = caller.map(|caller| format!(", called from {caller}")).unwrap_or_default();
        Some(format!("{}{called}", frames.get(at)?))
    }

    /// Whether the frozen stack is there.
    pub(super) fn has_stack(self) -> bool {
        self.stack().is_some()
    }

    /// Whether any of these functions is on the stack.
    pub(super) fn went_through(self, functions: &[&str]) -> bool {
        self.frames().any(|frame| functions.iter().any(|function| frame.contains(function)))
    }

    /// Whether one function, or two in turn, make up most of the stack.
    pub(super) fn is_recursive(self) -> bool {
        let mut counts = std::collections::BTreeMap::new();
        self.frames().for_each(|frame| *counts.entry(frame).or_insert(0_usize) += 1);
        let all: usize = counts.values().sum();
        counts.remove("??");
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
        let repeated: usize = counts.iter().take(2).filter(|count| **count > 2).sum();
        all >= MIN_RECURSIVE_FRAMES && repeated * 4 >= all * 3
    }

    /// The functions of the stack, without their files and modules.
    fn frames(self) -> impl Iterator<Item = String> {
        let body = self.stack().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        let function = |line: &str| {
            let (_, frame) = line.strip_prefix('#')?.split_once(" in ")?;
            let end = frame.find(" at /").or_else(|| frame.find(" (/")).or_else(|| frame.find(" at "));
            Some(frame[..end.unwrap_or(frame.len())].to_owned())
        };
        body.lines().take(MAX_FRAMES).filter_map(function).collect::<Vec<_>>().into_iter()
    }

    fn stack(self) -> Option<&'a [u8]> {
        let stack = self.file.evidence.iter().find(|it| it.name == STACK)?;
        Some(&stack.body)
    }

    /// The function that the finding's summary ends with: `… (signal 11) in FUNCTION.`
    fn function(self) -> Option<&'a str> {
        let name = text::printable(&self.file.process.name);
        let summary = self.finding.said().strip_prefix(name.as_str()).unwrap_or(self.finding.said());
        let (_, cause) = summary.split_once(" (signal ")?;
        cause.split_once(") in ").map(|(_, function)| function.trim_end_matches('.'))
    }

    /// What follows `SIGNAL` and these words.
    fn after_signal(self, words: &str) -> Option<&'a str> {
        self.texts().find_map(|text| {
            let (signal, rest) = text.split_once(words)?;
            let is_name = !signal.is_empty() && !signal.contains(|c: char| !c.is_ascii_uppercase());
            is_name.then_some(rest)
        })
    }

    fn statement(self, beginning: &str) -> Option<&'a str> {
        self.texts().find_map(|text| text.strip_prefix(beginning))
    }

    /// The kernel's statements that the finding rests on.
    fn texts(self) -> impl Iterator<Item = &'a str> {
        let cited = move |id: &String| self.finding.facts.contains(id);
        let facts = self.file.facts.iter().filter(move |fact| cited(&fact.id));
        facts.filter(|fact| fact.source.starts_with("kernel:")).map(|fact| fact.text())
    }
}
