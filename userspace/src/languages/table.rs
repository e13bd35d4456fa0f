//! The table of languages, made of the data file and a site's own names.

use std::collections::{BTreeMap, HashSet};

use super::data::{Data, Language, Row};
use super::said::{End, Proof, Said};
use crate::model::{ExitCause, ProcessInfo};

/// Longest name of a file (`NAME_MAX`, include/uapi/linux/limits.h).
const NAME_BYTES: usize = 255;

/// Why a program of a site's own is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtendError {
    /// There is no such language.
    UnknownLanguage {
        /// The one that was given.
        language: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// No program can have this name.
    NoName(String),
    /// Others were given before.
    Twice,
}

impl std::error::Error for ExtendError {}

impl std::fmt::Display for ExtendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownLanguage { language, known } => write!(
                f,
                "`{}` is no language that is known; give one of {}",
                language.escape_debug(),
                known.join(", ")
            ),
            Self::NoName(name) => write!(f, "`{}` is not a program's name", name.escape_debug()),
            Self::Twice => f.write_str("the languages of the site's own programs were given before"),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct LanguageTable {
    languages: Vec<Language>,
    /// The programs of a site's own, with the numbers of their languages.
    own: Vec<(String, usize)>,
    machinery: HashSet<String>,
}

impl LanguageTable {
    /// The table of the data file alone, or what is wrong with the file.
    pub(super) fn parse(data: &str) -> Result<Self, String> {
        let data: Data = toml::from_str(data).map_err(|error| error.to_string())?;
        for (number, language) in data.language.iter().enumerate() {
            if data.language[..number].iter().any(|it| it.name == language.name) {
                return Err(format!("{} is there twice", language.name));
            }
            for row in &language.says {
                sensible(row).map_err(|why| format!("{}: {why}: {}", language.name, row.cause))?;
            }
        }
        let machinery = data.language.iter().flat_map(|it| it.machinery.iter().cloned()).collect();
        Ok(Self { languages: data.language, own: Vec::new(), machinery })
    }

    /// The table with a site's own programs, by language.
    pub(super) fn extended(mut self, own: &BTreeMap<String, Vec<String>>) -> Result<Self, ExtendError> {
        for (language, names) in own {
            for name in names {
                self.check(language, name)?;
                let number = self.languages.iter().position(|it| it.name == *language);
                self.own.extend(number.map(|number| (name.clone(), number)));
            }
        }
        Ok(self)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(|it| &*it.name)
    }

    pub(super) fn check(&self, language: &str, name: &str) -> Result<(), ExtendError> {
        if !self.languages.iter().any(|it| it.name == language) {
            let known = self.languages.iter().map(|it| it.name.clone()).collect();
            return Err(ExtendError::UnknownLanguage { language: language.to_owned(), known });
        }
        if name.is_empty() || name.len() > NAME_BYTES || name.contains(['/', '\0', ' ']) {
            return Err(ExtendError::NoName(name.to_owned()));
        }
        Ok(())
    }

    pub(super) fn is_machinery(&self, function: &str) -> bool {
        let begins = |it: &Language| it.machinery_begins.iter().any(|it| function.starts_with(it.as_str()));
        let ends = |it: &Language| it.machinery_ends.iter().any(|it| function.ends_with(it.as_str()));
        self.machinery.contains(function) || self.languages.iter().any(|it| begins(it) || ends(it))
    }

    pub(super) fn is_plumbing(&self, module: &str) -> bool {
        self.languages.iter().any(|it| it.has_module(module))
    }

    /// The best-proven of what fits, the first of equals.
    pub(super) fn said(&'static self, end: &End<'_>) -> Option<Said> {
        let at_work = |number: usize| self.runs(number, end.process);
        let is_known = (0..self.languages.len()).any(at_work);
        let mut best: Option<Said> = None;
        for (number, language) in self.languages.iter().enumerate() {
            for row in &language.says {
                let runs = at_work(number) || row.anyone && !is_known;
                let Some(proof) = proof(row, language, runs, end) else { continue };
                if best.is_none_or(|best| best.proof < proof) {
                    best = Some(Said {
                        language: &language.name,
                        called: &language.called,
                        reason: row.reason,
                        proof,
                        cause: row.cause.trim(),
                        otherwise: row.otherwise.trim(),
                    });
                }
            }
        }
        best
    }

    /// Whether the process's program runs what is written in this language, as its names say.
    fn runs(&self, number: usize, process: &ProcessInfo) -> bool {
        let first = process.argv.first().map(String::as_str);
        let names = [process.exe.as_deref(), first, Some(&*process.name)];
        names.into_iter().flatten().any(|name| {
            let base = name.rsplit('/').next().unwrap_or(name);
            let stem = base.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | ':'));
            let own = self.own.iter().find(|(own, _)| own == base);
            own.is_some_and(|(_, it)| *it == number)
                || self.languages[number].programs.split_whitespace().any(|it| it == base || it == stem)
        })
    }
}

impl Language {
    fn has_module(&self, path: &str) -> bool {
        let base = path.rsplit('/').next().unwrap_or(path);
        self.modules.iter().any(|it| base.starts_with(it.as_str()))
    }
}

/// A row must say by what it holds, and not claim more than that proves.
fn sensible(row: &Row) -> Result<(), &'static str> {
    let of_stack = !row.frames.is_empty() || !row.through.is_empty() || row.modules || row.halts;
    if row.statuses.is_empty() == row.signals.is_empty() {
        return Err("either statuses or signals");
    }
    if !row.signals.is_empty() && !of_stack && row.flags.is_empty() {
        return Err("a signal alone says nothing of a runtime");
    }
    if row.statuses.is_empty() && (row.distinct || row.anyone) || !row.statuses.is_empty() && of_stack {
        return Err("a status has no stack, and only a status is distinct");
    }
    let hedged = row.cause.contains("may ") || row.cause.contains("seems");
    if !row.statuses.is_empty()
        && row.flags.is_empty()
        && !row.distinct
        && !hedged
        && row.reason != super::Reason::InternalError
    {
        return Err("what only a status says may be so");
    }
    Ok(())
}

/// What proves that this row is what happened; `None` where it is not.
fn proof(row: &Row, language: &Language, runs: bool, end: &End<'_>) -> Option<Proof> {
    let fits = match end.cause {
        ExitCause::Status(status) => row.statuses.contains(&status),
        ExitCause::Signal(signal) => row.signals.contains(&signal),
        ExitCause::Unknown => false,
    };
    let has_flag = || {
        let given = |flag: &String| end.process.argv.iter().skip(1).any(|it| it.starts_with(flag.as_str()));
        row.flags.iter().any(given)
    };
    let flagged = row.flags.is_empty() || runs && has_flag();
    if !fits || !flagged {
        return None;
    }
    let on_stack = |words: &[String]| {
        let mut functions = end.calls.iter().filter_map(|it| it.function);
        words.is_empty() || functions.any(|it| words.iter().any(|word| it.contains(word.as_str())))
    };
    let called = |it: &super::Called<'_>| {
        let function = it.function.filter(|_| it.machinery);
        function.is_some_and(|function| row.through.iter().any(|name| name == function))
    };
    let through = row.through.is_empty() || end.calls.iter().any(called);
    let has_library = || end.calls.iter().filter_map(|it| it.module).any(|it| language.has_module(it));
    let holds = on_stack(&row.frames)
        && on_stack(&row.also)
        && through
        && (!row.modules || has_library())
        && (!row.halts || end.at_trap);
    let by_frames = !row.frames.is_empty() || !row.through.is_empty();
    match () {
        () if !holds => None,
        () if by_frames => Some(Proof::Frames),
        () if !row.flags.is_empty() => Some(Proof::Flag),
        () if row.modules => Some(Proof::Library),
        () if !runs => None,
        () if row.distinct => Some(Proof::DistinctStatus),
        () => Some(Proof::Status),
    }
}
