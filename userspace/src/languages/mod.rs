//! How the runtime of each language says why it ends a program, as data (`languages.toml`): the statuses, signals,
//! functions and options by which a JVM, Node.js, Python, Go, Rust, C's library and others tell that memory ran out, that
//! an error was not caught, that a check failed; and which functions are a runtime's own, so that the first one of the
//! program's own can be found below them. A site says with `--program NAME=LANGUAGE` what its own programs are written
//! in.
//!
//! What only a status says is never sure: any program may end with any status.

mod data;
mod said;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

pub use said::{Called, End, Proof, Reason, Said};
pub use table::ExtendError;

use table::LanguageTable;

static BUILT_IN: LazyLock<LanguageTable> = LazyLock::new(|| {
    LanguageTable::parse(include_str!("languages.toml"))
        .expect("the data is part of the program, and a test reads it")
});

/// The table with the site's own programs.
static OWN: OnceLock<LanguageTable> = OnceLock::new();

fn table() -> &'static LanguageTable {
    OWN.get().unwrap_or_else(|| &BUILT_IN)
}

/// What a runtime says by ending a program so; the best-proven of what fits.
pub fn said(end: &End<'_>) -> Option<Said> {
    table().said(end)
}

/// Whether a function, without what a compiler adds to its name, is one through which a runtime ends a program.
pub fn is_machinery(function: &str) -> bool {
    table().is_machinery(function)
}

/// Whether a file, by its name without its path, is a runtime's own library: between abort(3) and the program it is none
/// of the program's.
pub fn is_plumbing(module: &str) -> bool {
    table().is_plumbing(module)
}

/// Adds what a site's own programs are written in, names by language: once, before anybody asks. None at all may be
/// added any time.
pub fn extend(own: &BTreeMap<String, Vec<String>>) -> Result<(), ExtendError> {
    if own.values().all(Vec::is_empty) {
        return own.keys().try_for_each(|language| BUILT_IN.check(language, "x"));
    }
    OWN.set(BUILT_IN.clone().extended(own)?).map_err(|_| ExtendError::Twice)
}

/// The languages that there are.
pub fn known() -> impl Iterator<Item = &'static str> {
    BUILT_IN.names()
}

/// Whether this is a language.
pub fn is_known(name: &str) -> bool {
    known().any(|it| it == name)
}

/// Whether a site's own program can be added, for who wants to know before it is.
pub fn check(language: &str, name: &str) -> Result<(), ExtendError> {
    BUILT_IN.check(language, name)
}
