//! Values that look like the output of a random number generator, under whatever name. Digests, UUIDs, container
//! ids and git revisions are random too but no secrets, and what one debugs with: plain hex stays readable.

use std::sync::LazyLock;

use super::pattern::{Pattern, Spans, compile};

/// Shorter values are left alone: too many names and versions look like that.
const MIN_MIXED_CHARS: usize = 20;
/// As [`MIN_MIXED_CHARS`], for values in one case only, which say less by each character.
const MIN_ONE_CASE_CHARS: usize = 32;

/// Random-looking values after `=` or `:`.
pub(super) fn find(text: &str) -> Spans {
    static VALUE: LazyLock<Pattern> =
        LazyLock::new(|| compile(r#"[=:][ \t]?["']?([A-Za-z0-9+/_\-]{20,}={0,2})"#));
    static DIGEST: LazyLock<Pattern> = LazyLock::new(|| {
        compile(
            r#"(?i)(?:sha-?[0-9]+|md5|blake[0-9a-z]*|digest|checksum|integrity|fingerprint|build-?id)["']?$"#,
        )
    });
    let mut spans = Spans::new();
    for found in VALUE.captures_all(text) {
        let (Some(all), Some(value)) = (found.get(0), found.get(1)) else { continue };
        let mut before = all.start.saturating_sub(16);
        while !text.is_char_boundary(before) {
            before -= 1;
        }
        if is_random(&text[value.clone()]) && DIGEST.find(&text[before..all.start]).is_none() {
            spans.push(value);
        }
    }
    spans
}

/// Whether a word looks random: written by no person, and not plain hex.
///
/// In random text neighbours are often of different classes (upper, lower, digit): of 62 letters and digits
/// about 0.6 of them, in names and paths less than 0.3. That tells them apart better than Shannon's entropy,
/// which for a few dozen characters is about the same for both.
pub(super) fn is_random(word: &str) -> bool {
    let word = word.trim_end_matches('=');
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-');
    let starts_as_path = word.starts_with('/');
    let names_digest = word.starts_with("sha") && word.contains('-');
    if word.len() < MIN_MIXED_CHARS || !word.chars().all(allowed) || starts_as_path || names_digest {
        return false;
    }
    let has = |class: fn(&u8) -> bool| word.as_bytes().iter().any(class);
    let (upper, lower) = (has(u8::is_ascii_uppercase), has(u8::is_ascii_lowercase));
    let digit = has(u8::is_ascii_digit);
    let hex = word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if !digit || hex {
        return false;
    }
    if upper && lower {
        return changes_per_mille(word) >= 400;
    }
    let one_run = word.bytes().all(|b| b.is_ascii_alphanumeric());
    one_run && word.len() >= MIN_ONE_CASE_CHARS && changes_per_mille(word) >= 250
}

/// How often neighbouring letters and digits are of different classes, of a thousand.
fn changes_per_mille(word: &str) -> usize {
    let class = |b: u8| match b {
        b'A'..=b'Z' => 1,
        b'a'..=b'z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    };
    let classes: Vec<_> = word.bytes().map(class).collect();
    let pairs = classes.windows(2).filter(|pair| !pair.contains(&0));
    let changes = pairs.clone().filter(|pair| pair[0] != pair[1]).count();
    changes * 1000 / pairs.count().max(1)
}
