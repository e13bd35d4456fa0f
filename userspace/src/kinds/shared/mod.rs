//! What several kinds state, tell and judge alike, a folder a subject. No kind is named here.

pub mod cause;
pub mod ending;
pub mod episodes;
pub mod limits;
pub mod place;
pub mod recorded;
pub mod signal;
pub mod stack;
pub mod standing;
pub mod trend;
pub mod unit;
