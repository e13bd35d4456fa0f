//! Crashes: what each deadly signal means, and how to get from the signal to the line of code.

use super::commands::{logs, quote, step, window};
use super::fault::Fault;
use super::{Opinion, hypothesis, name, who};
use crate::model::{CaseFile, Confidence, Finding, NextStep};

/// What a signal says: its name, the cause that fits most often, how sure that is, and what else would fit.
struct Meaning {
    signal: &'static str,
    cause: &'static str,
    confidence: Confidence,
    otherwise: &'static str,
}

const MEANINGS: [Meaning; 11] = [
    Meaning {
        signal: "SIGSEGV",
        cause: "used memory that is not its own: a null or dangling pointer, an overrun buffer, or an exhausted stack",
        confidence: Confidence::Medium,
        otherwise: "Endless or very deep recursion overflowed the stack",
    },
    Meaning {
        signal: "SIGABRT",
        cause: "gave up by itself: a failed assertion, an uncaught exception, a panic, or an allocator that found \
                its heap damaged. It usually prints why just before",
        confidence: Confidence::Medium,
        otherwise: "A watchdog (systemd's, for one) sent the signal because it no longer answered",
    },
    Meaning {
        signal: "SIGBUS",
        cause: "touched a page with nothing behind it: most often a mapped file that became shorter, or a full disk \
                or tmpfs under a mapping",
        confidence: Confidence::Medium,
        otherwise: "A memory or disk error; the kernel's log would have it",
    },
    Meaning {
        signal: "SIGFPE",
        cause: "divided an integer by zero, or overflowed a division",
        confidence: Confidence::High,
        otherwise: "Somebody sent the signal from outside",
    },
    Meaning {
        signal: "SIGILL",
        cause: "came to an instruction that this CPU does not have, or to a trap that the compiler put where code \
                must not go",
        confidence: Confidence::Medium,
        otherwise: "The program was built for a newer CPU than this host has",
    },
    Meaning {
        signal: "SIGSYS",
        cause: "made a system call that its seccomp filter forbids",
        confidence: Confidence::High,
        otherwise: "A new version of the program or of libc makes system calls that the old filter does not know",
    },
    Meaning {
        signal: "SIGTRAP",
        cause: "ran into a breakpoint or a trap that its runtime uses for fatal errors",
        confidence: Confidence::Low,
        otherwise: "A debugger was attached and went away",
    },
    Meaning {
        signal: "SIGQUIT",
        cause: "was told to quit and dump core, by a terminal (Ctrl-\\) or by another process",
        confidence: Confidence::Medium,
        otherwise: "A supervisor wanted a dump of a process that hung",
    },
    Meaning {
        signal: "SIGXCPU",
        cause: "used more CPU time than its limit allows (RLIMIT_CPU)",
        confidence: Confidence::High,
        otherwise: "The limit is too small for its work",
    },
    Meaning {
        signal: "SIGXFSZ",
        cause: "wrote a file larger than its limit allows (RLIMIT_FSIZE)",
        confidence: Confidence::High,
        otherwise: "The limit is too small for its work",
    },
    Meaning {
        signal: "",
        cause: "ended by a signal that means a fault in the program",
        confidence: Confidence::Low,
        otherwise: "Another process sent the signal",
    },
];

pub(super) fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let meaning = meaning(file, finding);
    let fault = Fault::of(file, finding);
    let (cause, confidence, hypotheses) = match fault.sent_by() {
        Some(sender) => {
            let signal = if meaning.signal.is_empty() { "the signal" } else { meaning.signal };
            let cause = format!(
                "was ended on purpose: {sender} sent it {signal}. That is no fault of the program itself"
            );
            (cause, Confidence::High, Vec::new())
        }
        None => {
            let (cause, confidence, otherwise) = told(fault, meaning);
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
    let cause = format!("{} {cause}.{}", who(file), place(fault));
    let next_steps = next_steps(file, fault, meaning);
    Opinion { cause, confidence, sources: &["kernel:"], hypotheses, next_steps }
}

/// Where it happened, as sentences of their own; where nobody knows, nothing.
pub(super) fn place(fault: Fault<'_>) -> String {
    let place = fault.place().map(|place| format!(" It happened in {place}.")).unwrap_or_default();
    let stack = if fault.has_stack() { " The whole stack is in the evidence: stack.txt." } else { "" };
    format!("{place}{stack}")
}

/// What raised the signal, where the kernel said so, else what the signal means most often; how sure that is; and
/// what else would fit.
fn told(fault: Fault<'_>, meaning: &'static Meaning) -> (String, Confidence, &'static str) {
    const EARLIER: &str = "An earlier fault elsewhere, an overrun buffer or a use after free, damaged the pointer: \
                           a run under valgrind or built with -fsanitize=address shows where";
    let kernel = fault.raised_by();
    let says = |words: &str| kernel.is_some_and(|kernel| kernel.contains(words));
    let (cause, confidence, otherwise) = match meaning.signal {
        "SIGSEGV" if says("a null pointer") => (
            "used a null pointer",
            Confidence::High,
            "A call that can fail (an allocation, a look-up, an open) gave nothing back and was not checked: what \
             it asked for is missing",
        ),
        "SIGSEGV" if fault.is_recursive() => (
            "ran out of stack: endless or very deep recursion, as the same functions repeat on it",
            Confidence::High,
            "The input is nested deeper than the stack's limit (RLIMIT_STACK, or the thread's) has room for",
        ),
        "SIGSEGV" if says("SEGV_ACCERR") => (
            "wrote to memory that it may only read, or jumped to memory that holds no code",
            Confidence::Medium,
            EARLIER,
        ),
        "SIGSEGV" if says("general protection") => (
            "used a pointer whose bits are no address: damaged memory, or never set",
            Confidence::Medium,
            EARLIER,
        ),
        "SIGSEGV" if says("SEGV_MAPERR") => (
            "used a pointer that leads nowhere: to memory given back, beyond a buffer, or never set",
            Confidence::Medium,
            meaning.otherwise,
        ),
        "SIGFPE" if says("division by zero") => {
            let other =
                "The smallest integer was divided by -1: its result has no room, and raises the same signal";
            ("divided an integer by zero", Confidence::High, other)
        }
        "SIGABRT" => match aborted(fault) {
            Some(cause) => (
                cause,
                Confidence::High,
                "Its input, its configuration or what it depends on was in a state that it takes for impossible",
            ),
            None => (meaning.cause, meaning.confidence, meaning.otherwise),
        },
        _ => (meaning.cause, meaning.confidence, meaning.otherwise),
    };
    let why = match (kernel, meaning.signal) {
        (Some(kernel), signal) => format!(" ({signal} was raised by {kernel})"),
        (None, "") => String::new(),
        (None, signal) => format!(" ({signal})"),
    };
    (format!("{cause}{why}"), confidence, otherwise)
}

/// Who called abort(3), by the functions on the stack.
fn aborted(fault: Fault<'_>) -> Option<&'static str> {
    const CALLERS: [(&[&str], &str); 4] = [
        (&["__assert_fail", "__assert_perror_fail"], "failed an assertion of its own and gave up"),
        (&["panicking::", "rust_panic"], "panicked and gave up"),
        (&["std::terminate", "__cxa_throw", "__cxa_rethrow"], "threw an exception that nobody caught"),
        (
            &["malloc_printerr", "__fortify_fail", "__stack_chk_fail"],
            "was stopped by libc, which found its heap or stack damaged",
        ),
    ];
    CALLERS.iter().find(|(functions, _)| fault.went_through(functions)).map(|(_, cause)| *cause)
}

fn next_steps(file: &CaseFile, fault: Fault<'_>, meaning: &Meaning) -> Vec<NextStep> {
    let pid = file.process.pid;
    let core = format!("coredumpctl info --no-pager {pid}");
    let all = format!("coredumpctl debug -A '-batch -ex \"thread apply all bt full\"' {pid}");
    let kernel = step(
        "What the kernel wrote: faulting address and instruction, or a seccomp record",
        format!("journalctl -k --no-pager {} | grep -E '\\[{pid}\\]|pid={pid} '", window(file)),
    );
    let last = match file.process.exe.as_deref().map(quote) {
        Some(exe) if meaning.signal == "SIGILL" => {
            step("Which CPU the program wants", format!("readelf -n -- {exe}; lscpu | grep -i flags"))
        }
        _ => logs(file),
    };
    if fault.has_stack() {
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

/// By the signal that the finding names. The process's own name is taken out first: it could be `SIGSYS`.
fn meaning(file: &CaseFile, finding: &Finding) -> &'static Meaning {
    let summary = match file.process.name.as_str() {
        "" => finding.said().to_owned(),
        name => finding.said().replace(name, " "),
    };
    let mut words = summary.rsplit(|c: char| !c.is_ascii_alphanumeric());
    let named = words.find_map(|word| MEANINGS.iter().find(|it| !it.signal.is_empty() && it.signal == word));
    named.unwrap_or(&MEANINGS[MEANINGS.len() - 1])
}
