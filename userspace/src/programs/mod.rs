//! What kind of program something is, by its name: a shell, a supervisor, a command that is run for its answer, a
//! program that talks to the network for strangers. The names are data (`programs.toml`), to which a site adds its
//! own. A name is the process's own choice: roles only ever soften or sharpen what other facts say.
//!
//! A name is the last part of a path, or a `comm`, which the kernel cuts to 15 bytes. For some roles it may have a
//! version at its end.

mod process;
mod roles;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

pub(crate) use process::{is_answer, is_command, is_own_program, is_shell, is_shell_name, loops_for_ever};
pub use process::{is_test_runner, only_starts, program, runs_shell, script};
pub use roles::{ExtendError, Roles};

pub(crate) use table::base;

use table::ProgramTable;

static BUILT_IN: LazyLock<ProgramTable> = LazyLock::new(|| {
    ProgramTable::parse(include_str!("programs.toml"))
        .expect("the data is part of the program, and a test reads it")
});

/// The table with the site's own programs.
static OWN: OnceLock<ProgramTable> = OnceLock::new();

fn table() -> &'static ProgramTable {
    OWN.get().unwrap_or_else(|| &BUILT_IN)
}

/// The roles of a program by its file's path or its name; none for one that is not known. Of [`Roles::KERNEL_THREAD`]
/// [`is_kernel_thread`] tells.
pub fn roles_of(name: &str) -> Roles {
    table().roles_of(name)
}

/// Whether only kernel threads have this name, by how it begins.
pub fn is_kernel_thread(name: &[u8]) -> bool {
    table().is_kernel_thread(name)
}

/// The name as the table holds it, where the program of exactly this name has one of these roles.
pub(crate) fn named(name: &str, roles: Roles) -> Option<&'static str> {
    table().named(name, roles)
}

/// Adds a site's own programs, names by role: once, before anybody asks. None at all may be added any time.
pub fn extend(own: &BTreeMap<String, Vec<String>>) -> Result<(), ExtendError> {
    if own.values().all(Vec::is_empty) {
        return own.keys().try_for_each(|role| Roles::named(role).map(drop));
    }
    OWN.set(BUILT_IN.clone().extended(own)?).map_err(|_| ExtendError::Twice)
}

/// Whether a site's own program can be added, for who wants to know before it is.
pub fn check(role: &str, name: &str) -> Result<(), ExtendError> {
    table::check_name(name, Roles::named(role)?)
}
