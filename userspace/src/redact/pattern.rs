//! What the searches share: ranges of a text, patterns, and how a mask looks.

use std::ops::Range;

use regex::Regex;

/// The byte ranges of a text that are secret.
pub(super) type Spans = Vec<Range<usize>>;

/// A pattern that is part of the program.
pub(super) fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants and every one is used in the tests")
}

/// The length of the mask that `text` begins with, if it does.
pub(super) fn marker(text: &str) -> Option<usize> {
    let number = text.strip_prefix("[redacted ")?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits > 0 && number[digits..].starts_with(" chars]");
    whole.then_some("[redacted ".len() + digits + " chars]".len())
}
