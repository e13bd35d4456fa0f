//! What a status says, by the program that ended with it.

use super::*;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::fixture::{case_about, healthy};
use crate::kinds::shared::ending::facts::EndFact;
use crate::model::{Confidence, IncidentKind, ProcessInfo, Severity};

fn cause_of(argv: &[&str], status: u8) -> Cause {
    let process = ProcessInfo {
        name: argv[0].into(),
        exe: Some(format!("/usr/bin/{}", argv[0])),
        argv: argv.iter().map(|&it| it.to_owned()).collect(),
        ..healthy().process
    };
    let ended = EndFact::Ended { cause: ExitCause::Status(status), core_dumped: false, age_ms: 5_000 };
    let facts = vec![Statement::new("kernel:sched_process_exit", ended)];
    let draft =
        Draft { kind: IncidentKind::AbnormalExit, severity: Severity::Warning, facts, site: String::new() };
    let file = case_about(&process, &draft);
    of_status(&file, &file.findings[0], status)
}

#[test]
fn a_status_says_what_the_programs_own_runtime_means_by_it() {
    for (argv, status, want, confidence) in [
        (
            &["java", "-XX:+ExitOnOutOfMemoryError", "-jar", "a.jar"][..],
            3,
            "it ran out of Java memory: with -XX:+ExitOnOutOfMemoryError",
            Confidence::Medium,
        ),
        (&["java", "-jar", "a.jar"], 3, "it may have run out of Java memory", Confidence::Low),
        (&["java", "-jar", "a.jar"], 1, "an exception that its main thread did not catch", Confidence::Low),
        (&["java", "-jar", "a.jar"], 137, "died of SIGKILL", Confidence::Medium),
        (&["node", "a.js"], 1, "a rejected promise that it did not handle", Confidence::Low),
        (&["node", "a.js"], 134, "died of SIGABRT: that process crashed", Confidence::Medium),
        (&["python3.11", "a.py"], 1, "an exception that it did not catch", Confidence::Low),
        (&["python3.11", "a.py"], 2, "may have been called with wrong arguments", Confidence::Low),
        (&["python3.11", "a.py"], 78, "EX_CONFIG", Confidence::Medium),
        (&["ruby", "a.rb"], 1, "an exception that it did not rescue", Confidence::Low),
        (&["php-fpm8.2"], 255, "may have met a fatal error, as PHP says", Confidence::Low),
        (&["php-fpm8.2"], 78, "EX_CONFIG", Confidence::Medium),
        (&["dotnet", "a.dll"], 150, "no runtime of the version that it needs", Confidence::Medium),
        (&["beam.smp"], 1, "Slogan:", Confidence::Low),
        (&["ledger"], 101, "panicked, as a Rust program says", Confidence::Medium),
        (&["ledger"], 2, "and Go programs after a panic", Confidence::Low),
        (&["ledger"], 3, "Nothing that was seen proves why", Confidence::Low),
        (&["ledger", "-XX:+ExitOnOutOfMemoryError"], 3, "Nothing that was seen proves why", Confidence::Low),
        (&["ledger"], 127, "does not exist", Confidence::Medium),
    ] {
        let cause = cause_of(argv, status);
        assert!(cause.clause.contains(want), "{argv:?} {status}: {}", cause.clause);
        assert_eq!(cause.confidence, confidence, "{argv:?} {status}");
    }
}
