//! Rows that are there and can't be understood: written by a newer version, or damaged. One of them must not
//! stop the others.

use std::fmt;

use anyhow::{Error, Result};
use rusqlite::{Row, Rows};

use super::trouble::sqlite_code;

/// What the operator can do about such a row.
pub(super) const REMEDY: &str = "if a newer version of ai-debugger wrote it, run that version; all other \
     incidents are read and recorded";

/// An incident that is in the database and can't be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The id of the incident that cannot be read.
    pub id: String,
    /// Which column, and what is wrong with it.
    pub reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read incident {} from the database: {}", self.id, self.reason)
    }
}

impl std::error::Error for Unreadable {}

/// Every row, each through `read`; and those that it does not understand, each through `broken`. An error of
/// the database itself is one of the whole question.
pub(super) fn collect_readable<T, B>(
    mut rows: Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T>,
    broken: impl Fn(&Row<'_>, Error) -> Result<B>,
) -> Result<(Vec<T>, Vec<B>)> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(value) => good.push(value),
            Err(err) if sqlite_code(&err).is_none() => bad.push(broken(row, err)?),
            Err(err) => return Err(err),
        }
    }
    Ok((good, bad))
}
