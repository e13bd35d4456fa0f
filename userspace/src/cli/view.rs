//! An incident, a case and a verdict as text for a person at a terminal. Every string is cleaned: a process
//! named like an escape sequence stays a name.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::kinds::case::CaseFile;
use crate::model::{
    AlertDelivery, Completeness, Confidence, ContainerInfo, EvidenceEntry, FactView, FindingView, Incident,
    Occasion, ProcessInfo, Related, Relation, Severity, Verdict, VerdictBy,
};
use crate::render;
use crate::text;

/// All about an incident.
pub(crate) fn incident(it: &Incident) -> String {
    let mut out = Lines::default();
    out.line(0, &it.title);
    out.field("incident", &format!("{} ({}, {}, {})", it.id, it.severity, it.kind, it.status.as_str()));
    if let Some(rules) = it.rules_severity {
        out.field("severity", &format!("{}, raised by the model; {rules} by the rules", it.severity));
    }
    let times = match it.count {
        1 => moment(it.first_seen),
        n => format!("{} to {}, {n} times", moment(it.first_seen), moment(it.last_seen)),
    };
    out.field("seen", &times);
    out.field_if("acked at", it.acknowledged_at.map(moment).as_deref());
    out.field_if("resolved", it.resolved_at.map(moment).as_deref());
    out.field("host", &format!("{} (boot {})", it.host, it.boot_id));
    process(&mut out, &it.process);
    related(&mut out, &it.related);
    findings(&mut out, &it.findings, &it.facts);
    verdict(&mut out, &it.verdict);
    completeness(&mut out, &it.completeness);
    alerts(&mut out, &it.alerts);
    evidence(&mut out, &it.evidence);
    out.0
}

/// A case file just made, and what the analyst says of it.
pub(super) fn case(file: &CaseFile, said: &Verdict) -> String {
    let mut out = Lines::default();
    out.line(0, &format!("{} (pid {})", file.process.name, file.process.pid));
    out.field("observed", &moment(file.observed_at));
    process(&mut out, &file.process);
    findings(&mut out, &render::findings(file), &render::facts(file));
    verdict(&mut out, said);
    completeness(&mut out, &file.completeness);
    out.0
}

/// A verdict alone, under a heading.
pub(super) fn judged(heading: &str, said: &Verdict) -> String {
    let mut out = Lines::default();
    out.line(0, heading);
    verdict(&mut out, said);
    out.0
}

pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, indent: usize, content: &str) {
        let content = text::printable(content);
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "{:indent$}{}", "", content.trim_end());
    }

    fn heading(&mut self, name: &str) {
        self.0.push('\n');
        self.line(0, name);
    }

    fn field(&mut self, name: &str, value: &str) {
        self.line(2, &format!("{name:<10} {value}"));
    }

    fn field_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }
}

fn process(out: &mut Lines, it: &ProcessInfo) {
    let uid = it.uid.map(|uid| format!(", uid {uid}")).unwrap_or_default();
    match it.pid {
        // A unit that failed may have had none.
        0 => out.field("process", "none"),
        _ => out.field("process", &format!("{} (pid {}, parent {}{uid})", it.name, it.key(), it.ppid)),
    }
    out.field_if("exe", it.exe.as_deref());
    if !it.argv.is_empty() {
        out.field("argv", &it.argv.join(" "));
    }
    out.field_if("cgroup", it.cgroup.as_deref());
    out.field_if("unit", it.unit.as_deref());
    out.field_if("container", it.container_id.as_deref());
    if let Some(container) = &it.container {
        out.field_if("called", container.name.as_deref());
        out.field_if("image", container.image.as_deref());
        out.field_if("runtime", container.runtime.as_deref());
    }
    let pod = it.container.as_ref().and_then(ContainerInfo::pod_path);
    out.field_if("pod", pod.or_else(|| it.pod_uid.clone()).as_deref());
}

fn related(out: &mut Lines, related: &[Related]) {
    for it in related {
        let relation = match it.relation {
            Relation::CausedBy => "caused by",
            Relation::Explains => "explains",
            Relation::MayBeRelated => "see also",
        };
        out.field(relation, &format!("{} ({})", it.title, it.id));
    }
}

fn findings(out: &mut Lines, findings: &[FindingView], facts: &[FactView]) {
    out.heading("Findings");
    if findings.is_empty() {
        out.line(2, "none: the rules found nothing wrong");
    }
    for it in findings {
        out.line(2, &format!("{} {}: {}{}", it.severity, it.kind, it.summary, cited(&it.facts)));
    }
    if !facts.is_empty() {
        out.heading("Facts");
    }
    for it in facts {
        out.line(2, &format!("{:<4} {} ({})", it.id, it.text, it.source));
    }
}

fn verdict(out: &mut Lines, it: &Verdict) {
    let by = match (&it.by, &it.model) {
        (VerdictBy::Rules, _) => "built-in rules".to_owned(),
        (VerdictBy::Model, None) => "a model".to_owned(),
        (VerdictBy::Model, Some(model)) => model.clone(),
    };
    let confidence = match it.confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    };
    out.heading(&format!("Verdict of {by}, confidence {confidence}"));
    out.line(2, &it.summary);
    out.field("cause", &format!("{}{}", it.probable_cause, cited(&it.evidence)));
    for other in &it.hypotheses {
        out.field("or", &format!("{}{}", other.cause, cited(&other.evidence)));
    }
    out.field_if("raised to", it.raised_to.map(Severity::as_str));
    out.field_if("note", it.note.as_deref());
    if !it.next_steps.is_empty() {
        out.heading("Next steps");
    }
    for (n, step) in it.next_steps.iter().enumerate() {
        out.line(2, &format!("{}. {}", n + 1, step.why));
        if !step.command.is_empty() {
            out.line(5, &format!("$ {}", step.command));
        }
    }
}

fn completeness(out: &mut Lines, it: &Completeness) {
    out.heading("Completeness");
    out.line(2, &format!("{} kernel events lost before this", it.events_lost));
    if let Some(delay) = it.evidence_delay_ms {
        out.line(2, &format!("evidence collected {delay} ms after the event"));
    }
    for missing in &it.missing {
        out.line(2, &format!("missing: {missing}"));
    }
}

fn alerts(out: &mut Lines, alerts: &[AlertDelivery]) {
    if !alerts.is_empty() {
        out.heading("Alerts");
    }
    for it in alerts {
        let at = it.at.map(|at| format!(" {}", moment(at))).unwrap_or_default();
        let error = it.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        let why =
            if it.occasion == Occasion::New { String::new() } else { format!(" {}", it.occasion.as_str()) };
        if let Some(into) = &it.folded_into {
            out.line(2, &format!("{}{why} included in the alert of {into}", it.sink));
            continue;
        }
        let tries = if it.attempts == 1 { "try" } else { "tries" };
        let status = it.status.as_str();
        out.line(2, &format!("{}{why} {status}{at} after {} {tries}{error}", it.sink, it.attempts));
    }
}

fn evidence(out: &mut Lines, evidence: &[EvidenceEntry]) {
    if !evidence.is_empty() {
        out.heading("Evidence");
    }
    for it in evidence {
        let cut = if it.truncated { ", cut" } else { "" };
        out.line(2, &format!("{} ({} bytes{cut}, {})", it.name, it.size_bytes, it.source));
    }
}

fn cited(facts: &[String]) -> String {
    if facts.is_empty() { String::new() } else { format!(" [{}]", facts.join(", ")) }
}

#[cfg(test)]
pub(super) mod tests {
    use expect_test::expect;

    use super::*;

    /// An incident whose every string tries something.
    pub(in crate::cli) fn hostile_incident() -> Incident {
        serde_json::from_str(
            r#"{"id":"01J0000000000000000000000","kind":"oom_kill","severity":"critical","status":"open","fingerprint":"f",
            "title":"OOM kill: \u001b[2Jevil (pid 13674) in /oom\ntest","host":"web-1","boot_id":"b-1",
            "process":{"pid":13674,"start_ticks":204626,"ppid":13671,"name":"\u001b[2Jevil","exe":"/tmp/\u202exe",
              "argv":["evil","\u001b]0;owned\u0007","a\nb"],"uid":0,"cgroup":"/oom\ttest","container_id":null},
            "first_seen":"2026-11-22T12:27:59.123Z","last_seen":"2026-11-22T12:30:00Z","count":3,
            "findings":[{"kind":"oom_kill","severity":"critical","summary":"The OOM killer chose it","facts":["F1"]}],
            "facts":[{"id":"F1","text":"signal->oom_mm was set \u009b31m","source":"kernel:sched_process_exit"}],
            "completeness":{"events_lost":2,"evidence_delay_ms":4,"missing":["maps: gone"]},
            "verdict":{"by":"model","model":"openai/gpt-oss-120b","summary":"It used all its memory.","probable_cause":"A leak",
              "confidence":"high","evidence":["F1"],"hypotheses":[{"cause":"The limit is low","evidence":[]}],
              "next_steps":[{"why":"See the limit","command":"cat /sys/fs/cgroup/oom/memory.max\u001b[8m; rm -rf /"}],"note":"cut\u200b short"},
            "alerts":[{"sink":"slack","status":"failed","at":"2026-11-22T12:28:00Z","attempts":1,"error":"403 \u001b[5m"}],
            "evidence":[{"name":"status","source":"proc:status","taken_at":"2026-11-22T12:27:59Z","size_bytes":1200,"truncated":true}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn an_incident_for_a_person() {
        let text = incident(&hostile_incident());
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        expect![[r#"
            OOM kill: �[2Jevil (pid 13674) in /oom test
              incident   01J0000000000000000000000 (critical, oom_kill, open)
              seen       2026-11-22 12:27:59Z to 2026-11-22 12:30:00Z, 3 times
              host       web-1 (boot b-1)
              process    �[2Jevil (pid 13674-204626, parent 13671, uid 0)
              exe        /tmp/xe
              argv       evil �]0;owned� a b
              cgroup     /oom test

            Findings
              critical oom_kill: The OOM killer chose it [F1]

            Facts
              F1   signal->oom_mm was set �31m (kernel:sched_process_exit)

            Verdict of openai/gpt-oss-120b, confidence high
              It used all its memory.
              cause      A leak [F1]
              or         The limit is low
              note       cut short

            Next steps
              1. See the limit
                 $ cat /sys/fs/cgroup/oom/memory.max�[8m; rm -rf /

            Completeness
              2 kernel events lost before this
              evidence collected 4 ms after the event
              missing: maps: gone

            Alerts
              slack failed 2026-11-22 12:28:00Z after 1 try: 403 �[5m

            Evidence
              status (1200 bytes, cut, proc:status)
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn the_life_of_an_incident_shows() {
        let mut it = hostile_incident();
        let at = it.last_seen;
        (it.acknowledged_at, it.resolved_at) = (Some(at), Some(at));
        let related = |relation| Related {
            id: "01C".into(),
            kind: it.kind,
            severity: it.severity,
            title: "Crash: \u{1b}[2Jx".into(),
            relation,
        };
        it.related =
            vec![related(Relation::CausedBy), related(Relation::Explains), related(Relation::MayBeRelated)];
        let mut folded = it.alerts[0].clone();
        folded.folded_into = Some("01C".into());
        it.alerts[0].occasion = Occasion::Reminder;
        it.alerts.push(folded);
        let text = incident(&it);
        for line in [
            "  acked at   2026-11-22 12:30:00Z\n",
            "  resolved   2026-11-22 12:30:00Z\n",
            "  caused by  Crash: �[2Jx (01C)\n  explains   Crash: �[2Jx (01C)\n",
            "  see also   Crash: �[2Jx (01C)\n",
            "  slack reminder failed 2026-11-22 12:28:00Z after 1 try: 403",
            "  slack included in the alert of 01C\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_case_without_findings_says_so() {
        let it = hostile_incident();
        let file = CaseFile {
            process: it.process,
            observed_at: it.first_seen,
            findings: Vec::new(),
            facts: Vec::new(),
            evidence: Vec::new(),
            completeness: Completeness::default(),
        };
        let said =
            Verdict { by: VerdictBy::Rules, model: None, next_steps: Vec::new(), note: None, ..it.verdict };
        expect![[r#"
            �[2Jevil (pid 13674)
              observed   2026-11-22 12:27:59Z
              process    �[2Jevil (pid 13674-204626, parent 13671, uid 0)
              exe        /tmp/xe
              argv       evil �]0;owned� a b
              cgroup     /oom test

            Findings
              none: the rules found nothing wrong

            Verdict of built-in rules, confidence high
              It used all its memory.
              cause      A leak [F1]
              or         The limit is low

            Completeness
              0 kernel events lost before this
        "#]]
        .assert_eq(&case(&file, &said));
    }
}
