//! What a message says of why it comes: how it begins, what is new since the last one, and which other incidents
//! it tells of.

use super::super::redacted::redacted_title;
use crate::alerts::mrkdwn::{code, plain};
use crate::kinds;
use crate::model::{Occasion, Related, Relation, Severity};
use crate::store::{Brief, DueAlert};

/// One name: of a host, a cgroup, a container.
pub(super) const NAME: usize = 200;
/// A command line, or a sentence.
pub(super) const SENTENCE: usize = 700;
/// Lines of a summary: kinds by severity, the worst first.
const TALLIES: usize = 15;
/// Causes named in one message.
const CAUSES: usize = 3;

/// The colour of the matter.
pub(super) const fn mark(occasion: Occasion, severity: Severity) -> &'static str {
    match (occasion, severity) {
        (Occasion::Resolved, _) => "🟢",
        (_, Severity::Critical) => "🔴",
        (_, Severity::Warning) => "🟡",
        (_, Severity::Info) => "⚪",
    }
}

/// What stands before the title.
pub(super) fn lead(alert: &DueAlert) -> String {
    match (alert.occasion, alert.also_count) {
        (Occasion::New, _) => String::new(),
        (Occasion::Verdict, _) => "The model's verdict: ".to_owned(),
        (Occasion::Escalated, _) => "Escalated: ".to_owned(),
        (Occasion::Reopened, _) => "Back again: ".to_owned(),
        (Occasion::Reminder, _) => "Still happening: ".to_owned(),
        (Occasion::Resolved, _) => "Resolved: ".to_owned(),
        (Occasion::Digest, 0) => "Found at start: ".to_owned(),
        (Occasion::Digest, others) => format!("{} found at start: ", others.saturating_add(1)),
        (Occasion::Summary, others) => format!("{} incidents, the worst: ", others.saturating_add(1)),
    }
}

/// What is new since the receiver was told last, and what made it happen.
pub(super) fn news(alert: &DueAlert) -> Option<String> {
    let more = alert.told_before.map(|before| alert.count.saturating_sub(before));
    let since = match (alert.occasion, more) {
        (Occasion::New | Occasion::Verdict | Occasion::Digest | Occasion::Summary, _) => None,
        (Occasion::Resolved, _) => Some(match alert.count {
            1 => "*Resolved:* it happened once.".to_owned(),
            count => format!("*Resolved:* it happened {count} times in total."),
        }),
        (_, None | Some(0)) => Some("*Since the last message:* it is still happening.".to_owned()),
        (_, Some(1)) => Some("*Since the last message:* one more time.".to_owned()),
        (_, Some(more)) => Some(format!("*Since the last message:* {more} more times.")),
    };
    let over = (alert.occasion != Occasion::Resolved).then_some(alert.incident.resolved_at).flatten();
    let over = over.map(|at| format!("*Over by now:* resolved at {}.", at.strftime("%H:%M:%S UTC")));
    let causes = alert.incident.related.iter().filter(|it| it.relation == Relation::CausedBy);
    let causes = causes.take(CAUSES).map(cause);
    let lines: Vec<_> = causes.chain(since).chain(over).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn cause(it: &Related) -> String {
    format!("*Caused by:* {} {}", plain(&redacted_title(&it.title), NAME), path(&it.id))
}

/// The other incidents it tells of.
pub(super) fn also(alert: &DueAlert) -> Option<String> {
    if alert.also.is_empty() || alert.occasion == Occasion::Resolved {
        return None;
    }
    let heading = match alert.occasion {
        Occasion::Digest => "*Also found:*",
        Occasion::Summary => "*The next:*",
        // What lasts explains no other's alert away: these were found with it at the start.
        Occasion::Reminder if kinds::room(alert.incident.kind).lasts() => "*Also ongoing:*",
        _ => "*This explains:*",
    };
    let mut lines = vec![heading.to_owned()];
    lines.extend(alert.also.iter().map(line));
    let shown = u64::try_from(alert.also.len()).unwrap_or(u64::MAX);
    if alert.also_count > shown {
        lines.push(format!("… and {} more", alert.also_count - shown));
    }
    Some(lines.join("\n"))
}

/// All that a summary tells of, by kind.
pub(super) fn tally(alert: &DueAlert) -> Option<String> {
    let lines: Vec<_> = alert
        .tally
        .iter()
        .map(|it| {
            let label = kinds::room(it.kind).label;
            format!("{} {} × {label}, {}", mark(Occasion::New, it.severity), it.count, it.severity)
        })
        .take(TALLIES)
        .collect();
    (!lines.is_empty())
        .then(|| format!("*In all, told in one message because they are many:*\n{}", lines.join("\n")))
}

fn line(it: &Brief) -> String {
    let times = if it.count > 1 { format!(", {} times", it.count) } else { String::new() };
    let title = plain(&redacted_title(&it.title), NAME);
    format!("{} {title}{times} {}", mark(Occasion::New, it.severity), path(&it.id))
}

fn path(id: &str) -> String {
    code(&format!("/api/v1/incidents/{id}"), SENTENCE.min(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::sample::incident;
    use crate::model::IncidentKind;
    use crate::store::sample::due_alert;

    fn brief(title: &str, severity: Severity, count: u64) -> Brief {
        Brief { id: "01J".into(), kind: IncidentKind::CrashLoop, severity, title: title.into(), count }
    }

    #[test]
    fn a_message_says_why_it_comes() {
        use Occasion::{Digest, Escalated, New, Reminder, Reopened, Resolved};
        for (occasion, count, before, others, want_lead, want_news) in [
            (New, 7, None, 0, "", None),
            (New, 7, None, 2, "", None),
            (Escalated, 2, Some(1), 0, "Escalated: ", Some("*Since the last message:* one more time.")),
            (
                Reopened,
                2,
                Some(2),
                0,
                "Back again: ",
                Some("*Since the last message:* it is still happening."),
            ),
            (
                Reminder,
                1000,
                Some(1),
                0,
                "Still happening: ",
                Some("*Since the last message:* 999 more times."),
            ),
            (
                Reminder,
                1,
                None,
                0,
                "Still happening: ",
                Some("*Since the last message:* it is still happening."),
            ),
            (Resolved, 1, Some(1), 0, "Resolved: ", Some("*Resolved:* it happened once.")),
            (Resolved, 9, Some(1), 0, "Resolved: ", Some("*Resolved:* it happened 9 times in total.")),
            (Digest, 1, None, 0, "Found at start: ", None),
            (Digest, 1, None, 4, "5 found at start: ", None),
        ] {
            let mut alert = due_alert(incident());
            (alert.occasion, alert.count, alert.told_before) = (occasion, count, before);
            alert.also_count = others;
            assert_eq!(
                (lead(&alert).as_str(), news(&alert).as_deref()),
                (want_lead, want_news),
                "{occasion:?}"
            );
        }
    }

    #[test]
    fn causes_stand_on_top_and_effects_below() {
        let mut alert = due_alert(incident());
        let related = |relation| Related {
            id: "01C".into(),
            kind: IncidentKind::OomKill,
            severity: Severity::Critical,
            title: "OOM kill: <!channel> token=hunter2-the-secret".into(),
            relation,
        };
        alert.incident.related = vec![related(Relation::CausedBy), related(Relation::Explains)];
        let said = news(&alert).unwrap();
        assert_eq!(said.matches("Caused by").count(), 1, "{said}");
        assert!(said.starts_with("*Caused by:* OOM kill: &lt;!channel&gt;"), "{said}");
        assert!(said.ends_with("`/api/v1/incidents/01C`") && !said.contains("hunter2"), "{said}");

        assert_eq!(also(&alert), None);
        alert.also = vec![
            brief("Crash loop: app <@U1>", Severity::Critical, 3),
            brief("Abnormal exit: web", Severity::Warning, 1),
        ];
        alert.also_count = 5;
        let said = also(&alert).unwrap();
        let want = "*This explains:*\n🔴 Crash loop: app &lt;@U1&gt;, 3 times `/api/v1/incidents/01J`\n\
                    🟡 Abnormal exit: web `/api/v1/incidents/01J`\n… and 3 more";
        assert_eq!(said, want);
        alert.occasion = Occasion::Digest;
        assert!(also(&alert).unwrap().starts_with("*Also found:*\n"));
        alert.occasion = Occasion::Reminder;
        assert!(also(&alert).unwrap().starts_with("*This explains:*\n"));
        alert.incident.kind = IncidentKind::ZombiePileup;
        assert!(also(&alert).unwrap().starts_with("*Also ongoing:*\n"));
        alert.occasion = Occasion::Resolved;
        assert_eq!(also(&alert), None);
    }
}
