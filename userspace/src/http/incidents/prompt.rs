//! `GET /api/v1/incidents/{id}/prompt`: what goes to the model about an incident, for those who must answer for it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::source::{Incidents, failed, unknown};
use crate::analyst::Question;
use crate::http::error::Error;
use crate::http::params::Segments;
use crate::kinds::case::CaseFile;
use crate::model::VerdictBy;

/// The question, and whether the model got it.
#[derive(Serialize)]
pub(super) struct PromptView {
    incident: String,
    /// Whether the verdict on the incident is the model's, so that it went.
    answered: bool,
    #[serde(flatten)]
    question: Question,
}

pub(super) async fn prompt(
    State(it): State<Incidents>,
    Segments(id): Segments<String>,
) -> Result<Json<PromptView>, Error> {
    let incident = it.store.get(&id).await.map_err(failed)?.ok_or_else(unknown)?;
    let answered = incident.verdict.by == VerdictBy::Model;
    let mut file = CaseFile::from(&incident);
    for entry in &incident.evidence {
        // One that the store gave up in between was not in the index's last moment either.
        file.evidence.extend(it.store.evidence(&id, &entry.name).await.map_err(failed)?);
    }
    let question = it.analyst.question(&file);
    Ok(Json(PromptView { incident: incident.id, answered, question }))
}
