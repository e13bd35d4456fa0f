//! Crashes: what each deadly signal means, and how to get from the signal to the line of code.

use super::words::aborted_by_parent;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{logs, quote, step, window};
use crate::kinds::opinion::{Opinion, hypothesis, name, who};
use crate::kinds::shared::signal::facts::SignalReason;
use crate::kinds::shared::stack::facts::StackFact;
use crate::kinds::shared::{ending, signal, stack};
use crate::kinds::words;
use crate::model::{Confidence, ExitCause, NextStep, signal_name};

const SIGILL: u8 = 4;
const SIGABRT: u8 = 6;
const SIGFPE: u8 = 8;
const SIGSEGV: u8 = 11;
/// What SIGSEGV may mean beside a wrong pointer.
const RECURSION: &str = "Endless or very deep recursion overflowed the stack";

/// What a signal says: its number (0: any other), the cause that fits most often, how sure that is, and what else would fit.
struct Meaning {
    signal: u8,
    cause: &'static str,
    confidence: Confidence,
    otherwise: &'static str,
}

const MEANINGS: [Meaning; 10] = [
    Meaning {
        signal: SIGSEGV,
        cause: "accessed memory that it may not: a null or dangling pointer, a buffer overrun, or an exhausted stack",
        confidence: Confidence::Medium,
        otherwise: RECURSION,
    },
    Meaning {
        signal: SIGABRT,
        cause: "aborted itself: a failed assertion, an uncaught exception, a panic, or an allocator that \
             found its heap corrupted. It usually prints the reason just before",
        confidence: Confidence::Medium,
        otherwise: "A watchdog (systemd's, for one) sent the signal because it no longer answered",
    },
    Meaning {
        signal: 7,
        cause: "accessed a page with nothing behind it: most often a mapped file that was truncated, or a \
             full disk or tmpfs under a mapping",
        confidence: Confidence::Medium,
        otherwise: "A memory or disk error; the kernel log would show it",
    },
    Meaning {
        signal: SIGFPE,
        cause: "divided an integer by zero, or overflowed a division",
        confidence: Confidence::High,
        otherwise: "Another process sent the signal",
    },
    Meaning {
        signal: SIGILL,
        cause: "reached an instruction that this CPU does not have, or a trap that the compiler put where \
             code must never go",
        confidence: Confidence::Medium,
        otherwise: "The program was built for a newer CPU than this host has",
    },
    Meaning {
        signal: 31,
        cause: "made a system call that its seccomp filter forbids",
        confidence: Confidence::High,
        otherwise: "A new version of the program or of libc makes system calls that the old filter does not know",
    },
    Meaning {
        signal: 5,
        cause: "hit a breakpoint, or a trap that its runtime uses for fatal errors",
        confidence: Confidence::Low,
        otherwise: "A debugger was attached and went away",
    },
    Meaning {
        signal: 24,
        cause: "used more CPU time than its limit allows (RLIMIT_CPU)",
        confidence: Confidence::High,
        otherwise: "The limit is too small for its work",
    },
    Meaning {
        signal: 25,
        cause: "wrote a file larger than its limit allows (RLIMIT_FSIZE)",
        confidence: Confidence::High,
        otherwise: "The limit is too small for its work",
    },
    Meaning {
        signal: 0,
        cause: "was ended by a signal that indicates a fault in the program",
        confidence: Confidence::Low,
        otherwise: "Another process sent the signal",
    },
];

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let meaning = meaning(file, finding);
    let stack = stack::stated(file, finding);
    let aborted = aborted_by_parent(file, finding);
    let (cause, confidence, hypotheses) = match (aborted, signal::sent_by(file, finding)) {
        (Some(parent), _) => {
            let cause = format!(
                "was aborted by its parent {}: so service managers and servers end a process that has not answered \
                 for too long. What it was doing then is the question",
                words::who(parent)
            );
            (cause, Confidence::Medium, Vec::new())
        }
        (None, Some(sender)) => {
            let signal = match meaning.signal {
                0 => "the signal".to_owned(),
                signal => signal_name(signal),
            };
            let cause = format!(
                "was ended on purpose: {} sent it {signal}. This is not a fault of the program itself",
                signal::words::sender(sender)
            );
            (cause, Confidence::High, Vec::new())
        }
        (None, None) => {
            let raised = signal::raised_by(file, finding);
            let (cause, confidence, otherwise) = told(meaning, raised, stack);
            let build = format!(
                "A new build of {} or of a library it loads introduced the fault; compare with its last update",
                name(file)
            );
            let hypotheses = vec![
                hypothesis(file, finding, &["kernel:"], otherwise),
                hypothesis(file, finding, &["proc:", "kernel:"], build),
            ];
            (cause, confidence, hypotheses)
        }
    };
    let cause = format!("{} {cause}.{}", who(file), stack::words::place(file, finding));
    let next_steps = next_steps(file, meaning, stack.is_some());
    Opinion { cause, confidence, sources: &["kernel:"], hypotheses, next_steps }
}

/// By the signal that ended it.
fn meaning(file: &CaseFile, finding: &Finding) -> &'static Meaning {
    let signal = match ending::cause(file, finding) {
        Some((ExitCause::Signal(signal), _)) => signal,
        _ => 0,
    };
    let known = MEANINGS.iter().find(|it| it.signal == signal);
    known.unwrap_or(&MEANINGS[MEANINGS.len() - 1])
}

/// What raised the signal, where the kernel said so, else what the signal means most often; how sure that is; and
/// what else would fit.
fn told(
    meaning: &'static Meaning,
    raised: Option<(SignalReason, Option<u64>)>,
    stack: Option<&StackFact>,
) -> (String, Confidence, &'static str) {
    let signal = match meaning.signal {
        0 => None,
        signal => Some(signal_name(signal)),
    };
    let why = match (raised, signal) {
        (Some((reason, address)), Some(signal)) => {
            format!(" ({signal} was raised by {})", signal::words::reason(reason, address))
        }
        (None, Some(signal)) => format!(" ({signal})"),
        (_, None) => String::new(),
    };
    let (cause, confidence, otherwise) = special(meaning.signal, raised.map(|(reason, _)| reason), stack)
        .unwrap_or((meaning.cause, meaning.confidence, meaning.otherwise));
    (format!("{cause}{why}"), confidence, otherwise)
}

/// More than the signal alone says, by what raised it and by the stack.
fn special(
    signal: u8,
    reason: Option<SignalReason>,
    stack: Option<&StackFact>,
) -> Option<(&'static str, Confidence, &'static str)> {
    const EARLIER: &str = "An earlier fault elsewhere, a buffer overrun or a use after free, corrupted the \
         pointer: running it under valgrind, or building it with -fsanitize=address, shows where";
    Some(match (signal, reason) {
        (_, Some(SignalReason::Timer)) => (
            "was ended by a timer that it had set itself: a limit of its own for how long something may take",
            Confidence::High,
            "What it waited for took longer than usual",
        ),
        (_, Some(SignalReason::Itself)) => (
            "sent itself the signal (kill(2) or raise(3)): that is how a program ends itself on purpose, or after a \
             handler of the signal",
            Confidence::Medium,
            "A handler had taken an earlier fault and passed it on; where that was is not known",
        ),
        (SIGSEGV, Some(SignalReason::NullPointer)) => (
            "used a null pointer",
            Confidence::High,
            "The result of a call that can fail (an allocation, a lookup, an open) was not checked: what it \
             asked for is missing",
        ),
        (SIGSEGV, _) if stack.is_some_and(stack::is_recursive) => (
            "ran out of stack space: endless or very deep recursion, as the same functions repeat on the stack",
            Confidence::High,
            "The input is nested too deeply for the stack limit (RLIMIT_STACK, or the thread's)",
        ),
        (SIGSEGV, Some(SignalReason::ForbiddenAccess)) => {
            ("wrote to read-only memory, or jumped to memory that holds no code", Confidence::Medium, EARLIER)
        }
        (SIGSEGV, Some(SignalReason::ImpossibleAddress)) => (
            "used a pointer that is not a valid address: corrupted memory, or a pointer never set",
            Confidence::Medium,
            EARLIER,
        ),
        (SIGSEGV, Some(SignalReason::NothingMapped)) => (
            "used an invalid pointer: to freed memory, beyond a buffer, or never set",
            Confidence::Medium,
            RECURSION,
        ),
        (SIGFPE, Some(SignalReason::DivisionByZero)) => (
            "divided an integer by zero",
            Confidence::High,
            "The smallest integer was divided by -1: the result does not fit, which raises the same signal",
        ),
        (SIGABRT, _) => (
            aborted(stack?)?,
            Confidence::High,
            "Its input, its configuration or a dependency was in a state that the program considers impossible",
        ),
        _ => return None,
    })
}

/// Who called abort(3), by the functions on the stack.
fn aborted(stack: &StackFact) -> Option<&'static str> {
    const CALLERS: [(&[&str], &str); 4] = [
        (&["__assert_fail", "__assert_perror_fail"], "failed one of its own assertions and aborted"),
        (&["panicking::", "rust_panic"], "panicked and aborted"),
        (&["std::terminate", "__cxa_throw", "__cxa_rethrow"], "threw an exception that was not caught"),
        (
            &["malloc_printerr", "__fortify_fail", "__stack_chk_fail"],
            "was aborted by libc, which found its heap or stack corrupted",
        ),
    ];
    CALLERS.iter().find(|(functions, _)| stack::went_through(stack, functions)).map(|(_, cause)| *cause)
}

fn next_steps(file: &CaseFile, meaning: &Meaning, has_stack: bool) -> Vec<NextStep> {
    let pid = file.process.pid;
    let core = format!("coredumpctl info --no-pager {pid}");
    let all = format!("coredumpctl debug -A '-batch -ex \"thread apply all bt full\"' {pid}");
    let kernel = step(
        "What the kernel logged: faulting address and instruction, or a seccomp record",
        format!("journalctl -k --no-pager {} | grep -E '\\[{pid}\\]|pid={pid} '", window(file)),
    );
    let last = match file.process.exe.as_deref().map(quote) {
        Some(exe) if meaning.signal == SIGILL => step(
            "Which CPU features the program requires",
            format!("readelf -n -- {exe}; lscpu | grep -i flags"),
        ),
        _ => logs(file),
    };
    if has_stack {
        return vec![
            last,
            step("Its variables and other threads, if a core dump was kept", all),
            step("Whether systemd kept a core dump, and of which build", core),
        ];
    }
    let all = all.replace(" full", "");
    vec![
        step("The crash as systemd recorded it: signal, stack, core dump", core),
        step("Every thread's stack, from the core dump", all),
        kernel,
        last,
    ]
}

#[cfg(test)]
pub(super) mod tests;
