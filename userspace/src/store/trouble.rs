//! What SQLite's errors mean for the operator, and whether trying again can help.

use std::path::Path;

use anyhow::Error;
use rusqlite::ErrorCode;

/// The SQLite error code behind an error, if there is one.
pub(super) fn sqlite_code(err: &Error) -> Option<ErrorCode> {
    err.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code)
}

/// Whether the file can't be used, for now or for ever, and what was to be written is as good as before.
pub(super) fn is_of_the_disk(err: &Error) -> bool {
    matches!(
        sqlite_code(err),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
        )
    )
}

/// What an error means, in words.
pub(super) fn explained(err: &Error, dir: &Path) -> String {
    let means = sqlite_code(err).and_then(|code| meaning(code, dir));
    means.map_or_else(|| format!("{err:#}"), |means| format!("{means}: {err:#}"))
}

/// The error with what it means in front.
pub(super) fn explain(err: Error, dir: &Path) -> Error {
    match sqlite_code(&err).and_then(|code| meaning(code, dir)) {
        Some(means) => err.context(means),
        None => err,
    }
}

fn meaning(code: ErrorCode, dir: &Path) -> Option<String> {
    let dir = dir.display();
    match code {
        ErrorCode::DiskFull => Some(format!("the disk that holds {dir} is full")),
        ErrorCode::ReadOnly => Some(format!("the incident database in {dir} cannot be written")),
        ErrorCode::SystemIoFailure => Some(format!("the disk that holds {dir} has errors")),
        ErrorCode::DatabaseBusy => Some(format!("another program has locked the database in {dir}")),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            Some(format!("the incident database in {dir} is damaged"))
        }
        _ => None,
    }
}

/// What the operator can do about it.
pub(crate) fn remedy(err: &Error) -> &'static str {
    match sqlite_code(err) {
        Some(ErrorCode::DiskFull) => "free up space in the data folder, or move it with --data-dir",
        Some(ErrorCode::ReadOnly) => "make the data folder writable, or move it with --data-dir",
        Some(ErrorCode::SystemIoFailure) => "check the disk (dmesg), or move the data folder with --data-dir",
        Some(ErrorCode::DatabaseBusy) => "stop the other program that uses the data folder",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "nothing now: the damaged file is moved aside and a new one begun; restart ai-debugger if this stays"
        }
        _ => "see the log",
    }
}

/// Whether the same data will be refused again, however often it is tried.
pub(crate) fn is_final(err: &Error) -> bool {
    matches!(
        sqlite_code(err),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
    )
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn errors_say_what_is_wrong_and_what_to_do() {
        for (code, means, todo, last) in [
            (ffi::SQLITE_FULL, "the disk that holds /d is full", "free up space", false),
            (ffi::SQLITE_READONLY, "the incident database in /d cannot be written", "writable", false),
            (ffi::SQLITE_IOERR, "the disk that holds /d has errors", "dmesg", false),
            (ffi::SQLITE_BUSY, "another program has locked the database in /d", "stop the other", false),
            (ffi::SQLITE_CORRUPT, "the incident database in /d is damaged", "moved aside", false),
            (ffi::SQLITE_CONSTRAINT, "inserting", "see the log", true),
            (ffi::SQLITE_TOOBIG, "inserting", "see the log", true),
        ] {
            let sqlite = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let err = explain(Err::<(), _>(sqlite).context("inserting").unwrap_err(), Path::new("/d"));
            assert_eq!(err.to_string(), means, "{code}");
            assert!(remedy(&err).contains(todo), "{code}: {}", remedy(&err));
            assert_eq!(is_final(&err), last, "{code}");
        }
    }
}
