//! A crash's stack: the value that a finding states of it, and what follows from it.

pub mod facts;
#[cfg(test)]
mod tests;
pub mod words;

use jiff::Timestamp;

use crate::kinds::case::{CaseFile, Draft, Finding, Statement};
use crate::kinds::shared::signal::facts::{SignalFact, SignalReason};
use crate::model::{EvidenceFile, Name};
use crate::stack::{Cycle, Frame, Instruction, Stack, undecorated};
use facts::{Frames, InstructionKind, StackFact, StackFrame};

/// Where the stack comes from.
const SOURCE: &str = "kernel:signal_generate";
/// Frames stated; where the fault's lies deeper, up to its caller.
const STATED: usize = 64;
/// With fewer frames recursion cannot be told from an ordinary call chain.
const MIN_RECURSIVE_FRAMES: usize = 12;

/// Functions named of a recursion.
const NAMED: usize = 8;
const SIGILL: u8 = 4;
const SIGTRAP: u8 = 5;

/// A function on the stack.
pub struct Function<'a> {
    /// Its name without what a compiler adds, where it has one.
    pub function: Option<String>,
    /// The path of its file.
    pub module: Option<&'a str>,
    /// Whether it is above the one at fault: the machinery through which a program ends itself.
    pub machinery: bool,
}

/// Adds to a draft where its thread crashed, and makes that a part of its site; the stack as evidence. Where the stack ran
/// out in a recursion, the site is the recursion's: where in it that was differs each time.
pub fn add(draft: &mut Draft, stack: &Stack) -> Vec<EvidenceFile> {
    let cycle = stack.cycle().filter(|_| is_overflow(draft));
    let site = cycle.map_or_else(|| stack.site(), |cycle| Some(stack.cycle_site(&cycle)));
    if let Some(site) = site {
        draft.site = format!("{} {site}", draft.site);
    }
    add_facts(draft, stack)
}

/// The same of a fault that is known by more than one crash: each may have happened elsewhere.
pub fn add_facts(draft: &mut Draft, stack: &Stack) -> Vec<EvidenceFile> {
    let at = draft.facts.len().min(1);
    let instruction =
        instruction_of(draft, stack).map(|instruction| StackFact::AtInstruction { instruction });
    let facts = fact(stack, is_overflow(draft)).into_iter().chain(instruction);
    draft.facts.splice(at..at, facts.map(|it| Statement::new(SOURCE, it)));
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
    let mut facts = file.cited(finding).filter_map(|fact| fact.data.as_stack());
    facts.find(|it| matches!(it, StackFact::CrashStack { .. }))
}

/// What kind of instruction the thread was at, where that is known and says something.
pub fn instruction(file: &CaseFile, finding: &Finding) -> Option<InstructionKind> {
    file.cited(finding).find_map(|fact| match fact.data.as_stack()? {
        StackFact::AtInstruction { instruction } => Some(*instruction),
        StackFact::CrashStack { .. } => None,
    })
}

/// The function at fault.
pub fn function(fact: &StackFact) -> Option<&Name> {
    let StackFact::CrashStack { frames, fault_frame, .. } = fact else { return None };
    frames.0.get(index(*fault_frame)?)?.function.as_ref()
}

/// What is on the stack, the innermost first.
pub fn functions<'a>(fact: &'a StackFact) -> Vec<Function<'a>> {
    let StackFact::CrashStack { frames, fault_frame, .. } = fact else { return Vec::new() };
    let own = index(*fault_frame).unwrap_or(0);
    let function = |(at, frame): (usize, &'a StackFrame)| Function {
        function: frame.function.as_ref().map(|it| undecorated(it.raw())),
        module: frame.module.as_ref().map(Name::raw),
        machinery: at < own,
    };
    frames.0.iter().enumerate().map(function).collect()
}

/// How many frames there are in all.
pub const fn depth(fact: &StackFact) -> u32 {
    match fact {
        StackFact::CrashStack { depth, .. } => *depth,
        StackFact::AtInstruction { .. } => 0,
    }
}

/// Whether a few functions in turn fill the stack.
pub fn is_recursive(fact: &StackFact) -> bool {
    matches!(fact, StackFact::CrashStack { recursion, .. } if !recursion.is_empty())
}

/// Whether the stack had no more room.
fn is_overflow(draft: &Draft) -> bool {
    let beyond = |fact: &SignalFact| {
        matches!(fact, SignalFact::SignalRaised { reason: SignalReason::BeyondStack, .. })
    };
    draft.facts.iter().filter_map(|fact| fact.data.as_signal()).any(beyond)
}

/// What the instruction says of the signal that ended it; nothing where it says nothing.
fn instruction_of(draft: &Draft, stack: &Stack) -> Option<InstructionKind> {
    let signal = draft.facts.iter().find_map(|fact| match fact.data.as_signal()? {
        SignalFact::SignalRaised { signal, .. } => Some(*signal),
        _ => None,
    })?;
    match (stack.instruction?, signal) {
        (Instruction::Undefined, SIGILL | SIGTRAP) => Some(InstructionKind::Undefined),
        (Instruction::Breakpoint | Instruction::BehindBreakpoint, SIGTRAP) => {
            Some(InstructionKind::Breakpoint)
        }
        (Instruction::Halt, _) => Some(InstructionKind::Halt),
        (_, SIGILL | SIGTRAP) => Some(InstructionKind::Ordinary),
        _ => None,
    }
}

/// What is stated of a stack; nothing of one without frames.
fn fact(stack: &Stack, overflow: bool) -> Option<StackFact> {
    let cycle = stack.cycle().filter(|cycle| overflow || is_most(cycle, stack));
    let in_turn = cycle.as_ref().filter(|_| overflow).and_then(|cycle| cycle.turn.first().copied());
    let fault = in_turn.or_else(|| stack.fault_frame());
    let stated = fault.map_or(STATED, |at| STATED.max(at + 2));
    let frames: Vec<_> = stack.frames.iter().take(stated).map(frame).collect();
    (!frames.is_empty()).then(|| StackFact::CrashStack {
        frames: Frames(frames),
        depth: u32::try_from(stack.frames.len()).unwrap_or(u32::MAX),
        fault_frame: fault.and_then(|at| u32::try_from(at).ok()),
        recursion: cycle.map(|cycle| names(&cycle, stack)).unwrap_or_default(),
    })
}

/// Whether three quarters of a deep stack are the recursion's.
const fn is_most(cycle: &Cycle, stack: &Stack) -> bool {
    let all = stack.frames.len();
    all >= MIN_RECURSIVE_FRAMES && cycle.frames * 4 >= all * 3
}

/// The functions of one turn, each once.
fn names(cycle: &Cycle, stack: &Stack) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for frame in cycle.turn.iter().filter_map(|at| stack.frames.get(*at)) {
        let module = || frame.module.as_deref().map(|it| it.rsplit('/').next().unwrap_or(it));
        let place = || Some(format!("{}+{:#x}", module()?, frame.offset?));
        let name = frame.function.clone().or_else(place).map(Name::from);
        names.extend(name.filter(|it| !names.contains(it)));
    }
    names.truncate(NAMED);
    names
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

/// Of the frame at fault.
fn index(fault_frame: Option<u32>) -> Option<usize> {
    fault_frame.and_then(|at| usize::try_from(at).ok())
}
