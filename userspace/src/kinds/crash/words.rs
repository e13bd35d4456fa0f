//! The sentences of this room.

use super::facts::CrashFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::pieces::Who;
use crate::kinds::shared::{ending, signal, stack};
use crate::kinds::words::who;
use crate::text;

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let name = text::printable(&file.process.name);
    let cause = ending::cause(file, finding)
        .map_or_else(|| "a fatal signal".to_owned(), |(cause, core)| ending::words::cause(cause, core));
    let function = stack::stated(file, finding).and_then(stack::function);
    let place = function.map(|function| format!(" in {}", function.shown())).unwrap_or_default();
    match signal::sent_by(file, finding) {
        Some(by) if aborted_by_parent(file, finding).is_some() => {
            format!("{name} was aborted by its parent {} with {cause}{place}.", by.name.shown())
        }
        Some(_) => format!("{name} was ended on purpose, with {cause}{place}."),
        None => format!("{name} crashed with {cause}{place}."),
    }
}

/// A fact as a sentence.
pub fn sentence(fact: &CrashFact) -> String {
    match fact {
        CrashFact::BelowTestRunner { runner } => {
            format!("{}, one of its ancestors, runs tests: the crash may be intended", runner.shown())
        }
        CrashFact::EndedAtOnce { parent } => format!(
            "it was a copy of its parent {}, which goes on, and ended itself as soon as it was made: so do tests of \
             such ends",
            who(parent)
        ),
        CrashFact::AbortedByParent { parent } => {
            format!("its parent {} aborted it: so are processes ended that no longer answer", who(parent))
        }
    }
}

/// The parent that aborted it, where one did.
pub fn aborted_by_parent<'a>(file: &'a CaseFile, finding: &'a Finding) -> Option<&'a Who> {
    file.cited(finding).find_map(|fact| match fact.data.as_crash()? {
        CrashFact::AbortedByParent { parent } => Some(parent),
        CrashFact::BelowTestRunner { .. } | CrashFact::EndedAtOnce { .. } => None,
    })
}
