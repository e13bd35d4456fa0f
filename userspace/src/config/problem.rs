//! Configuration errors: all of them at once, each with where it came from and what is accepted instead.
//! Nothing here ever holds the value of a secret.

use std::fmt;

use crate::text;

/// How much of a wrong value an error shows.
const SHOWN_CHARS: usize = 60;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it came from: a flag, a variable, a file and its key.
    pub origin: String,
    /// What is wrong, and what is accepted.
    pub rejected: Rejected,
}

/// Why a value is not taken. Made by parsers, which do not know where the value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// What is wrong, to follow the setting's name.
    pub what: String,
    /// What is accepted, or what to do.
    pub accepted: String,
}

impl Rejected {
    pub(super) fn new(what: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self { what: what.into(), accepted: accepted.into() }
    }

    /// The same of a value that is no secret: it is shown.
    pub(super) fn value(value: &str, what: &str, accepted: impl Into<String>) -> Self {
        Self::new(format!("{} {what}", quoted(value)), accepted)
    }
}

/// Everything that is wrong; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl std::error::Error for ConfigErrors {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, rejected: Rejected { what, accepted } } = self;
        let [origin, what, accepted] = [origin, what, accepted].map(|it| text::printable(it));
        write!(f, "{origin}: {what}; {accepted}")
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "the configuration has an error:")?,
            n => write!(f, "the configuration has {n} errors:")?,
        }
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// A wrong value as an error may show it: harmless and short.
pub(super) fn quoted(value: &str) -> String {
    format!("`{}`", text::truncate(&text::printable(value), SHOWN_CHARS))
}

/// The known name that was probably meant.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = 1 + given.chars().count() / 4;
    known
        .map(|name| (strsim::damerau_levenshtein(&given.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant_is_found() {
        let known = ["listen", "scan_interval", "llm_model", "no_llm"];
        for (given, want) in [
            ("scan-interval", Some("scan_interval")),
            ("scan_intervall", Some("scan_interval")),
            ("LISTEN", Some("listen")),
            ("lisetn", Some("listen")),
            ("port", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known.into_iter()), want, "{given}");
        }
    }

    #[test]
    fn wrong_values_are_shown_harmless_and_short() {
        assert_eq!(quoted("a\x1b[2Jb"), "`a\u{fffd}[2Jb`");
        assert_eq!(quoted(&"x".repeat(1000)).chars().count(), SHOWN_CHARS + 2);
    }
}
