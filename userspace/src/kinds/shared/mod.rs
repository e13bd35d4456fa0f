//! Statements that belong to no kind alone, a folder a subject.

pub mod limits;
pub mod standing;
pub mod trend;
