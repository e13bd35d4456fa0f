//! For the fuzzer: masking of any text, as one and as arguments.

use super::{argv, environ, text};

/// What a mask adds at most: `[redacted 1 chars]` in place of one character, and again for each.
const LONGER: usize = "[redacted 1 chars]".len();

/// See [`crate::fuzzing`].
pub fn fuzz(bytes: &[u8]) {
    environ(bytes);
    let given = String::from_utf8_lossy(bytes);
    let once = text(&given);
    assert!(once.len() <= (given.len() + 1) * LONGER, "{given:?} gave {once:?}");
    assert_eq!(text(&once), once, "applied twice to {given:?}");
    let words: Vec<String> = given.split('\0').map(str::to_owned).collect();
    let masked = argv(&words);
    assert_eq!(masked.len(), words.len());
    assert_eq!(argv(&masked), masked, "applied twice to {words:?}");
}
