//! `incidents`: the list a running daemon has, and all about one of them.

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Deserialize;

use super::client::{DaemonClient, Target, decode};
use super::output;
use super::ps::with_newline;
use super::table::{Side, TextTable};
use super::view;
use crate::model::Incident;
use crate::store::IncidentAction;

/// Which incidents to show.
pub struct Query {
    /// Show only incidents of this kind.
    pub kind: Option<String>,
    /// Only in this state.
    pub status: Option<String>,
    /// Only those seen since then.
    pub since: Option<Timestamp>,
    /// At most so many.
    pub limit: Option<u64>,
}

#[derive(Deserialize)]
struct IncidentsReply {
    incidents: Vec<Incident>,
    next_cursor: Option<String>,
    #[serde(default)]
    unreadable: u64,
}

/// Asks for the list and prints it.
pub(super) async fn list(target: &Target, query: &Query, json: bool) -> Result<()> {
    let body = ask(target, query).await?;
    let text = if json { with_newline(body) } else { render(&body, output::columns())? };
    output::print(&text)
}

async fn ask(target: &Target, query: &Query) -> Result<String> {
    let daemon = DaemonClient::new(target)?;
    let asked: Vec<_> = [
        ("kind", query.kind.clone()),
        ("status", query.status.clone()),
        ("since", query.since.map(|since| since.to_string())),
        ("limit", query.limit.map(|limit| limit.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    daemon
        .get(&["api", "v1", "incidents"], &asked)
        .await?
        .with_context(|| format!("{} has no list of incidents; is it an ai-debugger daemon?", daemon.place()))
}

/// Asks for one, or for a change of one, and prints all about it.
pub(super) async fn show(
    target: &Target,
    id: &str,
    action: Option<IncidentAction>,
    json: bool,
) -> Result<()> {
    let body = ask_one(target, id, action).await?;
    let text = if json { with_newline(body) } else { view::incident(&decode(&body)?) };
    output::print(&text)
}

async fn ask_one(target: &Target, id: &str, action: Option<IncidentAction>) -> Result<String> {
    let daemon = DaemonClient::new(target)?;
    let path = ["api", "v1", "incidents", id];
    let change = |verb| [&path[..], &[verb]].concat();
    let body = match action {
        None => daemon.get(&path, &[]).await?,
        Some(IncidentAction::Acknowledge) => daemon.post(&change("ack"), &serde_json::json!({})).await?,
        Some(IncidentAction::Resolve) => daemon.post(&change("resolve"), &serde_json::json!({})).await?,
    };
    body.with_context(|| {
        format!("{} has no incident {id}; `ai-debugger incidents` lists them", daemon.place())
    })
}

fn render(body: &str, columns: Option<usize>) -> Result<String> {
    let IncidentsReply { incidents, next_cursor, unreadable } = decode(body)?;
    let mut rest = String::new();
    if unreadable > 0 {
        rest += &format!(
            "{unreadable} left out: the daemon cannot read them from its database; its log says why\n"
        );
    }
    if next_cursor.is_some() {
        rest += "… more (--limit)\n";
    }
    if incidents.is_empty() {
        return Ok(if rest.is_empty() { "no incidents\n".to_owned() } else { rest });
    }
    let mut table = TextTable::new([
        ("ID", Side::Left),
        ("LAST SEEN", Side::Left),
        ("SEVERITY", Side::Left),
        ("KIND", Side::Left),
        ("STATUS", Side::Left),
        ("COUNT", Side::Right),
        ("TITLE", Side::Left),
    ]);
    for it in incidents {
        table.push([
            it.id,
            view::moment(it.last_seen),
            it.severity.to_string(),
            it.kind.to_string(),
            it.status.as_str().to_owned(),
            it.count.to_string(),
            it.title,
        ]);
    }
    Ok(table.render(columns) + &rest)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use expect_test::expect;

    use super::super::client::tests::peer;
    use super::super::view::tests::hostile_incident;
    use super::*;

    #[test]
    fn incidents_as_a_table() {
        let body = serde_json::json!({"incidents": [hostile_incident()]}).to_string();
        expect![[r#"
            ID                         LAST SEEN             SEVERITY  KIND      STATUS  COUNT  TITLE
            01J0000000000000000000000  2026-11-22 12:30:00Z  critical  oom_kill  open        3  OOM kill: �[2Jevil (pid 13674) in /oom test
        "#]].assert_eq(&render(&body, None).unwrap());
        for (body, want) in [
            (r#"{"incidents":[]}"#, "no incidents\n"),
            (r#"{"incidents":[],"next_cursor":null}"#, "no incidents\n"),
            (r#"{"incidents":[],"next_cursor":"01J"}"#, "… more (--limit)\n"),
        ] {
            assert_eq!(render(body, None).unwrap(), want);
        }
        let body =
            serde_json::json!({"incidents": [hostile_incident()], "next_cursor": "01J", "unreadable": 2});
        let text = render(&body.to_string(), None).unwrap();
        let rest = text.split_once("/oom test\n").unwrap().1;
        assert!(rest.starts_with("2 left out") && rest.ends_with("\n… more (--limit)\n"), "{text}");
    }

    #[tokio::test]
    async fn the_daemon_is_asked_for_what_was_wanted() {
        let handler = |uri: axum::http::Uri| async move {
            assert_eq!(uri.query(), Some("kind=crash&status=open&since=2026-01-31T12%3A00%3A00Z&limit=5"));
            r#"{"incidents":[]}"#
        };
        let router = Router::new().route("/api/v1/incidents", get(handler));
        let query = Query {
            kind: Some("crash".into()),
            status: Some("open".into()),
            since: Some("2026-01-31T12:00:00Z".parse().unwrap()),
            limit: Some(5),
        };
        assert_eq!(ask(&peer(router, "k").await, &query).await.unwrap(), r#"{"incidents":[]}"#);
    }

    #[tokio::test]
    async fn one_that_is_not_there_is_said_to_be_so() {
        for action in [None, Some(IncidentAction::Acknowledge), Some(IncidentAction::Resolve)] {
            let error = ask_one(&peer(Router::new(), "k").await, "01JGONE", action).await.unwrap_err();
            assert!(error.to_string().contains("has no incident 01JGONE"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_change_is_asked_for_and_a_refusal_is_said() {
        let taken = r#"{"error":"the incident is resolved"}"#;
        let router = Router::new()
            .route("/api/v1/incidents/01J/ack", post(move || async move { (StatusCode::CONFLICT, taken) }))
            .route("/api/v1/incidents/01J/resolve", post(|| async { "{}" }));
        let target = peer(router, "k").await;
        let error = ask_one(&target, "01J", Some(IncidentAction::Acknowledge)).await.unwrap_err();
        assert!(error.to_string().contains("the incident is resolved"), "{error}");
        assert_eq!(ask_one(&target, "01J", Some(IncidentAction::Resolve)).await.unwrap(), "{}");
    }
}
