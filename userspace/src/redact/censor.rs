//! Masking with a memory: what one process's arguments gave away is masked in every text about it, and what was
//! masked is counted by the rule that found it.

use super::environ::environ;
use super::mask::{mask, text_without};
use super::rule::{Rule, Tally};
use super::search::{CUT, in_argv, in_text, known, secrets_in};
use crate::text::{printable, printable_lines};

/// Masks the texts about one process.
#[derive(Debug, Default)]
pub struct Censor {
    secrets: Vec<String>,
    tally: Tally,
}

impl Censor {
    /// For the process with these arguments.
    pub fn new(argv: &[String]) -> Self {
        Self { secrets: secrets_in(argv), tally: Tally::new() }
    }

    /// One text, cleaned already.
    pub fn text(&mut self, text: &str) -> String {
        mask(text, in_text(&self.secrets, text), &mut self.tally)
    }

    /// The arguments, cleaned already.
    pub fn argv(&mut self, argv: &[String]) -> Vec<String> {
        let found = argv.iter().zip(in_argv(argv));
        found
            .map(|(arg, mut found)| {
                found.extend(known(&self.secrets, arg));
                mask(arg, found, &mut self.tally)
            })
            .collect()
    }

    /// A process's environment as /proc gives it.
    pub fn environ(&mut self, raw: &[u8]) -> Vec<u8> {
        let masked = environ(raw);
        if masked != raw {
            let count = masked.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()).count();
            *self.tally.entry(Rule::Environment).or_default() += u64::try_from(count).unwrap_or(u64::MAX);
        }
        masked
    }

    /// One text that is to stay as it is unless there is a secret in it.
    pub(super) fn keep(&mut self, text: &mut String) {
        let clean = printable(text);
        let masked = self.text(&clean);
        // Looked for in both: an invisible character may hide a secret's name, or end it.
        if masked != clean || (clean != *text && text_without(&self.secrets, text) != *text) {
            *text = masked;
        }
    }

    /// As [`Censor::keep`], for a file of lines, which may have been cut at its end.
    pub(super) fn keep_lines(&mut self, body: &mut Vec<u8>, cut: bool) {
        let text = String::from_utf8_lossy(body);
        let mut clean = printable_lines(&text.replace('\0', "\n"));
        if cut {
            clean.push(CUT);
        }
        let masked = self.text(&clean);
        if masked != clean || text_without(&self.secrets, &text) != text {
            let whole = if cut { masked.strip_suffix(CUT).unwrap_or(&masked) } else { &masked };
            *body = whole.as_bytes().to_vec();
        }
    }

    /// As [`Censor::keep`], for arguments.
    pub(super) fn keep_argv(&mut self, argv: &mut [String]) {
        let clean: Vec<String> = argv.iter().map(|arg| printable(arg)).collect();
        let masked = self.argv(&clean);
        let raw = super::argv(argv);
        for (((arg, clean), masked), raw) in argv.iter_mut().zip(clean).zip(masked).zip(raw) {
            if masked != clean || raw != *arg {
                *arg = masked;
            }
        }
    }

    /// What was masked so far.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}
