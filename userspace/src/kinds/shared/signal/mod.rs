//! What a signal's siginfo says of who sent it or what raised it: sigaction(2), the table of `si_code`.

pub mod facts;
pub mod words;

use crate::kinds::case::{CaseFile, Finding, Statement};
use crate::kinds::pieces::Sender;
use crate::model::{SignalSource, SignalWay};
use crate::observation::FatalSignal;
use facts::{SignalFact, SignalReason};

/// Where all of it is read.
const SOURCE: &str = "kernel:signal_generate";
const SIGABRT: u8 = 6;
/// Bytes of a page. The one at address 0 is never mapped, so that null pointers fault.
const PAGE: u64 = 4096;
/// Where in the captured registers the instruction and stack pointers are (`struct pt_regs` of x86-64).
const IP: usize = 16;
const SP: usize = 19;

/// The facts that the signal of an end brings: what raised it and where, or who sent it.
pub fn facts(signal: &FatalSignal, source: Option<&SignalSource>) -> Vec<Statement> {
    let mut facts: Vec<_> = origin(signal, source).into_iter().collect();
    if signal.again {
        facts.push(SignalFact::SignalAgain { signal: signal.signal });
    }
    if signal.tid != signal.key.pid && !signal.way().is_sent() {
        facts.push(SignalFact::OtherThread { tid: signal.tid });
    }
    facts.into_iter().map(|fact| Statement::new(SOURCE, fact)).collect()
}

/// Where it came from.
fn origin(signal: &FatalSignal, source: Option<&SignalSource>) -> Option<SignalFact> {
    let (number, way) = (signal.signal, signal.way());
    let sender = || source.and_then(|it| it.sender.as_ref()).map_or_else(|| bare(signal), Sender::from);
    if way.is_sent() {
        return Some(SignalFact::SignalSent { signal: number, by: sender(), way: Some(way) });
    }
    if way.follows_an_end() {
        return Some(SignalFact::SignalFollowed { signal: number, of: sender(), way });
    }
    let (reason, address) = reason(signal)?;
    Some(SignalFact::SignalRaised { signal: number, reason, address })
}

/// What the kernel alone says of the sender.
fn bare(signal: &FatalSignal) -> Sender {
    let name = String::from_utf8_lossy(&signal.sender.comm).into();
    Sender { name, pid: signal.sender.key.pid, uid: Some(signal.sender.uid), ..Sender::default() }
}

/// Whether another process sent the signal on purpose.
pub fn is_sent(signal: &FatalSignal) -> bool {
    signal.way().is_sent()
}

/// Whether the process sent the signal to itself: kill(2), raise(3), abort(3).
pub fn is_own(signal: &FatalSignal) -> bool {
    signal.way() == SignalWay::Itself
}

/// Whether somebody ended the process of a case by a signal.
pub fn is_somebodys_doing(file: &CaseFile) -> bool {
    file.facts.iter().any(|fact| matches!(fact.data.as_signal(), Some(SignalFact::SignalSent { .. })))
}

/// Who sent the signal that a finding rests on, on purpose.
pub fn sent_by<'a>(file: &'a CaseFile, finding: &'a Finding) -> Option<&'a Sender> {
    stated(file, finding).find_map(|fact| match fact {
        SignalFact::SignalSent { by, .. } => Some(by),
        _ => None,
    })
}

/// What raised the signal that a finding rests on, and where.
pub fn raised_by(file: &CaseFile, finding: &Finding) -> Option<(SignalReason, Option<u64>)> {
    stated(file, finding).find_map(|fact| match fact {
        SignalFact::SignalRaised { reason, address, .. } => Some((*reason, *address)),
        _ => None,
    })
}

/// What a finding rests on of the signal.
pub fn stated<'a>(file: &'a CaseFile, finding: &'a Finding) -> impl Iterator<Item = &'a SignalFact> {
    file.cited(finding).filter_map(|fact| fact.data.as_signal())
}

/// The kernel's own reason, with the address where it means one.
fn reason(signal: &FatalSignal) -> Option<(SignalReason, Option<u64>)> {
    match signal.way() {
        SignalWay::Fault => fault(signal),
        SignalWay::Itself if signal.signal == SIGABRT => Some((SignalReason::Abort, None)),
        SignalWay::Itself => Some((SignalReason::Itself, None)),
        SignalWay::Timer => Some((SignalReason::Timer, None)),
        SignalWay::CpuLimit => Some((SignalReason::CpuLimit, None)),
        SignalWay::FileSizeLimit => Some((SignalReason::FileSizeLimit, None)),
        SignalWay::Terminal => Some((SignalReason::Terminal, None)),
        // It says nothing of a fault's cause.
        SignalWay::Kernel if signal.is_own() => None,
        SignalWay::Kernel => Some((SignalReason::Kernel, None)),
        // Told as somebody's doing.
        SignalWay::Kill
        | SignalWay::Queue
        | SignalWay::CgroupKill
        | SignalWay::ParentDeath
        | SignalWay::NamespaceEnd
        | SignalWay::TracerEnd => None,
    }
}

/// By the signal and its `si_code`.
fn fault(signal: &FatalSignal) -> Option<(SignalReason, Option<u64>)> {
    const SI_KERNEL: i32 = 0x80;
    let address = signal.fault_address.unwrap_or(0);
    let (reason, has_address) = match (signal.signal, signal.code?) {
        (11, 1) if address < PAGE => (SignalReason::NullPointer, true),
        (11, 1 | 2) if is_beyond_stack(signal, address) => (SignalReason::BeyondStack, true),
        (11, 1) => (SignalReason::NothingMapped, true),
        (11, 2) => (SignalReason::ForbiddenAccess, true),
        (11, SI_KERNEL) => (SignalReason::ImpossibleAddress, false),
        (7, 1) => (SignalReason::MisalignedAddress, true),
        (7, 2) => (SignalReason::BeyondFile, true),
        (7, 4 | 5) => (SignalReason::HardwareMemoryError, true),
        (4, _) => (SignalReason::UnknownInstruction, true),
        (8, 1) => (SignalReason::DivisionByZero, true),
        (8, 2) => (SignalReason::IntegerOverflow, true),
        (8, _) => (SignalReason::ArithmeticFault, true),
        (5, _) => (SignalReason::Trap, true),
        (31, 1) => (SignalReason::ForbiddenSystemCall, false),
        _ => return None,
    };
    let address = match reason {
        SignalReason::Trap | SignalReason::UnknownInstruction => at_instruction(signal),
        _ => Some(address),
    };
    Some((reason, address.filter(|_| has_address)))
}

/// Where the instruction was that raised it: the kernel gives no address with a breakpoint, and the CPU is behind it then.
fn at_instruction(signal: &FatalSignal) -> Option<u64> {
    const SIGTRAP: u8 = 5;
    let ip = || signal.capture.as_ref()?.registers.map(|it| it[IP]);
    let behind = u64::from(signal.signal == SIGTRAP);
    signal.fault_address.filter(|it| *it != 0).or_else(|| Some(ip()?.saturating_sub(behind)))
}

/// Whether the access was beside the stack pointer, where the stack ends: at most a page below it, or between it and what
/// can be read above. A pointer that leads there by chance finds a stack that can be read.
fn is_beyond_stack(signal: &FatalSignal, address: u64) -> bool {
    let Some(capture) = &signal.capture else { return false };
    let Some(sp) = capture.registers.map(|it| it[SP]) else { return false };
    let lowest = sp.saturating_sub(PAGE);
    // The copy begins at the stack pointer, or where the next page can be read, or there is none.
    let readable = match (capture.stack.is_empty(), capture.stack_start > sp) {
        (true, _) => sp.saturating_add(PAGE),
        (false, true) => capture.stack_start,
        (false, false) => sp & !(PAGE - 1),
    };
    (lowest..readable).contains(&address)
}

#[cfg(test)]
mod tests;
