//! The two places the store has: its file, and what goes on of it in memory. All is written to the file first, and the
//! memory follows; where the file can't be used, the memory stands in, alone, until it can: then what is there is written
//! to the file, or to a new one where the old one is damaged.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Error, Result};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::guard::{Guard, Harm};
use super::live::{self, Live};
use super::open::{FILE, Opened, open, put_aside};
use super::reserve::Reserve;
use super::trouble::{self, sqlite_code};
use super::tx::Tx;
use crate::health::Health;

/// Which part health tells of.
const COMPONENT: &str = "store";
/// The part that knows of the reserve.
const DISK: &str = "disk";

pub(super) struct Sides {
    dir: PathBuf,
    reserve: Reserve,
    health: Health,
    /// std Mutexes: SQLite blocks, so they are locked on threads of the blocking pool only. The writer's before the
    /// reader's.
    writer: Mutex<Writer>,
    reader: Mutex<Connection>,
    /// Whether the memory stands in for the file.
    away: AtomicBool,
}

struct Writer {
    file: Connection,
    live: Live,
    guard: Guard,
    away: Option<Away>,
}

impl Writer {
    /// It is written, whatever becomes of the copy.
    fn catch_up(&mut self) {
        let Err(err) = self.live.catch_up(&self.file) else { return };
        tracing::warn!("what goes on could not be copied into memory; it is copied anew: {err:#}");
        match Live::following(&self.file) {
            Ok(live) => self.live = live,
            Err(err) => tracing::warn!("that failed as well: {err:#}"),
        }
    }
}

/// Why the file is not used.
struct Away {
    since: Instant,
    /// It will not do any more: what is in memory goes to a new one.
    ruined: bool,
}

impl Sides {
    /// Of the database that was just opened in `dir`.
    pub(super) fn new(dir: &Path, opened: Opened, health: Health) -> Result<Self> {
        let live = Live::following(&opened.writer)?;
        // A setting may be another than at the last start: reminders are looked at anew.
        opened.writer.execute("UPDATE incidents SET remind_ms = 0 WHERE remind_ms IS NOT NULL", [])?;
        live.catch_up(&opened.writer)?;
        let reserve = Reserve::new(dir);
        reserve.keep();
        Ok(Self {
            dir: dir.to_owned(),
            reserve,
            health,
            writer: Mutex::new(Writer {
                file: opened.writer,
                live,
                guard: Guard::new(&dir.join(FILE)),
                away: None,
            }),
            reader: Mutex::new(opened.reader),
            away: AtomicBool::new(false),
        })
    }

    /// Whether the memory stands in for the file.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// One transaction that changes something: on the file, or in memory where that can't be used.
    pub(super) fn write<T>(&self, act: impl Fn(&Tx<'_>) -> Result<T>) -> Result<T> {
        let mut writer = self.writer();
        if writer.away.is_none() {
            match self.write_file(&mut writer, &act) {
                Err(err) if self.is_of_the_disk(&mut writer, &err) => self.leave(&mut writer, &err),
                done => return done,
            }
        }
        let tx = Tx::begin(&mut writer.live.conn, TransactionBehavior::Immediate)?;
        let value = act(&tx)?;
        tx.commit()?;
        Ok(value)
    }

    fn write_file<T>(&self, writer: &mut Writer, act: &impl Fn(&Tx<'_>) -> Result<T>) -> Result<T> {
        if let Some(harm) = writer.guard.look() {
            return Err(Harmed(harm).into());
        }
        let done = match transact(&mut writer.file, TransactionBehavior::Immediate, act) {
            Err(err) if sqlite_code(&err) == Some(ErrorCode::DiskFull) && self.reserve.give_up() => {
                writer.live.forget();
                let text = "the disk is full: what happens is stored in the reserve that was kept for this";
                tracing::warn!("{text}");
                self.health.degrade(DISK, text, trouble::remedy(&err));
                transact(&mut writer.file, TransactionBehavior::Immediate, act)
            }
            done => done,
        };
        match &done {
            Ok(_) => writer.catch_up(),
            Err(_) => writer.live.forget(),
        }
        done
    }

    /// One transaction that only reads, at the side where what goes on is.
    pub(super) fn read<T>(&self, act: impl Fn(&Tx<'_>) -> Result<T>) -> Result<T> {
        if !self.is_away() {
            match self.read_file(&act) {
                Err(err) => {
                    let mut writer = self.writer();
                    if writer.away.is_none() {
                        if !self.is_of_the_disk(&mut writer, &err) {
                            return Err(err);
                        }
                        self.leave(&mut writer, &err);
                    }
                }
                done => return done,
            }
        }
        transact(&mut self.writer().live.conn, TransactionBehavior::Deferred, &act)
    }

    /// One transaction that reads the file, whether or not the memory stands in for it.
    pub(super) fn read_file<T>(&self, act: &impl Fn(&Tx<'_>) -> Result<T>) -> Result<T> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        transact(&mut reader, TransactionBehavior::Deferred, act)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic rolled its transaction back: the connection is as good as before.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_of_the_disk(&self, writer: &mut Writer, err: &Error) -> bool {
        err.is::<Harmed>() || trouble::is_of_the_disk(err) || writer.guard.look().is_some()
    }

    /// From now on the memory stands in.
    fn leave(&self, writer: &mut Writer, err: &Error) {
        let harm = err.downcast_ref::<Harmed>().map(|it| it.0).or_else(|| writer.guard.look());
        let damaged = matches!(sqlite_code(err), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase));
        let what = match harm {
            Some(harm) => format!("the incident database {} {}", self.dir.join(FILE).display(), harm.text()),
            None => format!("nothing is recorded on disk: {:#}", trouble::explained(err, &self.dir)),
        };
        let reason = format!("{what}; incidents are kept in memory and alerts go out from there");
        tracing::error!("{reason}");
        let remedy =
            if harm.is_some() { "nothing now: they are saved to a new file" } else { trouble::remedy(err) };
        self.health.degrade(COMPONENT, reason, remedy);
        writer.live.forget();
        writer.away = Some(Away { since: Instant::now(), ruined: harm.is_some() || damaged });
        self.away.store(true, Ordering::Relaxed);
    }

    /// Looks after the file: notices what happened to it, goes back to it as soon as that can be, and keeps the reserve.
    /// Whether something changed.
    pub(super) fn tend(&self) -> bool {
        let mut writer = self.writer();
        let Some(away) = &writer.away else {
            if let Some(harm) = writer.guard.look() {
                self.leave(&mut writer, &Harmed(harm).into());
                drop(writer);
                self.tend();
                return true;
            }
            drop(writer);
            if self.reserve.keep() {
                self.health.recover(DISK);
            }
            return false;
        };
        let (since, ruined) = (away.since, away.ruined);
        let back =
            if ruined { self.begin_anew(&mut writer) } else { Self::go_back(&mut writer).map(Saved::Back) };
        match back {
            Ok(saved) => {
                writer.away = None;
                self.away.store(false, Ordering::Relaxed);
                drop(writer);
                self.tell_saved(&saved, since);
                true
            }
            Err(err) => {
                tracing::debug!("the incidents in memory can't be saved yet: {err:#}");
                if matches!(sqlite_code(&err), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
                    && let Some(away) = &mut writer.away
                {
                    away.ruined = true;
                }
                false
            }
        }
    }

    /// Writes what is in memory to the file; how many incidents.
    fn go_back(writer: &mut Writer) -> Result<u64> {
        let tx = writer.file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let saved = writer.live.save(&tx)?;
        tx.commit()?;
        writer.live = Live::following(&writer.file)?;
        Ok(saved)
    }

    /// Puts what is left of the file aside, begins a new one and fills it with what is in memory, and with what the old
    /// one still gives.
    fn begin_anew(&self, writer: &mut Writer) -> Result<Saved> {
        // By its name first: SQLite leaves a file alone that is not where it was opened.
        let aside = put_aside(&self.dir)?;
        let Opened { writer: mut file, reader, .. } = open(&self.dir)?;
        let tx = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let saved = writer.live.save(&tx)?;
        tx.commit()?;
        let salvaged = salvage(&writer.file, &mut file);
        writer.live = Live::following(&file)?;
        writer.guard = Guard::new(&self.dir.join(FILE));
        drop(std::mem::replace(&mut writer.file, file));
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = reader;
        Ok(Saved::Anew { saved, salvaged, aside })
    }

    fn tell_saved(&self, saved: &Saved, since: Instant) {
        let seconds = since.elapsed().as_secs();
        match saved {
            Saved::Back(saved) => {
                tracing::info!(
                    "the incident database works again after {seconds} s: {saved} incidents were saved to it"
                );
                self.health.recover(COMPONENT);
            }
            Saved::Anew { saved, salvaged, aside } => {
                let kept = aside
                    .as_ref()
                    .map_or_else(String::new, |it| format!("; what was left of it is {}", it.display()));
                let text = format!(
                    "the incident database was lost or damaged while it was in use: {saved} incidents were saved from \
                     memory to a new file, and {salvaged} more from the old one{kept}"
                );
                tracing::warn!("{text}");
                let remedy =
                    "see who deletes or cuts files in the data folder; this is said until the next start";
                self.health.degrade(COMPONENT, text, remedy);
            }
        }
    }
}

/// What was written when the file could be used again.
enum Saved {
    /// To the same file: how many incidents.
    Back(u64),
    /// To a new one.
    Anew { saved: u64, salvaged: u64, aside: Option<PathBuf> },
}

/// What the harmed database still gives, beside what is there already; how many incidents. A deleted one gives all: its
/// file lives as long as it is open.
fn salvage(from: &Connection, to: &mut Connection) -> u64 {
    let ids = || -> Result<Vec<String>> {
        let mut statement = from.prepare("SELECT id FROM incidents ORDER BY id DESC")?;
        let (mut rows, mut ids) = (statement.query([])?, Vec::new());
        // As far as it can be read.
        while let Ok(Some(row)) = rows.next() {
            ids.push(row.get(0)?);
        }
        Ok(ids)
    };
    let mut salvaged = 0;
    for id in ids().unwrap_or_default() {
        let known =
            to.prepare_cached("SELECT 1 FROM incidents WHERE id = ?1").and_then(|mut it| it.exists([&id]));
        let evidence_alone = matches!(known, Ok(true));
        let saved = to.transaction().map_err(Error::from).and_then(|tx| {
            if evidence_alone {
                live::save_files(from, &tx, &id)?;
            } else {
                live::save_incident(from, &tx, &id)?;
            }
            Ok(tx.commit()?)
        });
        salvaged += u64::from(saved.is_ok() && !evidence_alone);
    }
    salvaged
}

fn transact<T>(
    conn: &mut Connection,
    behavior: TransactionBehavior,
    act: &impl Fn(&Tx<'_>) -> Result<T>,
) -> Result<T> {
    let tx = Tx::begin(conn, behavior)?;
    let value = act(&tx)?;
    tx.commit()?;
    Ok(value)
}

/// The database's files are not what they were.
#[derive(Debug)]
struct Harmed(Harm);

impl std::fmt::Display for Harmed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the incident database {}", self.0.text())
    }
}

impl std::error::Error for Harmed {}

#[cfg(test)]
impl Sides {
    /// Makes the disk full at so many pages.
    pub(super) fn limit_pages(&self, pages: u32) {
        self.writer().file.pragma_update(None, "max_page_count", pages).unwrap();
    }
}
