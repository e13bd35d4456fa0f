//! Masks secrets before anything leaves the host. What helps debugging stays: the name of the key, and how long
//! the secret was, as in `password=[redacted 9 chars]`. Pure, and safe to apply twice.
//!
//! Found by name (`names`, `pairs`, `words`), by a program's habits (`programs`, `operands`), by known shapes (`shapes`) and by randomness (`entropy`). Text that
//! may hold invisible characters is to be cleaned (`crate::text`) first, or `pass\u{200b}word=` slips through.

mod censor;
mod entropy;
mod names;
mod operands;
mod pairs;
mod programs;
pub mod records;
mod shapes;
mod words;

use std::ops::Range;

use regex::Regex;

pub use censor::{Censor, Rule, Tally};

/// The byte ranges of a text that are secret.
type Spans = Vec<Range<usize>>;
/// As [`Spans`], each with the rule that found it.
type Found = Vec<(Range<usize>, Rule)>;

/// Shorter secrets are not looked for elsewhere: every other word would be masked.
const MIN_KNOWN_CHARS: usize = 4;
/// Longer beginnings of a secret are not looked for at a cut: nothing that is cut is longer.
const MAX_HALF_CHARS: usize = 1024;
/// What a text ends with that was cut.
const CUT: char = '…';
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
    argv.iter().zip(in_argv(argv)).map(|(arg, found)| mask(arg, found, &mut Tally::new())).collect()
}

/// The secrets among a process's arguments, for [`text_without`]: elsewhere they may stand without the flag or the
/// boundaries that tell them here. They are cleaned, as the text must be.
pub fn secrets_in(argv: &[String]) -> Vec<String> {
    let argv: Vec<String> = argv.iter().map(|arg| crate::text::printable(arg)).collect();
    let mut secrets: Vec<String> = Vec::new();
    for (arg, found) in argv.iter().zip(in_argv(&argv)) {
        let long = |secret: &&str| secret.chars().count() >= MIN_KNOWN_CHARS && marker(secret).is_none();
        secrets.extend(found.iter().map(|(span, _)| &arg[span.clone()]).filter(long).map(str::to_owned));
    }
    // The longest first: one may be part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

/// As [`text`], and also masks these secrets wherever they stand.
pub fn text_without(secrets: &[String], text: &str) -> String {
    mask(text, in_text(secrets, text), &mut Tally::new())
}

/// What is secret in free text, these secrets among it.
fn in_text(secrets: &[String], text: &str) -> Found {
    let mut found = general(text);
    found.extend(words::in_text(text).into_iter().map(|span| (span, Rule::Argument)));
    found.extend(known(secrets, text));
    found
}

/// Where these secrets stand, also one that was cut with the text's end.
fn known(secrets: &[String], text: &str) -> Found {
    let mut found = Found::new();
    let cut = text.strip_suffix(CUT);
    for secret in secrets {
        found.extend(text.match_indices(secret.as_str()).map(|(at, it)| (at..at + it.len(), Rule::Known)));
        let Some(cut) = cut else { continue };
        // The longest beginning of it that is long enough to be told from chance.
        let begins = secret.char_indices().map(|(at, _)| at).skip(MIN_KNOWN_CHARS).take(MAX_HALF_CHARS);
        if let Some(half) = begins.filter(|at| cut.ends_with(&secret[..*at])).last() {
            found.push((cut.len() - half..cut.len(), Rule::Known));
        }
    }
    found
}

/// What is secret in each argument.
fn in_argv(argv: &[String]) -> Vec<Found> {
    let mut command = words::Command::default();
    argv.iter()
        .map(|arg| {
            let mut found = general(arg);
            if let Some(value) = command.secret_in(arg, true) {
                found.push((value, Rule::Argument));
            } else if arg.contains(char::is_whitespace) {
                // A script, as in `sh -c 'mysql -psecret'`.
                found.extend(words::in_text(arg).into_iter().map(|span| (span, Rule::Argument)));
            } else if entropy::is_random(arg) {
                found.push((0..arg.len(), Rule::Random));
            }
            found
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
fn general(text: &str) -> Found {
    let by = |rule: Rule, spans: Spans| spans.into_iter().map(move |span| (span, rule));
    by(Rule::Shape, shapes::find(text))
        .chain(by(Rule::Name, pairs::find(text)))
        .chain(by(Rule::Random, entropy::find(text)))
        .collect()
}

/// Replaces the ranges, which may touch and overlap, and counts each once; what was masked before stays as it is.
fn mask(text: &str, mut found: Found, tally: &mut Tally) -> String {
    found.sort_by_key(|(span, _)| span.start);
    let mut merged = Found::new();
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
