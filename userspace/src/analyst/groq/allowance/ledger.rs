//! What was spent today, kept in the data folder: a daemon that restarts in a loop must not spend a day's budget with
//! each start. Days are UTC's.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// The file in the data folder.
const NAME: &str = "model-usage.json";
/// It takes a hundred bytes.
const MAX_BYTES: u64 = 4096;

/// What was spent in one day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::analyst) struct Spent {
    pub(in crate::analyst) day: Date,
    pub(in crate::analyst) requests: u64,
    pub(in crate::analyst) tokens: u64,
    pub(in crate::analyst) nano_usd: u64,
}

/// The day's account. std Mutexes: the first is held for a few additions, the second on blocking threads only.
#[derive(Clone, Default)]
pub(super) struct Ledger {
    spent: Arc<Mutex<Spent>>,
    file: Arc<Mutex<Option<PathBuf>>>,
}

impl Ledger {
    /// Goes on with what the file in this folder holds of today, and keeps it there from now on. Blocks.
    pub(super) fn keep_in(&self, dir: &Path, now: Timestamp) -> Result<()> {
        let path = dir.join(NAME);
        let read = read(&path);
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
        let Some(before) = read? else { return Ok(()) };
        self.today(now, |spent| {
            if spent.day == before.day {
                spent.requests = spent.requests.saturating_add(before.requests);
                spent.tokens = spent.tokens.saturating_add(before.tokens);
                spent.nano_usd = spent.nano_usd.saturating_add(before.nano_usd);
            }
        });
        Ok(())
    }

    /// Reads or changes today's account; with a new day it begins anew.
    pub(super) fn today<T>(&self, now: Timestamp, act: impl FnOnce(&mut Spent) -> T) -> T {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let day = now.to_zoned(TimeZone::UTC).date();
        if spent.day != day {
            *spent = Spent { day, ..Spent::default() };
        }
        act(&mut spent)
    }

    /// Writes it down, on a thread that may block.
    pub(super) fn save(&self) {
        let it = self.clone();
        tokio::task::spawn_blocking(move || {
            // One at a time, each with what is true when its turn comes: the last one written is the newest.
            let file = it.file.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(path) = &*file else { return };
            let spent = it.spent.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Err(error) = write(path, &spent) {
                tracing::warn!("what the model cost today cannot be written down: {error:#}");
            }
        });
    }
}

/// `None`: there is none yet.
fn read(path: &Path) -> Result<Option<Spent>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut text = String::new();
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let spent = serde_json::from_str(&text);
    spent
        .map(Some)
        .with_context(|| format!("{} is damaged; today's spending is counted anew", path.display()))
}

/// Under another name first: whoever reads it reads it whole.
fn write(path: &Path, spent: &Spent) -> Result<()> {
    let draft = path.with_extension("json.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&serde_json::to_vec(spent)?)?;
    fs::rename(&draft, path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_days_spending_survives_a_restart_and_ends_with_the_day() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let noon = at("2026-11-23T12:00:00Z");
        let ledger = Ledger::default();
        ledger.keep_in(dir.path(), noon).unwrap();
        ledger.today(noon, |spent| (spent.requests, spent.tokens, spent.nano_usd) = (3, 5_000, 7));
        ledger.save();
        while !path.exists() {
            tokio::task::yield_now().await;
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            r#"{"day":"2026-11-23","requests":3,"tokens":5000,"nano_usd":7}"#
        );
        let next = Ledger::default();
        next.today(noon, |spent| spent.requests = 1);
        next.keep_in(dir.path(), noon).unwrap();
        assert_eq!(next.today(noon, |spent| (spent.requests, spent.tokens)), (4, 5_000));
        assert_eq!(next.today(at("2026-11-24T00:00:00Z"), |spent| spent.requests), 0, "a new day");
        let late = Ledger::default();
        late.keep_in(dir.path(), at("2026-11-24T00:00:01Z")).unwrap();
        assert_eq!(late.today(at("2026-11-24T00:00:02Z"), |spent| spent.requests), 0, "yesterday's");
    }

    #[test]
    fn a_damaged_file_is_told_and_counts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let now = at("2026-11-23T12:00:00Z");
        for body in ["", "{}", "[", "{\"day\":\"2026-11-23\",\"requests\":-1,\"tokens\":0,\"nano_usd\":0}"] {
            fs::write(dir.path().join(NAME), body).unwrap();
            let ledger = Ledger::default();
            let error = format!("{:#}", ledger.keep_in(dir.path(), now).unwrap_err());
            assert!(error.contains("is damaged"), "{error}");
            assert_eq!(ledger.today(now, |spent| spent.requests), 0);
        }
    }
}
