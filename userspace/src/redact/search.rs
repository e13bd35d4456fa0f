//! Where the secrets are: in free text, among arguments, and where one that is known stands again.

use std::ops::Range;

use super::pattern::{Spans, marker};
use super::rule::Rule;
use super::{entropy, pairs, shapes, words};

/// As [`Spans`], each with the rule that found it.
pub(super) type FoundSecrets = Vec<(Range<usize>, Rule)>;

/// Shorter secrets are not looked for elsewhere: every other word would be masked.
pub(super) const MIN_KNOWN_CHARS: usize = 4;
/// Longer beginnings of a secret are not looked for at a cut: nothing that is cut is longer.
const MAX_HALF_CHARS: usize = 1024;
/// What a text ends with that was cut.
pub(super) const CUT: char = '…';
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

/// What is secret in free text, these secrets among it.
pub(super) fn in_text(secrets: &[String], text: &str) -> FoundSecrets {
    let mut found = general(text);
    found.extend(words::in_text(text).into_iter().map(|span| (span, Rule::Argument)));
    found.extend(known(secrets, text));
    found
}

/// Where these secrets stand, also one that was cut with the text's end.
pub(super) fn known(secrets: &[String], text: &str) -> FoundSecrets {
    let mut found = FoundSecrets::new();
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
pub(super) fn in_argv(argv: &[String]) -> Vec<FoundSecrets> {
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

/// What is secret wherever it stands.
fn general(text: &str) -> FoundSecrets {
    let by = |rule: Rule, spans: Spans| spans.into_iter().map(move |span| (span, rule));
    by(Rule::Shape, shapes::find(text))
        .chain(by(Rule::Name, pairs::find(text)))
        .chain(by(Rule::Random, entropy::find(text)))
        .collect()
}
