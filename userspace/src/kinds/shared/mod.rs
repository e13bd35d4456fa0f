//! What several kinds state, tell and judge alike, a subject each. No kind is named here.

pub mod ending;
pub mod signal;
