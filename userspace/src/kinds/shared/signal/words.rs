//! The sentences on signals.

use super::facts::{SignalFact, SignalReason};
use crate::cgroup;
use crate::kinds::pieces::Sender;
use crate::kinds::words::list;
use crate::model::{SignalWay, signal_name};

/// Longest part of a sender's command line in a sentence.
const COMMAND_CHARS: usize = 120;

/// A fact as a sentence.
pub fn sentence(fact: &SignalFact) -> String {
    match fact {
        SignalFact::SignalSent { signal, by, way } => {
            format!("{} was sent to it by {}{}", signal_name(*signal), in_full(by), by_way(*way))
        }
        SignalFact::SignalFollowed { signal, of, way } => {
            format!(
                "{} was sent to it by the kernel because {} had ended",
                signal_name(*signal),
                ended(of, *way)
            )
        }
        SignalFact::SignalAgain { signal } => format!(
            "its own handler of {} ran first and then sent the signal again: this is the first one",
            signal_name(*signal)
        ),
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
        SignalReason::BeyondStack => {
            format!("an access to address {at}, beside the stack pointer: its stack had no more room")
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
        SignalReason::UnknownInstruction => format!("an instruction at {at} that the CPU refused"),
        SignalReason::DivisionByZero => format!("an integer division by zero at {at} (FPE_INTDIV)"),
        SignalReason::IntegerOverflow => format!("an integer overflow at {at} (FPE_INTOVF)"),
        SignalReason::ArithmeticFault => format!("an arithmetic fault at {at}"),
        SignalReason::Trap => format!("a trap or breakpoint at {at}"),
        SignalReason::Itself => "the process itself (kill(2) or raise(3))".to_owned(),
        SignalReason::Timer => "a timer of its own that expired".to_owned(),
        SignalReason::CpuLimit => "the kernel: its CPU time had reached RLIMIT_CPU".to_owned(),
        SignalReason::FileSizeLimit => "the kernel: it wrote a file beyond RLIMIT_FSIZE".to_owned(),
        SignalReason::Terminal => "its terminal: a key was pressed, or the terminal hung up".to_owned(),
        SignalReason::Kernel => "the kernel, for an unknown reason".to_owned(),
        SignalReason::ForbiddenSystemCall => "a system call that its seccomp filter forbids".to_owned(),
    }
}

/// A sender in a sentence, and the person behind it: `kill (pid 77), run by alice in session 7`.
pub fn sender(by: &Sender) -> String {
    format!(
        "{} (pid {}){}",
        by.name.shown(),
        by.pid,
        person(by).map(|it| format!(", run by {it}")).unwrap_or_default()
    )
}

/// Who logged in and started it; else the user, where that is not root.
fn person(by: &Sender) -> Option<String> {
    let session = by.session.map(|it| format!(" in session {it}")).unwrap_or_default();
    match (&by.login_user, by.login_uid, &by.user, by.uid) {
        (Some(name), ..) => Some(format!("{}{session}", name.shown())),
        (None, Some(uid), ..) => Some(format!("uid {uid}{session}")),
        (None, None, Some(name), Some(1..)) => Some(name.shown()),
        (None, None, None, Some(uid @ 1..)) => Some(format!("uid {uid}")),
        _ => None,
    }
}

/// All that is known of a sender.
fn in_full(by: &Sender) -> String {
    let mut told = sender(by);
    let uid = by.uid.map(|uid| match &by.user {
        Some(name) => format!(", as {} (uid {uid})", name.shown()),
        None => format!(", as uid {uid}"),
    });
    told.extend(uid);
    told.extend(by.unit.as_ref().map(|it| format!(", in {}", it.shown())));
    told.extend(by.container_id.as_ref().map(|it| format!(", in container {}", cgroup::short_id(it.raw()))));
    if !by.above.is_empty() {
        let above = list(by.above.iter().map(|it| format!("{} (pid {})", it.name.shown(), it.pid)));
        told.push_str(&format!(", started below {above}"));
    }
    told.extend(
        by.command.as_ref().map(|it| format!("; its command line: {}", it.shown_up_to(COMMAND_CHARS))),
    );
    told
}

const fn by_way(way: Option<SignalWay>) -> &'static str {
    match way {
        Some(SignalWay::CgroupKill) => " (through cgroup.kill)",
        Some(SignalWay::Queue) => " (by sigqueue(3))",
        _ => "",
    }
}

fn ended(of: &Sender, way: SignalWay) -> String {
    let name = format!("{} (pid {})", of.name.shown(), of.pid);
    match way {
        SignalWay::NamespaceEnd => format!("{name}, the first process of its pid namespace,"),
        SignalWay::TracerEnd => format!("{name}, which traced it,"),
        _ => format!("its parent {name}"),
    }
}
