//! What is a crash and how bad; what its verdict says.

use std::time::Duration;

use super::*;
use crate::analyst;
use crate::kinds::fixture::{case_of, told};
use crate::kinds::shared::ending::facts::EndFact;
use crate::kinds::shared::ending::fixture::{ended, exit, process};
use crate::model::{Confidence, ExitRecord, ProcessInfo};
use crate::observation::KernelCrash;
use crate::stack::{Frame, Stack};

#[test]
fn core_dumping_signals_are_crashes_and_nothing_else() {
    let process = process();
    for signal in [4, 5, 6, 7, 8, 11, 24, 25, 31] {
        let exit = exit(ExitCause::Signal(signal));
        assert!(detect(&ended(&process, &exit, &[])).is_some(), "signal {signal}");
    }
    for cause in [1, 2, 3, 9, 10, 13, 14, 15, 34].map(ExitCause::Signal) {
        assert_eq!(detect(&ended(&process, &exit(cause), &[])), None, "{cause:?}");
    }
    for status in [0, 1, 134, 139] {
        assert_eq!(detect(&ended(&process, &exit(ExitCause::Status(status)), &[])), None, "status {status}");
    }
}

#[test]
fn what_a_test_runner_started_wakes_nobody() {
    let (process, exit) = (process(), exit(ExitCause::Signal(11)));
    let supervised = ProcessInfo { ppid: 1, ..process.clone() };
    for (what, process, tested_by, want) in [
        ("by itself", &process, None, Severity::Warning),
        ("below a test runner", &process, Some("unittest"), Severity::Info),
        ("supervised, wherever", &supervised, Some("unittest"), Severity::Critical),
    ] {
        let draft = detect(&Ended { tested_by, ..ended(process, &exit, &[]) }).unwrap();
        assert_eq!(draft.severity, want, "{what}");
        let fact = draft.facts.iter().any(|fact| fact.text().contains("runs tests"));
        assert_eq!(fact, want == Severity::Info, "{what}");
    }
}

#[test]
fn a_signal_sent_on_purpose_wakes_nobody() {
    let process = ProcessInfo { ppid: 1, ..process() };
    let exit = exit(ExitCause::Signal(11));
    let crash = |code, sender| KernelCrash {
        key: process.key(),
        tid: process.pid,
        at: Duration::ZERO,
        signal: 11,
        code: Some(code),
        fault_address: None,
        sender,
        sender_comm: b"gdb"[..].into(),
        capture: None,
    };
    for (code, sender, want) in
        [(0, 7, Severity::Info), (1, 42, Severity::Critical), (-6, 42, Severity::Critical)]
    {
        let crash = crash(code, sender);
        let draft = detect(&Ended { crash: Some(&crash), ..ended(&process, &exit, &[]) }).unwrap();
        assert_eq!(draft.severity, want, "{code} {sender}");
        assert!(matches!(draft.facts[0].data.as_ending(), Some(EndFact::Ended { .. })), "{:?}", draft.facts);
    }
}

#[test]
fn who_passes_a_childs_signal_on_has_not_crashed() {
    let process = process();
    let exit = exit(ExitCause::Signal(6));
    for (what, child_crashed, code, sender, want) in [
        ("kill(getpid(), …), as unshare does", true, Some(0), 42, false),
        ("raise(), as timeout does", true, Some(-6), 42, false),
        ("abort(3) of its own", false, Some(-6), 42, true),
        ("a fault of its own, after the child's", true, Some(1), 42, true),
        ("sent by another, after the child's", true, Some(0), 7, true),
        ("nothing known of the signal", true, None, 42, true),
    ] {
        let crash = KernelCrash {
            key: process.key(),
            tid: process.pid,
            at: Duration::ZERO,
            signal: 6,
            code,
            fault_address: None,
            sender,
            sender_comm: Box::default(),
            capture: None,
        };
        let it = Ended { crash: Some(&crash), child_crashed, ..ended(&process, &exit, &[]) };
        assert_eq!(detect(&it).is_some(), want, "{what}");
        assert_eq!(crate::detect::counts_as_death(&it), want && sender == 42, "{what}: a death");
    }
}

#[test]
fn a_supervised_or_long_lived_program_is_critical() {
    for (ppid, age_ms, want) in
        [(7, 10, Severity::Warning), (1, 10, Severity::Critical), (7, 60_000, Severity::Critical)]
    {
        let process = ProcessInfo { ppid, ..process() };
        let exit = ExitRecord { age_ms, ..exit(ExitCause::Signal(11)) };
        let draft = detect(&ended(&process, &exit, &[])).unwrap();
        assert_eq!((draft.severity, draft.site.as_str()), (want, "SIGSEGV"));
        assert_eq!(told(&draft).summary, "python3 crashed with SIGSEGV (signal 11).");
    }
}

/// A crash by this signal, raised or sent so, with this stack: as it comes from the detector.
fn crashed(signal: u8, code: Option<i32>, fault_address: Option<u64>, sender: u32, stack: &[&str]) -> Draft {
    let (process, exit) = (process(), exit(ExitCause::Signal(signal)));
    let crash = KernelCrash {
        key: process.key(),
        tid: process.pid,
        at: Duration::ZERO,
        signal,
        code,
        fault_address,
        sender,
        sender_comm: b"gdb"[..].into(),
        capture: None,
    };
    let mut draft = detect(&Ended { crash: Some(&crash), ..ended(&process, &exit, &[]) }).unwrap();
    let frames = (0..).zip(stack).map(|(number, function)| Frame {
        module: Some("/usr/bin/app".to_owned()),
        offset: Some(0x1139),
        function: Some((*function).to_owned()),
        file: Some("/src/fault.c".to_owned()),
        line: Some(number),
        ..Frame::default()
    });
    stack::add(&mut draft, &Stack { frames: frames.collect(), notes: vec![] });
    draft
}

const FLAT: &[&str] = &["raise", "crash", "main", "start"];

#[test]
fn a_crash_is_judged_by_what_raised_it() {
    let deep: Vec<_> = std::iter::once("leaf").chain(std::iter::repeat_n("visit", 30)).collect();
    let turns: Vec<_> = ["a", "b"].into_iter().cycle().take(30).collect();
    let (own, address) = (42, Some(0x7ffc_0ff8));
    for (what, draft, want, confidence, otherwise) in [
        (
            "null",
            crashed(11, Some(1), Some(8), own, FLAT),
            "used a null pointer",
            Confidence::High,
            "was not checked",
        ),
        (
            "deep",
            crashed(11, Some(1), address, own, &deep),
            "ran out of stack",
            Confidence::High,
            "nested deeper",
        ),
        (
            "turns",
            crashed(11, Some(1), address, own, &turns),
            "ran out of stack",
            Confidence::High,
            "nested deeper",
        ),
        (
            "wild",
            crashed(11, Some(1), address, own, FLAT),
            "a pointer that leads nowhere",
            Confidence::Medium,
            "recursion",
        ),
        (
            "forbidden",
            crashed(11, Some(2), address, own, FLAT),
            "wrote to memory that it may only read",
            Confidence::Medium,
            "damaged the pointer",
        ),
        (
            "no address",
            crashed(11, Some(0x80), None, own, FLAT),
            "whose bits are no address",
            Confidence::Medium,
            "damaged the pointer",
        ),
        (
            "zero",
            crashed(8, Some(1), Some(0x0040_1000), own, &[]),
            "divided an integer by zero (SIGFPE was raised by",
            Confidence::High,
            "The smallest integer",
        ),
        (
            "overflow",
            crashed(8, Some(2), Some(0x0040_1000), own, &[]),
            "overflowed a division",
            Confidence::High,
            "Somebody sent",
        ),
        (
            "assert",
            crashed(6, Some(-6), None, own, &["abort", "__assert_fail", "f"]),
            "failed an assertion",
            Confidence::High,
            "takes for impossible",
        ),
        (
            "panic",
            crashed(6, Some(-6), None, own, &["abort", "std::panicking::x", "f"]),
            "panicked and gave up",
            Confidence::High,
            "takes for impossible",
        ),
        (
            "exception",
            crashed(6, Some(-6), None, own, &["abort", "std::terminate()", "f"]),
            "threw an exception",
            Confidence::High,
            "takes for impossible",
        ),
        (
            "heap",
            crashed(6, Some(-6), None, own, &["abort", "malloc_printerr", "f"]),
            "found its heap or stack damaged",
            Confidence::High,
            "takes for impossible",
        ),
        (
            "abort",
            crashed(6, Some(-6), None, own, FLAT),
            "gave up by itself",
            Confidence::Medium,
            "A watchdog",
        ),
        (
            "nothing known",
            crashed(11, None, None, own, FLAT),
            "used memory that is not its own",
            Confidence::Medium,
            "recursion",
        ),
        (
            "sent",
            crashed(11, Some(0), None, 7, FLAT),
            "was ended on purpose: gdb (pid 7) sent it SIGSEGV",
            Confidence::High,
            "",
        ),
    ] {
        let verdict = analyst::built_in(&case_of(&draft));
        let cause = &verdict.probable_cause;
        assert!(cause.contains(want), "{what}: {cause}");
        assert_eq!(verdict.confidence, confidence, "{what}");
        // What the kernel's word rules out is not offered beside it.
        let first = verdict.hypotheses.first().map_or("", |it| it.cause.as_str());
        assert!(first.contains(otherwise) && first.is_empty() == otherwise.is_empty(), "{what}: {first}");
        let finds = verdict.next_steps.iter().any(|step| step.why.contains("stack, from the core"));
        let has_stack = draft.facts.iter().any(|fact| fact.data.as_stack().is_some());
        assert_eq!(finds, !has_stack, "{what}: nobody is told to find a stack that is there");
        assert_eq!(cause.contains("stack.txt"), has_stack);
    }
}

#[test]
fn the_place_is_the_programs_own_function_and_who_called_it() {
    let draft = crashed(11, Some(1), Some(8), 42, FLAT);
    assert_eq!(draft.site, "SIGSEGV app!crash");
    assert_eq!(told(&draft).summary, "python3 crashed with SIGSEGV (signal 11) in crash.");
    let cause = analyst::built_in(&case_of(&draft)).probable_cause;
    assert!(cause.contains("It happened in crash at fault.c:1, called from main at fault.c:2."), "{cause}");
}
