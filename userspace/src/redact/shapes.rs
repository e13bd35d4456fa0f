//! Secrets that are known by their looks: the keys of clouds and services, webhooks, JWTs, PEM blocks, and the
//! password in a URL.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::entropy;
use super::pattern::{Spans, compile};

/// A user without password in a URL is a token when it is this long.
const TOKEN_USER_CHARS: usize = 20;

/// The first group is the secret; without a group, all of it.
const SHAPES: [&str; 21] = [
    // kubectl: whatever the name is, it is a secret's or stays readable elsewhere.
    r#"--from-literal[=\s\x00]["']?[A-Za-z0-9._\-]+=(\[redacted [0-9]+ chars\]|[^\s"'\x00]+)"#,
    // Any PEM block, to the end of the text where it was cut.
    r"(?s)-----BEGIN [A-Z0-9 ]+-----(.*?)(?:-----END [A-Z0-9 ]+-----|$)",
    // AWS key ids.
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    // Groq; OpenAI, Anthropic and those that copied them; Hugging Face.
    r"\bgsk_[A-Za-z0-9]{8,}",
    r"\bsk-[A-Za-z0-9_\-]{16,}",
    r"\bhf_[A-Za-z0-9]{20,}",
    // Stripe and its webhooks.
    r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,}",
    r"\bwhsec_[A-Za-z0-9+/=]{16,}",
    // GitHub, GitLab, npm, PyPI.
    r"\bgh[pousr]_[A-Za-z0-9]{16,}",
    r"\bgithub_pat_[A-Za-z0-9_]{16,}",
    r"\bgl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent)-[A-Za-z0-9_\-]{16,}",
    r"\bnpm_[A-Za-z0-9]{30,}",
    r"\bpypi-[A-Za-z0-9_\-]{30,}",
    // Slack; webhooks of Slack, Discord and Teams, where the path is the secret; Telegram.
    r"\bxox[a-z]-[A-Za-z0-9\-]{6,}",
    r"\bxapp-[A-Za-z0-9\-]{10,}",
    r"(?i)\b(?:hooks\.slack(?:-gov)?\.com/[a-z]+|discord(?:app)?\.com/api/webhooks|webhook\.office\.com/[a-z0-9]+)/([A-Za-z0-9_\-/@]+)",
    r"\bbot[0-9]{6,}:([A-Za-z0-9_\-]{20,})",
    // Google; Vault, DigitalOcean, SendGrid, age.
    r"\b(?:AIza[A-Za-z0-9_\-]{30,}|ya29\.[A-Za-z0-9_\-]{16,})",
    r"\b(?:hv[sbr]\.[A-Za-z0-9_\-]{16,}|do[por]_v1_[a-f0-9]{32,}|SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}|AGE-SECRET-KEY-1[A-Z0-9]{20,})",
    // JWTs and encrypted JWTs, whole or cut.
    r"\beyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){0,4}",
    // An authorization value without its header's name.
    r"\b(?i:bearer|basic)[ \t]+([A-Za-z0-9._~+/\-]{12,}={0,2})",
];

/// Every secret known by its looks.
pub(super) fn find(text: &str) -> Spans {
    static SHAPE: LazyLock<Vec<Regex>> =
        LazyLock::new(|| SHAPES.iter().map(|shape| compile(shape)).collect());
    let mut spans = in_urls(text);
    for shape in SHAPE.iter() {
        spans.extend(
            shape
                .captures_iter(text)
                .filter_map(|found| found.get(1).or_else(|| found.get(0)))
                .map(|it| it.range()),
        );
    }
    spans
}

/// `scheme://user:SECRET@host`, `scheme://TOKEN@host`, and `user:SECRET@host` as some databases have it.
fn in_urls(text: &str) -> Spans {
    static SCHEME: LazyLock<Regex> = LazyLock::new(|| compile(r"[A-Za-z][A-Za-z0-9+.\-]*://"));
    static BARE: LazyLock<Regex> = LazyLock::new(|| {
        compile(
            r#"(?:^|[\s"'=,\x00])((?:[A-Za-z0-9._\-]+[/\\]{1,2})?[A-Za-z0-9._\-]+):([^\s:@/"'\x00]+)@([A-Za-z0-9\[(])"#,
        )
    });
    let mut spans = Spans::new();
    for scheme in SCHEME.find_iter(text) {
        let rest = &text[scheme.end()..];
        // Another URL may follow in the same word, as in a list of hosts.
        let rest = &rest[..rest.find("://").unwrap_or(rest.len())];
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '\0'));
        let rest = &rest[..end.unwrap_or(rest.len())];
        if let Some(span) = user_info(rest) {
            spans.push(span.start + scheme.end()..span.end + scheme.end());
        }
    }
    for found in BARE.captures_iter(text) {
        let (Some(user), Some(secret), Some(host)) = (found.get(1), found.get(2), found.get(3)) else {
            continue;
        };
        let address =
            matches!(user.as_str().to_ascii_lowercase().as_str(), "mailto" | "email" | "sip" | "xmpp");
        let image = text[host.start()..].starts_with("sha256:");
        if !address && !image {
            spans.push(secret.range());
        }
    }
    spans
}

/// The secret in what follows `scheme://`.
fn user_info(rest: &str) -> Option<Range<usize>> {
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
        Some(colon) if colon >= TOKEN_USER_CHARS => Some(0..at),
        Some(colon) => Some(colon + 1..at),
        None => (info.len() >= TOKEN_USER_CHARS || entropy::is_random(info)).then_some(0..at),
    }
}
