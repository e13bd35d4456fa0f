//! The sentences on signals.

use super::facts::{SignalFact, SignalReason};
use crate::kinds::words::who;
use crate::model::signal_name;

/// A fact as a sentence.
pub fn sentence(fact: &SignalFact) -> String {
    match fact {
        SignalFact::SignalSent { signal, by } => {
            format!("{} was sent to it by {}", signal_name(*signal), who(by))
        }
        SignalFact::SignalRaised { signal, reason: what, address } => {
            format!("{} was raised by {}", signal_name(*signal), reason(*what, *address))
        }
        SignalFact::OtherThread { tid } => format!("thread {tid} crashed, not the main thread"),
    }
}

/// What raised a signal: `an integer division by zero at 0x401000 (FPE_INTDIV)`.
pub fn reason(reason: SignalReason, address: Option<u64>) -> String {
    let at = address.map_or_else(|| "an unknown address".to_owned(), |address| format!("{address:#x}"));
    match reason {
        SignalReason::Abort => "the program itself: abort(3), an assertion or a panic".to_owned(),
        SignalReason::NullPointer => format!(
            "an access to address {at}, where nothing is mapped (SEGV_MAPERR): a null pointer, or a field of one"
        ),
        SignalReason::NothingMapped => {
            format!("an access to address {at}, where nothing is mapped (SEGV_MAPERR)")
        }
        SignalReason::ForbiddenAccess => format!("a forbidden access to address {at} (SEGV_ACCERR)"),
        SignalReason::ImpossibleAddress => {
            "an access to an address that cannot exist (general protection)".to_owned()
        }
        SignalReason::MisalignedAddress => format!("a misaligned access to address {at} (BUS_ADRALN)"),
        SignalReason::BeyondFile => {
            format!("an access to address {at}, beyond the end of a mapped file (BUS_ADRERR)")
        }
        SignalReason::HardwareMemoryError => format!("a hardware memory error at address {at}"),
        SignalReason::UnknownInstruction => format!("an instruction at {at} that this CPU does not support"),
        SignalReason::DivisionByZero => format!("an integer division by zero at {at} (FPE_INTDIV)"),
        SignalReason::IntegerOverflow => format!("an integer overflow at {at} (FPE_INTOVF)"),
        SignalReason::ArithmeticFault => format!("an arithmetic fault at {at}"),
        SignalReason::Trap => format!("a trap or breakpoint at {at}"),
        SignalReason::ForbiddenSystemCall => "a system call that its seccomp filter forbids".to_owned(),
    }
}
