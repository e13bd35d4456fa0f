//! Which incident is whose, and what is wrong with it.

use super::*;
use crate::model::{ProcessInfo, sample};

const ID: &str = "00aa";

fn case(name: &str, expect: &str) -> Case {
    Case { name: name.to_owned(), ..Case::sample(expect) }
}

fn exit_case() -> Case {
    case("unit/exit", "kinds = ['abnormal_exit']\nalso = ['crash_loop']\nunit = 'lab-exit.service'")
}

fn incident(id: &str, kind: &str, severity: Severity, unit: &str) -> Incident {
    let mut it = sample(id, kind.parse().unwrap());
    it.severity = severity;
    it.process = ProcessInfo { name: "api".into(), unit: Some(unit.into()), ..it.process };
    it
}

fn right(id: &str) -> Incident {
    incident(id, "abnormal_exit", Severity::Warning, "lab-exit.service")
}

fn alert(occasion: &str, id: &str) -> Alert {
    let body = format!(r#"{{"occasion":"{occasion}","incident":{{"id":"{id}"}}}}"#);
    serde_json::from_str(&body).unwrap()
}

/// The problems of one case's incidents, `new` alerts of these ids.
fn check(case: &Case, said: &[Incident], told: &[&str], want: &[&str]) -> Score {
    let run = CaseRun { containers: vec![("lab-box".into(), ID.into())], ..CaseRun::default() };
    let alerts: Vec<Alert> = told.iter().map(|id| alert("new", id)).collect();
    let score = score(case, &run, said.to_vec(), &alerts);
    let short: Vec<&str> = score.problems.iter().map(|it| it.split(" (").next().unwrap()).collect();
    assert_eq!(short, want, "{said:?}");
    score
}

#[test]
fn found_once_and_told_once_is_all_right() {
    let score = check(&exit_case(), &[right("1")], &["1"], &[]);
    assert!(score.found && score.is_fault);
    // What comes beside it of the same fault is no fault of its own.
    let beside = incident("2", "crash_loop", Severity::Warning, "lab-exit.service");
    check(&exit_case(), &[right("1"), beside.clone()], &["1"], &[]);
    check(&exit_case(), &[right("1"), beside], &["1", "2"], &["2 messages, 1 too many"]);
}

#[test]
fn missed_too_quiet_or_told_to_nobody() {
    check(&exit_case(), &[], &[], &["no abnormal_exit about it"]);
    let quiet = incident("1", "abnormal_exit", Severity::Info, "lab-exit.service");
    let want = ["no abnormal_exit about it", "too quiet: info abnormal_exit: T"];
    check(&exit_case(), &[quiet], &[], &want);
    check(&exit_case(), &[right("1")], &[], &["nobody was told"]);
}

#[test]
fn another_subject_a_duplicate_a_false_alarm() {
    let other = incident("1", "abnormal_exit", Severity::Warning, "other.service");
    let want = ["no abnormal_exit about it", "wrong subject: warning abnormal_exit: T"];
    let score = check(&exit_case(), &[other], &[], &want);
    assert!(!score.found && score.wrong_subject.len() == 1);
    let want = ["said twice: warning abnormal_exit: T", "2 messages, 1 too many"];
    let score = check(&exit_case(), &[right("1"), right("2")], &["1", "2"], &want);
    assert!(score.found && score.duplicates.len() == 1 && score.duplicate_alerts == 1);
    let spin = incident("2", "cpu_spin", Severity::Warning, "lab-exit.service");
    check(&exit_case(), &[right("1"), spin], &["1"], &["false alarm: warning cpu_spin: T"]);
}

#[test]
fn a_relay_is_never_the_subject_and_we_are_never() {
    let mut relay = right("1");
    relay.process.name = "conmon".into();
    let want = ["no abnormal_exit about it", "wrong subject: warning abnormal_exit: T"];
    check(&exit_case(), &[relay.clone()], &[], &want);
    // Unless it only stands for the unit.
    relay.title = "Failed: lab-exit.service".into();
    check(&exit_case(), &[relay], &["1"], &[]);
    let mut own = incident("2", "memory_pressure", Severity::Info, "ai-debugger.service");
    own.process.name = "ai-debugger".into();
    let want = ["false alarm: info memory_pressure: T"];
    check(&exit_case(), &[right("1"), own.clone()], &["1"], &want);
    own.kind = IncidentKind::UncleanStop;
    check(&exit_case(), &[right("1"), own], &["1"], &[]);
}

#[test]
fn a_quiet_case_takes_what_is_worth_knowing_only() {
    let quiet = case("noise/stop", "");
    check(&quiet, &[], &[], &[]);
    check(&quiet, &[incident("1", "abnormal_exit", Severity::Info, "x.service")], &[], &[]);
    let loud = incident("1", "abnormal_exit", Severity::Warning, "x.service");
    let want = ["false alarm: warning abnormal_exit: T", "1 messages, 1 too many"];
    let score = check(&quiet, &[loud], &["1"], &want);
    assert!(!score.is_fault);
}

#[test]
fn what_is_worth_knowing_must_wake_nobody() {
    let expect = "kinds = ['abnormal_exit']\nunit = 'lab-exit.service'\nseverity = 'info'\nmost = 'info'";
    let case = case("unit/exit", expect);
    check(&case, &[incident("1", "abnormal_exit", Severity::Info, "lab-exit.service")], &[], &[]);
    let want = ["too loud: warning, at most info", "1 messages, 1 too many"];
    check(&case, &[right("1")], &["1"], &want);
}

#[test]
fn a_container_is_known_by_its_id_and_must_be_named() {
    let case = case("container/box", "kinds = ['crash']\ncontainer = 'lab-box'\nsays = ['die|dead']");
    let mut it = incident("1", "crash", Severity::Warning, "libpod-00aa.scope");
    it.process.container_id = Some(ID.into());
    check(&case, &[it.clone()], &["1"], &["does not say `lab-box`", "does not say `die|dead`"]);
    it.title = "Crash: api in container lab-box".into();
    it.verdict.probable_cause = "It happened in Die".into();
    check(&case, &[it.clone()], &["1"], &[]);
    it.process.container_id = Some("11bb".into());
    it.title = "T".into();
    check(&case, &[it], &[], &["no crash about it", "wrong subject: warning crash: T"]);
}

#[test]
fn a_name_that_the_lab_gave_says_nothing() {
    let expect = "kinds = ['abnormal_exit']\nunit = 'lab-exit.service'\nsays = ['exit']";
    let mut it = right("1");
    it.title = "Failed: lab-exit.service".into();
    check(&case("unit/exit", expect), std::slice::from_ref(&it), &["1"], &["does not say `exit`"]);
    it.title = "Abnormal exit: api in lab-exit.service".into();
    check(&case("unit/exit", expect), &[it], &["1"], &[]);
}

#[test]
fn what_it_must_not_say() {
    let expect = "kinds = ['abnormal_exit']\nunit = 'lab-exit.service'\nsays_not = ['starts it again']";
    let mut it = right("1");
    it.verdict.summary = "systemd starts it again.".into();
    check(&case("unit/exit", expect), &[it], &["1"], &["says `starts it again`"]);
}

#[test]
fn an_incident_is_the_cases_that_it_names_or_in_whose_time_it_came() {
    let run = |incidents: &[Incident]| Some(CaseRun { incidents: incidents.to_vec(), ..CaseRun::default() });
    let (first, second) = (right("1"), incident("2", "cpu_spin", Severity::Warning, "x.service"));
    let mut again = first.clone();
    again.count = 2;
    // `exit-late` has `exit` in it, and is another.
    let late = incident("3", "abnormal_exit", Severity::Warning, "lab-exit-late.service");
    let cases = [
        (case("unit/a", ""), run(&[])),
        (exit_case(), run(std::slice::from_ref(&first))),
        (case("unit/lost", ""), None),
        (case("unit/exit-late", ""), run(&[first])),
        (case("noise/b", ""), run(&[again.clone(), second.clone(), late.clone()])),
        (case("noise/c", ""), run(&[again, Incident { count: 9, ..second }, late])),
    ];
    let said = attribute(&cases);
    let ids: Vec<Vec<&str>> =
        said.iter().map(|said| said.iter().map(|it| it.id.as_str()).collect()).collect();
    assert_eq!(ids, [vec![], vec!["1"], vec![], vec!["3"], vec!["2"], vec![]]);
    assert_eq!((said[1][0].count, said[4][0].count), (2, 9), "as they were last");
}

#[test]
fn a_signature_has_no_pids_and_ids() {
    let mut it = right("1");
    it.title = "Abnormal exit: api (pid 4711) in container 03c76eac3174".into();
    let score = Score { said: vec![it], ..Score::default() };
    assert_eq!(score.signature(), ["warning abnormal_exit Abnormal exit: api (pid #) in container #"]);
}
