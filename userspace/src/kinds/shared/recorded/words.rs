//! The sentence as it stands.

use super::facts::{Recorded, Sentence};

/// As it was written.
pub(crate) fn sentence(fact: &Recorded) -> String {
    let Recorded::Recorded { text: Sentence(text) } = fact;
    text.raw().to_owned()
}
