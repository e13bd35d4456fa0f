//! The sentences of this room.

use super::facts::{CrashLoopFact, Pace};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::ending;
use crate::kinds::words::{duration_ms, who};
use crate::text;

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let name = text::printable(&file.process.name);
    let often = file.cited(finding).find_map(|fact| match fact.data.as_crash_loop()? {
        CrashLoopFact::Deaths { count, within_ms, .. } => {
            Some(format!(": {count} times in {}", duration_ms(*within_ms)))
        }
        CrashLoopFact::StartedAgain { .. } => None,
    });
    let last = ending::cause(file, finding)
        .map(|(cause, core)| format!(", last by {}", ending::words::cause(cause, core)));
    format!("{name} keeps dying{}{}.", often.unwrap_or_default(), last.unwrap_or_default())
}

/// A fact as a sentence.
pub fn sentence(fact: &CrashLoopFact) -> String {
    match fact {
        CrashLoopFact::Deaths { count, within_ms, apart_ms, pace: trend } => format!(
            "{count} deaths within {}, one every {} on average{}",
            duration_ms(*within_ms),
            duration_ms(*apart_ms),
            trend.map(pace).unwrap_or_default()
        ),
        CrashLoopFact::StartedAgain { by, times, pause_ms } => format!(
            "{} has started it with the same arguments {times} times without success, typically {} after it ended",
            who(by),
            duration_ms(*pause_ms)
        ),
    }
}

const fn pace(pace: Pace) -> &'static str {
    match pace {
        Pace::SlowingDown => ", and less and less often: whatever restarts it backs off",
        Pace::SpeedingUp => ", and more and more often",
        Pace::Steady => ", at a steady pace",
    }
}
