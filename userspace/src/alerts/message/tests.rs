//! Tests of the message: goldens by kind, Slack's limits, and what a hostile process must not do.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use expect_test::{Expect, expect};

use super::super::mrkdwn::length;
use super::*;
use crate::kinds::sample::{at, incident as oom_kill, verdict};
use crate::model::{FactView, FindingView, IncidentKind, NextStep, Occasion, Related, Relation, Severity};
use crate::store::sample::due_alert;
use crate::store::{Brief, DueAlert};

fn crash() -> Incident {
    let mut it = oom_kill();
    it.kind = IncidentKind::Crash;
    it.title = "Crash: nginx (pid 811) by SIGSEGV in /system.slice/nginx.service".into();
    it.process.name = "nginx".into();
    it.process.argv = Vec::new();
    it.process.uid = None;
    it.process.container_id = Some("3f".repeat(32));
    (it.count, it.last_seen) = (4, at(95));
    it.verdict.summary = "A worker of nginx read through a null pointer.".into();
    it.verdict.probable_cause = "A module that was updated an hour ago.".into();
    it.facts[0].text = "Signal 11 (SIGSEGV) ended it.".into();
    it.completeness.events_lost = 3;
    it.completeness.missing = (1..=5).map(|n| format!("file {n}: permission denied")).collect();
    it.verdict.by = VerdictBy::Model;
    it.verdict.model = Some("openai/gpt-oss-120b".into());
    it.verdict.confidence = Confidence::Low;
    it.verdict.note = Some("1 statement without a fact was dropped.".into());
    it
}

fn zombie_pileup() -> Incident {
    let mut it = oom_kill();
    (it.kind, it.severity) = (IncidentKind::ZombiePileup, Severity::Warning);
    it.title = "Zombie pile-up: 212 unreaped children of sh (pid 99)".into();
    it.process.cgroup = None;
    it.facts.clear();
    it.findings.clear();
    it.completeness = Completeness { events_lost: 1, ..Completeness::default() };
    it.verdict.summary = "sh does not reap its children.".into();
    it.verdict.probable_cause.clear();
    it.verdict.next_steps.clear();
    it
}

/// Every string a process controls tries to page, to link, to format, to break out or to hide.
fn hostile() -> Incident {
    let evil = "<!channel> & <https://evil.example|click>\n```*x*` @here \u{202e}\u{1b}[31m";
    let mut it = oom_kill();
    it.title = format!("OOM kill: {evil} (pid 1)");
    it.host = evil.into();
    it.process.name = evil.into();
    it.process.argv = vec![evil.into()];
    it.process.cgroup = Some(evil.into());
    it.process.container_id = Some(evil.into());
    it.facts[0].text = evil.into();
    it.facts[1].source = evil.into();
    it.completeness.missing = vec![evil.into()];
    it.verdict = verdict(evil);
    it.verdict.probable_cause = evil.into();
    (it.verdict.by, it.verdict.model) = (VerdictBy::Model, Some(evil.into()));
    it.verdict.note = Some(evil.into());
    it.verdict.next_steps = vec![NextStep { why: evil.into(), command: evil.into() }];
    it
}

fn check(incident: &Incident, may_repeat: bool, want: &Expect) {
    let message = message(&DueAlert { may_repeat, ..due_alert(incident.clone()) }, None);
    assert_within_limits(&message);
    let mut shown = String::new();
    for text in texts(&message) {
        shown += text;
        shown += "\n---\n";
    }
    want.assert_eq(&shown);
}

/// Every text of the message, in order: the notification's first.
fn texts(message: &Value) -> Vec<&str> {
    let mut all = vec![message["text"].as_str().unwrap()];
    for block in message["blocks"].as_array().unwrap() {
        let text = if block["type"] == "context" { &block["elements"][0] } else { &block["text"] };
        all.push(text["text"].as_str().unwrap());
    }
    all
}

fn assert_within_limits(message: &Value) {
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    let mut total = 0;
    for (block, text) in blocks.iter().zip(&texts(message)[1..]) {
        let limit = if block["type"] == "header" { 150 } else { 3000 };
        assert!(length(text) <= limit, "{} of {limit}: {text}", length(text));
        assert!(!text.is_empty());
        total += length(text);
        let object = if block["type"] == "context" { &block["elements"][0] } else { &block["text"] };
        assert!(object["type"] == "plain_text" || object["verbatim"] == true, "{object}");
    }
    assert!(total <= 13_000, "{total}");
    assert!(length(texts(message)[0]) <= 3000);
    let everything = message.to_string();
    assert!(!everything.contains(['<', '>']), "{everything}");
    keep(&everything);
}

/// Leaves every message for `cargo xtask oracles`, which shows them to Slack's own libraries.
fn keep(message: &str) {
    let Some(dir) = std::env::var_os("AI_DEBUGGER_KEEP_MESSAGES") else { return };
    let mut hasher = DefaultHasher::new();
    message.hash(&mut hasher);
    let path = Path::new(&dir).join(format!("{:016x}.json", hasher.finish()));
    std::fs::write(path, message).unwrap();
}

#[test]
fn whatever_the_size_it_fits() {
    let mut occasions = Occasion::ALL.into_iter().cycle();
    for text in ["a", "&", "<!channel>", "`", "𝄞", "\n", "\u{200b}", "", " "] {
        // More than is looked at of any text.
        let huge = text.repeat(10_000);
        let mut it = oom_kill();
        it.title.clone_from(&huge);
        it.host.clone_from(&huge);
        it.id.clone_from(&huge);
        it.process.name.clone_from(&huge);
        it.process.argv = vec![huge.clone(); 3];
        it.process.cgroup = Some(huge.clone());
        it.process.container_id = Some(huge.clone());
        it.count = u64::MAX;
        let fact = |id: usize| FactView {
            id: format!("F{id}"),
            text: huge.clone(),
            data: huge.clone().into(),
            source: huge.clone(),
            at: None,
        };
        it.facts = (0..5).map(fact).collect();
        it.findings = vec![FindingView { facts: vec!["F4".into(), huge.clone()], ..it.findings.remove(0) }];
        it.completeness.events_lost = u64::MAX;
        it.completeness.evidence_delay_ms = Some(u64::MAX);
        it.completeness.missing = vec![huge.clone(); 50];
        it.verdict.summary.clone_from(&huge);
        it.verdict.probable_cause.clone_from(&huge);
        it.verdict.note = Some(huge.clone());
        it.verdict.model = Some(huge.clone());
        it.verdict.by = VerdictBy::Model;
        let (kind, severity, relation) = (it.kind, it.severity, Relation::CausedBy);
        it.related = vec![Related { id: huge.clone(), kind, severity, title: huge.clone(), relation }; 32];
        it.verdict.next_steps = vec![NextStep { why: huge.clone(), command: huge.clone() }; 9];
        let also = |n: usize| Brief {
            id: n.to_string(),
            kind: IncidentKind::CrashLoop,
            severity: Severity::Critical,
            title: huge.clone(),
            count: u64::MAX,
        };
        let alert = DueAlert {
            may_repeat: true,
            occasion: occasions.next().unwrap(),
            told_before: Some(0),
            also: (0..10).map(also).collect(),
            also_count: u64::MAX,
            ..due_alert(it)
        };
        assert_within_limits(&message(&alert, None));
    }
}

#[test]
fn the_payload_is_block_kit() {
    let message = message(&due_alert(zombie_pileup()), None);
    expect![[r#"
        {
          "blocks": [
            {
              "text": {
                "emoji": false,
                "text": "🟡 Zombie pile-up: 212 unreaped children of sh (pid 99)",
                "type": "plain_text"
              },
              "type": "header"
            },
            {
              "text": {
                "text": "*Host* `web-1`\n*Process* `python3 -c x = bytearray(10**9)` pid 13674, uid 0\n*Seen* 2027-01-15 08:00:00 UTC",
                "type": "mrkdwn",
                "verbatim": true
              },
              "type": "section"
            },
            {
              "text": {
                "text": "*Why:* sh does not reap its children.",
                "type": "mrkdwn",
                "verbatim": true
              },
              "type": "section"
            },
            {
              "elements": [
                {
                  "text": "Confidence high, by the built-in rules.\n1 kernel event lost before this.\nIncident `/api/v1/incidents/01K7ZZZZZZZZZZZZZZZZZZZZZZ`",
                  "type": "mrkdwn",
                  "verbatim": true
                }
              ],
              "type": "context"
            }
          ],
          "text": "WARNING: Zombie pile-up: 212 unreaped children of sh (pid 99) on web-1. sh does not reap its children.",
          "unfurl_links": false,
          "unfurl_media": false
        }"#]].assert_eq(&serde_json::to_string_pretty(&message).unwrap());
}

#[test]
fn facts_the_verdict_rests_on_come_first() {
    let mut it = oom_kill();
    let fact =
        |id: &str| FactView { id: id.into(), text: id.into(), data: id.into(), source: "s".into(), at: None };
    it.facts = ["F1", "F2", "F3", "F4"].map(fact).to_vec();
    for (cited, found, want) in [
        (&["F3"][..], &["F4", "F3"][..], "F3 F4 F1"),
        (&["F9", "F4", "F4"], &[], "F4 F1 F2"),
        (&["F4", "F3", "F2", "F1"], &[], "F4 F3 F2"),
        (&[], &[], "F1 F2 F3"),
    ] {
        it.verdict.evidence = cited.iter().map(ToString::to_string).collect();
        it.findings[0].facts = found.iter().map(ToString::to_string).collect();
        let lines = facts(&it);
        let shown: Vec<_> = lines.lines().map(|line| &line["• ".len()..][..2]).collect();
        assert_eq!(shown.join(" "), want, "{cited:?} {found:?}");
    }
}

#[test]
fn an_oom_kill_reads_well() {
    check(
        &oom_kill(),
        false,
        &expect![[r#"
            CRITICAL: OOM kill: python3 (pid 13674) in /oomtest on web-1. The kernel killed python3 because its cgroup reached its memory limit.
            ---
            🔴 OOM kill: python3 (pid 13674) in /oomtest
            ---
            *Host* `web-1` · *cgroup* `/oomtest`
            *Process* `python3 -c x = bytearray(10**9)` pid 13674, uid 0
            *Seen* 2027-01-15 08:00:00 UTC
            ---
            *Why:* The kernel killed python3 because its cgroup reached its memory limit.
            *Cause:* The limit of its cgroup is too low for it.
            ---
            • its own allocation triggered the OOM killer `kernel:mark_victim`
            • the OOM killer chose it: signal-&gt;oom_mm was set when SIGKILL ended it `kernel:sched_process_exit`
            • ended by SIGKILL (signal 9) after living 3.2 s `kernel:sched_process_exit`
            ---
            *Next:* Shows the limit.
            ```cat /sys/fs/cgroup/oomtest/memory.max```
            ---
            Confidence high, by the built-in rules.
            No kernel events lost. Evidence read within 4 ms.
            Incident `/api/v1/incidents/01K7ZZZZZZZZZZZZZZZZZZZZZZ`
            ---
        "#]],
    );
}

#[test]
fn a_crash_that_may_be_a_repeat_reads_well() {
    check(
        &crash(),
        true,
        &expect![[r#"
            CRITICAL: Crash: nginx (pid 811) by SIGSEGV in /system.slice/nginx.service on web-1. A worker of nginx read through a null pointer. (may be a repeat)
            ---
            🔴 Crash: nginx (pid 811) by SIGSEGV in /system.slice/nginx.service (may be a repeat)
            ---
            *Host* `web-1` · *container* `3f3f3f3f3f3f` · *cgroup* `/oomtest`
            *Process* `nginx` pid 13674
            *Seen* 2027-01-15 08:01:35 UTC, 4 times since 08:00:00
            ---
            *Why:* A worker of nginx read through a null pointer.
            *Cause:* A module that was updated an hour ago.
            ---
            • its own allocation triggered the OOM killer `kernel:mark_victim`
            • Signal 11 (SIGSEGV) ended it. `kernel:sched_process_exit`
            • ended by SIGKILL (signal 9) after living 3.2 s `kernel:sched_process_exit`
            ---
            *Next:* Shows the limit.
            ```cat /sys/fs/cgroup/oomtest/memory.max```
            ---
            Confidence low, by the model `openai/gpt-oss-120b`. 1 statement without a fact was dropped.
            3 kernel events lost before this. Evidence read within 4 ms. Missing: file 1: permission denied; file 2: permission denied; file 3: permission denied; 2 more.
            Incident `/api/v1/incidents/01K7ZZZZZZZZZZZZZZZZZZZZZZ`
            ---
        "#]],
    );
}

#[test]
fn a_zombie_pileup_reads_well() {
    check(
        &zombie_pileup(),
        false,
        &expect![[r#"
            WARNING: Zombie pile-up: 212 unreaped children of sh (pid 99) on web-1. sh does not reap its children.
            ---
            🟡 Zombie pile-up: 212 unreaped children of sh (pid 99)
            ---
            *Host* `web-1`
            *Process* `python3 -c x = bytearray(10**9)` pid 13674, uid 0
            *Seen* 2027-01-15 08:00:00 UTC
            ---
            *Why:* sh does not reap its children.
            ---
            Confidence high, by the built-in rules.
            1 kernel event lost before this.
            Incident `/api/v1/incidents/01K7ZZZZZZZZZZZZZZZZZZZZZZ`
            ---
        "#]],
    );
}

#[test]
fn a_hostile_process_pages_nobody() {
    check(
        &hostile(),
        false,
        &expect![[r#"
            CRITICAL: OOM kill: &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m (pid 1) on &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m. &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m
            ---
            🔴 OOM kill: &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m (pid 1)
            ---
            *Host* `&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m` · *container* `&lt;!channel&gt; …` · *cgroup* `&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m`
            *Process* `&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m` pid 13674, uid 0
            *Seen* 2027-01-15 08:00:00 UTC
            ---
            *Why:* &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m
            *Cause:* &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m
            ---
            • its own allocation triggered the OOM killer `&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m`
            • &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m `kernel:sched_process_exit`
            • ended by SIGKILL (signal 9) after living 3.2 s `kernel:sched_process_exit`
            ---
            *Next:* &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m
            ```&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m```
            ---
            Confidence high, by the model `&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m`. &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m
            No kernel events lost. Evidence read within 4 ms. Missing: &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; '''*x*' @here �[31m.
            Incident `/api/v1/incidents/01K7ZZZZZZZZZZZZZZZZZZZZZZ`
            ---
        "#]],
    );
}
