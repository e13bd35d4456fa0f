//! Abnormal exits: what a status says by convention, who sent a signal, and where the reason is written.

mod killed;

use super::stop;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{logs, pod, quote, step, supervisor, window};
use crate::kinds::opinion::{Opinion, hypothesis, name};
use crate::kinds::shared::ending::{self, facts::EndFact};
use crate::kinds::shared::signal;
use crate::kinds::words;
use crate::model::{Confidence, ExitCause, Hypothesis, NextStep, is_crash_signal, signal_name};

const SIGKILL: u8 = 9;

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    if let Some(opinion) = stop::judge(file, finding) {
        return opinion;
    }
    let end = ending::cause(file, finding).map_or(ExitCause::Unknown, |(cause, _)| cause);
    let (cause, confidence) = match end {
        ExitCause::Status(status) => match passed_on(file, finding) {
            Some(cause) => (cause, Confidence::High),
            None => by_status(file, status),
        },
        ExitCause::Signal(signal) => killed::cause(file, finding, signal),
        ExitCause::Unknown => {
            let cause = format!("{} ended unexpectedly for a service.", name(file));
            (cause, Confidence::Low)
        }
    };
    let mut next_steps = vec![logs(file)];
    next_steps.extend(supervisor(file));
    next_steps.extend(pod(file));
    next_steps.push(match (end, signal::sent_by(file, finding)) {
        (_, Some(sender)) => killed::who(sender),
        (ExitCause::Signal(SIGKILL), None) => who_killed(file),
        _ => what_changed(file),
    });
    let known = signal::stated(file, finding).next().is_some();
    let hypotheses =
        if known { Vec::new() } else { hypotheses(file, finding, matches!(end, ExitCause::Status(_))) };
    Opinion { cause, confidence, sources: &["kernel:sched_process_exit"], hypotheses, next_steps }
}

/// Where its end only passes a child's on.
fn passed_on(file: &CaseFile, finding: &Finding) -> Option<String> {
    ending::stated(file, finding).find_map(|fact| match fact {
        EndFact::ChildEnded { child, cause } => Some(format!(
            "{} ended as its child {} had just done, with {}: what went wrong went wrong there.",
            name(file),
            words::who(child),
            ending::words::cause(*cause, false)
        )),
        _ => None,
    })
}

fn who_killed(file: &CaseFile) -> NextStep {
    step(
        "Whether the kernel or a user-space memory guard logged the kill",
        format!(
            "journalctl --no-pager {} | grep -iE 'earlyoom|systemd-oomd|out of memory|timed out. killing|\\[{}\\]'",
            window(file),
            file.process.pid
        ),
    )
}

fn what_changed(file: &CaseFile) -> NextStep {
    match file.process.exe.as_deref() {
        Some(exe) => step(
            "Whether the program was replaced shortly before",
            format!("ls -l --time-style=full-iso -- {}", quote(exe)),
        ),
        None => step(
            "What was changed shortly before: files in /etc modified within a day",
            "find /etc -xdev -type f -mtime -1 -ls",
        ),
    }
}

/// What a status says: sh(1), sysexits.h, systemd.exec(5) ("Process Exit Codes"), and runtimes' habits.
fn by_status(file: &CaseFile, status: u8) -> (String, Confidence) {
    let name = name(file);
    let signal = status.checked_sub(128).filter(|signal| (1..=64).contains(signal));
    let (words, confidence) = match status {
        101 => (
            "a Rust program exits like this after a panic; the message is on its standard \
             error"
                .to_owned(),
            Confidence::Medium,
        ),
        126 => (
            "a shell or a runtime exits like this if it cannot execute the program it should run: no \
             execute permission, or the wrong format"
                .to_owned(),
            Confidence::Medium,
        ),
        127 => (
            "a shell or a runtime exits like this if the program it should run, or one of its \
             libraries, does not exist"
                .to_owned(),
            Confidence::Medium,
        ),
        64 => (usage("it was called with wrong arguments (EX_USAGE)"), Confidence::Medium),
        65..=77 => (usage(sysexit(status)), Confidence::Medium),
        78 => (usage("its configuration is wrong (EX_CONFIG)"), Confidence::Medium),
        200..=243 => (
            format!("systemd ends a service like this before its program starts: {}", systemd(status)),
            Confidence::Medium,
        ),
        2 => (
            "programs exit like this on wrong arguments, and Go programs after a panic".to_owned(),
            Confidence::Low,
        ),
        255 => ("programs exit like this if they return -1: a general failure".to_owned(), Confidence::Low),
        _ => match signal {
            Some(signal) => {
                let because = if signal == 9 {
                    ", sent to that process by the OOM killer or somebody else"
                } else if is_crash_signal(signal) {
                    ": that process crashed"
                } else {
                    ""
                };
                (
                    format!(
                        "a shell, an init or a wrapper exits like this if the program it ran died of \
                     {}{because}",
                        signal_name(signal)
                    ),
                    Confidence::Medium,
                )
            }
            None => {
                ("it exited by itself, and its last log lines usually say why".to_owned(), Confidence::Low)
            }
        },
    };
    (format!("{name} ended with status {status}: {words}."), confidence)
}

fn usage(what: &str) -> String {
    format!("by the convention of sysexits.h that means that {what}")
}

const fn sysexit(status: u8) -> &'static str {
    match status {
        65 => "its input was wrong (EX_DATAERR)",
        66 => "a file it needs did not exist or could not be read (EX_NOINPUT)",
        67 => "a user did not exist (EX_NOUSER)",
        68 => "a host did not exist (EX_NOHOST)",
        69 => "a service it needs was not available (EX_UNAVAILABLE)",
        70 => "it found an internal error (EX_SOFTWARE)",
        71 => "the system refused a request, such as a fork (EX_OSERR)",
        72 => "a system file did not exist (EX_OSFILE)",
        73 => "it could not create a file (EX_CANTCREAT)",
        74 => "input or output failed (EX_IOERR)",
        75 => "the failure may be temporary (EX_TEMPFAIL)",
        76 => "the other side violated the protocol (EX_PROTOCOL)",
        _ => "it lacks a permission (EX_NOPERM)",
    }
}

const fn systemd(status: u8) -> &'static str {
    match status {
        200 => "its working directory cannot be entered (200/CHDIR)",
        203 => "its program does not exist or cannot be executed (203/EXEC)",
        205 => "a limit cannot be set (205/LIMITS)",
        208 | 209 => "its standard input or output cannot be opened (208/STDIN, 209/STDOUT)",
        216 | 217 => "its user or group does not exist (217/USER, 216/GROUP)",
        218 => "capabilities cannot be set (218/CAPABILITIES)",
        226 => "its namespaces cannot be set up: a path of the unit does not exist (226/NAMESPACE)",
        228 => "its seccomp filter cannot be set up (228/SECCOMP)",
        238..=240 => "its state, cache or log folder cannot be created",
        _ => "the code is in systemd.exec(5)",
    }
}

fn hypotheses(file: &CaseFile, finding: &Finding, by_status: bool) -> Vec<Hypothesis> {
    let because = |cause: &str| hypothesis(file, finding, &["kernel:"], cause);
    if !by_status {
        return vec![because(
            "A deployment, a restart or a person stopped it, without giving it enough time to exit",
        )];
    }
    vec![
        because("Its configuration was changed, or a new version deployed, shortly before"),
        because("Something it needs was not available, such as a database, a port, a file or disk space"),
    ]
}

#[cfg(test)]
pub(super) mod tests;
