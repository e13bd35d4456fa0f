//! `/api/v1/processes`: the process table, sorted, searched and cut to size.

use std::cmp::Reverse;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::core::Core;
use super::error::Error;
use super::params::{Params, Segments};
use super::proc::{json_text, not_a_pid, parse_pid};
use crate::model::{ProcessKey, ProcessView};
use crate::monitor::Handle;
use crate::redact::records;

/// Processes listed where the client does not say.
const DEFAULT_LIMIT: usize = 100;
/// The most a client may ask for.
const MAX_LIMIT: usize = 10_000;

pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new().route("/api/v1/processes", get(list)).route("/api/v1/processes/{process}", get(one))
}

#[derive(Serialize)]
struct ProcessList {
    processes: Vec<ProcessView>,
    /// How many there are without the limit.
    total: usize,
}

pub(super) async fn live(monitor: &Handle) -> Result<Vec<ProcessView>, Error> {
    monitor.processes().await.map_err(|error| Error::unavailable(format!("no process table: {error:#}")))
}

async fn list(State(core): State<Arc<Core>>, params: Params) -> Result<Response, Error> {
    let sort = params.get("sort", "cpu, rss or start")?.unwrap_or(Sort::Cpu);
    let limit = params.count("limit", MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    let sought = params.text("q").map(str::to_lowercase);
    let show_secrets = core.config.show_secrets;
    let name = format!("processes {sort:?} {limit} {}", sought.as_deref().unwrap_or_default());
    let make = async || {
        let views = live(&core.monitor).await?;
        // Up to ten thousand of them: not on a thread that others wait for.
        let cut = move || {
            let (processes, total) = select(views, sought.as_deref(), sort, limit, show_secrets);
            serde_json::to_vec(&ProcessList { processes, total })
        };
        let body = tokio::task::spawn_blocking(cut).await;
        let body = body.map_err(|fault| Error::internal("cannot list the processes", fault))?;
        body.map_err(|fault| Error::internal("cannot list the processes", fault))
    };
    Ok(json_text(core.answers.get(name, || core.monitor.revision(), make).await?))
}

/// The first of those that match, as they may be shown, and how many match.
fn select(
    mut views: Vec<ProcessView>,
    sought: Option<&str>,
    sort: Sort,
    limit: usize,
    show_secrets: bool,
) -> (Vec<ProcessView>, usize) {
    let shown = |view| if show_secrets { view } else { records::masked(view) };
    if let Some(sought) = sought {
        views.retain(|view| matches(view, sought));
        // Searched once more as shown, or a search would tell a secret letter by letter.
        views = views.into_iter().map(shown).filter(|view| matches(view, sought)).collect();
    }
    let total = views.len();
    sort.apply(&mut views);
    views.truncate(limit);
    (views.into_iter().map(shown).collect(), total)
}

async fn one(State(core): State<Arc<Core>>, Segments(text): Segments<String>) -> Result<Response, Error> {
    let (pid, start_ticks) = identity(&text)?;
    let found = core.monitor.process(pid, start_ticks).await;
    match found.map_err(|error| Error::unavailable(format!("no process table: {error:#}")))? {
        Some(view) if core.config.show_secrets => Ok(Json(view).into_response()),
        Some(view) => Ok(Json(records::masked(view)).into_response()),
        None => Err(Error::not_found(format!(
            "process {text} is neither alive nor among those that ended lately"
        ))),
    }
}

fn identity(text: &str) -> Result<(u32, Option<u64>), Error> {
    if let Some(pid) = parse_pid(text) {
        return Ok((pid, None));
    }
    let key: ProcessKey = text.parse().map_err(|_| not_a_pid(text))?;
    Ok((key.pid, Some(key.start_ticks)))
}

/// What a list is sorted by; the largest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// CPU use; those not measured yet come last.
    Cpu,
    /// By resident memory, largest first.
    Rss,
    /// Start time: the youngest first.
    Start,
}

impl FromStr for Sort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "cpu" => Ok(Self::Cpu),
            "rss" => Ok(Self::Rss),
            "start" => Ok(Self::Start),
            _ => Err(()),
        }
    }
}

impl Sort {
    /// Equals are in the order of their pids, so that two answers can be compared.
    fn apply(self, views: &mut [ProcessView]) {
        views.sort_unstable_by_key(|it| it.info.pid);
        match self {
            Self::Cpu => {
                let cpu = |it: &ProcessView| it.cpu_percent.unwrap_or(-1.0);
                views.sort_by(|a, b| cpu(b).total_cmp(&cpu(a)));
            }
            Self::Rss => views.sort_by_key(|it| Reverse(it.rss_bytes)),
            Self::Start => views.sort_by_key(|it| Reverse(it.info.start_ticks)),
        }
    }
}

/// Whether the lower-case text is in the name, an argument, the executable's path or the pid.
fn matches(view: &ProcessView, sought: &str) -> bool {
    let info = &view.info;
    let texts = [&info.name].into_iter().chain(&info.argv).chain(&info.exe);
    texts.map(|it| it.to_lowercase()).any(|it| it.contains(sought)) || info.pid.to_string().contains(sought)
}
