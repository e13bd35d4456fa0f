//! Crashes: what each deadly signal means, and how to get from the signal to the line of code.

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
        cause: "used memory that is not its own: a null or dangling pointer, an overrun buffer, or an exhausted stack",
        confidence: Confidence::Medium,
        otherwise: RECURSION,
    },
    Meaning {
        signal: SIGABRT,
        cause: "gave up by itself: a failed assertion, an uncaught exception, a panic, or an allocator that found \
                its heap damaged. It usually prints why just before",
        confidence: Confidence::Medium,
        otherwise: "A watchdog (systemd's, for one) sent the signal because it no longer answered",
    },
    Meaning {
        signal: 7,
        cause: "touched a page with nothing behind it: most often a mapped file that became shorter, or a full disk \
                or tmpfs under a mapping",
        confidence: Confidence::Medium,
        otherwise: "A memory or disk error; the kernel's log would have it",
    },
    Meaning {
        signal: SIGFPE,
        cause: "divided an integer by zero, or overflowed a division",
        confidence: Confidence::High,
        otherwise: "Somebody sent the signal from outside",
    },
    Meaning {
        signal: SIGILL,
        cause: "came to an instruction that this CPU does not have, or to a trap that the compiler put where code \
                must not go",
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
        cause: "ran into a breakpoint or a trap that its runtime uses for fatal errors",
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
        cause: "ended by a signal that means a fault in the program",
        confidence: Confidence::Low,
        otherwise: "Another process sent the signal",
    },
];

/// The verdict.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let meaning = meaning(file, finding);
    let stack = stack::stated(file, finding);
    let (cause, confidence, hypotheses) = match signal::sent_by(file, finding) {
        Some(sender) => {
            let signal = match meaning.signal {
                0 => "the signal".to_owned(),
                signal => signal_name(signal),
            };
            let cause = format!(
                "was ended on purpose: {} sent it {signal}. That is no fault of the program itself",
                words::who(sender)
            );
            (cause, Confidence::High, Vec::new())
        }
        None => {
            let raised = signal::raised_by(file, finding);
            let (cause, confidence, otherwise) = told(meaning, raised, stack);
            let build = format!(
                "A new build of {} or of a library it loads has the fault; compare with its last update",
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
    const EARLIER: &str = "An earlier fault elsewhere, an overrun buffer or a use after free, damaged the pointer: \
                           a run under valgrind or built with -fsanitize=address shows where";
    Some(match (signal, reason) {
        (SIGSEGV, Some(SignalReason::NullPointer)) => (
            "used a null pointer",
            Confidence::High,
            "A call that can fail (an allocation, a look-up, an open) gave nothing back and was not checked: what \
             it asked for is missing",
        ),
        (SIGSEGV, _) if stack.is_some_and(stack::is_recursive) => (
            "ran out of stack: endless or very deep recursion, as the same functions repeat on it",
            Confidence::High,
            "The input is nested deeper than the stack's limit (RLIMIT_STACK, or the thread's) has room for",
        ),
        (SIGSEGV, Some(SignalReason::ForbiddenAccess)) => (
            "wrote to memory that it may only read, or jumped to memory that holds no code",
            Confidence::Medium,
            EARLIER,
        ),
        (SIGSEGV, Some(SignalReason::ImpossibleAddress)) => (
            "used a pointer whose bits are no address: damaged memory, or never set",
            Confidence::Medium,
            EARLIER,
        ),
        (SIGSEGV, Some(SignalReason::NothingMapped)) => (
            "used a pointer that leads nowhere: to memory given back, beyond a buffer, or never set",
            Confidence::Medium,
            RECURSION,
        ),
        (SIGFPE, Some(SignalReason::DivisionByZero)) => (
            "divided an integer by zero",
            Confidence::High,
            "The smallest integer was divided by -1: its result has no room, and raises the same signal",
        ),
        (SIGABRT, _) => (
            aborted(stack?)?,
            Confidence::High,
            "Its input, its configuration or what it depends on was in a state that it takes for impossible",
        ),
        _ => return None,
    })
}

/// Who called abort(3), by the functions on the stack.
fn aborted(stack: &StackFact) -> Option<&'static str> {
    const CALLERS: [(&[&str], &str); 4] = [
        (&["__assert_fail", "__assert_perror_fail"], "failed an assertion of its own and gave up"),
        (&["panicking::", "rust_panic"], "panicked and gave up"),
        (&["std::terminate", "__cxa_throw", "__cxa_rethrow"], "threw an exception that nobody caught"),
        (
            &["malloc_printerr", "__fortify_fail", "__stack_chk_fail"],
            "was stopped by libc, which found its heap or stack damaged",
        ),
    ];
    CALLERS.iter().find(|(functions, _)| stack::went_through(stack, functions)).map(|(_, cause)| *cause)
}

fn next_steps(file: &CaseFile, meaning: &Meaning, has_stack: bool) -> Vec<NextStep> {
    let pid = file.process.pid;
    let core = format!("coredumpctl info --no-pager {pid}");
    let all = format!("coredumpctl debug -A '-batch -ex \"thread apply all bt full\"' {pid}");
    let kernel = step(
        "What the kernel wrote: faulting address and instruction, or a seccomp record",
        format!("journalctl -k --no-pager {} | grep -E '\\[{pid}\\]|pid={pid} '", window(file)),
    );
    let last = match file.process.exe.as_deref().map(quote) {
        Some(exe) if meaning.signal == SIGILL => {
            step("Which CPU the program wants", format!("readelf -n -- {exe}; lscpu | grep -i flags"))
        }
        _ => logs(file),
    };
    if has_stack {
        return vec![
            last,
            step("Its variables and its other threads, if a core was kept", all),
            step("Whether systemd kept a core, and of which build", core),
        ];
    }
    let all = all.replace(" full", "");
    vec![
        step("The crash as systemd kept it: signal, stack, core", core),
        step("Every thread's stack, from the core", all),
        kernel,
        last,
    ]
}

#[cfg(test)]
pub(super) mod tests;
