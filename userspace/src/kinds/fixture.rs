//! Case files for tests.

pub(crate) mod view;

use std::fmt::Write as _;

use expect_test::Expect;

use super::case::{CaseFile, Draft, Fact, Finding, numbered};
use super::facts::FactData;
use super::shared::recorded::facts::Recorded;
use crate::analyst::built_in;
use crate::kinds;
use crate::model::{Completeness, EvidenceFile, IncidentKind, ProcessInfo, Severity};
use crate::render;

/// What is told of a draft.
pub(crate) struct Told {
    pub(crate) summary: String,
    pub(crate) facts: Vec<String>,
}

/// The sentences of a draft about the process of [`healthy`].
pub(crate) fn told(draft: &Draft) -> Told {
    let file = case_of(draft);
    let facts = render::facts(&file).into_iter().map(|fact| fact.text).collect();
    Told { summary: render::summary(&file, &file.findings[0]), facts }
}

/// The case file of one draft about the process of [`healthy`].
pub(crate) fn case_of(draft: &Draft) -> CaseFile {
    let (findings, facts) = numbered(vec![draft.clone()]);
    CaseFile { findings, facts, ..healthy() }
}

/// What each statement looks like: its JSON, and below it its sentence. What is read is what was written.
pub(crate) fn check_statements(statements: &[FactData], want: &Expect) {
    let mut out = String::new();
    for statement in statements {
        let json = serde_json::to_string(statement).unwrap();
        assert_eq!(&serde_json::from_str::<FactData>(&json).unwrap(), statement);
        // What would not be seen in this file is written as JSON may write it.
        let seen = |c: char| {
            if c.is_ascii() || c.is_alphanumeric() {
                c.to_string()
            } else {
                format!("\\u{:04x}", u32::from(c))
            }
        };
        let json: String = json.chars().map(seen).collect();
        writeln!(out, "{json}\n  {}", render::fact(statement)).unwrap();
    }
    want.assert_eq(&out);
}

/// The same about another process.
pub(crate) fn case_about(process: &ProcessInfo, draft: &Draft) -> CaseFile {
    CaseFile { process: process.clone(), ..case_of(draft) }
}

/// A draft in full: the data and the sentence of each fact.
pub(crate) fn golden(process: &ProcessInfo, draft: &Draft) -> String {
    let file = case_about(process, draft);
    let mut out = format!("{:?} {}\n", draft.severity, render::summary(&file, &file.findings[0]));
    for (fact, statement) in render::facts(&file).iter().zip(&draft.facts) {
        writeln!(out, "- {} ({})\n  {}", fact.text, statement.source, fact.data).unwrap();
    }
    out
}

/// What the built-in analyst says of a case.
pub(crate) fn judged(file: &CaseFile) -> String {
    let verdict = built_in(file);
    let (cause, confidence) = (&verdict.probable_cause, verdict.confidence);
    let mut out =
        format!("{}\n{cause}\n{confidence:?}, by {}\n", verdict.summary, verdict.evidence.join(" "));
    for hypothesis in &verdict.hypotheses {
        writeln!(out, "? {} [{}]", hypothesis.cause, hypothesis.evidence.join(" ")).unwrap();
    }
    for step in &verdict.next_steps {
        writeln!(out, "- {}\n  $ {}", step.why, step.command).unwrap();
    }
    out
}

/// What the detector of this kind makes of a fixture.
pub(crate) fn sample(kind: IncidentKind) -> CaseFile {
    let (process, draft) = (kinds::room(kind).sample)();
    case_about(&process, &draft)
}

/// A process that was killed for memory in a cgroup of 256 MiB.
pub(crate) fn oom() -> CaseFile {
    let mut file = sample(IncidentKind::OomKill);
    file.evidence = vec![
        frozen(
            "status",
            "Name:\tpython3\nState:\tR (running)\nVmHWM:\t  261120 kB\nVmRSS:\t  261000 kB\nThreads:\t1\n",
        ),
        frozen("cgroup.memory.max", "268435456\n"),
        frozen("cgroup.memory.events", "low 0\nhigh 0\nmax 311\noom 1\noom_kill 1\n"),
    ];
    file
}

/// A live process that nothing is known against.
pub(crate) fn healthy() -> CaseFile {
    CaseFile {
        process: ProcessInfo {
            pid: 13674,
            start_ticks: 204_626,
            ppid: 13671,
            name: "python3".into(),
            exe: Some("/usr/bin/python3".into()),
            argv: vec!["python3".into(), "-c".into(), "x = bytearray(10**9)".into()],
            uid: Some(0),
            cgroup: Some("/oomtest".into()),
            container_id: None,
            unit: None,
            pod_uid: None,
            container: None,
        },
        observed_at: "2026-11-22T12:27:59.123Z".parse().unwrap(),
        findings: Vec::new(),
        facts: facts(&[("proc:status", "state S, 12 threads"), ("proc:stat", "up for 3 h")]),
        evidence: vec![
            frozen("status", "Name:\tpython3\nState:\tS (sleeping)\n"),
            frozen(
                "limits",
                "Max open files            1024                 524288               files     \n",
            ),
            frozen("io", "rchar: 1\n"),
        ],
        completeness: Completeness { events_lost: 0, evidence_delay_ms: Some(4), ..Completeness::default() },
    }
}

/// As [`healthy`], with one finding of that kind that cites the first fact.
pub(crate) fn found(kind: IncidentKind, summary: &str) -> CaseFile {
    CaseFile { findings: vec![finding(kind, summary, &["F1"])], ..healthy() }
}

pub(crate) fn finding(kind: IncidentKind, summary: &str, facts: &[&str]) -> Finding {
    let facts = facts.iter().map(|&id| id.to_owned()).collect();
    let summary = Some(recorded(summary));
    Finding { kind, severity: Severity::Critical, summary, facts }
}

/// A sentence of an earlier version.
pub(crate) fn recorded(text: &str) -> Recorded {
    Recorded::new(text)
}

/// `(source, text)`, numbered from F1.
pub(crate) fn facts(facts: &[(&str, &str)]) -> Vec<Fact> {
    let fact = |(i, (source, text)): (usize, &(&str, &str))| Fact {
        id: format!("F{}", i + 1),
        data: recorded(text).into(),
        source: (*source).to_owned(),
        at: None,
    };
    facts.iter().enumerate().map(fact).collect()
}

pub(crate) fn frozen(name: &str, body: &str) -> EvidenceFile {
    EvidenceFile {
        name: name.to_owned(),
        source: format!("proc:{name}"),
        taken_at: "2026-11-22T12:27:59.127Z".parse().unwrap(),
        body: body.as_bytes().to_vec(),
        truncated: false,
    }
}
