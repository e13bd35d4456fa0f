//! What a signal's siginfo says, in words: sigaction(2), the table of `si_code`.

use super::Statement;
use crate::model::signal_name;
use crate::observation::KernelCrash;
use crate::text;

/// The facts a crash's signal brings: what kind of fault, where, or who sent it.
pub(super) fn facts(crash: &KernelCrash) -> Vec<Statement> {
    const SOURCE: &str = "kernel:signal_generate";
    let name = signal_name(crash.signal);
    let mut facts = Vec::new();
    if is_sent(crash) {
        let who = text::printable(&String::from_utf8_lossy(&crash.sender_comm));
        facts.push(Statement::new(SOURCE, format!("{name} was sent to it by {who} (pid {})", crash.sender)));
    } else if let Some(fault) = fault(crash) {
        facts.push(Statement::new(SOURCE, format!("{name} was raised by {fault}")));
    }
    if crash.tid != crash.key.pid {
        facts.push(Statement::new(SOURCE, format!("thread {} crashed, not the main thread", crash.tid)));
    }
    facts
}

/// Whether another process sent the signal on purpose: kill(2) and its kin have codes up to 0.
pub(super) fn is_sent(crash: &KernelCrash) -> bool {
    crash.sender != crash.key.pid && crash.code.is_some_and(|code| code <= 0)
}

/// Whether the process sent the signal to itself: kill(2), raise(3), abort(3).
pub(super) fn is_own(crash: &KernelCrash) -> bool {
    crash.sender == crash.key.pid && crash.code.is_some_and(|code| code <= 0)
}

/// The kernel's own reason, with the address where it means one.
fn fault(crash: &KernelCrash) -> Option<String> {
    const SI_TKILL: i32 = -6;
    const SI_KERNEL: i32 = 0x80;
    let address = crash.fault_address.unwrap_or(0);
    let near_null = if address < 4096 { ": a null pointer, or a field of one" } else { "" };
    Some(match (crash.signal, crash.code?) {
        (6, SI_TKILL) => "the program itself: abort(3), an assertion or a panic".to_owned(),
        (11, 1) => {
            format!("an access to address {address:#x}, where nothing is mapped (SEGV_MAPERR){near_null}")
        }
        (11, 2) => format!("a forbidden access to address {address:#x} (SEGV_ACCERR)"),
        (11, SI_KERNEL) => "an access to an address that cannot exist (general protection)".to_owned(),
        (7, 1) => format!("a misaligned access to address {address:#x} (BUS_ADRALN)"),
        (7, 2) => format!("an access to address {address:#x}, beyond the end of a mapped file (BUS_ADRERR)"),
        (7, 4 | 5) => format!("a memory error of the hardware at address {address:#x}"),
        (4, _) => format!("an instruction at {address:#x} that this CPU does not have"),
        (8, 1) => format!("an integer division by zero at {address:#x} (FPE_INTDIV)"),
        (8, 2) => format!("an integer overflow at {address:#x} (FPE_INTOVF)"),
        (8, _) => format!("an arithmetic fault at {address:#x}"),
        (5, _) => format!("a trap or breakpoint at {address:#x}"),
        (31, 1) => "a system call that its seccomp filter forbids".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::ProcessKey;

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
                Some(want) => assert!(facts[0].text().contains(want), "{facts:?}"),
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
}
