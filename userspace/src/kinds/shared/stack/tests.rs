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
    Stack { frames: (0..).zip(functions).map(frame).collect(), notes: vec![] }
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
    let noted = Stack { frames: vec![], notes: vec!["nothing was captured".to_owned()] };
    assert_eq!(add(&mut draft, &noted).len(), 2);
    assert_eq!((draft.facts.len(), draft.site.as_str()), (2, "SIGSEGV"));
    let file = case_of(&draft);
    assert_eq!(words::place(&file, &file.findings[0]), "");
}

#[test]
fn a_fault_deeper_than_what_is_stated_of_a_stack_is_stated_still() {
    let handler = std::iter::once("abort").chain(std::iter::repeat_n("handler", 80));
    let it = stack(handler.chain(["<signal handler called>", "fault", "main", "start"]));
    let stated = fact(&it).unwrap();
    let StackFact::CrashStack { frames, depth, fault_frame, .. } = &stated;
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
        (&three, &[]),
        (&shallow, &[]),
        (&nameless, &[]),
        (&["a", "b", "c", "main"], &[]),
    ] {
        let names: Vec<_> = recursion(&stack(functions.iter().copied())).into_iter().collect();
        let names: Vec<_> = names.iter().map(Name::raw).collect();
        assert_eq!(names, want, "{functions:?}");
    }
}

#[test]
fn each_statement_has_a_value_and_a_sentence() {
    let mut it = stack(["abort", "cra\x1b[31msh", "??", "d", "e", "f", "main"]);
    it.frames[3].module = None;
    fixture::check_statements(
        &[fact(&it).unwrap().into()],
        &expect![[r#"
        {"type":"crash_stack","frames":[{"function":"abort","file":"/src/x.c","line":7,"module":"/usr/bin/app","offset":4409,"address":1431654713},{"function":"cra\u001b[31msh","file":"/src/x.c","line":7,"module":"/usr/bin/app","offset":4410,"address":1431654714},{"function":null,"file":null,"line":null,"module":"/usr/bin/app","offset":4411,"address":1431654715},{"function":"d","file":"/src/x.c","line":7,"module":null,"offset":4412,"address":1431654716},{"function":"e","file":"/src/x.c","line":7,"module":"/usr/bin/app","offset":4413,"address":1431654717},{"function":"f","file":"/src/x.c","line":7,"module":"/usr/bin/app","offset":4414,"address":1431654718},{"function":"main","file":"/src/x.c","line":7,"module":"/usr/bin/app","offset":4415,"address":1431654719}],"depth":7,"fault_frame":1,"recursion":[]}
          its stack was abort at x.c:7 ← cra�[31msh at x.c:7 ← app+0x113b ← d at x.c:7 ← e at x.c:7 ← f at x.c:7 ← …
    "#]],
    );
}

#[test]
fn equal_faults_differ_in_measures_and_callers_far_up_alone() {
    use crate::kinds::part::Part as _;
    let identity = |functions: &[&str]| {
        let mut all = Vec::new();
        fact(&stack(functions.iter().copied())).unwrap().identify(&mut |bytes| all.extend_from_slice(bytes));
        all
    };
    let base = ["a", "b", "c", "d", "e", "f"];
    assert_eq!(identity(&[&base[..], &["main"]].concat()), identity(&[&base[..], &["other"]].concat()));
    assert_ne!(identity(&base), identity(&["z", "b", "c", "d", "e", "f"]));
}
