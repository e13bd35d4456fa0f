//! Why a program crashed: by what its runtime says on the stack, by what raised the signal, else by what the signal
//! means most often.

use super::proof::{self, Cause};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::signal::facts::SignalReason;
use crate::kinds::shared::stack::facts::InstructionKind;
use crate::kinds::shared::{signal, stack};
use crate::languages::{Proof, Reason, Said};
use crate::model::{Confidence, signal_name};

const SIGILL: u8 = 4;
const SIGTRAP: u8 = 5;
const SIGABRT: u8 = 6;
const SIGBUS: u8 = 7;
const SIGFPE: u8 = 8;
const SIGSEGV: u8 = 11;

/// What SIGSEGV may mean beside a wrong pointer.
const RECURSION: &str = "Endless or very deep recursion overflowed the stack";
const EARLIER: &str = "An earlier fault elsewhere, a buffer overrun or a use after free, corrupted the pointer: running \
     it under valgrind, or building it with -fsanitize=address, shows where";
const SENT: &str = "Another process sent the signal";
const NESTED: &str = "The input is nested too deeply for the stack limit (RLIMIT_STACK, or the thread's)";
const NEWER_CPU: &str = "The program was built for a newer CPU than this host has";

/// A cause, how sure it is, and what else would fit.
type Known = (&'static str, Confidence, &'static str);

/// What is known of the signal.
struct Seen {
    signal: u8,
    /// What raised it, by the kernel's word.
    reason: Option<SignalReason>,
    instruction: Option<InstructionKind>,
    /// Frames of the stack; 0 where there is none.
    depth: u32,
    is_recursive: bool,
    said: Option<Said>,
}

/// Why a program crashed by this signal.
pub(super) fn cause(file: &CaseFile, finding: &Finding, signal: u8) -> Cause {
    let raised = signal::raised_by(file, finding);
    let stack = stack::stated(file, finding);
    let seen = Seen {
        signal,
        reason: raised.map(|(reason, _)| reason),
        instruction: stack::instruction(file, finding),
        depth: stack.map_or(0, stack::depth),
        is_recursive: stack.is_some_and(stack::is_recursive),
        said: proof::said(file, finding),
    };
    let name = signal_name(signal);
    let why = match raised {
        Some((reason, address)) => {
            format!(" ({name} was raised by {})", signal::words::reason(reason, address))
        }
        None => format!(" ({name})"),
    };
    let (clause, confidence, otherwise) =
        by_runtime(&seen).or_else(|| by_reason(&seen)).unwrap_or_else(|| by_signal(&seen));
    Cause { clause: format!("{clause}{why}"), confidence, otherwise: Some(otherwise.to_owned()) }
}

/// By the runtime's own functions on the stack.
fn by_runtime(seen: &Seen) -> Option<Known> {
    let said = seen.said.filter(|it| it.proof > Proof::Status)?;
    // The kernel's word on a fault is the cause; that a runtime made a report of it, after a handler, is not.
    let is_report = said.reason == Reason::InternalError && seen.signal != SIGABRT;
    (!is_report || by_reason(seen).is_none()).then(|| (said.cause, said.proof.confidence(), said.otherwise))
}

/// By what raised the signal, and by the stack.
fn by_reason(seen: &Seen) -> Option<Known> {
    use Confidence::{High, Low, Medium};
    Some(match (seen.signal, seen.reason?) {
        (_, SignalReason::Timer) => (
            "was ended by a timer that it had set itself: a limit of its own for how long something may take",
            High,
            "What it waited for took longer than usual",
        ),
        (_, SignalReason::Itself) => (
            "sent itself the signal (kill(2) or raise(3)): that is how a program ends itself on purpose, or after a \
             handler of the signal",
            Medium,
            "A handler had taken an earlier fault and passed it on; where that was is not known",
        ),
        (SIGSEGV, SignalReason::NullPointer) => (
            "used a null pointer",
            High,
            "The result of a call that can fail (an allocation, a lookup, an open) was not checked: what it \
             asked for is missing",
        ),
        (SIGSEGV, SignalReason::BeyondStack) if seen.is_recursive => (
            "ran out of stack space: endless or very deep recursion, as the same functions repeat on the stack",
            High,
            NESTED,
        ),
        (SIGSEGV, SignalReason::BeyondStack) => (
            "ran out of stack space: too deep recursion, or too much on the stack at once",
            if seen.depth > 1 { High } else { Medium },
            NESTED,
        ),
        (SIGSEGV, SignalReason::ForbiddenAccess) => {
            ("wrote to read-only memory, or jumped to memory that holds no code", Medium, EARLIER)
        }
        (SIGSEGV, SignalReason::ImpossibleAddress) if seen.instruction == Some(InstructionKind::Halt) => (
            "ran into a `hlt`, by which a C library such as musl ends a program that it found damaged",
            Medium,
            EARLIER,
        ),
        (SIGSEGV, SignalReason::ImpossibleAddress) => (
            "used a pointer that is not a valid address: corrupted memory, or a pointer never set",
            Medium,
            EARLIER,
        ),
        (SIGSEGV, SignalReason::NothingMapped) => (
            "used an invalid pointer: to freed memory, beyond a buffer, or never set",
            Medium,
            // With the registers it would be known.
            if seen.depth > 1 && !seen.is_recursive { EARLIER } else { RECURSION },
        ),
        (SIGBUS, SignalReason::HardwareMemoryError) => (
            "used memory that the hardware found damaged",
            High,
            "The same page was damaged for other processes as well: the kernel log lists them",
        ),
        (SIGBUS, SignalReason::MisalignedAddress) => {
            ("made an access at an address that is not aligned as it must be", High, EARLIER)
        }
        (SIGBUS, SignalReason::BeyondFile) => (
            "accessed a page with nothing behind it: most often a mapped file that was truncated, or a full disk or \
             tmpfs under a mapping",
            Medium,
            "Reading the file failed under it: the kernel log would show an error of the disk",
        ),
        (SIGFPE, SignalReason::DivisionByZero) => (
            "divided an integer by zero",
            High,
            "The smallest integer was divided by -1: the result does not fit, which raises the same signal",
        ),
        (SIGFPE, SignalReason::IntegerOverflow) => {
            ("overflowed a division", High, "Its input is larger than the program has room for")
        }
        (SIGFPE, SignalReason::ArithmeticFault) => (
            "made a floating-point operation that it had asked to be told of (feenableexcept(3))",
            Medium,
            "A library that it loads turned those traps on",
        ),
        (SIGILL, _) => illegal(seen),
        (SIGTRAP, SignalReason::Trap) => trap(seen),
        (SIGABRT, SignalReason::Abort) if seen.depth > 0 => (
            "aborted itself: a failed assertion, an uncaught exception, a panic, or an allocator that found its heap \
             corrupted. Nothing on its stack proves which; it usually prints the reason just before",
            Medium,
            "A limit of its own on how long something may take was reached",
        ),
        (SIGABRT, SignalReason::Abort) => (
            "aborted itself: a failed assertion, an uncaught exception, a panic, or an allocator that found its heap \
             corrupted. Its stack would say which, and is not known; it usually prints the reason just before",
            Low,
            "A limit of its own on how long something may take was reached",
        ),
        _ => return None,
    })
}

/// SIGILL, by the bytes of the instruction.
const fn illegal(seen: &Seen) -> Known {
    match seen.instruction {
        Some(InstructionKind::Undefined) => (
            "ran into a trap (`ud2` or its kin), which the compiler or the author put there for what must never \
             happen: a check that failed, code that must not be reached, __builtin_trap()",
            Confidence::High,
            "Its input, its configuration or a dependency was in a state that the program considers impossible",
        ),
        Some(_) => (
            "reached an instruction that this CPU does not have",
            Confidence::Medium,
            "It jumped to where there is no code of its own, through a corrupted pointer",
        ),
        None => (
            "reached an instruction that this CPU does not have, or a trap that the compiler or the author put where \
             code must never go. Which, the bytes of the instruction say: gdb's `x/i $pc` on a core dump shows them",
            Confidence::Low,
            NEWER_CPU,
        ),
    }
}

/// SIGTRAP, by the bytes of the instruction.
const fn trap(seen: &Seen) -> Known {
    match seen.instruction {
        Some(InstructionKind::Breakpoint | InstructionKind::Undefined) => (
            "ran into a trap (`int3` or its kin), which the author, the compiler or its runtime put there for what must \
             never happen: no debugger was there to take it",
            Confidence::High,
            "It was left over from debugging",
        ),
        _ => (
            "hit a breakpoint, or a trap that its runtime uses for fatal errors",
            Confidence::Low,
            "A debugger had set a breakpoint and went away",
        ),
    }
}

/// By what the signal means most often: the kernel's word on what raised it is missing, or leaves nothing out.
fn by_signal(seen: &Seen) -> Known {
    use Confidence::{High, Low, Medium};
    match seen.signal {
        SIGSEGV if seen.is_recursive => {
            ("ran out of stack space, as it seems: the same functions repeat on the stack", Medium, EARLIER)
        }
        SIGSEGV => (
            "accessed memory that it may not: a null or dangling pointer, a buffer overrun, or an exhausted stack",
            Medium,
            RECURSION,
        ),
        SIGABRT => (
            "aborted itself: a failed assertion, an uncaught exception, a panic, or an allocator that \
             found its heap corrupted. It usually prints the reason just before",
            Medium,
            "A watchdog (systemd's, for one) sent the signal because it no longer answered",
        ),
        SIGBUS => (
            "accessed a page with nothing behind it: most often a mapped file that was truncated, or a \
             full disk or tmpfs under a mapping",
            Medium,
            "A memory or disk error; the kernel log would show it",
        ),
        SIGFPE => ("divided an integer by zero, or overflowed a division", High, SENT),
        SIGILL => illegal(seen),
        31 => (
            "made a system call that its seccomp filter forbids",
            High,
            "A new version of the program or of libc makes system calls that the old filter does not know",
        ),
        SIGTRAP => trap(seen),
        24 => (
            "used more CPU time than its limit allows (RLIMIT_CPU)",
            High,
            "The limit is too small for its work",
        ),
        25 => (
            "wrote a file larger than its limit allows (RLIMIT_FSIZE)",
            High,
            "The limit is too small for its work",
        ),
        _ => ("was ended by a signal that indicates a fault in the program", Low, SENT),
    }
}
