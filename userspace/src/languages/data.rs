//! The keys of `languages.toml`.

use serde::Deserialize;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Data {
    pub(super) language: Vec<Language>,
}

/// One language, by its runtime.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Language {
    /// As the configuration names it.
    pub(super) name: String,
    /// As a sentence names its runtime.
    pub(super) called: String,
    /// The names of the programs that run what is written in it, separated by blanks; each may have a version at its end.
    pub(super) programs: String,
    /// How the names of the runtime's own libraries begin.
    #[serde(default)]
    pub(super) modules: Vec<String>,
    /// Functions through which the runtime ends a program.
    #[serde(default)]
    pub(super) machinery: Vec<String>,
    /// How the names of more of them begin.
    #[serde(default)]
    pub(super) machinery_begins: Vec<String>,
    /// How the names of more of them end.
    #[serde(default)]
    pub(super) machinery_ends: Vec<String>,
    /// What it says, and how.
    #[serde(default)]
    pub(super) says: Vec<Row>,
}

/// One thing that a runtime says. All conditions that are given must hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) reason: super::Reason,
    /// It ends the program with one of these statuses.
    #[serde(default)]
    pub(super) statuses: Vec<u8>,
    /// Or the program ends itself by one of these signals.
    #[serde(default)]
    pub(super) signals: Vec<u8>,
    /// One of these is a part of the name of a function on the stack.
    #[serde(default)]
    pub(super) frames: Vec<String>,
    /// And one of these.
    #[serde(default)]
    pub(super) also: Vec<String>,
    /// The program's own function had called one of these, by its whole name.
    #[serde(default)]
    pub(super) through: Vec<String>,
    /// A library of the runtime's is on the stack.
    #[serde(default)]
    pub(super) modules: bool,
    /// The instruction at which it ended is one that only ends programs.
    #[serde(default)]
    pub(super) halts: bool,
    /// Its command line has an argument that begins with one of these.
    #[serde(default)]
    pub(super) flags: Vec<String>,
    /// Hardly anything else ends a program with this status.
    #[serde(default)]
    pub(super) distinct: bool,
    /// It counts for programs of which nobody knows what they are written in, too.
    #[serde(default)]
    pub(super) anyone: bool,
    /// What it says, after the name of the program.
    pub(super) cause: String,
    /// What else would fit.
    pub(super) otherwise: String,
}
