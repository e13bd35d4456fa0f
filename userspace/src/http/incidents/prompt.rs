//! `GET /api/v1/incidents/{id}/prompt`: what goes to the model about an incident, for those who must answer for it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::{Incidents, failed, unknown};
use crate::analyst::Question;
use crate::http::error::Error;
use crate::http::params::Segments;
use crate::model::{CaseFile, Incident, VerdictBy};

/// The question, and whether the model got it.
#[derive(Serialize)]
pub(super) struct Asked {
    incident: String,
    /// Whether the verdict on the incident is the model's, so that it went.
    answered: bool,
    #[serde(flatten)]
    question: Question,
}

pub(super) async fn prompt(
    State(it): State<Incidents>,
    Segments(id): Segments<String>,
) -> Result<Json<Asked>, Error> {
    let incident = it.store.get(&id).await.map_err(failed)?.ok_or_else(unknown)?;
    let answered = incident.verdict.by == VerdictBy::Model;
    let mut file = case_file(&incident);
    for entry in &incident.evidence {
        // One that the store gave up in between was not in the index's last moment either.
        file.evidence.extend(it.store.evidence(&id, &entry.name).await.map_err(failed)?);
    }
    let question = it.analyst.question(&file);
    Ok(Json(Asked { incident: incident.id, answered, question }))
}

/// The case file the incident was made from, its evidence still to come.
fn case_file(incident: &Incident) -> CaseFile {
    // A graver case replaces the first one's file, and brings its own time.
    let observed_at = incident.facts.first().and_then(|fact| fact.at).unwrap_or(incident.first_seen);
    CaseFile {
        process: incident.process.clone(),
        observed_at,
        findings: incident.findings.clone(),
        facts: incident.facts.clone(),
        evidence: Vec::new(),
        completeness: incident.completeness.clone(),
    }
}
