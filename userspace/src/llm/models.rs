//! At the start, whether the key is accepted and the model is there: a wrong one is found now, not at the first page.

use serde::Deserialize;

use super::clean;
use super::client::Client;
use super::failure::Failure;
use super::reply;

/// Groq's list takes a few kilobytes; those of resellers are far longer.
const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;
/// Names told at most, when the one that is wanted is not among them.
const MAX_NAMES: usize = 8;

/// What the service says of the key and the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ModelStanding {
    /// Both are good, or the service does not tell.
    Good,
    /// Without the model; `others` are some it has.
    NoSuchModel { others: Vec<String> },
}

#[derive(Deserialize)]
struct ModelList {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

impl Client {
    /// Asks for the list of models.
    pub(crate) async fn standing(&self) -> Result<ModelStanding, Failure> {
        let response = match self.get("models").await {
            Ok(response) => response,
            // Not every compatible server has a list.
            Err(Failure::Status { status: 404 | 405 | 501, .. }) => return Ok(ModelStanding::Good),
            Err(failure) => return Err(failure),
        };
        let body = reply::read(response, MAX_LIST_BYTES).await?;
        let list: ModelList =
            serde_json::from_slice(&body).map_err(|_| Failure::Invalid("is no list of models"))?;
        if list.data.iter().any(|model| model.id == self.model()) {
            return Ok(ModelStanding::Good);
        }
        let others = list.data.into_iter().take(MAX_NAMES).map(|model| clean::paragraph(&model.id, 60));
        Ok(ModelStanding::NoSuchModel { others: others.collect() })
    }
}
