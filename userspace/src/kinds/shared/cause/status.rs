//! What a status says: by the program's runtime, else by sh(1), sysexits.h, systemd.exec(5) ("Process Exit Codes").

use super::proof::{self, Cause};
use crate::kinds::case::{CaseFile, Finding};
use crate::languages::{Proof, Reason, Said};
use crate::model::{Confidence, is_crash_signal, signal_name};

/// Why a program ended with this status: a sentence of its own, without its end.
pub(super) fn cause(file: &CaseFile, finding: &Finding, status: u8) -> Cause {
    let said = proof::said(file, finding);
    let by_runtime = |said: &Said| Cause {
        clause: format!("it {}", said.cause),
        confidence: said.proof.confidence(),
        otherwise: Some(said.otherwise.to_owned()),
    };
    // What a runtime alone says is worth more than a habit; a wrapper's and a convention's word is worth more than that.
    if let Some(said) = said.filter(|it| it.proof > Proof::Status) {
        return by_runtime(&said);
    }
    let (words, confidence) = by_convention(status);
    match said {
        Some(said) if confidence == Confidence::Low || said.reason != Reason::UncaughtError => {
            by_runtime(&said)
        }
        _ => Cause { clause: words, confidence, otherwise: None },
    }
}

fn by_convention(status: u8) -> (String, Confidence) {
    let signal = status.checked_sub(128).filter(|signal| (1..=64).contains(signal));
    match (status, signal) {
        (126, _) => (
            "a shell or a runtime exits like this if it cannot execute the program it should run: no \
             execute permission, or the wrong format"
                .to_owned(),
            Confidence::Medium,
        ),
        (127, _) => (
            "a shell or a runtime exits like this if the program it should run, or one of its \
             libraries, does not exist"
                .to_owned(),
            Confidence::Medium,
        ),
        (64, _) => (usage("it was called with wrong arguments (EX_USAGE)"), Confidence::Medium),
        (65..=77, _) => (usage(sysexit(status)), Confidence::Medium),
        (78, _) => (usage("its configuration is wrong (EX_CONFIG)"), Confidence::Medium),
        (200..=243, _) => (
            format!("systemd ends a service like this before its program starts: {}", systemd(status)),
            Confidence::Medium,
        ),
        (2, _) => (
            "programs exit like this on wrong arguments, and Go programs after a panic. Nothing that was seen tells \
             which; its standard error does"
                .to_owned(),
            Confidence::Low,
        ),
        (255, _) => {
            ("programs exit like this if they return -1: a general failure".to_owned(), Confidence::Low)
        }
        (_, Some(signal)) => (passed_on(signal), Confidence::Medium),
        (_, None) => (
            "it exited by itself. Nothing that was seen proves why: its last log lines usually say".to_owned(),
            Confidence::Low,
        ),
    }
}

/// What a shell says of the program that it ran.
fn passed_on(signal: u8) -> String {
    let because = if signal == 9 {
        ", sent to that process by the OOM killer or somebody else"
    } else if is_crash_signal(signal) {
        ": that process crashed"
    } else {
        ""
    };
    format!(
        "a shell, an init or a wrapper exits like this if the program it ran died of {}{because}",
        signal_name(signal)
    )
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
