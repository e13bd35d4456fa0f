//! Where the endpoints of incidents read from, and what they answer when that gives nothing.

use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::watch;

use crate::analyst::Analyst;
use crate::http::answers::Answers;
use crate::http::error::Error;
use crate::model::Incident;
use crate::redact::records;
use crate::store::{Store, Unreadable};
use crate::text;

#[derive(Clone)]
pub(super) struct Incidents {
    pub(super) store: Store,
    /// Who may be told that an incident is over.
    pub(super) sinks: watch::Receiver<Vec<&'static str>>,
    pub(super) analyst: Analyst,
    pub(super) answers: Arc<Answers>,
    pub(super) show_environ: bool,
    pub(super) show_secrets: bool,
}

impl Incidents {
    /// What was stored while secrets were shown has them yet.
    pub(super) fn shown(&self, incident: Incident) -> Incident {
        if self.show_secrets { incident } else { records::masked(incident) }
    }
}

pub(super) fn unknown() -> Error {
    Error::not_found("there is no incident with this id")
}

pub(super) fn failed(error: anyhow::Error) -> Error {
    match error.downcast_ref::<Unreadable>() {
        // The store has told the log; what its row says of itself is for people with the key, as the incident is.
        Some(broken) => Error::new(StatusCode::INTERNAL_SERVER_ERROR, text::printable(&broken.to_string())),
        None => Error::internal("cannot read or change the incidents", error),
    }
}
