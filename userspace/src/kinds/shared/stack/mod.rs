//! A crash's stack: the value that a finding states of it, and what follows from it.

pub mod facts;
#[cfg(test)]
mod tests;
pub mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::kinds::case::{CaseFile, Draft, Finding, Statement};
use crate::model::{EvidenceFile, Name};
use crate::stack::{Frame, Stack};
use facts::{Frames, StackFact, StackFrame};

/// Where the stack comes from.
const SOURCE: &str = "kernel:signal_generate";
/// Frames stated; where the fault's lies deeper, up to its caller.
const STATED: usize = 64;
/// With fewer frames recursion cannot be told from an ordinary call chain.
const MIN_RECURSIVE_FRAMES: usize = 12;

/// Adds to a draft where its thread crashed, and makes that a part of its site; the stack as evidence.
pub fn add(draft: &mut Draft, stack: &Stack) -> Vec<EvidenceFile> {
    if let Some(site) = stack.site() {
        draft.site = format!("{} {site}", draft.site);
    }
    if let Some(fact) = fact(stack) {
        draft.facts.insert(draft.facts.len().min(1), Statement::new(SOURCE, fact));
    }
    let text = stack.to_string().into_bytes();
    if text.is_empty() {
        return Vec::new();
    }
    let json = serde_json::to_vec_pretty(stack).unwrap_or_default();
    let file = |(name, body): (&str, _)| EvidenceFile {
        name: name.to_owned(),
        source: SOURCE.to_owned(),
        taken_at: Timestamp::now(),
        body,
        truncated: false,
    };
    [("stack.txt", text), ("stack.json", json)].map(file).into()
}

/// The stack that a finding rests on.
pub fn stated<'a>(file: &'a CaseFile, finding: &'a Finding) -> Option<&'a StackFact> {
    file.cited(finding).find_map(|fact| fact.data.as_stack())
}

/// The function at fault.
pub fn function(fact: &StackFact) -> Option<&Name> {
    let StackFact::CrashStack { frames, fault_frame, .. } = fact;
    frames.0.get(index(Some((*fault_frame)?)))?.function.as_ref()
}

/// Whether a function whose name holds one of these words is on the stack.
pub fn went_through(fact: &StackFact, words: &[&str]) -> bool {
    let StackFact::CrashStack { frames, .. } = fact;
    let mut functions = frames.0.iter().filter_map(|frame| frame.function.as_ref());
    functions.any(|function| words.iter().any(|word| function.raw().contains(word)))
}

/// Whether one function, or two in turn, make up most of the stack.
pub fn is_recursive(fact: &StackFact) -> bool {
    let StackFact::CrashStack { recursion, .. } = fact;
    !recursion.is_empty()
}

/// What is stated of a stack; nothing of one without frames.
fn fact(stack: &Stack) -> Option<StackFact> {
    let fault = stack.fault_frame();
    let stated = fault.map_or(STATED, |at| STATED.max(at + 2));
    let frames: Vec<_> = stack.frames.iter().take(stated).map(frame).collect();
    (!frames.is_empty()).then(|| StackFact::CrashStack {
        frames: Frames(frames),
        depth: u32::try_from(stack.frames.len()).unwrap_or(u32::MAX),
        fault_frame: fault.and_then(|at| u32::try_from(at).ok()),
        recursion: recursion(stack),
    })
}

fn frame(frame: &Frame) -> StackFrame {
    let name = |text: &Option<String>| text.as_deref().map(Name::from);
    StackFrame {
        function: name(&frame.function),
        file: name(&frame.file),
        line: frame.line,
        module: name(&frame.module),
        offset: frame.offset,
        address: frame.address,
    }
}

/// The one or two functions that make up three quarters of a deep stack; none of any other.
fn recursion(stack: &Stack) -> Vec<Name> {
    let all = stack.frames.len();
    let mut counts = BTreeMap::new();
    for function in stack.frames.iter().filter_map(|frame| frame.function.as_deref()) {
        *counts.entry(function).or_insert(0_usize) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 2).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(2);
    let repeated: usize = counts.iter().map(|(_, count)| count).sum();
    let is_recursive = all >= MIN_RECURSIVE_FRAMES && repeated * 4 >= all * 3;
    counts.into_iter().filter(|_| is_recursive).map(|(function, _)| function.into()).collect()
}

/// Of the frame at fault; of the crashing one where nobody knows which.
fn index(fault_frame: Option<u32>) -> usize {
    fault_frame.and_then(|at| usize::try_from(at).ok()).unwrap_or(0)
}
