//! Text for Slack: nothing in it may mention, link, format or break out, and nothing is longer than asked.
//!
//! Lengths are in UTF-16 units, after escaping: never fewer than the characters Slack counts.

use crate::text::printable;

const ELLIPSIS: char = '…';

/// Escaped text of at most `max`.
pub(super) fn plain(text: &str, max: usize) -> String {
    escape(&clean(text), max)
}

/// An inline code span of at most `max`.
pub(super) fn code(text: &str, max: usize) -> String {
    format!("`{}`", escape(&filled(text), max.saturating_sub(2)))
}

/// A code block of at most `max`.
pub(super) fn code_block(text: &str, max: usize) -> String {
    format!("```{}```", escape(&filled(text), max.saturating_sub(6)))
}

/// The length of text as it is counted here.
#[cfg(test)]
pub(super) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Everything that goes to Slack passes here once, before it is cut: half a secret is still one.
///
/// Slack has no escape for a backtick, and one that is not closed swallows what follows. A quote in its place
/// keeps text readable, and a command harmless when pasted.
fn clean(text: &str) -> String {
    printable(text).replace('`', "'")
}

/// As [`clean`], but never empty: an empty code span would show its backticks.
fn filled(text: &str) -> String {
    let text = clean(text);
    if text.trim().is_empty() { "-".to_owned() } else { text }
}

/// Escapes and cuts, never within an entity.
fn escape(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    // Where to cut, should the rest not fit: the ellipsis takes one.
    let mut cut = 0;
    for c in text.chars() {
        let (entity, size) = match c {
            '&' => (Some("&amp;"), 5),
            '<' => (Some("&lt;"), 4),
            '>' => (Some("&gt;"), 4),
            c => (None, c.len_utf16()),
        };
        if used + size > max {
            out.truncate(cut);
            out.push(ELLIPSIS);
            return out;
        }
        used += size;
        match entity {
            Some(entity) => out.push_str(entity),
            None => out.push(c),
        }
        if used < max {
            cut = out.len();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_then_cut_to_size() {
        for (given, max, want) in [
            ("plain", 5, "plain"),
            ("plain", 4, "pla…"),
            ("<!channel>", 50, "&lt;!channel&gt;"),
            ("a & b", 50, "a &amp; b"),
            ("&amp;", 50, "&amp;amp;"),
            ("&&", 10, "&amp;&amp;"),
            ("&&", 9, "&amp;…"),
            ("&&", 6, "&amp;…"),
            ("&&", 5, "…"),
            ("a&", 5, "a…"),
            ("𝄞𝄞", 4, "𝄞𝄞"),
            ("𝄞𝄞", 3, "𝄞…"),
            ("a\n\u{202e}b\x1b[1m", 50, "a b\u{fffd}[1m"),
            ("```a `b`", 50, "'''a 'b'"),
            ("", 5, ""),
        ] {
            let got = plain(given, max);
            assert_eq!(got, want, "{given:?} in {max}");
            assert!(length(&got) <= max, "{given:?} in {max}");
        }
    }

    #[test]
    fn code_can_not_be_broken_out_of() {
        for (given, max, want) in [
            ("ls -l", 50, "`ls -l`"),
            ("a` *b* `c", 50, "`a' *b* 'c`"),
            ("a\nb", 50, "`a b`"),
            ("<!here>", 50, "`&lt;!here&gt;`"),
            ("", 50, "`-`"),
            ("\u{200b}", 50, "`-`"),
            ("abcdef", 6, "`abc…`"),
        ] {
            assert_eq!(code(given, max), want, "{given:?}");
        }
        assert_eq!(code_block("echo ```rm```", 50), "```echo '''rm'''```");
        assert_eq!(code_block("abcdef", 10), "```abc…```");
    }
}
