//! An incident as a Slack message: what died, where, why, the facts, the next command. For a phone at night.

mod occasion;

use serde_json::{Value, json};

use super::mrkdwn::{code, code_block, plain};
use super::redacted::redacted;
use crate::cgroup;
use crate::model::{
    Completeness, Confidence, ContainerInfo, FactView, Incident, Occasion, Verdict, VerdictBy,
};
use crate::store::DueAlert;
use occasion::{NAME, SENTENCE};

/// Slack's limit for a header.
const HEADER: usize = 150;
/// Longest line of a notification, in characters.
const TEXT: usize = 400;
/// A command to paste.
const COMMAND: usize = 1000;
/// Facts shown; the rest are on the incident.
const FACTS: usize = 3;
/// What could not be had; the rest is on the incident.
const MISSING: usize = 3;
/// Longest name of a container; ids are shorter.
const CONTAINER: usize = 20;

const REPEAT: &str = " (may be a repeat)";

const UNSTORED: &str = "*Not stored yet:* the database can't be written. /healthz says why and what to do; it is kept in memory.";

/// The webhook's payload; `public_url`: where people reach this daemon.
pub fn message(alert: &DueAlert, public_url: Option<&str>) -> Value {
    let incident = &redacted(&alert.incident);
    let repeat = if alert.may_repeat { REPEAT } else { "" };
    let lead = occasion::lead(alert);
    // A mark is two units long, and a space follows.
    let title = plain(&incident.title, HEADER - 3 - lead.len() - repeat.len());
    let mark = occasion::mark(alert.occasion, incident.severity);
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": format!("{mark} {lead}{title}{repeat}"), "emoji": false}}),
        section(&place(incident)),
    ];
    blocks.extend(occasion::tally(alert).map(|text| section(&text)));
    blocks.extend(occasion::news(alert).map(|text| section(&text)));
    if alert.occasion != Occasion::Resolved {
        blocks.push(section(&why(&incident.verdict)));
        blocks.extend(Some(facts(incident)).filter(|text| !text.is_empty()).map(|text| section(&text)));
        if let Some(step) = incident.verdict.next_steps.first() {
            let (why, command) = (plain(&step.why, SENTENCE), code_block(&step.command, COMMAND));
            blocks.push(section(&format!("*Next:* {why}\n{command}")));
        }
    }
    blocks.extend(occasion::also(alert).map(|text| section(&text)));
    if alert.unstored {
        blocks.push(section(UNSTORED));
    }
    blocks.push(json!({"type": "context", "elements": [mrkdwn(&footer(incident, public_url))]}));
    json!({
        "text": notification(incident, &lead, repeat),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": mrkdwn(text)})
}

/// `verbatim`: Slack is to make no links, channels or mentions of what only looks like one.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

/// What notifications and screen readers get.
fn notification(incident: &Incident, lead: &str, repeat: &str) -> String {
    let severity = incident.severity.as_str().to_uppercase();
    let (title, host) = (plain(&incident.title, TEXT), plain(&incident.host, NAME));
    format!("{severity}: {lead}{title} on {host}. {}{repeat}", plain(&incident.verdict.summary, TEXT))
}

fn place(incident: &Incident) -> String {
    let process = &incident.process;
    let mut places = vec![format!("*Host* {}", code(&incident.host, NAME))];
    let named = process.container.as_ref();
    match (named.and_then(|it| it.name.as_ref()), &process.container_id) {
        (Some(name), _) => places.push(format!("*container* {}", code(name, NAME))),
        (None, Some(id)) => places.push(format!("*container* {}", code(cgroup::short_id(id), CONTAINER))),
        (None, None) => {}
    }
    if let Some(image) = named.and_then(|it| it.image.as_ref()) {
        places.push(format!("*image* {}", code(image, NAME)));
    }
    if let Some(pod) = named.and_then(ContainerInfo::pod_path).or_else(|| process.pod_uid.clone()) {
        places.push(format!("*pod* {}", code(&pod, NAME)));
    }
    if let Some(unit) = &process.unit {
        places.push(format!("*unit* {}", code(unit, NAME)));
    }
    if let Some(cgroup) = &process.cgroup {
        places.push(format!("*cgroup* {}", code(cgroup, NAME)));
    }
    let command = if process.argv.is_empty() { process.name.clone() } else { process.argv.join(" ") };
    // A unit that failed may have had none.
    let mut who = match process.pid {
        0 => "*Process* none".to_owned(),
        pid => format!("*Process* {} pid {pid}", code(&command, SENTENCE)),
    };
    if let Some(uid) = process.uid {
        who += &format!(", uid {uid}");
    }
    let seen = incident.last_seen.strftime("%Y-%m-%d %H:%M:%S UTC");
    let times = if incident.count > 1 {
        format!(", {} times since {}", incident.count, incident.first_seen.strftime("%H:%M:%S"))
    } else {
        String::new()
    };
    let raised = incident.rules_severity.map_or_else(String::new, |rules| {
        format!("\n*Severity* {}, raised by the model; {rules} by the rules", incident.severity)
    });
    format!("{}\n{who}\n*Seen* {seen}{times}{raised}", places.join(" · "))
}

fn why(verdict: &Verdict) -> String {
    let summary = plain(&verdict.summary, SENTENCE);
    if verdict.probable_cause.is_empty() {
        return format!("*Why:* {summary}");
    }
    format!("*Why:* {summary}\n*Cause:* {}", plain(&verdict.probable_cause, SENTENCE))
}

/// Those the verdict rests on first, then those of the findings, then any.
fn facts(incident: &Incident) -> String {
    let cited = incident.verdict.evidence.iter().chain(incident.findings.iter().flat_map(|it| &it.facts));
    let cited = cited.filter_map(|id| incident.facts.iter().find(|fact| fact.id == *id));
    let mut shown: Vec<&FactView> = Vec::new();
    for fact in cited.chain(&incident.facts) {
        if shown.len() < FACTS && !shown.iter().any(|it| it.id == fact.id) {
            shown.push(fact);
        }
    }
    let line = |fact: &FactView| format!("• {} {}", plain(&fact.text, SENTENCE), code(&fact.source, NAME));
    shown.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// How sure, by whom, what was lost, where to read on.
fn footer(incident: &Incident, public_url: Option<&str>) -> String {
    let verdict = &incident.verdict;
    let confidence = match verdict.confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    };
    let by = match (&verdict.by, &verdict.model) {
        (VerdictBy::Rules, _) => "the built-in rules".to_owned(),
        (VerdictBy::Model, Some(model)) => format!("the model {}", code(model, NAME)),
        (VerdictBy::Model, None) => "the model".to_owned(),
    };
    let mut out = format!("Confidence {confidence}, by {by}.");
    if let Some(note) = &verdict.note {
        out += &format!(" {}", plain(note, SENTENCE));
    }
    out += &format!("\n{}", losses(&incident.completeness));
    let path = format!("/api/v1/incidents/{}", incident.id);
    out += &match public_url {
        Some(base) => {
            format!("\n<{}{}|Incident {}>", plain(base, NAME), plain(&path, NAME), plain(&incident.id, NAME))
        }
        None => format!("\nIncident {}", code(&path, NAME)),
    };
    out
}

fn losses(completeness: &Completeness) -> String {
    let mut out = match completeness.events_lost {
        0 => "No kernel events lost.".to_owned(),
        1 => "1 kernel event lost before this.".to_owned(),
        lost => format!("{lost} kernel events lost before this."),
    };
    if let Some(ms) = completeness.evidence_delay_ms {
        out += &format!(" Evidence read within {ms} ms.");
    }
    let missing = &completeness.missing;
    if !missing.is_empty() {
        let mut shown: Vec<_> = missing.iter().take(MISSING).map(|it| plain(it, NAME)).collect();
        if missing.len() > MISSING {
            shown.push(format!("{} more", missing.len() - MISSING));
        }
        out += &format!(" Missing: {}.", shown.join("; "));
    }
    out
}

#[cfg(test)]
mod tests;
