//! Cases, verdicts and an incident for the tests of every stage.

use jiff::Timestamp;

use super::case::{Case, CaseFile};
use super::fixture;
use crate::model::{
    Completeness, Confidence, EvidenceFile, Incident, IncidentKind, IncidentStatus, NextStep, Severity,
    Verdict, VerdictBy,
};
use crate::render;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(crate) fn verdict(summary: &str) -> Verdict {
    Verdict {
        by: VerdictBy::Rules,
        model: None,
        summary: summary.into(),
        probable_cause: "The limit of its cgroup is too low for it.".into(),
        confidence: Confidence::High,
        evidence: vec!["F2".into()],
        hypotheses: Vec::new(),
        next_steps: vec![NextStep {
            why: "Shows the limit.".into(),
            command: "cat /sys/fs/cgroup/oomtest/memory.max".into(),
        }],
        raised_to: None,
        note: None,
    }
}

/// A critical OOM kill of pid 13674 at second 0, with one evidence file.
pub(crate) fn case(fingerprint: &str) -> Case {
    Case {
        fingerprint: fingerprint.into(),
        kind: IncidentKind::OomKill,
        severity: Severity::Critical,
        title: "OOM kill: python3 (pid 13674) in /oomtest".into(),
        count: 1,
        file: CaseFile {
            observed_at: at(0),
            evidence: vec![EvidenceFile {
                name: "status".into(),
                source: "proc:status".into(),
                taken_at: at(0),
                body: b"Name:\tpython3\n\xff".to_vec(),
                truncated: false,
            }],
            completeness: Completeness {
                events_lost: 0,
                evidence_delay_ms: Some(4),
                ..Completeness::default()
            },
            ..fixture::sample(IncidentKind::OomKill)
        },
    }
}

/// The same fault by another process, later.
pub(crate) fn case_by(fingerprint: &str, pid: u32, seconds: i64) -> Case {
    let mut it = case(fingerprint);
    it.file.process.pid = pid;
    it.file.observed_at = at(seconds);
    it
}

/// An incident as it is read back.
pub(crate) fn incident() -> Incident {
    let case = case("a");
    Incident {
        id: "01K7ZZZZZZZZZZZZZZZZZZZZZZ".into(),
        kind: case.kind,
        severity: case.severity,
        rules_severity: None,
        status: IncidentStatus::Open,
        fingerprint: case.fingerprint,
        was: None,
        title: case.title,
        host: "web-1".into(),
        boot_id: "boot-1".into(),
        first_seen: at(0),
        last_seen: at(0),
        count: 1,
        acknowledged_at: None,
        resolved_at: None,
        related: Vec::new(),
        findings: render::findings(&case.file),
        facts: render::facts(&case.file),
        process: case.file.process,
        completeness: case.file.completeness,
        verdict: verdict("The kernel killed python3 because its cgroup reached its memory limit."),
        alerts: Vec::new(),
        evidence: Vec::new(),
    }
}
