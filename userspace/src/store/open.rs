//! Opening the database: permissions, pragmas, migrations; and what to do with a file that is damaged.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{Error as MigrationError, MigrationDefinitionError};

use super::schema::MIGRATIONS;
use super::trouble::sqlite_code;

pub(super) const FILE: &str = "incidents.db";

/// How long one connection waits for another's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Damaged databases kept for a look; the oldest beyond that are deleted.
const DAMAGED_KEPT: usize = 3;

/// Statements kept prepared per connection; more than the store has.
const STATEMENTS: usize = 64;

/// The two ways to the database.
pub(super) struct Opened {
    pub(super) writer: Connection,
    /// Its own connection, so that a reader does not wait while the writer waits for the disk.
    pub(super) reader: Connection,
    /// Where a damaged database was moved, if there was one.
    pub(super) moved_aside: Option<PathBuf>,
}

/// Opens or makes the database in `dir`, and `dir` if it is not there.
pub(super) fn open(dir: &Path) -> Result<Opened> {
    make_folder(dir)?;
    let path = dir.join(FILE);
    let (writer, moved_aside) = match open_writer(&path) {
        Ok(writer) => (writer, None),
        Err(err) if is_damaged(&err) => {
            let aside = move_aside(&path)?;
            tracing::warn!(
                "the incident database {} is damaged ({err:#}); moved it to {} and started a new one",
                path.display(),
                aside.display()
            );
            (open_writer(&path)?, Some(aside))
        }
        Err(err) => return Err(err),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(&path, flags)
        .with_context(|| format!("cannot open {} for reading", path.display()))?;
    reader.busy_timeout(BUSY_TIMEOUT)?;
    reader.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(Opened { writer, reader, moved_aside })
}

/// Makes the data folder, if it is not there.
pub(super) fn make_folder(dir: &Path) -> Result<()> {
    // The mode is for what is made here: a folder that was there is the operator's, and may be shared.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("cannot create the data folder {}", dir.display()))
}

fn open_writer(path: &Path) -> Result<Connection> {
    // Made by hand, so that there is no moment at which others can read it. SQLite gives its -wal and -shm
    // files the same mode.
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
        .with_context(|| format!("cannot write the incident database {}", path.display()))?;
    let conn = Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    prepare(conn, path).with_context(|| format!("cannot use the incident database {}", path.display()))
}

fn prepare(mut conn: Connection, path: &Path) -> Result<Connection> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode NORMAL may lose the last commits when the power goes or the kernel panics, and those are
    // the incidents that say why. Commits are few, so the fsync that FULL does at each is cheap.
    // What a power cut leaves is for no test to see, and most of what a test of the store would wait for.
    conn.pragma_update(None, "synchronous", if cfg!(test) { "OFF" } else { "FULL" })?;
    conn.pragma_update(None, "foreign_keys", true)?;
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(anyhow!(Damaged).context(verdict));
    }
    match MIGRATIONS.to_latest(&mut conn) {
        Ok(()) => Ok(conn),
        Err(MigrationError::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead)) => {
            let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            bail!(
                "{} was written by a newer version of ai-debugger (its schema is version {version}): \
                 run that version, or choose another folder with --data-dir",
                path.display()
            )
        }
        Err(MigrationError::RusqliteError { err, .. }) => {
            Err(err).context("cannot bring its schema up to date")
        }
        Err(other) => Err(other).context("cannot bring its schema up to date"),
    }
}

/// What `PRAGMA quick_check` found, as an error.
#[derive(Debug)]
struct Damaged;

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the integrity check failed")
    }
}

impl std::error::Error for Damaged {}

fn is_damaged(err: &anyhow::Error) -> bool {
    err.downcast_ref::<Damaged>().is_some()
        || matches!(sqlite_code(err), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Renames what is left of a database that was harmed while it was in use; where to, `None` where nothing is left.
pub(super) fn put_aside(dir: &Path) -> Result<Option<PathBuf>> {
    let path = dir.join(FILE);
    let left = ["", "-wal", "-shm"].into_iter().any(|it| with_suffix(&path, it).exists());
    if !left {
        return Ok(None);
    }
    move_aside(&path).map(Some)
}

/// Renames the database and its companions, and deletes the oldest of those moved before.
fn move_aside(path: &Path) -> Result<PathBuf> {
    // In UTC, sorts by time, and stays unique when it happens twice in a second.
    let suffix = format!("corrupt-{}", Timestamp::now().strftime("%Y%m%dT%H%M%S.%3fZ"));
    let aside = with_suffix(path, &format!(".{suffix}"));
    for companion in ["", "-wal", "-shm"] {
        match fs::rename(with_suffix(path, companion), with_suffix(&aside, companion)) {
            Err(err) if err.kind() != ErrorKind::NotFound => {
                return Err(err).with_context(|| format!("cannot move {}{companion} aside", path.display()));
            }
            _ => {}
        }
    }
    forget_oldest_damaged(path);
    Ok(aside)
}

fn forget_oldest_damaged(path: &Path) {
    let Some(entries) = path.parent().and_then(|dir| fs::read_dir(dir).ok()) else { return };
    let prefix = format!("{FILE}.corrupt-");
    let is_main =
        |name: &str| name.starts_with(&prefix) && !name.ends_with("-wal") && !name.ends_with("-shm");
    let mut damaged: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|it| it.file_name().is_some_and(|name| name.to_str().is_some_and(is_main)))
        .collect();
    damaged.sort();
    let surplus = damaged.len().saturating_sub(DAMAGED_KEPT);
    for old in &damaged[..surplus] {
        for companion in ["", "-wal", "-shm"] {
            // What can't be deleted takes room and does no other harm.
            drop(fs::remove_file(with_suffix(old, companion)));
        }
    }
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
