//! What the model wrote, made harmless: no control characters, no markup, no links, no mentions, bounded. A model
//! that obeyed an attacker still can't colour a terminal, ping a channel or lead somebody to a page.

use std::sync::LazyLock;

use regex::Regex;

use crate::text;

const LINK_REMOVED: &str = "(link removed)";

/// One paragraph of at most `max` characters.
pub(super) fn paragraph(given: &str, max: usize) -> String {
    // Nothing longer is worth cleaning; the schema can't bound lengths.
    let given: String = given.chars().take(max.saturating_mul(4)).collect();
    let mut clean =
        text::printable(&ESCAPE.replace_all(&given, "")).replace('\u{fffd}', "").replace('`', "'");
    // What is left after a removal may be markup again: `<<b>script>`.
    loop {
        let once = MARKUP.replace_all(&clean, "${text}${open}");
        let once = LINK.replace_all(&once, LINK_REMOVED);
        let once = MENTION.replace_all(&once, "$name").replace("**", "");
        if once == clean {
            break;
        }
        clean = once;
    }
    let words: Vec<_> = clean.split_whitespace().collect();
    text::truncate(words.join(" ").trim_start_matches(['#', ' ']), max)
}

/// Terminal escapes as a whole; without this, `[31m` would stay of them.
static ESCAPE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.|\u{9b}[0-9;:?]*[ -/]*[@-~]")
});
/// `[text](target)`, tags and Slack's `<…>`, and a `<` that would open one.
static MARKUP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"!?\[(?<text>[^\[\]]*)\]\([^()]*\)|<[!/@#?A-Za-z][^<>]*>|<(?<open>[!/@#?A-Za-z])")
});
static LINK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b[a-z][a-z0-9+.\-]*://[^\s]+|\bwww\.[^\s]+|\b(?:mailto|javascript|data|tel):[^\s]+")
});
static MENTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)@(?<name>channel|here|everyone|all)\b"));

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants and every one is used in the tests")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attacks_become_words() {
        for (given, want) in [
            ("A plain sentence, 50 % < 60 %, a > b.", "A plain sentence, 50 % < 60 %, a > b."),
            ("\x1b[31mred\x1b[0m \x1b]0;title\x07x\x1b[2J", "red x"),
            ("two\nlines\r\n\tand more", "two lines and more"),
            ("hi <!channel> and <@U123> <!here|x>", "hi and"),
            ("see <https://evil.example/x|the docs> now", "see now"),
            ("see [the docs](https://evil.example) now", "see the docs now"),
            ("see https://evil.example/x?y now", "see (link removed) now"),
            ("go to www.evil.example or mailto:x@y", "go to (link removed) or (link removed)"),
            ("<<b>script>alert(1)<</b>/script>", "alert(1)"),
            ("<!channel", "!channel"),
            ("@channel @Here @EVERYONE bob@host", "channel Here EVERYONE bob@host"),
            ("@@channelchannel", "@@channelchannel"),
            ("**bold** `code` ```\nblock```", "bold 'code' ''' block'''"),
            ("# Heading", "Heading"),
            ("![img](http://x/y.png)", "img"),
            ("a\u{200b}b\u{202e}c\u{e0041}\0d", "abcd"),
            ("ht\u{200b}tps://evil.example", "(link removed)"),
            ("ht`tps://x y", "ht'(link removed) y"),
            ("\u{fffd}", ""),
            (" \n ", ""),
            ("std::vector<int> in libc.so.6:12", "std::vector in libc.so.6:12"),
        ] {
            let got = paragraph(given, 200);
            assert_eq!(got, want, "{given:?}");
            assert_eq!(paragraph(&got, 200), got, "cleaned twice");
        }
        assert_eq!(paragraph(&"ab ".repeat(1000), 10), "ab ab ab …");
    }
}
