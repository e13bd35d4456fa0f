//! Browsers' sessions: what a browser gets in exchange for the key, so that the key itself is in no cookie. A cookie goes
//! to every port of a host; a session that another server sees there ends by itself, at `POST /logout`, and with the key.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// How long a session lasts, however much it is used: a working day.
pub(super) const LIFE: Duration = Duration::from_hours(12);
/// Sessions at a time; one more ends the one that would end first.
const MAX_SESSIONS: usize = 64;
/// Random bytes of a session's id: 256 bits, as the key has.
const ID_BYTES: usize = 32;

/// The sessions, by the digest of their ids: a copy of the table opens nothing, and how long a look takes says
/// nothing about an id.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Instant>>);

impl Sessions {
    /// A new one; its id.
    pub(super) fn begin(&self) -> Result<String, getrandom::Error> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes)?;
        let id = BASE64URL_NOPAD.encode(&bytes);
        let now = Instant::now();
        let mut all = self.lock();
        all.retain(|_, ends| *ends > now);
        if all.len() >= MAX_SESSIONS
            && let Some(first) = all.iter().min_by_key(|(_, ends)| **ends).map(|(digest, _)| *digest)
        {
            all.remove(&first);
        }
        all.insert(digest(&id), now + LIFE);
        drop(all);
        Ok(id)
    }

    /// Whether there is one with this id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.lock().get(&digest(id)).is_some_and(|ends| *ends > Instant::now())
    }

    /// Ends one.
    pub(super) fn end(&self, id: &str) {
        self.lock().remove(&digest(id));
    }

    /// Ends all of them; how many there were.
    pub(super) fn end_all(&self) -> usize {
        let mut all = self.lock();
        let count = all.len();
        all.clear();
        count
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(id: &str) -> [u8; 32] {
    Sha256::digest(id).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn they_end_with_time_by_request_and_in_number() {
        let sessions = Sessions::default();
        let first = sessions.begin().unwrap();
        assert!(first.len() > 40 && sessions.knows(&first));
        assert!(!sessions.knows("") && !sessions.knows(&first[1..]));
        tokio::time::advance(LIFE - Duration::from_secs(1)).await;
        let second = sessions.begin().unwrap();
        assert!(sessions.knows(&first) && first != second);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!sessions.knows(&first) && sessions.knows(&second));
        sessions.end(&second);
        assert!(!sessions.knows(&second));

        let oldest = sessions.begin().unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let others: Vec<_> = (0..MAX_SESSIONS).map(|_| sessions.begin().unwrap()).collect();
        assert!(!sessions.knows(&oldest) && others.iter().all(|it| sessions.knows(it)));
        assert_eq!(sessions.end_all(), MAX_SESSIONS);
        assert!(!sessions.knows(&others[0]));
    }
}
