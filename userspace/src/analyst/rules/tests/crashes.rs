//! Crashes and crash loops: the cause follows the kernel's statements and the frozen stack.

use std::fmt::Write as _;

use super::*;
use crate::kinds::fixture::{facts, finding, frozen, healthy};

/// A case whose one finding rests on these statements.
fn case(kind: IncidentKind, summary: &str, statements: &[&str]) -> CaseFile {
    let mut file = healthy();
    let all: Vec<_> = statements.iter().map(|text| ("kernel:signal_generate", *text)).collect();
    file.facts = facts(&all);
    let ids: Vec<&str> = file.facts.iter().map(|fact| fact.id.as_str()).collect();
    file.findings = vec![finding(kind, summary, &ids)];
    file
}

fn crash(signal: &str, statement: &str, stack: &str) -> CaseFile {
    let summary = format!("python3 crashed with {signal} (signal 1) in crash.");
    let ended = format!("ended by {signal} (signal 1) after living 2.0 s");
    let chain = "its stack was raise ← crash at fault.c:12 ← main at fault.c:40 ← …";
    let mut file = case(IncidentKind::Crash, &summary, &[&ended, chain, statement]);
    if !stack.is_empty() {
        file.evidence.push(frozen("stack.txt", stack));
    }
    file
}

/// A stack of these functions, as it is frozen.
fn stack<'a>(functions: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for (number, function) in functions.into_iter().enumerate() {
        writeln!(out, "#{number:<2} 0x0000555555555139 in {function} at /src/x.c:7 (/usr/bin/app+0x1139)")
            .unwrap();
    }
    out
}

#[test]
fn a_loop_is_judged_by_its_last_end() {
    for (summary, statements, want) in [
        (
            "3 times in 20 s, last by SIGSEGV (signal 11).",
            &["ended by SIGSEGV (signal 11) after living 1 ms"][..],
            "crashes with SIGSEGV after each start",
        ),
        (
            "3 times in 20 s, last by SIGABRT (signal 6, core dumped).",
            &[],
            "crashes with SIGABRT after each start",
        ),
        (
            "3 times in 20 s, last by SIGKILL (signal 9).",
            &[
                "ended by SIGKILL (signal 9) after living 1 ms",
                "the OOM killer chose it: signal->oom_mm was set when SIGKILL ended it",
            ],
            "killed for memory again",
        ),
        (
            "3 times in 20 s, last by SIGKILL (signal 9).",
            &["ended by SIGKILL (signal 9) after living 1 ms"],
            "configuration",
        ),
        (
            "3 times in 20 s, last by exit status 1.",
            &["ended by exit status 1 after living 1 ms"],
            "configuration",
        ),
        // A name cannot choose the cause.
        (
            "SIGSEGV, last by SIGSEGV (signal 11) keeps dying: 3 times in 20 s, last by exit status 1.",
            &["the program is ended by SIGSEGV", "ended by exit status 1 after living 1 ms"],
            "configuration",
        ),
    ] {
        let verdict = judge(&case(IncidentKind::CrashLoop, summary, statements));
        assert!(verdict.probable_cause.contains(want), "{summary}: {}", verdict.probable_cause);
    }
}

#[test]
fn a_crash_is_judged_by_what_raised_it() {
    let deep = stack(std::iter::once("leaf").chain(std::iter::repeat_n("walk", 30)));
    let turns = stack(["a", "b"].into_iter().cycle().take(30));
    let flat = stack(["a", "b", "c", "main"]);
    for (signal, statement, stack, want, confidence, otherwise) in [
        (
            "SIGSEGV",
            "SIGSEGV was raised by an access to address 0x8, where nothing is mapped (SEGV_MAPERR): a null pointer, or a field of one",
            flat.as_str(),
            "used a null pointer",
            Confidence::High,
            "was not checked",
        ),
        (
            "SIGSEGV",
            "SIGSEGV was raised by an access to address 0x7ffc0ff8, where nothing is mapped (SEGV_MAPERR)",
            &deep,
            "ran out of stack",
            Confidence::High,
            "nested deeper",
        ),
        (
            "SIGSEGV",
            "SIGSEGV was raised by an access to address 0x7ffc0ff8, where nothing is mapped (SEGV_MAPERR)",
            &turns,
            "ran out of stack",
            Confidence::High,
            "nested deeper",
        ),
        (
            "SIGSEGV",
            "SIGSEGV was raised by an access to address 0x7ffc0ff8, where nothing is mapped (SEGV_MAPERR)",
            &flat,
            "a pointer that leads nowhere",
            Confidence::Medium,
            "recursion",
        ),
        (
            "SIGFPE",
            "SIGFPE was raised by an integer division by zero at 0x401000 (FPE_INTDIV)",
            "",
            "divided an integer by zero (SIGFPE was raised by",
            Confidence::High,
            "The smallest integer",
        ),
        (
            "SIGABRT",
            "SIGABRT was raised by the program itself: abort(3), an assertion or a panic",
            "#0  0x01 in abort (/lib/libc.so.6+0x1)\n#1  0x02 in __assert_fail (/lib/libc.so.6+0x2)\n",
            "failed an assertion",
            Confidence::High,
            "takes for impossible",
        ),
        (
            "SIGABRT",
            "SIGABRT was raised by the program itself: abort(3), an assertion or a panic",
            &flat,
            "gave up by itself",
            Confidence::Medium,
            "A watchdog",
        ),
        (
            "SIGSEGV",
            "SIGSEGV was sent to it by gdb (pid 7)",
            &flat,
            "was ended on purpose: gdb (pid 7) sent it SIGSEGV",
            Confidence::High,
            "",
        ),
    ] {
        let verdict = judge(&crash(signal, statement, stack));
        assert!(verdict.probable_cause.contains(want), "{statement}: {}", verdict.probable_cause);
        assert!(
            verdict
                .probable_cause
                .contains("It happened in crash at fault.c:12, called from main at fault.c:40."),
            "{}",
            verdict.probable_cause
        );
        assert_eq!(verdict.confidence, confidence, "{statement}");
        // What the kernel's word rules out is not offered beside it.
        let first = verdict.hypotheses.first().map_or("", |it| it.cause.as_str());
        assert!(
            first.contains(otherwise) && first.is_empty() == otherwise.is_empty(),
            "{statement}: {first}"
        );
        let finds = verdict.next_steps.iter().any(|step| step.why.contains("stack, from the core"));
        assert_eq!(finds, stack.is_empty(), "nobody is told to find a stack that is there");
        assert_eq!(verdict.probable_cause.contains("stack.txt"), !stack.is_empty());
    }
}
