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
pub(crate) struct Spent {
    pub(crate) day: Date,
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) nano_usd: u64,
}

/// The day's account. std Mutexes: the first is held for a few additions, the second on blocking threads only.
#[derive(Clone, Default)]
pub(super) struct Ledger {
    account: Arc<Mutex<Account>>,
    file: Arc<Mutex<Option<PathBuf>>>,
}

/// What was spent by all that keep their account in one file, as far as this one knows.
#[derive(Default)]
struct Account {
    spent: Spent,
    /// What of it the file had when it was last looked at: the rest is this one's to add.
    filed: Spent,
}

impl Account {
    /// Takes in what the file holds, which others have written too, and gives what it is to hold.
    fn join(&mut self, there: Option<Spent>) -> Spent {
        let day = self.spent.day;
        let there = there.filter(|it| it.day == day).unwrap_or_else(|| Spent { day, ..Spent::default() });
        let filed = if self.filed.day == day { self.filed.clone() } else { Spent::default() };
        // What was taken for a question may be given back later: a difference below nothing.
        let sum = |there: u64, spent: u64, filed: u64| there.saturating_add(spent).saturating_sub(filed);
        self.spent = Spent {
            day,
            requests: sum(there.requests, self.spent.requests, filed.requests),
            tokens: sum(there.tokens, self.spent.tokens, filed.tokens),
            nano_usd: sum(there.nano_usd, self.spent.nano_usd, filed.nano_usd),
        };
        self.filed = self.spent.clone();
        self.filed.clone()
    }
}

impl Ledger {
    /// Goes on with what the file in this folder holds of today, and keeps it there from now on, together with
    /// whoever else does. Blocks.
    pub(super) fn keep_in(&self, dir: &Path, now: Timestamp) -> Result<()> {
        self.today(now, |_| ());
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(dir.join(NAME));
        self.sync()
    }

    /// Reads or changes today's account; with a new day it begins anew.
    pub(super) fn today<T>(&self, now: Timestamp, act: impl FnOnce(&mut Spent) -> T) -> T {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let day = now.to_zoned(TimeZone::UTC).date();
        if account.spent.day != day {
            account.spent = Spent { day, ..Spent::default() };
        }
        act(&mut account.spent)
    }

    /// Writes it down, on a thread that may block.
    pub(super) fn save(&self) {
        let it = self.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = it.sync() {
                tracing::warn!("cannot record what the model cost today: {error:#}");
            }
        });
    }

    /// Joins this account and the file. One that cannot be written is read all the same.
    fn sync(&self) -> Result<()> {
        // One at a time, each with what is true when its turn comes: the last one written is the newest.
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &*file else { return Ok(()) };
        let alone = alone(path);
        let there = read(path);
        let known = there.as_ref().ok().cloned().flatten();
        let spent = self.account.lock().unwrap_or_else(PoisonError::into_inner).join(known);
        let _alone = alone?;
        write(path, &spent).with_context(|| format!("cannot write {}", path.display()))?;
        there.map(drop)
    }
}

/// Keeps others from writing until it is dropped. A file of its own, as the other is replaced by each write.
fn alone(path: &Path) -> Result<fs::File> {
    let path = path.with_extension("lock");
    let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = open.with_context(|| format!("cannot write {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
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
        .with_context(|| format!("{} is damaged; today's spending is counted from zero", path.display()))
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
        while !fs::read_to_string(&path).unwrap().contains("5000") {
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
    fn two_that_keep_one_account_know_of_each_other() {
        let (dir, noon) = (tempfile::tempdir().unwrap(), at("2026-11-23T12:00:00Z"));
        let (daemon, command) = (Ledger::default(), Ledger::default());
        daemon.keep_in(dir.path(), noon).unwrap();
        command.keep_in(dir.path(), noon).unwrap();
        let tokens = |ledger: &Ledger| ledger.today(noon, |spent| spent.tokens);
        daemon.today(noon, |spent| spent.tokens = 1_000);
        daemon.sync().unwrap();
        command.today(noon, |spent| spent.tokens = 7_000);
        command.sync().unwrap();
        assert_eq!((tokens(&daemon), tokens(&command)), (1_000, 8_000));
        // What was taken for a question is given back.
        command.today(noon, |spent| spent.tokens -= 5_000);
        command.sync().unwrap();
        daemon.today(noon, |spent| spent.tokens += 10);
        daemon.sync().unwrap();
        assert_eq!((tokens(&daemon), tokens(&command)), (3_010, 3_000));
        // The next day begins anew for both.
        let next = at("2026-11-24T00:00:00Z");
        daemon.today(next, |spent| spent.tokens = 5);
        daemon.sync().unwrap();
        command.today(next, |spent| spent.tokens += 2);
        command.sync().unwrap();
        assert_eq!(command.today(next, |spent| spent.tokens), 7);
    }

    #[test]
    fn where_nothing_can_be_written_it_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        let error = Ledger::default().keep_in(&gone, at("2026-11-23T12:00:00Z")).unwrap_err();
        assert!(format!("{error:#}").contains("cannot write"), "{error:#}");
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
