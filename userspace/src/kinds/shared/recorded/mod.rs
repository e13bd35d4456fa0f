//! What an earlier version wrote down as a sentence. It is shown as it stands, and nothing follows from it.

pub mod facts;
pub(crate) mod words;
