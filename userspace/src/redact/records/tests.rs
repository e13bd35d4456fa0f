//! Records with secrets in every place a process can put one, and records without any, which stay as they are.

use super::*;
use crate::kinds::case::{Case, CaseFile};
use crate::kinds::fixture::recorded;
use crate::kinds::sample;
use crate::model::{AlertDelivery, AlertStatus, ExitCause, ExitRecord, Occasion, ProcessView};
use crate::render;

const SECRET: &str = "hunter2-the-secret";

fn evidence_of(name: &str, body: &[u8], truncated: bool) -> EvidenceFile {
    let taken_at = "2026-11-22T12:27:59.127Z".parse().unwrap();
    EvidenceFile { name: name.into(), source: "proc:x".into(), taken_at, body: body.to_vec(), truncated }
}

/// A case about a process whose arguments give the secret away.
fn planted() -> Case {
    let mut case = sample::case("a");
    let process = &mut case.file.process;
    process.argv = vec!["db".into(), "--password".into(), SECRET.into(), format!("--also={SECRET}")];
    process.name = format!("db {SECRET}");
    process.exe = Some(format!("/opt/{SECRET}/db"));
    process.cgroup = Some(format!("/app/{SECRET}"));
    case.title = format!("Crash: db in /app/{SECRET}");
    case.file.facts[0].data = recorded(&format!("it said {SECRET}")).into();
    case.file.facts[0].source = format!("file:{SECRET}");
    case.file.findings[0].summary = Some(recorded(&format!("it ran db --password {SECRET}")));
    case.file.completeness.missing = vec![format!("/proc: {SECRET}")];
    case.file.evidence = vec![
        evidence_of("cmdline", format!("db\0--password\0{SECRET}\0").as_bytes(), false),
        evidence_of("environ", format!("HARMLESS={SECRET}\0").as_bytes(), false),
        evidence_of("maps", format!("7f00-7f01 r-xp 0 0 0 /opt/{SECRET}/db\n").as_bytes(), false),
        evidence_of("fd", b"3 /tmp/\xff?token=abc\n", false),
        evidence_of("log", format!("a\nb {}", &SECRET[..12]).as_bytes(), true),
    ];
    case
}

#[test]
fn no_secret_is_left_in_a_case_and_each_is_counted() {
    let case = masked(planted());
    let bodies: Vec<_> =
        case.file.evidence.iter().map(|it| String::from_utf8_lossy(&it.body).into_owned()).collect();
    let all = format!(
        "{:?} {bodies:?}",
        Case { file: CaseFile { evidence: Vec::new(), ..case.file.clone() }, ..case.clone() }
    );
    assert!(!all.contains("hunter2"), "{all}");
    assert_eq!(bodies[0], "db\0--password\0[redacted 18 chars]\0");
    assert_eq!(bodies[1], "HARMLESS=***\0");
    assert_eq!(bodies[3], "3 /tmp/\u{fffd}?token=[redacted 3 chars]\n");
    assert_eq!(bodies[4], "a\nb [redacted 12 chars]", "half a secret at the cut");
    let counted: Vec<_> =
        case.file.completeness.masked.iter().map(|(rule, n)| format!("{rule} {n}")).collect();
    assert_eq!(counted, ["argument 3", "environment 1", "known 10", "name 1"], "{all}");
    let again = masked(case.clone());
    assert_eq!(again, case, "masking twice is masking once");
}

#[test]
fn half_a_secret_at_a_cut_is_masked_too() {
    let mut planted = planted();
    planted.title = crate::text::truncate(&format!("{} in /{SECRET}", "x".repeat(40)), 55);
    assert!(planted.title.contains("hunter2-"), "{}", planted.title);
    let title = masked(planted).title;
    assert!(title.ends_with("[redacted 9 chars]…"), "{title}");
}

#[test]
fn incidents_and_processes_are_masked_the_same_way() {
    let mut stored = sample::incident();
    stored.process = planted().file.process;
    stored.title = planted().title;
    stored.facts = render::facts(&planted().file);
    stored.verdict.summary = format!("said {SECRET}");
    stored.verdict.note = Some(SECRET.into());
    stored.alerts = vec![AlertDelivery {
        sink: "webhook".into(),
        occasion: Occasion::New,
        status: AlertStatus::Failed,
        at: None,
        attempts: 1,
        error: Some(format!("the receiver said: bad password {SECRET}")),
        folded_into: None,
    }];
    stored.verdict.next_steps[0].command = format!("mysql -p{SECRET}");
    let shown = serde_json::to_string(&masked(stored.clone())).unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
    let exit = ExitRecord { parent_name: SECRET.into(), ..ExitRecord::sample(ExitCause::Status(1)) };
    let live = ProcessView {
        info: stored.process,
        cpu_percent: None,
        rss_bytes: 1,
        threads: 1,
        fds: None,
        forks: None,
        state: 'X',
        age_s: 1,
        exit: Some(exit),
    };
    let shown = serde_json::to_string(&masked(live)).unwrap();
    assert!(!shown.contains("hunter2") && shown.contains("--also=[redacted 18 chars]"), "{shown}");
}

#[test]
fn what_has_no_secret_stays_byte_for_byte() {
    let mut plain = sample::case("a");
    plain.file.process.argv = ["sh", "-c", "echo \u{1b}[31m\tred\n"].map(str::to_owned).into();
    plain.file.evidence = vec![
        evidence_of("status", b"Name:\tx\xff\x00\nSigBlk:\t0000000000010000\n", true),
        evidence_of("cmdline", b"sh\0-c\0echo \x1b[31m\xff\n\0", false),
        evidence_of("cmdline", b"a title without an end", false),
        evidence_of("environ", b"", false),
        evidence_of("auxv", &[0, 1, 2, 255, 10, 0], false),
    ];
    assert_eq!(masked(plain.clone()), plain);
    assert_eq!(masked(sample::incident()), sample::incident());
}

#[test]
fn invisible_characters_hide_nothing() {
    for arg in ["--pass\u{200b}word=hunter2x", "--password=\u{202e}hunter2x", "x\u{1}password=hunter2x"] {
        let mut hidden = sample::case("a");
        hidden.file.process.argv = vec!["app".into(), arg.into()];
        hidden.title = format!("ran {arg}");
        hidden.file.evidence = vec![evidence_of("log", arg.as_bytes(), false)];
        let masked = masked(hidden);
        let body = String::from_utf8_lossy(&masked.file.evidence[0].body).into_owned();
        let all = format!("{} {:?}", masked.title, masked.file.process.argv);
        assert!(!all.contains("hunter2") && !body.contains("hunter2"), "{all}");
    }
}
