//! No text contradicts a fact that stands beside it: over what every kind's detector makes of its fixture, and over ends by
//! each signal, raised and sent in every way, with every sort of stack, as each kind that tells of ends has them.

use super::*;
use crate::config::DetectLimits;
use crate::kinds;
use crate::kinds::case::Draft;
use crate::kinds::facts::FactData;
use crate::kinds::fixture::{case_about, sample};
use crate::kinds::shared::ending::facts::EndFact;
use crate::kinds::shared::ending::fixture::{ended, exit, process};
use crate::kinds::shared::ending::{Ended, chosen_by_oom_killer};
use crate::kinds::shared::signal::facts::{SignalFact, SignalReason};
use crate::kinds::shared::stack::facts::{InstructionKind, StackFact};
use crate::kinds::{abnormal_exit, crash, crash_loop};
use crate::model::{ExitCause, ExitRecord, IncidentKind, ProcessInfo, ProcessKey};
use crate::observation::{FatalSignal, StackCapture};
use crate::stack::{Frame, Instruction, Stack};

/// A fact, and the words that are false beside it.
type Rule = (&'static str, fn(&FactData) -> bool, &'static [&'static str]);

const RULES: &[Rule] = &[
    (
        "its own doing",
        |it| matches!(it.as_signal(), Some(SignalFact::SignalRaised { .. })),
        &[
            "sent it SIG",
            "process sent the signal",
            "Somebody",
            "somebody sent",
            "on purpose: ",
            "watchdog",
            "hung",
        ],
    ),
    (
        "sent by another",
        |it| matches!(it.as_signal(), Some(SignalFact::SignalSent { .. })),
        &["aborted itself", "sent itself", "was raised by", "to itself", "Somebody killed"],
    ),
    (
        "a stack without room",
        |it| raised(it) == Some(SignalReason::BeyondStack),
        &["invalid pointer", "freed memory", "null pointer", "dangling"],
    ),
    ("a null pointer", |it| raised(it) == Some(SignalReason::NullPointer), &["stack space", "recursion"]),
    (
        "damaged memory",
        |it| raised(it) == Some(SignalReason::HardwareMemoryError),
        &["truncated", "full disk"],
    ),
    ("divided by zero", |it| raised(it) == Some(SignalReason::DivisionByZero), &["overflowed", "floating"]),
    (
        "a trap",
        |it| matches!(instruction(it), Some(InstructionKind::Undefined | InstructionKind::Breakpoint)),
        &["this CPU does not have", "newer CPU", "at 0x0", "debugger had set"],
    ),
    ("no trap", |it| instruction(it) == Some(InstructionKind::Ordinary), &["ran into a trap"]),
    (
        "a choice of the OOM killer",
        |it| matches!(it.as_ending(), Some(EndFact::OomVictim {})),
        &["Somebody killed", "not the kernel's OOM killer", "a port, a file"],
    ),
    (
        "an exit by itself",
        |it| matches!(it.as_ending(), Some(EndFact::Ended { cause: ExitCause::Status(_), .. })),
        &["crashes with SIG", "aborted itself", "was raised by"],
    ),
    (
        "no test that wanted it",
        |it| matches!(it.as_crash(), Some(crash::facts::CrashFact::AbortedByParent { .. })),
        &["A test wanted", "This is not a fault"],
    ),
];

fn raised(fact: &FactData) -> Option<SignalReason> {
    match fact.as_signal()? {
        SignalFact::SignalRaised { reason, .. } => Some(*reason),
        _ => None,
    }
}

fn instruction(fact: &FactData) -> Option<InstructionKind> {
    match fact.as_stack()? {
        StackFact::AtInstruction { instruction } => Some(*instruction),
        StackFact::CrashStack { .. } => None,
    }
}

/// The first contradiction in what is told of a case.
fn contradiction(file: &CaseFile, verdict: &Verdict) -> Option<String> {
    let hypotheses = verdict.hypotheses.iter().map(|it| &it.cause);
    let steps = verdict.next_steps.iter().map(|it| &it.why);
    let texts = [&verdict.summary, &verdict.probable_cause].into_iter().chain(hypotheses).chain(steps);
    let texts: Vec<_> = texts.collect();
    let rules = RULES.iter().filter(|(_, holds, _)| file.facts.iter().any(|fact| holds(&fact.data)));
    rules.into_iter().find_map(|(fact, _, words)| {
        let word = words.iter().find(|word| texts.iter().any(|text| text.contains(**word)))?;
        Some(format!("`{word}` beside {fact}: {texts:#?}"))
    })
}

fn check(process: &ProcessInfo, draft: &Draft) {
    let file = case_about(process, draft);
    if let Some(found) = contradiction(&file, &built_in(&file)) {
        panic!("{}: {found}", draft.kind);
    }
}

#[test]
fn what_every_kind_says_of_its_fixture_agrees_with_its_facts() {
    for kind in IncidentKind::ALL {
        let file = sample(kind);
        assert_eq!(contradiction(&file, &built_in(&file)), None, "{kind}");
    }
}

#[test]
fn a_contradiction_is_found() {
    let file = sample(IncidentKind::Crash);
    let mut verdict = built_in(&file);
    assert_eq!(contradiction(&file, &verdict), None);
    verdict.hypotheses[0].cause = "A watchdog sent it".into();
    assert!(contradiction(&file, &verdict).unwrap().contains("beside its own doing"));
}

/// Stacks as ends of every sort have them.
fn stacks() -> Vec<Stack> {
    let of = |functions: &[&str], instruction| {
        let frame = |function: &&str| Frame {
            module: Some("/usr/bin/app".into()),
            function: Some((*function).into()),
            ..Frame::default()
        };
        Stack { frames: functions.iter().map(frame).collect(), instruction, ..Stack::default() }
    };
    vec![
        Stack::default(),
        of(&["f", "main"], None),
        of(&["f", "main"], Some(Instruction::Undefined)),
        of(&["f", "main"], Some(Instruction::BehindBreakpoint)),
        of(&["f", "main"], Some(Instruction::Halt)),
        of(&["f", "main"], Some(Instruction::Other)),
        of(&["visit"; 20], None),
        of(&["abort", "__assert_fail", "f"], None),
        of(&["abort", "malloc_printerr", "free", "f"], None),
        of(&["abort", "std::terminate()", "__cxa_throw", "f"], None),
        of(&["abort", "core::panicking::panic", "f"], None),
        of(&["runtime.raise", "runtime.gopanic", "main.f"], None),
        of(&["abort", "node::OOMErrorHandler(x)"], None),
        of(&["abort", "os::abort(bool)", "VMError::report_and_die(x)"], None),
    ]
}

/// Every way in which a signal comes, as far as it can end a process.
fn signals() -> Vec<Option<FatalSignal>> {
    let mut all = vec![None];
    let mut add = |signal, code, sender, address| {
        let mut registers = [0; 21];
        (registers[19], registers[16]) = (0x7ffc_0000_1000, 0x40_1001);
        let capture = StackCapture {
            registers: Some(registers),
            stack: Box::from([0; 64]),
            stack_start: registers[19],
            ..StackCapture::default()
        };
        let it = FatalSignal::sample(signal, code, sender);
        all.push(Some(FatalSignal { fault_address: address, capture: Some(capture), ..it }));
    };
    for signal in [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 24, 25, 31] {
        for (code, sender) in [(None, 42), (Some(0), 42), (Some(-6), 42), (Some(0), 7), (Some(-6), 7)] {
            add(signal, code, sender, None);
        }
    }
    for signal in [4, 5, 7, 8, 11, 31] {
        for code in [1, 2, 4, 0x80] {
            // A null pointer; beside the stack pointer; neither.
            for address in [0, 0x7ffc_0000_0ff8, 0x1234_5678] {
                add(signal, Some(code), 42, Some(address));
            }
        }
    }
    all
}

#[test]
fn what_is_said_of_any_end_agrees_with_its_facts() {
    let limits = DetectLimits::default();
    let deaths = [10, 20, 30].map(Duration::from_secs);
    let mut told = 0;
    for (name, argv) in [
        ("worker", &["worker"][..]),
        ("java", &["java", "-XX:+CrashOnOutOfMemoryError", "-XX:+ExitOnOutOfMemoryError"]),
    ] {
        let argv = argv.iter().map(|&it| it.to_owned()).collect();
        let process = ProcessInfo { ppid: 1, name: name.into(), exe: None, argv, ..process() };
        for signal in signals() {
            let causes = match &signal {
                Some(it) => vec![ExitCause::Signal(it.signal)],
                None => (0..=255).map(ExitCause::Status).chain((1..=31).map(ExitCause::Signal)).collect(),
            };
            for cause in causes {
                let exit = exit(cause);
                let starter = ProcessKey { pid: 7, start_ticks: 7 };
                let it = Ended { signal: signal.as_ref(), starter, ..ended(&process, &exit) };
                let drafts = [
                    crash::detect(&it),
                    abnormal_exit::detect(&it, &limits),
                    crash_loop::detect(&it, &deaths, None, &limits),
                ];
                for draft in drafts.into_iter().flatten() {
                    told += with_stacks(&process, &draft);
                }
            }
        }
    }
    assert!(told > 5_000, "{told}: the corpus has shrunk");
}

/// The draft with each of the stacks, where its kind has one.
fn with_stacks(process: &ProcessInfo, draft: &Draft) -> usize {
    let Some(add) = kinds::room(draft.kind).stack else {
        check(process, draft);
        return 1;
    };
    let stacks = stacks();
    for stack in &stacks {
        let mut draft = draft.clone();
        add(&mut draft, stack);
        check(process, &draft);
    }
    stacks.len()
}

#[test]
fn a_loop_of_oom_kills_does_not_ask_who_killed_it() {
    let process = ProcessInfo { ppid: 1, ..process() };
    let exit = ExitRecord { oom_killed: true, ..exit(ExitCause::Signal(9)) };
    let deaths = [10, 20, 30].map(Duration::from_secs);
    let draft = crash_loop::detect(&ended(&process, &exit), &deaths, None, &DetectLimits::default()).unwrap();
    assert!(draft.facts.contains(&chosen_by_oom_killer()));
    check(&process, &draft);
}
