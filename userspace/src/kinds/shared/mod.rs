//! What several kinds state, tell and judge alike, a folder a subject. No kind is named here.

pub mod ending;
pub mod limits;
pub mod signal;
pub mod stack;
pub mod standing;
pub mod trend;
