//! The notes of one stack: each said once, cleaned, and not too many.

use crate::text;

/// How many are kept.
const NOTES_MAX: usize = 24;
/// How many of one kind: in another root or after an upgrade they are a hundred.
const SAME_KIND_MAX: usize = 3;
/// How long one may be, in characters.
const NOTE_LENGTH_MAX: usize = 300;

/// A name of C++ or Rust may be long; one of these is as much as a person reads.
const NAME_LENGTH_MAX: usize = 256;

/// A name as it may be shown.
pub(super) fn clean(name: &str) -> String {
    text::truncate(&text::printable(name), NAME_LENGTH_MAX)
}

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

    /// The first few of notes of one kind, and how many there are.
    pub(super) fn add_some(&mut self, notes: Vec<String>, what: &str) {
        let count = notes.len();
        notes.into_iter().take(SAME_KIND_MAX).for_each(|note| self.add(note));
        if count > SAME_KIND_MAX {
            self.add(format!("in all, {count} {what}"));
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
        notes.add_some((0..9).map(|it| it.to_string()).collect(), "letters");
        assert_eq!(notes.0, ["a\u{fffd}", "0", "1", "2", "in all, 9 letters"]);
        (0..100).for_each(|number| notes.add(format!("{number}{}", "x".repeat(1000))));
        let notes = notes.into_inner();
        assert_eq!((notes.len(), notes[0].as_str()), (NOTES_MAX, "a\u{fffd}"));
        assert!(notes.iter().all(|note| note.chars().count() <= NOTE_LENGTH_MAX));
    }
}
