//! `/api/v1/incidents`: the store, page by page, with the frozen evidence, and the two things a person may do.

mod prompt;
mod source;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;
use ulid::Ulid;

use super::answers::Answers;
use super::error::Error;
use super::params::{Params, Segments};
use super::proc::{json_text, plain_text};
use crate::analyst::Analyst;
use crate::config::Config;
use crate::model::{Incident, IncidentKind, IncidentStatus};
use crate::redact::records;
use crate::store::{ActionOutcome, Filter, IncidentAction, LIST_MAX, Page, Store};
use source::{Incidents, failed, unknown};

pub(super) fn routes(
    store: Store,
    sinks: watch::Receiver<Vec<&'static str>>,
    analyst: Analyst,
    answers: Arc<Answers>,
    config: &Config,
) -> Router {
    let (show_environ, show_secrets) = (config.show_environ, config.show_secrets);
    Router::new()
        .route("/api/v1/incidents", get(list))
        .route("/api/v1/incidents/{id}", get(one))
        .route("/api/v1/incidents/{id}/evidence/{name}", get(evidence))
        .route("/api/v1/incidents/{id}/prompt", get(prompt::prompt))
        .route("/api/v1/incidents/{id}/ack", post(acknowledge))
        .route("/api/v1/incidents/{id}/resolve", post(resolve))
        .with_state(Incidents { store, sinks, analyst, answers, show_environ, show_secrets })
}

#[derive(Serialize)]
struct IncidentList {
    incidents: Vec<Incident>,
    /// Where the next page begins; null on the last.
    next_cursor: Option<String>,
    /// How many incidents of this page are left out because the database's rows can't be read; absent: none.
    #[serde(skip_serializing_if = "is_zero")]
    unreadable: u64,
}

async fn list(State(it): State<Incidents>, params: Params) -> Result<Response, Error> {
    let filter = filter(&params)?;
    let name = format!("incidents {filter:?}");
    let (store, answers) = (it.store.clone(), Arc::clone(&it.answers));
    let make = async || {
        let Page { incidents, next_cursor, unreadable } = it.store.list(filter).await.map_err(failed)?;
        // Up to a thousand of them: not on a thread that others wait for.
        let shown = move || {
            let incidents = incidents.into_iter().map(|incident| it.shown(incident)).collect();
            serde_json::to_vec(&IncidentList { incidents, next_cursor, unreadable })
        };
        let body = tokio::task::spawn_blocking(shown).await.map_err(|error| failed(error.into()))?;
        body.map_err(|error| failed(error.into()))
    };
    Ok(json_text(answers.get(name, || store.revision(), make).await?))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

async fn one(State(it): State<Incidents>, Segments(id): Segments<String>) -> Result<Json<Incident>, Error> {
    let found = it.store.get(&id).await.map_err(failed)?;
    found.map(|incident| Json(it.shown(incident))).ok_or_else(unknown)
}

async fn evidence(
    State(it): State<Incidents>,
    Segments((id, name)): Segments<(String, String)>,
) -> Result<Response, Error> {
    let file = it.store.evidence(&id, &name).await.map_err(failed)?;
    let file =
        file.ok_or_else(|| Error::not_found("there is no such incident, or no such file in its evidence"))?;
    if file.name == "environ" && !it.show_environ {
        return Ok(plain_text(it.answers.lend(crate::redact::environ(&file.body))?, file.truncated, true));
    }
    if it.show_secrets {
        return Ok(plain_text(it.answers.lend(file.body)?, file.truncated, false));
    }
    let argv = it.store.get(&id).await.map_err(failed)?.map(|incident| incident.process.argv);
    let raw = file.body.clone();
    let file = records::evidence(file, &argv.unwrap_or_default());
    let masked = file.body != raw;
    Ok(plain_text(it.answers.lend(file.body)?, file.truncated, masked))
}

async fn acknowledge(
    State(it): State<Incidents>,
    Segments(id): Segments<String>,
) -> Result<Json<Incident>, Error> {
    change(&it, &id, IncidentAction::Acknowledge).await
}

async fn resolve(
    State(it): State<Incidents>,
    Segments(id): Segments<String>,
) -> Result<Json<Incident>, Error> {
    change(&it, &id, IncidentAction::Resolve).await
}

async fn change(it: &Incidents, id: &str, action: IncidentAction) -> Result<Json<Incident>, Error> {
    let sinks = it.sinks.borrow().clone();
    match it.store.act(id, action, sinks, Timestamp::now()).await.map_err(failed)? {
        ActionOutcome::Done(incident) => Ok(Json(it.shown(*incident))),
        ActionOutcome::Unknown => Err(unknown()),
        ActionOutcome::Conflict(status) => {
            let message =
                format!("the incident is {}: it reopens by itself if the fault comes back", status.as_str());
            Err(Error::new(StatusCode::CONFLICT, message))
        }
    }
}

fn filter(params: &Params) -> Result<Filter, Error> {
    let statuses = [IncidentStatus::Open, IncidentStatus::Acknowledged, IncidentStatus::Resolved];
    Ok(Filter {
        status: params.one_of("status", &statuses, IncidentStatus::as_str)?,
        kind: params.one_of("kind", &IncidentKind::ALL, IncidentKind::as_str)?,
        since: params
            .get::<Timestamp>("since", "a time such as 2026-01-31T12:00:00Z (a `+` is sent as %2B)")?,
        limit: params.count("limit", LIST_MAX)?.unwrap_or(0),
        cursor: params
            .get::<Ulid>("cursor", "the `next_cursor` of the page before")?
            .map(|it| it.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Health;
    use crate::kinds::sample::{case, verdict};
    use crate::metrics::Metrics;
    use crate::store::Unreadable;
    use crate::store::{AlertPlan, sample};

    #[test]
    fn one_that_cannot_be_read_is_named() {
        let broken = Unreadable { id: "01J".into(), reason: "column kind: \u{1b}[2J".into() };
        let error = failed(anyhow::Error::from(broken).context("reading"));
        assert_eq!(error.status, 500);
        assert_eq!(error.message, "cannot read incident 01J from the database: column kind: \u{fffd}[2J");
        let error = failed(anyhow::anyhow!("/var/lib/secret"));
        assert!(!error.message.contains("secret"), "{}", error.message);
    }

    #[tokio::test]
    async fn a_change_is_made_or_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let store = sample::open(dir.path());
        let verdict = verdict("Dead.");
        let recorded = store.record(case("a"), verdict, AlertPlan::default()).await.unwrap();
        let analyst = Analyst::new(None, Health::default(), Metrics::new()).unwrap();
        let answers = Arc::new(Answers::new(Metrics::new()));
        let it = Incidents {
            store,
            sinks: watch::channel(Vec::new()).1,
            analyst,
            answers,
            show_environ: false,
            show_secrets: false,
        };
        for (id, action, want) in [
            ("nobody", IncidentAction::Acknowledge, Err(404)),
            ("nobody", IncidentAction::Resolve, Err(404)),
            (&recorded.id, IncidentAction::Acknowledge, Ok(IncidentStatus::Acknowledged)),
            (&recorded.id, IncidentAction::Acknowledge, Ok(IncidentStatus::Acknowledged)),
            (&recorded.id, IncidentAction::Resolve, Ok(IncidentStatus::Resolved)),
            (&recorded.id, IncidentAction::Resolve, Ok(IncidentStatus::Resolved)),
            (&recorded.id, IncidentAction::Acknowledge, Err(409)),
        ] {
            let got = change(&it, id, action).await;
            let got = got.map(|it| it.0.status).map_err(|error| error.status.as_u16());
            assert_eq!(got, want, "{id} {action:?}");
        }
    }

    #[test]
    fn a_filter_is_read_whole_or_refused_by_name() {
        let all = "status=acknowledged&kind=oom_kill&since=2026-01-02T03:04:05%2B01:00&limit=5\
                   &cursor=01ARZ3NDEKTSV4RRFFQ69G5FAV&key=k&unknown=x";
        let read = filter(&Params::new(all)).unwrap();
        assert_eq!(read.status, Some(IncidentStatus::Acknowledged));
        assert_eq!(read.kind, Some(IncidentKind::OomKill));
        assert_eq!(read.since, Some("2026-01-02T02:04:05Z".parse().unwrap()));
        assert_eq!((read.limit, read.cursor.as_deref()), (5, Some("01ARZ3NDEKTSV4RRFFQ69G5FAV")));

        for nothing in ["", "status=&kind=&since=&limit=&cursor="] {
            let read = filter(&Params::new(nothing)).unwrap();
            assert!(
                read.status.is_none() && read.kind.is_none() && read.since.is_none() && read.cursor.is_none()
            );
            assert_eq!(read.limit, 0);
        }
        for (query, name, accepted) in [
            ("status=Open", "`status` is `Open`", "open, acknowledged, resolved"),
            ("kind=oom", "`kind` is `oom`", "oom_kill, crash,"),
            ("since=yesterday", "`since` is `yesterday`", "2026-01-31T12:00:00Z"),
            ("limit=1001", "`limit` is `1001`", "1 to 1000"),
            ("cursor='--", "`cursor` is `'--`", "next_cursor"),
        ] {
            let error = filter(&Params::new(query)).unwrap_err();
            assert_eq!(error.status, 400, "{query}");
            assert!(error.message.contains(name) && error.message.contains(accepted), "{}", error.message);
        }
    }
}
