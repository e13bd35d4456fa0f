//! What is stated of stacks, and what follows from it.

use expect_test::expect;

use super::*;
use crate::kinds::fixture::{self, case_of, recorded};
use crate::model::{IncidentKind, Severity};
use crate::render;

/// A stack of these functions, the crashing one first; `??` has no name.
fn stack<'a>(functions: impl IntoIterator<Item = &'a str>) -> Stack {
    let frame = |(number, function): (u64, &str)| Frame {
        module: Some("/usr/bin/app".to_owned()),
        offset: Some(0x1139 + number),
        address: Some(0x5555_5139 + number),
        function: (function != "??").then(|| function.to_owned()),
        file: (function != "??").then(|| "/src/x.c".to_owned()),
        line: (function != "??").then_some(7),
        ..Frame::default()
    };
    Stack { frames: (0..).zip(functions).map(frame).collect(), ..Stack::default() }
}

fn draft() -> Draft {
    let facts = vec![
        Statement::new("kernel:sched_process_exit", recorded("it ended")),
        Statement::new("x", recorded("x")),
    ];
    Draft { kind: IncidentKind::Crash, severity: Severity::Warning, facts, site: "SIGSEGV".to_owned() }
}

#[test]
fn a_stack_goes_into_the_draft_its_site_and_the_evidence() {
    let mut draft = draft();
    let it = stack(["abort", "die", "main"]);
    let evidence = add(&mut draft, &it);
    assert_eq!(draft.site, "SIGSEGV app!die");
    assert_eq!(
        render::fact(&draft.facts[1].data),
        "its stack was abort at x.c:7 ← die at x.c:7 ← main at x.c:7"
    );
    let names: Vec<_> = evidence.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["stack.txt", "stack.json"]);
    assert_eq!(evidence[0].body, it.to_string().into_bytes());
    assert_eq!(serde_json::from_slice::<Stack>(&evidence[1].body).unwrap(), it);
    let file = case_of(&draft);
    let finding = &file.findings[0];
    assert_eq!(function(stated(&file, finding).unwrap()).unwrap().raw(), "die");
    assert_eq!(
        words::place(&file, finding),
        " It happened in die at x.c:7, called from main at x.c:7. The whole stack is in the evidence: stack.txt."
    );
}

#[test]
fn an_empty_stack_says_nothing_and_notes_alone_are_evidence() {
    let mut draft = draft();
    assert_eq!(add(&mut draft, &Stack::default()), []);
    let noted = Stack { notes: vec!["nothing was captured".to_owned()], ..Stack::default() };
    assert_eq!(add(&mut draft, &noted).len(), 2);
    assert_eq!((draft.facts.len(), draft.site.as_str()), (2, "SIGSEGV"));
    let file = case_of(&draft);
    assert_eq!(words::place(&file, &file.findings[0]), "");
}

#[test]
fn a_fault_deeper_than_what_is_stated_of_a_stack_is_stated_still() {
    let handler = std::iter::once("abort").chain(std::iter::repeat_n("handler", 80));
    let it = stack(handler.chain(["<signal handler called>", "fault", "main", "start"]));
    let stated = fact(&it, false).unwrap();
    let StackFact::CrashStack { frames, depth, fault_frame, .. } = &stated else { panic!("{stated:?}") };
    assert_eq!((frames.0.len(), *depth, *fault_frame), (84, 85, Some(82)));
    assert_eq!(function(&stated).unwrap().raw(), "fault");
}

#[test]
fn recursion_is_what_fills_a_deep_stack() {
    let deep: Vec<_> = std::iter::once("leaf").chain(std::iter::repeat_n("visit", 30)).collect();
    let turns: Vec<_> = ["a", "b"].into_iter().cycle().take(30).collect();
    let three: Vec<_> = ["a", "b", "c"].into_iter().cycle().take(30).collect();
    let shallow = ["visit"; 11];
    let nameless = ["??"; 30];
    for (functions, want) in [
        (&deep[..], &["visit"][..]),
        (&turns, &["a", "b"]),
        (&three, &["a", "b", "c"]),
        (&shallow, &[]),
        (&nameless, &[]),
        (&["a", "b", "c", "main"], &[]),
    ] {
        let Some(StackFact::CrashStack { recursion, .. }) = fact(&stack(functions.iter().copied()), false)
        else {
            panic!("{functions:?}")
        };
        let names: Vec<_> = recursion.iter().map(Name::raw).collect();
        assert_eq!(names, want, "{functions:?}");
    }
}

#[test]
fn each_statement_has_a_value_and_a_sentence() {
    let at = |instruction| StackFact::AtInstruction { instruction }.into();
    let mut it = stack(["abort", "cra\x1b[31msh", "??", "d", "e", "f", "main"]);
    it.frames[3].module = None;
    fixture::check_statements(
        &[
            fact(&it, false).unwrap().into(),
            at(InstructionKind::Undefined),
            at(InstructionKind::Breakpoint),
            at(InstructionKind::Halt),
            at(InstructionKind::Ordinary),
        ],
        &expect![[r#"
            {"type":"crash_stack","frames":[{"function":"abort","file":"/src/x.c","line":7,"module":"/usr/bin/app","offset":4409,"address":1431654713},{"function":"cra\u001b[31msh","file":"/src/x.c","line":7,"module":"/usr/bin/app","offset":4410,"address":1431654714},{"function":null,"file":null,"line":null,"module":"/usr/bin/app","offset":4411,"address":1431654715},{"function":"d","file":"/src/x.c","line":7,"module":null,"offset":4412,"address":1431654716},{"function":"e","file":"/src/x.c","line":7,"module":"/usr/bin/app","offset":4413,"address":1431654717},{"function":"f","file":"/src/x.c","line":7,"module":"/usr/bin/app","offset":4414,"address":1431654718},{"function":"main","file":"/src/x.c","line":7,"module":"/usr/bin/app","offset":4415,"address":1431654719}],"depth":7,"fault_frame":1,"recursion":[]}
              its stack was abort at x.c:7 ← cra�[31msh at x.c:7 ← app+0x113b ← d at x.c:7 ← e at x.c:7 ← f at x.c:7 ← …
            {"type":"at_instruction","instruction":"undefined"}
              it was at a `ud2` or its kin, which no CPU runs: a trap that the compiler or the author put there
            {"type":"at_instruction","instruction":"breakpoint"}
              it was at an `int3`, a breakpoint in the program's own code
            {"type":"at_instruction","instruction":"halt"}
              it was at a `hlt`, which user mode may not run: so some C libraries end a program
            {"type":"at_instruction","instruction":"ordinary"}
              it was at an ordinary instruction: neither a trap nor a breakpoint
        "#]],
    );
}

#[test]
fn equal_faults_differ_in_measures_and_callers_far_up_alone() {
    use crate::kinds::part::Part as _;
    let identity = |functions: &[&str]| {
        let mut all = Vec::new();
        fact(&stack(functions.iter().copied()), false)
            .unwrap()
            .identify(&mut |bytes| all.extend_from_slice(bytes));
        all
    };
    let base = ["a", "b", "c", "d", "e", "f"];
    assert_eq!(identity(&[&base[..], &["main"]].concat()), identity(&[&base[..], &["other"]].concat()));
    assert_ne!(identity(&base), identity(&["z", "b", "c", "d", "e", "f"]));
}

/// A draft of a fault by an access beside the stack pointer, or elsewhere.
fn faulted(beyond: bool) -> Draft {
    let reason = if beyond { SignalReason::BeyondStack } else { SignalReason::NothingMapped };
    let mut draft = draft();
    let raised = SignalFact::SignalRaised { signal: 11, reason, address: Some(0x7ffc_0ff8) };
    draft.facts.push(Statement::new("kernel:signal_generate", raised));
    draft
}

#[test]
fn a_recursion_that_filled_the_stack_is_one_fault_wherever_it_ended() {
    let turn = ["list_repr", "PyObject_Repr", "eval"];
    let deep = |skip: usize, lead: &[&'static str]| -> Vec<&'static str> {
        let turns = turn.iter().copied().cycle().skip(skip).take(40);
        lead.iter().copied().chain(turns).collect()
    };
    let site = |beyond, functions: &[&str]| {
        let mut draft = faulted(beyond);
        add(&mut draft, &stack(functions.iter().copied()));
        (draft.site.clone(), words::place(&case_of(&draft), &case_of(&draft).findings[0]))
    };
    for functions in [deep(0, &[]), deep(1, &["lookup", "enter"]), deep(2, &["memcpy"])] {
        let (site, place) = site(true, &functions);
        assert_eq!(site, "SIGSEGV recursion of app!PyObject_Repr app!eval app!list_repr");
        assert!(place.contains("call each other are PyObject_Repr, eval, list_repr."), "{place}");
    }
    // A wild pointer at the end of a deep recursion is where it was used.
    let (wild, place) = site(false, &deep(1, &["lookup", "enter"]));
    assert_eq!(wild, "SIGSEGV app!lookup");
    assert!(place.contains("It happened in lookup at x.c:7, called from enter"), "{place}");
    assert_eq!(site(true, &["big", "main"]).0, "SIGSEGV app!big", "too much at once");
}

#[test]
fn an_instruction_is_stated_where_it_says_something_of_the_signal() {
    use crate::stack::Instruction as At;
    let stated = |signal, reason, at| {
        let mut draft = draft();
        let raised = SignalFact::SignalRaised { signal, reason, address: Some(0x1000) };
        draft.facts.push(Statement::new("kernel:signal_generate", raised));
        add(&mut draft, &Stack { instruction: Some(at), ..stack(["f", "main"]) });
        let file = case_of(&draft);
        instruction(&file, &file.findings[0])
    };
    for (signal, reason, at, want) in [
        (4, SignalReason::UnknownInstruction, At::Undefined, Some(InstructionKind::Undefined)),
        (4, SignalReason::UnknownInstruction, At::Other, Some(InstructionKind::Ordinary)),
        (4, SignalReason::UnknownInstruction, At::BehindBreakpoint, Some(InstructionKind::Ordinary)),
        (5, SignalReason::Trap, At::BehindBreakpoint, Some(InstructionKind::Breakpoint)),
        (5, SignalReason::Trap, At::Other, Some(InstructionKind::Ordinary)),
        (11, SignalReason::ImpossibleAddress, At::Halt, Some(InstructionKind::Halt)),
        (11, SignalReason::NothingMapped, At::Other, None),
        (11, SignalReason::NothingMapped, At::BehindBreakpoint, None),
    ] {
        assert_eq!(stated(signal, reason, at), want, "{signal} {at:?}");
    }
}
