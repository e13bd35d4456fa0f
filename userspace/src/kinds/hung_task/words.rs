//! The sentences of this room.

use super::facts::HungFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::words::{duration_ms, subject, thread};
use crate::model::Name;

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let who = subject(file);
    let wait = file.cited(finding).find_map(|fact| match fact.data.as_hung()? {
        HungFact::HungThread { lasted_ms, for_vfork_child, .. } => Some((*lasted_ms, *for_vfork_child)),
        _ => None,
    });
    let stopped = file.cited(finding).find_map(|fact| match fact.data.as_hung()? {
        HungFact::HungStopped { lasted_ms, .. } => Some(*lasted_ms),
        _ => None,
    });
    if let Some(lasted_ms) = stopped {
        return format!("{who} has been stopped by a signal for {}.", duration_ms(lasted_ms));
    }
    match wait {
        Some((lasted_ms, for_vfork_child)) => {
            let what = if for_vfork_child { "for its vfork child" } else { "in the kernel" };
            format!("{who} has waited {what} for {} and does not return.", duration_ms(lasted_ms))
        }
        None => format!("{who} waits in the kernel and does not return."),
    }
}

/// A fact as a sentence.
pub fn sentence(fact: &HungFact) -> String {
    match fact {
        HungFact::HungThread { thread: it, lasted_ms, looks, is_interruptible: true, .. } => format!(
            "{} has slept (S) for at least {}, in {looks} samples, and waits for a file system's answer",
            thread(it),
            duration_ms(*lasted_ms)
        ),
        HungFact::HungStopped { lasted_ms, looks } => format!(
            "it has been stopped (T) for at least {}, in {looks} samples, and used no CPU time meanwhile",
            duration_ms(*lasted_ms)
        ),
        HungFact::HungThread { thread: it, lasted_ms, looks, .. } => format!(
            "{} has been in uninterruptible sleep (D) for at least {}, in {looks} samples",
            thread(it),
            duration_ms(*lasted_ms)
        ),
        HungFact::HungInOneWait { wakes: 0 } => {
            "its context switch count did not change meanwhile: it is a single wait".to_owned()
        }
        HungFact::HungInOneWait { wakes } => {
            format!("it woke {wakes} times meanwhile and kept waiting in the same system call")
        }
        HungFact::HungInFunction { function } => {
            format!("it waits in the kernel function {}", function.shown())
        }
        HungFact::HungInSystemCall { call, file } => {
            let on = file.as_ref().map_or_else(String::new, |file| format!(" on {}", file.shown()));
            format!("the system call is {}(){on}", call.shown())
        }
        HungFact::HungInPageFault {} => {
            "it is in a page fault: memory backed by a file or by swap must be read in".to_owned()
        }
        HungFact::HungKernelStack { functions } => {
            let functions: Vec<_> = functions.iter().map(Name::shown).collect();
            format!("its kernel stack is {}", functions.join(" ← "))
        }
        HungFact::HungThreads { hung, of } => {
            format!("{hung} of its {of} threads are hung, this one the longest")
        }
    }
}
