//! Masks secrets before anything leaves the host. What helps debugging stays: the name of the key, and how long
//! the secret was, as in `password=[redacted 9 chars]`. Pure, and safe to apply twice.
//!
//! Found by name (`names`, `pairs`, `words`), by a program's habits (`programs`, `operands`), by known shapes (`shapes`) and by randomness (`entropy`). Text that
//! may hold invisible characters is to be cleaned (`crate::text`) first, or `pass\u{200b}word=` slips through.

mod censor;
mod entropy;
mod environ;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz;
mod mask;
mod names;
mod operands;
mod pairs;
mod pattern;
mod programs;
pub mod records;
mod rule;
mod search;
mod shapes;
mod words;

pub use censor::Censor;
pub use environ::environ;
#[cfg(any(test, feature = "fuzzing"))]
pub use fuzz::fuzz;
pub use mask::{argv, text, text_without};
pub use rule::{Rule, Tally};
pub use search::secrets_in;

#[cfg(test)]
mod tests;
