//! Secrets that are known by their looks: the keys of clouds and services, webhooks, JWTs, PEM blocks (`shapes.toml`),
//! and the password in a URL.

use std::ops::Range;
use std::sync::LazyLock;

use serde::Deserialize;

use super::entropy;
use super::pattern::{Pattern, Spans, compile};

/// A user without password in a web address is a token when it is this long.
const TOKEN_USER_CHARS: usize = 12;
/// The same, where a digit is in it.
const TOKEN_USER_WITH_DIGIT_CHARS: usize = 8;

/// No name of a user is longer: with a password beside it, it is a secret too.
const LONG_USER_CHARS: usize = 20;

/// The table of `shapes.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    shape: Vec<ShapeRule>,
    grouped: Vec<ShapeRule>,
}

/// One secret's looks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShapeRule {
    #[cfg_attr(not(test), expect(dead_code, reason = "for who reads the table, and the test's messages"))]
    of: String,
    pattern: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "the test's samples stand beside the rule"))]
    yes: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the test's samples stand beside the rule"))]
    no: Vec<String>,
}

impl Table {
    fn read() -> Self {
        toml::from_str(include_str!("shapes.toml")).expect("the table is a constant, and read in the tests")
    }
}

/// The rules, compiled.
struct Shapes {
    /// All that need no group, in one: a text is read once for all of them.
    whole: Pattern,
    grouped: Vec<Pattern>,
}

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    let table = Table::read();
    let any: Vec<_> = table.shape.iter().map(|it| format!("(?:{})", it.pattern)).collect();
    Shapes {
        whole: compile(&format!(r"(?-u:\b)(?:{})", any.join("|"))),
        grouped: table.grouped.iter().map(|it| compile(&it.pattern)).collect(),
    }
});

/// Every secret known by its looks.
pub(super) fn find(text: &str) -> Spans {
    let mut spans = in_urls(text);
    spans.extend(SHAPES.whole.find_all(text));
    for shape in &SHAPES.grouped {
        spans.extend(shape.captures_all(text).iter().filter_map(|found| found.get(1)));
    }
    spans
}

/// `scheme://user:SECRET@host`, `scheme://TOKEN@host`, and `user:SECRET@host` as some databases have it.
fn in_urls(text: &str) -> Spans {
    static SCHEME: LazyLock<Pattern> = LazyLock::new(|| compile(r"[A-Za-z][A-Za-z0-9+.\-]*://"));
    static BARE: LazyLock<Pattern> = LazyLock::new(|| {
        compile(
            r#"(?:^|[\s"'=,\x00])((?:[A-Za-z0-9._\-]+[/\\]{1,2})?[A-Za-z0-9._\-]+):([^\s:@/"'\x00]+)@([A-Za-z0-9\[(])"#,
        )
    });
    let mut spans = Spans::new();
    for scheme in SCHEME.find_all(text) {
        let rest = &text[scheme.end..];
        // Another URL may follow in the same word, as in a list of hosts.
        let rest = &rest[..rest.find("://").unwrap_or(rest.len())];
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '\0'));
        let rest = &rest[..end.unwrap_or(rest.len())];
        let web = text[scheme.clone()].to_ascii_lowercase().contains("http");
        if let Some(span) = user_info(rest, web) {
            spans.push(span.start + scheme.end..span.end + scheme.end);
        }
    }
    for found in BARE.captures_all(text) {
        let (Some(user), Some(secret), Some(host)) = (found.get(1), found.get(2), found.get(3)) else {
            continue;
        };
        let address = matches!(text[user].to_ascii_lowercase().as_str(), "mailto" | "email" | "sip" | "xmpp");
        let image = text[host.start..].starts_with("sha256:");
        if !address && !image {
            spans.push(secret);
        }
    }
    spans
}

/// The secret in what follows `scheme://`.
fn user_info(rest: &str, web: bool) -> Option<Range<usize>> {
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at = match rest[..authority].rfind('@') {
        Some(at) => at,
        // A password with a raw slash: then what is before it is no port.
        None => {
            let (_, port) = rest[..authority].split_once(':').filter(|_| !rest.starts_with('['))?;
            rest.rfind('@').filter(|_| !port.bytes().all(|b| b.is_ascii_digit()))?
        }
    };
    let info = &rest[..at];
    match info.find(':') {
        Some(colon) if colon >= LONG_USER_CHARS => Some(0..at),
        Some(colon) => Some(colon + 1..at),
        None => is_token(info, web).then_some(0..at),
    }
}

/// Whether a user that comes without a password is a token: web services take one, other schemes a name.
fn is_token(user: &str, web: bool) -> bool {
    let least =
        if user.bytes().any(|b| b.is_ascii_digit()) { TOKEN_USER_WITH_DIGIT_CHARS } else { TOKEN_USER_CHARS };
    user.len() >= if web { least } else { LONG_USER_CHARS } || entropy::is_random(user)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::samples;
