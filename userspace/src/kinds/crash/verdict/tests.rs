//! From a crash's signal and stack to what is told of it and its cause.

use expect_test::expect;

use super::*;
use crate::analyst;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::crash::detect;
use crate::kinds::crash::facts::CrashFact;
use crate::kinds::fixture::{case_about, case_of, check_statements, golden, judged, recorded, told};
use crate::kinds::pieces::Who;
use crate::kinds::shared::ending::Ended;
use crate::kinds::shared::ending::fixture::{ended, exit, process};
use crate::kinds::shared::signal::facts::{SignalFact, SignalReason};
use crate::model::{IncidentKind, ProcessInfo, Severity};
use crate::observation::FatalSignal;
use crate::stack::{Frame, Instruction, Stack};

/// A crash by this signal, raised or sent so, with this stack: as it comes from the detector.
fn crashed(signal: u8, code: Option<i32>, fault_address: Option<u64>, sender: u32, stack: &[&str]) -> Draft {
    let (process, exit) = (process(), exit(ExitCause::Signal(signal)));
    let crash = FatalSignal { fault_address, ..FatalSignal::sample(signal, code, sender) };
    let mut draft = detect(&Ended { signal: Some(&crash), ..ended(&process, &exit) }).unwrap();
    stack::add(&mut draft, &stack_of(stack, None));
    draft
}

/// A crash by an access beside the stack pointer, with this stack.
fn overflown(stack: &[&str]) -> Draft {
    let mut draft = crashed(11, Some(1), Some(0x7ffc_0ff8), 42, &[]);
    for fact in &mut draft.facts {
        if let Some(SignalFact::SignalRaised { signal, address, .. }) = fact.data.as_signal().cloned() {
            let reason = SignalReason::BeyondStack;
            fact.data = SignalFact::SignalRaised { signal, reason, address }.into();
        }
    }
    stack::add(&mut draft, &stack_of(stack, None));
    draft
}

/// A stack of these functions, with this instruction at its end.
fn stack_of(functions: &[&str], instruction: Option<Instruction>) -> Stack {
    let frames = (0..).zip(functions).map(|(number, function)| Frame {
        module: Some("/usr/bin/app".to_owned()),
        offset: Some(0x1139),
        function: Some((*function).to_owned()),
        file: Some("/src/fault.c".to_owned()),
        line: Some(number),
        ..Frame::default()
    });
    Stack { frames: frames.collect(), instruction, ..Stack::default() }
}

const FLAT: &[&str] = &["raise", "crash", "main", "start"];

/// A null pointer, four functions deep.
pub(in crate::kinds::crash) fn sample() -> (ProcessInfo, Draft) {
    (process(), crashed(11, Some(1), Some(0), 0, FLAT))
}

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
        ("deep", overflown(&deep), "ran out of stack", Confidence::High, "nested too deeply"),
        (
            "large frames",
            overflown(&["big", "main"]),
            "too much on the stack at once",
            Confidence::High,
            "nested too deeply",
        ),
        (
            "a frame that nothing is known of",
            overflown(&["big"]),
            "too much on the stack at once",
            Confidence::Medium,
            "nested too deeply",
        ),
        (
            "a wild pointer deep in a recursion",
            crashed(11, Some(1), address, own, &deep),
            "an invalid pointer",
            Confidence::Medium,
            "recursion",
        ),
        (
            "a recursion, and nothing known of the signal",
            crashed(11, None, None, own, &deep),
            "as it seems: the same functions repeat",
            Confidence::Medium,
            "corrupted the pointer",
        ),
        ("turns", overflown(&turns), "ran out of stack", Confidence::High, "nested too deeply"),
        (
            "wild",
            crashed(11, Some(1), address, own, FLAT),
            "an invalid pointer",
            Confidence::Medium,
            "corrupted the pointer",
        ),
        (
            "forbidden",
            crashed(11, Some(2), address, own, FLAT),
            "wrote to read-only memory",
            Confidence::Medium,
            "corrupted the pointer",
        ),
        (
            "no address",
            crashed(11, Some(0x80), None, own, FLAT),
            "that is not a valid address",
            Confidence::Medium,
            "corrupted the pointer",
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
            "larger than the program has room for",
        ),
        (
            "assert",
            crashed(6, Some(-6), None, own, &["abort", "__assert_fail", "f"]),
            "failed one of its own assertions",
            Confidence::High,
            "considers impossible",
        ),
        (
            "panic",
            crashed(6, Some(-6), None, own, &["abort", "std::panicking::x", "f"]),
            "panicked and aborted",
            Confidence::High,
            "considers impossible",
        ),
        (
            "exception",
            crashed(6, Some(-6), None, own, &["abort", "std::terminate()", "__cxa_throw", "f"]),
            "threw an exception",
            Confidence::High,
            "considers impossible",
        ),
        (
            "heap",
            crashed(6, Some(-6), None, own, &["abort", "malloc_printerr", "f"]),
            "found its heap corrupted",
            Confidence::High,
            "overwrote what the heap keeps",
        ),
        (
            "abort",
            crashed(6, Some(-6), None, own, FLAT),
            "Nothing on its stack proves which",
            Confidence::Medium,
            "A limit of its own",
        ),
        (
            "abort without a stack",
            crashed(6, Some(-6), None, own, &[]),
            "Its stack would say which",
            Confidence::Low,
            "A limit of its own",
        ),
        (
            "an abort of whom nobody knows",
            crashed(6, None, None, own, FLAT),
            "aborted itself",
            Confidence::Medium,
            "A watchdog",
        ),
        (
            "damaged memory",
            crashed(7, Some(4), Some(0x7000), own, FLAT),
            "the hardware found damaged",
            Confidence::High,
            "damaged for other",
        ),
        (
            "misaligned",
            crashed(7, Some(1), Some(0x7001), own, FLAT),
            "is not aligned",
            Confidence::High,
            "corrupted the pointer",
        ),
        (
            "cut file",
            crashed(7, Some(2), Some(0x7000), own, FLAT),
            "a mapped file that was truncated",
            Confidence::Medium,
            "Reading the file failed",
        ),
        (
            "nothing known",
            crashed(11, None, None, own, FLAT),
            "accessed memory that it may not",
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
        let finds = verdict.next_steps.iter().any(|step| step.why.contains("stack, from the core dump"));
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

#[test]
fn signals_have_their_own_advice() {
    let cause = |signal| {
        let (process, exit) = (process(), exit(ExitCause::Signal(signal)));
        let draft = detect(&ended(&process, &exit)).unwrap();
        analyst::built_in(&case_of(&draft)).probable_cause
    };
    let causes: Vec<_> = [11, 6, 7, 8, 4, 31, 5, 24, 25].map(cause).into_iter().collect();
    for (i, cause) in causes.iter().enumerate() {
        assert!(!causes[..i].contains(cause), "{cause}");
        assert!(!cause.contains("a signal that indicates a fault"), "{cause}");
    }
}

#[test]
fn a_crash_of_a_service_that_chose_its_name() {
    let process = ProcessInfo {
        name: "SIGSYS".into(),
        cgroup: Some("/system.slice/nginx.service".into()),
        ..process()
    };
    let exit = exit(ExitCause::Signal(11));
    let draft = detect(&ended(&process, &exit)).unwrap();
    let mut file = case_about(&process, &draft);
    file.findings.push(Finding {
        kind: IncidentKind::CrashLoop,
        severity: Severity::Critical,
        facts: vec!["F2".to_owned(), "F99".to_owned()],
        summary: Some(recorded("nginx died 5 times in a minute")),
    });
    expect![[r#"
        SIGSYS crashed with SIGSEGV (signal 11).
        SIGSYS (pid 42) accessed memory that it may not: a null or dangling pointer, a buffer overrun, or an exhausted stack (SIGSEGV).
        Medium, by F1 F2 F3 F4
        ? Endless or very deep recursion overflowed the stack [F1 F2 F3 F4]
        ? A new build of SIGSYS or of a library it loads introduced the fault; compare with its last update [F1 F2 F3 F4]
        ? Also found, and possibly connected: nginx died 5 times in a minute [F2]
        - The crash as systemd recorded it: signal, stack, core dump
          $ coredumpctl info --no-pager 42
        - Every thread's stack, from the core dump
          $ coredumpctl debug -A '-batch -ex "thread apply all bt"' 42
        - What the kernel logged: faulting address and instruction, or a seccomp record
          $ journalctl -k --no-pager --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' | grep -E '\[42\]|pid=42 '
        - Recent log output
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' -u nginx.service
    "#]].assert_eq(&judged(&file));
}

#[test]
fn a_crash_in_full_with_hostile_names() {
    let process = ProcessInfo { name: "a\nb\x1b[2J".into(), ..process() };
    let mut draft = crashed(11, Some(1), Some(8), 42, &["cr\x1bash", "main"]);
    draft.facts.push(Statement::new("x", CrashFact::BelowTestRunner { runner: "py\x1btest".into() }));
    expect![[r#"
        Warning a b�[2J crashed with SIGSEGV (signal 11) in cr�ash.
        - ended by SIGSEGV (signal 11) after living 3.2 s (kernel:sched_process_exit)
          {"age_ms":3200,"cause":{"signal":11},"core_dumped":false,"type":"ended"}
        - its stack was cr�ash at fault.c:0 ← main at fault.c:1 (kernel:signal_generate)
          {"depth":2,"fault_frame":0,"frames":[{"address":null,"file":"/src/fault.c","function":"cr\u001bash","line":0,"module":"/usr/bin/app","offset":4409},{"address":null,"file":"/src/fault.c","function":"main","line":1,"module":"/usr/bin/app","offset":4409}],"recursion":[],"type":"crash_stack"}
        - SIGSEGV was raised by an access to address 0x8, where nothing is mapped (SEGV_MAPERR): a null pointer, or a field of one (kernel:signal_generate)
          {"address":8,"reason":"null_pointer","signal":11,"type":"signal_raised"}
        - peak resident memory was 24.0 MiB (kernel:sched_process_exit)
          {"rss_bytes":25165824,"type":"peak_memory"}
        - it used 12 ms of CPU time (kernel:sched_process_exit)
          {"cpu_ns":12000000,"type":"cpu_used"}
        - its parent is bash (pid 7) (kernel:sched_process_exit)
          {"name":"bash","pid":7,"starts_it_again":false,"type":"parent"}
        - py�test, one of its ancestors, runs tests: the crash may be intended (x)
          {"runner":"py\u001btest","type":"below_test_runner"}
    "#]].assert_eq(&golden(&process, &draft));
    check_statements(
        &[
            CrashFact::BelowTestRunner { runner: "py\x1btest".into() }.into(),
            CrashFact::EndedAtOnce { parent: Who { name: "a\nb".into(), pid: 7 } }.into(),
            CrashFact::AbortedByParent { parent: Who { name: "a\nb".into(), pid: 7 } }.into(),
        ],
        &expect![[r#"
            {"type":"below_test_runner","runner":"py\u001btest"}
              py�test, one of its ancestors, runs tests: the crash may be intended
            {"type":"ended_at_once","parent":{"name":"a\nb","pid":7}}
              it was a copy of its parent a b (pid 7), which goes on, and ended itself as soon as it was made: so do tests of such ends
            {"type":"aborted_by_parent","parent":{"name":"a\nb","pid":7}}
              its parent a b (pid 7) aborted it: so are processes ended that no longer answer
        "#]],
    );
    let sent = crashed(11, Some(0), None, 7, &[]);
    assert_eq!(told(&sent).summary, "python3 was ended on purpose, with SIGSEGV (signal 11).");
}

#[test]
fn a_trap_is_told_from_an_instruction_that_the_cpu_lacks() {
    let trapped = |signal, code, instruction| {
        let mut draft = crashed(signal, Some(code), Some(0x40_1000), 42, &[]);
        stack::add(&mut draft, &stack_of(&["check", "main"], instruction));
        let verdict = analyst::built_in(&case_of(&draft));
        let reads_elf = verdict.next_steps.iter().any(|it| it.command.contains("readelf"));
        (verdict.probable_cause, verdict.confidence, reads_elf)
    };
    for (signal, code, instruction, want, confidence, elf) in [
        (4, 2, Some(Instruction::Undefined), "ran into a trap (`ud2` or its kin)", Confidence::High, false),
        (
            4,
            2,
            Some(Instruction::Other),
            "an instruction that this CPU does not have (",
            Confidence::Medium,
            true,
        ),
        (4, 2, None, "Which, the bytes of the instruction say", Confidence::Low, true),
        (
            5,
            0x80,
            Some(Instruction::BehindBreakpoint),
            "ran into a trap (`int3` or its kin)",
            Confidence::High,
            false,
        ),
        (
            5,
            0x80,
            Some(Instruction::Undefined),
            "ran into a trap (`int3` or its kin)",
            Confidence::High,
            false,
        ),
        (5, 1, Some(Instruction::Other), "hit a breakpoint, or a trap", Confidence::Low, false),
        (11, 0x80, Some(Instruction::Halt), "ran into a `hlt`", Confidence::Medium, false),
    ] {
        let (cause, sure, reads_elf) = trapped(signal, code, instruction);
        assert!(cause.contains(want) && !cause.contains("at 0x0"), "{signal} {instruction:?}: {cause}");
        assert_eq!((sure, reads_elf), (confidence, elf), "{signal} {instruction:?}");
        let trap = instruction == Some(Instruction::Undefined);
        assert!(!(trap && cause.contains("this CPU does not")), "{cause}");
    }
}
