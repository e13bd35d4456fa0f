//! The samples of the table: wherever one stands, nothing of it comes out.

use std::sync::Arc;

use super::*;
use crate::redact::tests::Dice;
use crate::redact::{argv, text};

/// A sample with its placeholders filled.
fn filled(sample: &str, dice: &mut Dice) -> String {
    const SMALL: &str = "abcdefghijklmnopqrstuvwxyz";
    const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const DIGITS: &str = "0123456789";
    let mut out = String::new();
    let mut rest = sample;
    while let Some((before, after)) = rest.split_once('<').filter(|(_, after)| after.contains('>')) {
        let (what, next) = after.split_once('>').unwrap();
        out.push_str(before);
        rest = next;
        let mut add = |alphabet: &str, chars: usize| out.push_str(&dice.word(alphabet, chars));
        if what == "uuid" {
            for (chars, dash) in [(8, "-"), (4, "-"), (4, "-"), (4, "-"), (12, "")] {
                add("0123456789abcdef", chars);
                add(dash, dash.len());
            }
            continue;
        }
        let alphabet = match what.as_bytes().first() {
            Some(b'a') => format!("{SMALL}{CAPITALS}{DIGITS}"),
            Some(b'w') => format!("{SMALL}{CAPITALS}{DIGITS}_-"),
            Some(b'u') => format!("{CAPITALS}{DIGITS}"),
            Some(b'b') => format!("{SMALL}{DIGITS}"),
            Some(b'l') => SMALL.to_owned(),
            Some(b'h') => format!("{DIGITS}abcdef"),
            Some(b'd') => DIGITS.to_owned(),
            _ => {
                // No placeholder: a shell's `<<<`.
                out.push('<');
                rest = after;
                continue;
            }
        };
        add(&alphabet, what[1..].parse().unwrap());
    }
    out + rest
}

fn rules() -> Vec<(ShapeRule, bool)> {
    let Table { shape, grouped } = Table::read();
    shape.into_iter().map(|it| (it, false)).chain(grouped.into_iter().map(|it| (it, true))).collect()
}

/// The secret of a sample by the rule's own pattern.
fn secret(rule: &ShapeRule, grouped: bool, sample: &str) -> String {
    let found =
        compile(&rule.pattern).captures_at(sample, 0).unwrap_or_else(|| panic!("{}: {sample}", rule.of));
    sample[found.get(usize::from(grouped)).unwrap()].to_owned()
}

/// A sample of a rule.
#[derive(Clone)]
pub(in crate::redact) struct Sample {
    rule: Arc<(ShapeRule, bool)>,
    text: String,
}

impl Sample {
    /// The sample with its placeholders filled, and the secret in it.
    pub(in crate::redact) fn filled(&self, seed: u64) -> (String, String) {
        let text = filled(&self.text, &mut Dice::new(seed | 1));
        let secret = secret(&self.rule.0, self.rule.1, &text);
        (text, secret)
    }
}

/// All samples of secrets.
pub(in crate::redact) fn samples() -> Vec<Sample> {
    let rules = rules().into_iter().map(Arc::new);
    let of = |rule: Arc<(ShapeRule, bool)>| {
        let texts = rule.0.yes.clone().into_iter();
        texts.map(move |text| Sample { rule: Arc::clone(&rule), text })
    };
    rules.flat_map(of).collect()
}

#[test]
fn no_sample_comes_out() {
    let mut dice = Dice::new(0x5eed_0001);
    for (rule, grouped) in rules() {
        assert!(!rule.yes.is_empty(), "{}", rule.of);
        for sample in &rule.yes {
            let sample = filled(sample, &mut dice);
            let secret = secret(&rule, grouped, &sample);
            for line in [
                sample.clone(),
                format!("started app {sample} --verbose"),
                format!("X={sample} run"),
                format!("/var/lib/app/{sample}/current"),
                format!("2026-11-22T12:27:59Z [info] using {sample}, then went on"),
                format!("{{\"v\":\"{sample}\"}}"),
            ] {
                let got = text(&line);
                assert!(!got.contains(&secret), "{}: {line} gave {got}", rule.of);
                // Nothing worth having of it: no more than a prefix that all keys of the kind share.
                let tail: String = secret.chars().skip(secret.chars().count().saturating_sub(8)).collect();
                assert!(!got.contains(&tail), "{}: {line} gave {got}", rule.of);
                assert_eq!(text(&got), got, "{}: applied twice", rule.of);
            }
            let got = argv(&["app".to_owned(), sample.clone(), "-x".to_owned()]);
            assert!(!got.concat().contains(&secret), "{}: {sample} gave {got:?}", rule.of);
        }
    }
}

#[test]
fn what_only_begins_like_one_stays() {
    let mut dice = Dice::new(0x5eed_0002);
    for (rule, _) in rules() {
        for sample in &rule.no {
            let sample = filled(sample, &mut dice);
            let found = find(&sample);
            assert!(found.is_empty(), "{}: {sample}: {found:?}", rule.of);
        }
    }
}

#[test]
fn users_and_tokens_in_addresses() {
    for (given, want) in [
        ("https://git@example.com/x", false),
        ("https://alice@example.com/x", false),
        ("ssh://deploy-user-of-ci@example.com/x", false),
        ("https://abcd1234@example.com/x", true),
        ("git+https://abcdefghijkl@example.com/x", true),
    ] {
        assert_eq!(!find(given).is_empty(), want, "{given}");
    }
}
