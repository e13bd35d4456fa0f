//! `name=value` and `name: value` in all their spellings: shell, JSON, YAML, HTTP headers, query strings,
//! connection strings. The value of a name that says so is a secret.

use std::ops::Range;
use std::sync::LazyLock;

use super::names::{self, Strength};
use super::pattern::{Pattern, Spans, compile, marker};

/// A longer value under a weak name is masked whatever it looks like, and so read only once.
const MAX_PLAIN_BYTES: usize = 512;
/// How far ahead of a `&`, `;` or `,` is looked for the next `name=`.
const NEXT_NAME_BYTES: usize = 64;

/// The values of names that say they are secrets.
pub(super) fn find(text: &str) -> Spans {
    static PAIR: LazyLock<Pattern> = LazyLock::new(|| {
        compile(r#"([A-Za-z][A-Za-z0-9_.\-]{0,127})(\\?["'])?\]?[ \t]{0,4}(=>|:=|==?|:|>)([ \t]{0,4})"#)
    });
    let mut spans = Spans::new();
    let mut at = 0;
    while let Some(found) = PAIR.captures_at(text, at) {
        let (Some(key), Some(separator), Some(gap)) = (found.get(1), found.get(3), found.get(4)) else {
            break;
        };
        at = gap.end;
        // Only `<password>value</password>` has a `>` for a separator.
        let (name, sign) = (&text[key.clone()], &text[separator]);
        if sign == ">" && !text[..key.start].ends_with('<') {
            continue;
        }
        let Some(strength) = names::strength(name) else { continue };
        // `src/token.rs:12:5`
        let numbered = text[gap.end..].starts_with(|c: char| c.is_ascii_digit());
        if sign == ":" && numbered && is_file(name) {
            continue;
        }
        let prose = sign == ":" && !gap.is_empty();
        if let Some(span) = value(text, gap.end, name, strength, prose) {
            at = span.end;
            spans.push(span);
        }
    }
    spans
}

/// Whether a value is plainly no secret under a name that only hints at one.
pub(super) fn is_plain(value: &str) -> bool {
    const FILES: [&str; 9] = [".pem", ".key", ".crt", ".cer", ".json", ".yaml", ".yml", ".toml", ".conf"];
    const WORDS: [&str; 10] =
        ["true", "false", "yes", "no", "on", "off", "none", "null", "enabled", "disabled"];
    let value = value.trim_end_matches([',', ';', ')', ']', '}']);
    let path = value.starts_with(['/', '~']) || value.starts_with("./") || value.starts_with("../");
    let number = value.starts_with(|c: char| c.is_ascii_digit())
        && value.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | ':' | '/' | '%'));
    // What a shell reads, or stands in a synopsis: `|`, `]`, `*`.
    let sign = value.len() < 3 && !value.contains(char::is_alphanumeric);
    let lower = value.to_ascii_lowercase();
    path || number || sign || WORDS.contains(&lower.as_str()) || FILES.iter().any(|end| lower.ends_with(end))
}

/// Whether a word is the name of a file, as far as its looks tell.
pub(super) fn is_file(word: &str) -> bool {
    const ENDS: [&str; 21] = [
        ".txt", ".py", ".rs", ".c", ".h", ".cc", ".cpp", ".go", ".js", ".ts", ".java", ".rb", ".sh", ".log",
        ".md", ".html", ".conf", ".cfg", ".ini", ".service", ".xml",
    ];
    ENDS.iter().any(|end| word.ends_with(end))
}

/// Where the value that begins at `start` is, if it is one to mask.
fn value(text: &str, start: usize, key: &str, strength: Strength, prose: bool) -> Option<Range<usize>> {
    let rest = &text[start..];
    if names::is_authorization(key) {
        return Some(offset(start, credentials(rest)));
    }
    if names::is_cookie(key)
        && let Some(end) = cookies(rest)
    {
        return Some(start..start + end);
    }
    // A Rust or C++ path, or a URL whose scheme happens to be such a word.
    if rest.starts_with(':') || rest.starts_with("//") {
        return None;
    }
    let quoted = quoted(rest);
    let span = quoted.clone().unwrap_or_else(|| 0..unquoted(rest));
    let found = &rest[span.clone()];
    let empty = matches!(found.trim_end_matches([',', '}', ']']), "" | "null" | "None" | "nil" | "(null)");
    let word = found.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | ',' | '.'));
    let weak = strength == Strength::Weak;
    let plain = weak && (is_plain(found) || (prose && quoted.is_none() && word));
    if empty || (plain && found.len() <= MAX_PLAIN_BYTES) {
        return None;
    }
    Some(offset(start, span))
}

fn offset(by: usize, span: Range<usize>) -> Range<usize> {
    span.start + by..span.end + by
}

/// What is inside the quotes that `rest` begins with; to its end when they are never closed.
fn quoted(rest: &str) -> Option<Range<usize>> {
    let open = ["\\\"", "\\'", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote))?;
    let inside = &rest[open.len()..];
    let mut from = 0;
    while let Some(found) = inside[from..].find(open) {
        let end = from + found;
        // An escaped quote is part of the value.
        if open.len() == 2 || !inside[..end].ends_with('\\') {
            return Some(open.len()..open.len() + end);
        }
        from = end + open.len();
    }
    Some(open.len()..rest.len())
}

/// How long the value without quotes is that `rest` begins with.
pub(super) fn unquoted(rest: &str) -> usize {
    let from = marker(rest).unwrap_or(0);
    for (at, c) in rest[from..].char_indices().map(|(at, c)| (at + from, c)) {
        let ends = match c {
            '"' | '\'' | '`' | '<' | '\0' => true,
            '&' | ';' | ',' => begins_pair(&rest[at + 1..]),
            c => c.is_whitespace(),
        };
        if ends {
            return at;
        }
    }
    rest.len()
}

/// Whether another `name=` or `name:` comes next, so that the separator before it was one.
fn begins_pair(rest: &str) -> bool {
    let name = rest.trim_start_matches([' ', '"']);
    let end = name
        .bytes()
        .take(NEXT_NAME_BYTES)
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b' ')));
    end.is_some_and(|end| end > 0 && matches!(name.as_bytes()[end], b'=' | b':'))
}

/// The secret part of an `Authorization` value: the scheme is told, what follows it is not.
fn credentials(rest: &str) -> Range<usize> {
    const ONE_WORD: [&str; 8] =
        ["bearer", "basic", "token", "apikey", "negotiate", "ntlm", "key", "genie-key"];
    const REST_OF_LINE: [&str; 4] = ["digest", "aws4-hmac-sha256", "hawk", "oauth"];
    let open = rest.len() - rest.trim_start_matches(['"', '\'', '\\']).len();
    let first = open + unquoted(&rest[open..]);
    let scheme = rest[open..first].to_ascii_lowercase();
    let after = first + (rest[first..].len() - rest[first..].trim_start_matches([' ', '\t']).len());
    if REST_OF_LINE.contains(&scheme.as_str()) {
        return after..rest.find('\n').unwrap_or(rest.len()).max(after);
    }
    if ONE_WORD.contains(&scheme.as_str()) {
        return after..after + unquoted(&rest[after..]);
    }
    open..first
}

/// How long the run of `name=value; name=value` is that `rest` begins with, or that goes on behind a mask; `None`: it is
/// one value without a name.
fn cookies(rest: &str) -> Option<usize> {
    // What has no value may stand between two that have one. A colon ends it: then it is the next header.
    const MORE: &str = r#"(?:(?:;[ \t]*[^\s;:="']+)*;[ \t]*[^\s;:="']+=[^\s;"']*)*"#;
    static COOKIES: LazyLock<Pattern> = LazyLock::new(|| compile(&format!(r#"^[^\s;"']*{MORE}"#)));
    static MORE_COOKIES: LazyLock<Pattern> =
        LazyLock::new(|| compile(&format!(r#"^[^\s;"'`<&,\x00]*{MORE}"#)));
    let end = |pattern: &Pattern, from: usize| pattern.find(&rest[from..]).map_or(from, |it| from + it.end);
    match marker(rest) {
        Some(masked) => Some(end(&MORE_COOKIES, masked)),
        None => Some(end(&COOKIES, 0)).filter(|end| rest[..*end].contains('=')),
    }
}
