//! What a signal's siginfo says of who sent it or what raised it: sigaction(2), the table of `si_code`.

pub mod facts;
pub mod words;

use crate::kinds::case::{CaseFile, Finding, Statement};
use crate::kinds::pieces::Who;
use crate::observation::KernelCrash;
use facts::{SignalFact, SignalReason};

/// The page at address 0 is never mapped, so that null pointers fault.
const FIRST_PAGE: u64 = 4096;

/// The facts a crash's signal brings: what raised it and where, or who sent it.
pub fn facts(crash: &KernelCrash) -> Vec<Statement> {
    const SOURCE: &str = "kernel:signal_generate";
    let mut facts = Vec::new();
    if is_sent(crash) {
        let by = Who { name: String::from_utf8_lossy(&crash.sender_comm).into(), pid: crash.sender };
        facts.push(Statement::new(SOURCE, SignalFact::SignalSent { signal: crash.signal, by }));
    } else if let Some((reason, address)) = reason(crash) {
        let raised = SignalFact::SignalRaised { signal: crash.signal, reason, address };
        facts.push(Statement::new(SOURCE, raised));
    }
    if crash.tid != crash.key.pid {
        facts.push(Statement::new(SOURCE, SignalFact::OtherThread { tid: crash.tid }));
    }
    facts
}

/// Whether another process sent the signal on purpose: kill(2) and its kin have codes up to 0.
pub fn is_sent(crash: &KernelCrash) -> bool {
    crash.sender != crash.key.pid && crash.code.is_some_and(|code| code <= 0)
}

/// Whether the process sent the signal to itself: kill(2), raise(3), abort(3).
pub fn is_own(crash: &KernelCrash) -> bool {
    crash.sender == crash.key.pid && crash.code.is_some_and(|code| code <= 0)
}

/// Who sent the signal that a finding rests on, on purpose.
pub fn sent_by<'a>(file: &'a CaseFile, finding: &'a Finding) -> Option<&'a Who> {
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

fn stated<'a>(file: &'a CaseFile, finding: &'a Finding) -> impl Iterator<Item = &'a SignalFact> {
    file.cited(finding).filter_map(|fact| fact.data.as_signal())
}

/// The kernel's own reason, with the address where it means one.
fn reason(crash: &KernelCrash) -> Option<(SignalReason, Option<u64>)> {
    const SI_TKILL: i32 = -6;
    const SI_KERNEL: i32 = 0x80;
    let address = crash.fault_address.unwrap_or(0);
    let (reason, has_address) = match (crash.signal, crash.code?) {
        (6, SI_TKILL) => (SignalReason::Abort, false),
        (11, 1) if address < FIRST_PAGE => (SignalReason::NullPointer, true),
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
    Some((reason, has_address.then_some(address)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;

    use super::*;
    use crate::kinds::fixture;
    use crate::model::ProcessKey;
    use crate::render;

    fn crash(signal: u8, code: Option<i32>, fault_address: Option<u64>, sender: u32) -> KernelCrash {
        KernelCrash {
            key: ProcessKey { pid: 42, start_ticks: 1 },
            tid: 42,
            at: Duration::ZERO,
            signal,
            code,
            fault_address,
            sender,
            sender_comm: b"gdb\x1b"[..].into(),
            capture: None,
        }
    }

    #[test]
    fn codes_are_told_in_words() {
        for (signal, code, address, sender, want) in [
            (
                11,
                Some(1),
                Some(8),
                42,
                Some("address 0x8, where nothing is mapped (SEGV_MAPERR): a null pointer"),
            ),
            (11, Some(2), Some(0x7000), 42, Some("forbidden access to address 0x7000")),
            (11, Some(0x80), Some(0), 42, Some("general protection")),
            (6, Some(-6), None, 42, Some("abort(3)")),
            (8, Some(1), Some(0x401_000), 42, Some("division by zero at 0x401000")),
            (11, Some(0), None, 7, Some("SIGSEGV was sent to it by gdb\u{fffd} (pid 7)")),
            (11, None, None, 42, None),
            (24, Some(1), None, 42, None),
        ] {
            let facts = facts(&crash(signal, code, address, sender));
            match want {
                Some(want) => assert!(render::fact(&facts[0].data).contains(want), "{facts:?}"),
                None => assert_eq!(facts, []),
            }
        }
    }

    #[test]
    fn only_another_process_sends_on_purpose() {
        for (code, sender, want) in [
            (Some(0), 7, true),
            (Some(-6), 7, true),
            (Some(-6), 42, false),
            (Some(0), 42, false),
            (Some(1), 42, false),
            // The kernel signals another process of its own accord, a tracer's child for one.
            (Some(0x80), 7, false),
            (None, 7, false),
        ] {
            assert_eq!(is_sent(&crash(11, code, None, sender)), want, "{code:?} {sender}");
        }
    }

    #[test]
    fn each_statement_has_a_value_and_a_sentence() {
        let raised = |signal, reason, address| SignalFact::SignalRaised { signal, reason, address }.into();
        let by = Who { name: "gdb\x1b[31m".into(), pid: 7 };
        fixture::check_statements(
            &[
                SignalFact::SignalSent { signal: 11, by }.into(),
                SignalFact::OtherThread { tid: 43 }.into(),
                raised(6, SignalReason::Abort, None),
                raised(11, SignalReason::NullPointer, Some(8)),
                raised(11, SignalReason::NothingMapped, Some(0x7ffc_0ff8)),
                raised(11, SignalReason::ForbiddenAccess, Some(0x7000)),
                raised(11, SignalReason::ImpossibleAddress, None),
                raised(7, SignalReason::MisalignedAddress, Some(0x7001)),
                raised(7, SignalReason::BeyondFile, Some(0x7000)),
                raised(7, SignalReason::HardwareMemoryError, Some(0x7000)),
                raised(4, SignalReason::UnknownInstruction, Some(0x401_000)),
                raised(8, SignalReason::DivisionByZero, Some(0x401_000)),
                raised(8, SignalReason::IntegerOverflow, Some(0x401_000)),
                raised(8, SignalReason::ArithmeticFault, Some(0x401_000)),
                raised(5, SignalReason::Trap, Some(0x401_000)),
                raised(31, SignalReason::ForbiddenSystemCall, None),
            ],
            &expect![[r#"
                {"type":"signal_sent","signal":11,"by":{"name":"gdb\u001b[31m","pid":7}}
                  SIGSEGV was sent to it by gdb�[31m (pid 7)
                {"type":"other_thread","tid":43}
                  thread 43 crashed, not the main thread
                {"type":"signal_raised","signal":6,"reason":"abort","address":null}
                  SIGABRT was raised by the program itself: abort(3), an assertion or a panic
                {"type":"signal_raised","signal":11,"reason":"null_pointer","address":8}
                  SIGSEGV was raised by an access to address 0x8, where nothing is mapped (SEGV_MAPERR): a null pointer, or a field of one
                {"type":"signal_raised","signal":11,"reason":"nothing_mapped","address":2147225592}
                  SIGSEGV was raised by an access to address 0x7ffc0ff8, where nothing is mapped (SEGV_MAPERR)
                {"type":"signal_raised","signal":11,"reason":"forbidden_access","address":28672}
                  SIGSEGV was raised by a forbidden access to address 0x7000 (SEGV_ACCERR)
                {"type":"signal_raised","signal":11,"reason":"impossible_address","address":null}
                  SIGSEGV was raised by an access to an address that cannot exist (general protection)
                {"type":"signal_raised","signal":7,"reason":"misaligned_address","address":28673}
                  SIGBUS was raised by a misaligned access to address 0x7001 (BUS_ADRALN)
                {"type":"signal_raised","signal":7,"reason":"beyond_file","address":28672}
                  SIGBUS was raised by an access to address 0x7000, beyond the end of a mapped file (BUS_ADRERR)
                {"type":"signal_raised","signal":7,"reason":"hardware_memory_error","address":28672}
                  SIGBUS was raised by a hardware memory error at address 0x7000
                {"type":"signal_raised","signal":4,"reason":"unknown_instruction","address":4198400}
                  SIGILL was raised by an instruction at 0x401000 that this CPU does not support
                {"type":"signal_raised","signal":8,"reason":"division_by_zero","address":4198400}
                  SIGFPE was raised by an integer division by zero at 0x401000 (FPE_INTDIV)
                {"type":"signal_raised","signal":8,"reason":"integer_overflow","address":4198400}
                  SIGFPE was raised by an integer overflow at 0x401000 (FPE_INTOVF)
                {"type":"signal_raised","signal":8,"reason":"arithmetic_fault","address":4198400}
                  SIGFPE was raised by an arithmetic fault at 0x401000
                {"type":"signal_raised","signal":5,"reason":"trap","address":4198400}
                  SIGTRAP was raised by a trap or breakpoint at 0x401000
                {"type":"signal_raised","signal":31,"reason":"forbidden_system_call","address":null}
                  SIGSYS was raised by a system call that its seccomp filter forbids
            "#]],
        );
    }
}
