//! Text that somebody else wrote: a process's name, a path, an argument, a file's name. Kept as it was written, so that
//! it can be compared; shown only in a form that no terminal and no receiver stumbles over.

use serde::{Deserialize, Serialize};

use crate::text;

/// One such text. It has no `Display`: what is shown of it, [`Name::shown`] gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// As it was written: to compare, to look up, to quote for a shell; never to show.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// To mask a secret in it.
    pub const fn raw_mut(&mut self) -> &mut String {
        &mut self.0
    }

    /// In printable characters.
    pub fn shown(&self) -> String {
        text::printable(&self.0)
    }

    /// In printable characters, and at most `max` of them.
    pub fn shown_up_to(&self, max: usize) -> String {
        text::truncate(&self.shown(), max)
    }

    /// As [`Name::shown_up_to`], of a path.
    pub fn path_up_to(&self, max: usize) -> String {
        text::shorten_path(&self.shown(), max)
    }
}

impl<T: Into<String>> From<T> for Name {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_has_no_control_characters_and_an_end() {
        let name = Name::from("a\x1b[2J\nb\u{202e}c");
        assert_eq!(name.raw(), "a\x1b[2J\nb\u{202e}c");
        assert!(!name.shown().contains(['\x1b', '\n', '\u{202e}']), "{}", name.shown());
        assert!(Name::from("x".repeat(500)).shown_up_to(40).chars().count() <= 40);
    }
}
