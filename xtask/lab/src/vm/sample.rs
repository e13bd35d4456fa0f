//! What a good boot prints, as one did, without the answers' parts that nobody asks for.

pub(super) const GOOD: &str = include_str!("sample.console");

/// The same, with one thing changed in it, wherever it stands.
pub(super) fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the sample has no {from}");
    GOOD.replace(from, to)
}
