//! Statements that belong to no kind alone, a folder a subject.

pub mod standing;

pub mod ending;
pub mod episodes;
pub mod signal;
