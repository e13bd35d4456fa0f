//! Masks in place of secrets.

use super::pattern::marker;
use super::rule::Tally;
use super::search::{FoundSecrets, in_argv, in_text};

/// Masks in masks go deep only where somebody plays with them; each round leaves less to find.
const ROUNDS: usize = 8;

/// Masks the secrets in free text: messages, log lines, command lines, whole files.
pub fn text(text: &str) -> String {
    text_without(&[], text)
}

/// Masks the secrets in a process's arguments, one by one; knows that `--password` masks its neighbour.
pub fn argv(argv: &[String]) -> Vec<String> {
    settled(argv.to_vec(), |argv: &Vec<String>| {
        argv.iter().zip(in_argv(argv)).map(|(arg, found)| mask(arg, found, &mut Tally::new())).collect()
    })
}

/// As [`text`], and also masks these secrets wherever they stand.
pub fn text_without(secrets: &[String], text: &str) -> String {
    settled(text.to_owned(), |text: &String| mask(text, in_text(secrets, text), &mut Tally::new()))
}

/// Masks until nothing is left to do: a mask may stand in the place of what ended another secret, such as the end of a key
/// in PEM. What has no secret is looked at once.
fn settled<T: PartialEq>(mut it: T, mask: impl Fn(&T) -> T) -> T {
    for _ in 0..ROUNDS {
        let masked = mask(&it);
        if masked == it {
            break;
        }
        it = masked;
    }
    it
}

/// Replaces the ranges, which may touch and overlap, and counts each once; what was masked before stays as it is.
pub(super) fn mask(text: &str, mut found: FoundSecrets, tally: &mut Tally) -> String {
    found.sort_by_key(|(span, _)| span.start);
    let mut merged = FoundSecrets::new();
    for (span, rule) in found.into_iter().filter(|(span, _)| !span.is_empty()) {
        match merged.last_mut() {
            Some((last, _)) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push((span, rule)),
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (span, rule) in merged {
        let secret = &text[span.clone()];
        if marker(secret) == Some(secret.len()) {
            continue;
        }
        out.push_str(&text[done..span.start]);
        out.push_str(&format!("[redacted {} chars]", secret.chars().count()));
        done = span.end;
        *tally.entry(rule).or_default() += 1;
    }
    out.push_str(&text[done..]);
    out
}
