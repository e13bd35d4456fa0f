//! Crashes: what each deadly signal means, and how to get from the signal to the line of code.

use super::commands::{logs, quote, step, window};
use super::{Opinion, hypothesis, name, who};
use crate::model::{CaseFile, Confidence, Finding};

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
    let why = if meaning.signal.is_empty() { String::new() } else { format!(" ({})", meaning.signal) };
    let cause = format!("{} {}{why}. The stack at the fault says where.", who(file), meaning.cause);
    let pid = file.process.pid;
    let exe = file.process.exe.as_deref().map_or_else(|| "-".to_owned(), quote);
    let next_steps = vec![
        step(
            "The crash as systemd kept it: signal, stack, core",
            format!("coredumpctl info --no-pager {pid}"),
        ),
        step(
            "Every thread's stack, from the core",
            format!("coredumpctl debug -A '-batch -ex \"thread apply all bt\"' {pid}"),
        ),
        step(
            "What the kernel wrote: faulting address and instruction, or a seccomp record",
            format!("journalctl -k --no-pager {} | grep -E '\\[{pid}\\]|pid={pid} '", window(file)),
        ),
        if file.process.exe.is_some() && meaning.signal == "SIGILL" {
            step("Which CPU the program wants", format!("readelf -n -- {exe}; lscpu | grep -i flags"))
        } else {
            logs(file)
        },
    ];
    let hypotheses = vec![
        hypothesis(file, finding, &["kernel:"], meaning.otherwise),
        hypothesis(
            file,
            finding,
            &["proc:", "kernel:"],
            format!(
                "A new build of {} or of a library it loads has the fault; compare with its last update",
                name(file)
            ),
        ),
    ];
    Opinion { cause, confidence: meaning.confidence, sources: &["kernel:"], hypotheses, next_steps }
}

/// By the signal that the finding names. The process's own name is taken out first: it could be `SIGSYS`.
fn meaning(file: &CaseFile, finding: &Finding) -> &'static Meaning {
    let summary = match file.process.name.as_str() {
        "" => finding.summary.clone(),
        name => finding.summary.replace(name, " "),
    };
    let mut words = summary.rsplit(|c: char| !c.is_ascii_alphanumeric());
    let named = words.find_map(|word| MEANINGS.iter().find(|it| !it.signal.is_empty() && it.signal == word));
    named.unwrap_or(&MEANINGS[MEANINGS.len() - 1])
}
