//! Masks secrets before anything leaves the host. What helps debugging stays: the name of the key, and how long
//! the secret was, as in `password=[redacted 9 chars]`. Pure, and safe to apply twice.
//!
//! Found by name (`names`, `pairs`, `words`), by a program's habits (`programs`, `operands`), by known shapes (`shapes`) and by randomness (`entropy`). Text that
//! may hold invisible characters is to be cleaned (`crate::text`) first, or `pass\u{200b}word=` slips through.

mod entropy;
mod names;
mod operands;
mod pairs;
mod programs;
mod shapes;
mod words;

use std::ops::Range;

use regex::Regex;

/// The byte ranges of a text that are secret.
type Spans = Vec<Range<usize>>;

/// Shorter secrets are not looked for elsewhere: every other word would be masked.
const MIN_KNOWN_CHARS: usize = 4;
/// Shown in place of a variable's value.
const VALUE_MASK: &[u8] = b"***";
/// No sensible variable has a longer name.
const MAX_VARIABLE_BYTES: usize = 256;

/// Masks the secrets in free text: messages, log lines, command lines, whole files.
pub fn text(text: &str) -> String {
    text_without(&[], text)
}

/// Masks the secrets in a process's arguments, one by one; knows that `--password` masks its neighbour.
pub fn argv(argv: &[String]) -> Vec<String> {
    argv.iter().zip(in_argv(argv)).map(|(arg, spans)| mask(arg, spans)).collect()
}

/// The secrets among a process's arguments, for [`text_without`]: elsewhere they may stand without the flag or the
/// boundaries that tell them here. They are cleaned, as the text must be.
pub fn secrets_in(argv: &[String]) -> Vec<String> {
    let argv: Vec<String> = argv.iter().map(|arg| crate::text::printable(arg)).collect();
    let mut secrets: Vec<String> = Vec::new();
    for (arg, spans) in argv.iter().zip(in_argv(&argv)) {
        let long = |secret: &&str| secret.chars().count() >= MIN_KNOWN_CHARS && marker(secret).is_none();
        secrets.extend(spans.iter().map(|span| &arg[span.clone()]).filter(long).map(str::to_owned));
    }
    // The longest first: one may be part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

/// As [`text`], and also masks these secrets wherever they stand.
pub fn text_without(secrets: &[String], text: &str) -> String {
    let mut spans = general(text);
    spans.extend(words::in_text(text));
    for secret in secrets {
        spans.extend(text.match_indices(secret.as_str()).map(|(at, found)| at..at + found.len()));
    }
    mask(text, spans)
}

/// What is secret in each argument.
fn in_argv(argv: &[String]) -> Vec<Spans> {
    let mut command = words::Command::default();
    argv.iter()
        .map(|arg| {
            let mut spans = general(arg);
            if let Some(value) = command.secret_in(arg, true) {
                spans.push(value);
            } else if arg.contains(char::is_whitespace) {
                // A script, as in `sh -c 'mysql -psecret'`.
                spans.extend(words::in_text(arg));
            } else if entropy::is_random(arg) {
                spans.push(0..arg.len());
            }
            spans
        })
        .collect()
}

/// A process's environment as /proc gives it, with the names of the variables and without their values. What does
/// not look like a variable is masked whole: a process may write anything there (setproctitle does). Bytes, as names
/// need not be UTF-8, and without lengths: of a short value they would say too much.
pub fn environ(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() / 2);
    for entry in raw.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        let name = entry.iter().position(|byte| *byte == b'=').map(|end| &entry[..end]);
        if let Some(name) = name.filter(|name| is_variable(name)) {
            out.extend_from_slice(name);
            out.push(b'=');
        }
        out.extend_from_slice(VALUE_MASK);
        out.push(0);
    }
    out
}

fn is_variable(name: &[u8]) -> bool {
    (1..=MAX_VARIABLE_BYTES).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic)
}

/// What is secret wherever it stands.
fn general(text: &str) -> Spans {
    let mut spans = shapes::find(text);
    spans.extend(pairs::find(text));
    spans.extend(entropy::find(text));
    spans
}

/// Replaces the ranges, which may touch and overlap; what was masked before stays as it is.
fn mask(text: &str, mut spans: Spans) -> String {
    spans.sort_by_key(|span| span.start);
    let mut merged: Spans = Vec::new();
    for span in spans.into_iter().filter(|span| !span.is_empty()) {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for span in merged {
        let secret = &text[span.clone()];
        if marker(secret) == Some(secret.len()) {
            continue;
        }
        out.push_str(&text[done..span.start]);
        out.push_str(&format!("[redacted {} chars]", secret.chars().count()));
        done = span.end;
    }
    out.push_str(&text[done..]);
    out
}

/// The length of the mask that `text` begins with, if it does.
fn marker(text: &str) -> Option<usize> {
    let number = text.strip_prefix("[redacted ")?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits > 0 && number[digits..].starts_with(" chars]");
    whole.then_some("[redacted ".len() + digits + " chars]".len())
}

/// A pattern that is part of the program.
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants and every one is used in the tests")
}

#[cfg(test)]
mod tests;
