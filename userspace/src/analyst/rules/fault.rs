//! What the daemon's own facts say of how a process ended: by which signal, what raised or sent it, and where in the
//! program. Only statements that begin with the daemon's own words are believed; names stand after them.

use crate::model::{CaseFile, Finding, is_crash_signal, signal_name};

/// What stands between a parent and what it starts again.
const STARTED: &str = " has started it with the same arguments ";

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

    fn statement(self, beginning: &str) -> Option<&'a str> {
        self.texts().find_map(|text| text.strip_prefix(beginning))
    }

    /// The kernel's statements that the finding rests on.
    fn texts(self) -> impl Iterator<Item = &'a str> {
        let cited = move |id: &String| self.finding.facts.contains(id);
        let facts = self.file.facts.iter().filter(move |fact| cited(&fact.id));
        facts.filter(|fact| fact.source.starts_with("kernel:")).map(crate::kinds::case::Fact::text)
    }
}
