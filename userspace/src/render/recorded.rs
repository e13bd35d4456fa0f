//! Sentences of an earlier version: as they stand.

use crate::kinds::facts::Recorded;

pub(super) fn sentence(recorded: &Recorded) -> String {
    let Recorded::Recorded { text } = recorded;
    text.raw().to_owned()
}
