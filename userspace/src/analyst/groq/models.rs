//! At the start, whether the key is accepted and the model is there: a wrong one is found now, not at the first page.

use serde::Deserialize;

use super::{Failure, Groq, reply};

/// Groq's list takes a few kilobytes; those of resellers are far longer.
const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;
/// Names told at most, when the one that is wanted is not among them.
const MAX_NAMES: usize = 8;

/// What the service says of the key and the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::analyst) enum Standing {
    /// Both are good, or the service does not tell.
    Good,
    /// Without the model; `others` are some it has.
    NoSuchModel { others: Vec<String> },
}

#[derive(Deserialize)]
struct List {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

impl Groq {
    /// Asks for the list of models.
    pub(in crate::analyst) async fn standing(&self) -> Result<Standing, Failure> {
        let response = match self.send(self.http.get(format!("{}/models", self.base_url))).await {
            Ok(response) => response,
            // Not every compatible server has a list.
            Err(Failure::Status { status: 404 | 405 | 501, .. }) => return Ok(Standing::Good),
            Err(failure) => return Err(failure),
        };
        let body = reply::read(response, MAX_LIST_BYTES).await?;
        let list: List =
            serde_json::from_slice(&body).map_err(|_| Failure::Invalid("is no list of models"))?;
        if list.data.iter().any(|model| model.id == self.model) {
            return Ok(Standing::Good);
        }
        let others =
            list.data.into_iter().take(MAX_NAMES).map(|model| super::clean::paragraph(&model.id, 60));
        Ok(Standing::NoSuchModel { others: others.collect() })
    }

    /// The model's name.
    pub(in crate::analyst) fn model(&self) -> &str {
        &self.model
    }
}
