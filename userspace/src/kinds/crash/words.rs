//! The sentences of this room.

use super::facts::CrashFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::{ending, signal, stack};
use crate::text;

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let name = text::printable(&file.process.name);
    let cause = ending::cause(file, finding)
        .map_or_else(|| "a fatal signal".to_owned(), |(cause, core)| ending::words::cause(cause, core));
    let function = stack::stated(file, finding).and_then(stack::function);
    let place = function.map(|function| format!(" in {}", function.shown())).unwrap_or_default();
    match signal::sent_by(file, finding) {
        Some(_) => format!("{name} was ended on purpose, with {cause}{place}."),
        None => format!("{name} crashed with {cause}{place}."),
    }
}

/// A fact as a sentence.
pub fn sentence(fact: &CrashFact) -> String {
    let CrashFact::BelowTestRunner { runner } = fact;
    format!("{}, one of its ancestors, runs tests: the crash may be intended", runner.shown())
}
