//! The notes of one stack: each said once, cleaned, and not too many.

use crate::text;

/// How many are kept.
const NOTES_MAX: usize = 24;
/// How long one may be, in characters.
const NOTE_LENGTH_MAX: usize = 300;

/// What there is to say about a stack besides its frames.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<String>);

impl Notes {
    pub(super) fn add(&mut self, note: impl AsRef<str>) {
        let note = text::truncate(&text::printable(note.as_ref()), NOTE_LENGTH_MAX);
        if self.0.len() < NOTES_MAX && !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    pub(super) fn into_inner(self) -> Vec<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_few_clean_and_said_once() {
        let mut notes = Notes::default();
        notes.add("a\x1b");
        notes.add("a\x1b");
        (0..100).for_each(|number| notes.add(format!("{number}{}", "x".repeat(1000))));
        let notes = notes.into_inner();
        assert_eq!((notes.len(), notes[0].as_str()), (NOTES_MAX, "a\u{fffd}"));
        assert!(notes.iter().all(|note| note.chars().count() <= NOTE_LENGTH_MAX));
    }
}
