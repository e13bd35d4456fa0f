//! Making hostile text harmless: control characters, terminal escapes and invisible Unicode out, length
//! bounded. Everything a process controls passes here before a person, a model or a receiver sees it.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// Shown where a cut was made.
const ELLIPSIS: char = '…';

/// The text without what a reader would not see or a terminal would obey. Line breaks and tabs become spaces.
pub fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|c| if matches!(c, '\n' | '\r' | '\t') { Some(' ') } else { visible(c) })
        .collect()
}

/// As [`printable`], but line breaks and tabs stay: for whole files.
pub fn printable_lines(text: &str) -> String {
    text.chars().filter_map(|c| if matches!(c, '\n' | '\t') { Some(c) } else { visible(c) }).collect()
}

/// At most `max` characters, the last one an ellipsis where something was cut.
pub fn truncate(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain([ELLIPSIS]).collect()
}

/// As [`truncate`], for paths: cut in the middle, since what they lie in and what they are stand at the ends. What was cut
/// leaves a mark of its own, so that two paths never look the same.
pub fn shorten_path(path: &str, max: usize) -> String {
    let chars: Vec<char> = path.chars().collect();
    if chars.len() <= max {
        return path.to_owned();
    }
    let digest = Sha256::digest(path);
    let mark = format!("{ELLIPSIS}{:02x}{:02x}{:02x}{ELLIPSIS}", digest[0], digest[1], digest[2]);
    let left = max.saturating_sub(mark.chars().count());
    let head = left / 3;
    let tail = chars.len() - (left - head);
    chars[..head].iter().copied().chain(mark.chars()).chain(chars[tail..].iter().copied()).collect()
}

/// A size for people: `24.0 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // In tenths of the unit, with integers: no rounding surprises.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    for unit in UNITS {
        if tenths < 10_240 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        tenths /= 1024;
    }
    format!("{} EiB", tenths / 10)
}

/// A length of time for people: `85 µs`, `340 ms`, `3.2 s`, `5 min`, `7 h`, `12 d`.
pub fn duration(length: Duration) -> String {
    match length.as_secs() {
        0 if length.as_millis() == 0 => format!("{} µs", length.as_micros()),
        0 => format!("{} ms", length.as_millis()),
        secs @ 1..60 => format!("{secs}.{} s", length.subsec_millis() / 100),
        secs @ 60..7200 => format!("{} min", secs / 60),
        secs @ 7200..172_800 => format!("{} h", secs / 3600),
        secs => format!("{} d", secs / 86_400),
    }
}

/// Control characters become a visible stand-in, invisible ones vanish.
fn visible(c: char) -> Option<char> {
    match c {
        c if c.is_control() => Some('\u{fffd}'),
        // Zero-width and joiners, bidirectional controls, invisible operators, BOM, variation selectors, tags.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_becomes_printable() {
        for (given, want) in [
            ("plain", "plain"),
            ("naïve 日本", "naïve 日本"),
            ("a\nb\tc\rd", "a b c d"),
            ("\x1b[31mred\x1b[0m", "\u{fffd}[31mred\u{fffd}[0m"),
            ("ab\u{200b}c\u{202e}d\u{feff}", "abcd"),
            ("x\u{e0041}\u{fe0f}y", "xy"),
            ("nul\0", "nul\u{fffd}"),
        ] {
            assert_eq!(printable(given), want, "{given:?}");
        }
        assert_eq!(printable_lines("a\nb\tc\x07"), "a\nb\tc\u{fffd}");
    }

    #[test]
    fn sizes_and_times_are_readable() {
        for (bytes, want) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (25_165_824, "24.0 MiB"),
            (1_073_741_823, "1023.9 MiB"),
            (u64::MAX, "15 EiB"),
        ] {
            assert_eq!(size(bytes), want);
        }
        for (ms, want) in [
            (0, "0 µs"),
            (999, "999 ms"),
            (3_250, "3.2 s"),
            (60_000, "1 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 d"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), want);
        }
    }

    #[test]
    fn truncation_counts_characters_and_shows_the_cut() {
        assert_eq!(truncate("日本語", 3), "日本語");
        assert_eq!(truncate("日本語", 2), "日…");
        assert_eq!(truncate("abc", 0), "…");
        assert_eq!(truncate("", 0), "");
    }

    #[test]
    fn long_paths_are_cut_in_the_middle_and_told_apart() {
        let path = |middle: &str| {
            format!("/kubepods.slice/{}{middle}{}/app.service", "a".repeat(99), "b".repeat(99))
        };
        let (one, other) = (shorten_path(&path("1"), 60), shorten_path(&path("2"), 60));
        assert_ne!(one, other);
        for it in [&one, &other] {
            assert_eq!(it.chars().count(), 60, "{it}");
            assert!(it.starts_with("/kubepods.slice/") && it.ends_with("/app.service"), "{it}");
        }
        assert_eq!(shorten_path("/short", 60), "/short");
        assert_eq!(shorten_path(&"日".repeat(61), 60).chars().count(), 60);
        assert_eq!(shorten_path("abcdefghijklmnop", 3).chars().count(), 8, "the mark alone");
    }
}
