//! The sentences on stacks.

use super::facts::{InstructionKind, StackFact, StackFrame};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::signal::{self, facts::SignalReason};
use crate::kinds::words::list;
use crate::model::Name;

/// Frames named in the fact's sentence; the others are in its data and in the evidence.
const NAMED: usize = 6;
/// Functions of a recursion named in a sentence.
const RECURSIVE: usize = 4;
/// A frame of which there is nothing to say.
const UNKNOWN: &str = "?";

/// A fact as a sentence.
pub fn sentence(fact: &StackFact) -> String {
    let (frames, depth) = match fact {
        StackFact::CrashStack { frames, depth, .. } => (frames, depth),
        StackFact::AtInstruction { instruction } => return at(*instruction).to_owned(),
    };
    let chain: Vec<_> = frames.0.iter().take(NAMED).map(frame).collect();
    let more = if usize::try_from(*depth).is_ok_and(|depth| depth > NAMED) { " ← …" } else { "" };
    format!("its stack was {}{more}", chain.join(" ← "))
}

/// ` It happened in crash at x.c:12, called from main at x.c:40. The whole stack is …`: sentences of their own after
/// a cause; nothing where there is no stack.
pub fn place(file: &CaseFile, finding: &Finding) -> String {
    let Some(StackFact::CrashStack { frames, fault_frame, recursion, .. }) = super::stated(file, finding)
    else {
        return String::new();
    };
    let beyond = matches!(signal::raised_by(file, finding), Some((SignalReason::BeyondStack, _)));
    if beyond && !recursion.is_empty() {
        let calls = if recursion.len() > 1 {
            "The functions that call each other"
        } else {
            "The function that calls itself"
        };
        let are = if recursion.len() > 1 { "are" } else { "is" };
        let more = recursion.len().saturating_sub(RECURSIVE);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names = list(recursion.iter().take(RECURSIVE).map(Name::shown));
        return format!(" {calls} {are} {names}{more}. The whole stack is in the evidence: stack.txt.");
    }
    // Where not even one is in a known file, that is all there is to tell of it.
    let unknown = |it: &StackFrame| it.function.is_none() && it.module.is_none();
    let Some(at) = super::index(*fault_frame).or_else(|| frames.0.iter().all(unknown).then_some(0)) else {
        return " None of the program's own functions is known of its stack, which is in the evidence: stack.txt."
            .to_owned();
    };
    let mut from = frames.0.iter().skip(at).map(frame);
    let place = from.next().unwrap_or_default();
    let caller = from.next().filter(|caller| caller != UNKNOWN);
    let called = caller.map(|caller| format!(", called from {caller}")).unwrap_or_default();
    format!(" It happened in {place}{called}. The whole stack is in the evidence: stack.txt.")
}

/// What kind of instruction it was at.
const fn at(instruction: InstructionKind) -> &'static str {
    match instruction {
        InstructionKind::Undefined => {
            "it was at a `ud2` or its kin, which no CPU runs: a trap that the compiler or the author put there"
        }
        InstructionKind::Breakpoint => "it was at an `int3`, a breakpoint in the program's own code",
        InstructionKind::Halt => {
            "it was at a `hlt`, which user mode may not run: so some C libraries end a program"
        }
        InstructionKind::Ordinary => "it was at an ordinary instruction: neither a trap nor a breakpoint",
    }
}

/// `function at file.c:12`, or the module and the place in it.
fn frame(frame: &StackFrame) -> String {
    let base = |path: &Name| {
        let path = path.shown();
        path.rsplit('/').next().unwrap_or(&path).to_owned()
    };
    let line = match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!(" at {}:{line}", base(file)),
        _ => String::new(),
    };
    match (&frame.function, &frame.module, frame.offset) {
        (Some(function), ..) => format!("{}{line}", function.shown()),
        (None, Some(module), Some(offset)) => format!("{}+{offset:#x}", base(module)),
        _ => frame.address.map_or_else(|| UNKNOWN.to_owned(), |address| format!("{address:#x}")),
    }
}
