//! Answers that many ask for, made once and given to all: lists of processes and of incidents.
//!
//! Two hundred clients that ask for a thousand processes get the same bytes, not two hundred copies. An answer is used
//! again while nothing has changed, and for a moment even if something has; making one costs what it costs, but not a
//! core. Bodies that are large count against one budget for as long as anybody is being sent them.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::error::Error;
use crate::metrics::{LimitLabel, Metrics};

/// An answer so young is given whatever has changed: half the time of a blink.
const FRESH: Duration = Duration::from_millis(25);
/// And for so many times as long as it took to make: a fifth of a core for each list, at most.
const FRESH_TIMES: u32 = 4;
/// An answer that nothing has changed is given for so long: ages in it go on in seconds.
const SAME: Duration = Duration::from_millis(500);
/// Nobody has asked for it for so long: it is let go.
const KEPT: Duration = Duration::from_secs(1);
/// Different answers kept; what is asked for beyond is made each time.
const MAX_KEPT: usize = 32;
/// Answers that are being made at a time.
const MAX_MADE: usize = 2;
/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(2);
/// Bytes of large bodies at a time, in [`UNIT`]s: 8 MiB.
const BUDGET: u32 = 8 << 10;
/// What the budget is counted in.
const UNIT: usize = 1 << 10;
/// Smaller bodies are not worth counting: as many of them as there are connections are few megabytes.
const SMALL: usize = 16 << 10;

/// See the module.
pub(super) struct Answers(Arc<Inner>);

struct Inner {
    kept: Mutex<HashMap<String, Arc<Slot>>>,
    makers: Semaphore,
    budget: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// One answer. Whoever makes it holds it; the others wait for what he makes.
type Slot = AsyncMutex<Option<Made>>;

struct Made {
    body: Bytes,
    /// What the source's counter said before it was made.
    revision: u64,
    at: Instant,
    took: Duration,
}

impl Made {
    fn may_be_given(&self, revision: u64) -> bool {
        let age = self.at.elapsed();
        age < FRESH.max(self.took * FRESH_TIMES).min(SAME) || age < SAME && self.revision == revision
    }
}

impl Answers {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        let (makers, budget) = (Semaphore::new(MAX_MADE), Arc::new(Semaphore::new(BUDGET as usize)));
        Self(Arc::new(Inner { kept: Mutex::default(), makers, budget, metrics }))
    }

    /// The answer of this name, made now where the one that is kept will not do. `revision` changes with what the
    /// answer is made of.
    pub(super) async fn get<F>(
        &self,
        name: String,
        revision: impl Fn() -> u64,
        make: impl FnOnce() -> F,
    ) -> Result<Bytes, Error>
    where
        F: Future<Output = Result<Vec<u8>, Error>>,
    {
        let slot = self.slot(name);
        let mut slot = timeout(TURN, slot.lock()).await.map_err(|_| self.0.too_many())?;
        if let Some(made) = slot.as_ref().filter(|it| it.may_be_given(revision())) {
            return Ok(made.body.clone());
        }
        *slot = None;
        let turn = timeout(TURN, self.0.makers.acquire()).await.map_err(|_| self.0.too_many())?;
        let (before, began) = (revision(), Instant::now());
        let body = make().await?;
        let took = began.elapsed();
        let body = self.0.lend(body).await?;
        drop(turn);
        *slot = Some(Made { body: body.clone(), revision: before, at: Instant::now(), took });
        Ok(body)
    }

    /// A body that counts against the budget until it is sent; where that is used up, a refusal.
    pub(super) fn lend(&self, body: Vec<u8>) -> Result<Bytes, Error> {
        let Some(units) = units(&body) else { return Ok(body.into()) };
        let permit = Arc::clone(&self.0.budget).try_acquire_many_owned(units);
        Ok(Lent::bytes(body, permit.map_err(|_| self.0.too_many())?))
    }

    fn slot(&self, name: String) -> Arc<Slot> {
        let mut kept = self.0.lock();
        if let Some(slot) = kept.get(&name) {
            return Arc::clone(slot);
        }
        let slot = Arc::default();
        if kept.len() < MAX_KEPT {
            if kept.is_empty() {
                tokio::spawn(let_go(Arc::downgrade(&self.0)));
            }
            kept.insert(name, Arc::clone(&slot));
        }
        slot
    }
}

impl Inner {
    async fn lend(&self, body: Vec<u8>) -> Result<Bytes, Error> {
        let Some(units) = units(&body) else { return Ok(body.into()) };
        let permit = timeout(TURN, Arc::clone(&self.budget).acquire_many_owned(units)).await;
        let permit = permit.map_err(|_| self.too_many())?;
        Ok(Lent::bytes(body, permit.map_err(|closed| Error::internal("cannot answer", closed))?))
    }

    fn too_many(&self) -> Error {
        self.metrics.turned_away.get_or_create(&LimitLabel { limit: "http_large_answers" }).inc();
        Error::unavailable("too many large answers are under way; try again")
    }

    /// Held for a few map operations, never across an await.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of the budget a body takes; `None`: it is small.
fn units(body: &[u8]) -> Option<u32> {
    let units = body.len().div_ceil(UNIT);
    // One that is larger than all of the budget takes all of it.
    (body.len() > SMALL).then(|| u32::try_from(units).map_or(BUDGET, |it| it.min(BUDGET)))
}

/// Looks after what is kept until there is nothing left of it.
async fn let_go(inner: std::sync::Weak<Inner>) {
    loop {
        tokio::time::sleep(KEPT).await;
        let Some(inner) = inner.upgrade() else { return };
        let mut kept = inner.lock();
        // One that is locked is being made or waited for.
        kept.retain(|_, slot| {
            slot.try_lock().map_or(true, |made| made.as_ref().is_some_and(|it| it.at.elapsed() < KEPT))
        });
        if kept.is_empty() {
            return;
        }
    }
}

/// A large body and what it takes of the budget, given back when the last part of it is sent.
struct Lent {
    body: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    fn bytes(body: Vec<u8>, permit: OwnedSemaphorePermit) -> Bytes {
        Bytes::from_owner(Self { body, _permit: permit })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn answers() -> Answers {
        Answers::new(Metrics::new())
    }

    async fn ask(answers: &Answers, name: &str, revision: u64, made: &AtomicU64) -> Bytes {
        let make = async || Ok(made.fetch_add(1, Ordering::Relaxed).to_string().into_bytes());
        answers.get(name.to_owned(), || revision, make).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_does_for_all_until_something_changes() {
        let (answers, made) = (answers(), AtomicU64::new(0));
        assert_eq!(ask(&answers, "a", 1, &made).await, "0");
        assert_eq!(ask(&answers, "a", 2, &made).await, "0", "it is young");
        assert_eq!(ask(&answers, "b", 2, &made).await, "1", "another question");
        tokio::time::advance(FRESH).await;
        assert_eq!(ask(&answers, "a", 1, &made).await, "0", "nothing has changed");
        assert_eq!(ask(&answers, "a", 2, &made).await, "2", "something has");
        tokio::time::advance(SAME).await;
        assert_eq!(ask(&answers, "a", 2, &made).await, "3", "it is old");
        tokio::time::sleep(KEPT * 3).await;
        assert!(answers.0.lock().is_empty(), "nobody asks any more");
        assert_eq!(ask(&answers, "a", 2, &made).await, "4");
    }

    #[tokio::test]
    async fn who_asks_while_it_is_made_waits_for_it() {
        let (answers, made) = (Arc::new(answers()), Arc::new(AtomicU64::new(0)));
        let asked: Vec<_> = (0..50)
            .map(|_| {
                let (answers, made) = (Arc::clone(&answers), Arc::clone(&made));
                tokio::spawn(async move {
                    let make = async || {
                        tokio::task::yield_now().await;
                        made.fetch_add(1, Ordering::Relaxed);
                        Ok(vec![b'x'; SMALL + 1])
                    };
                    answers.get("a".to_owned(), || 0, make).await.unwrap()
                })
            })
            .collect();
        let mut bodies = Vec::new();
        for each in asked {
            bodies.push(each.await.unwrap());
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert!(bodies.iter().all(|it| it.as_ptr() == bodies[0].as_ptr()), "not one is a copy");
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_count_until_the_last_of_them_is_sent() {
        let answers = answers();
        let large = || vec![0; BUDGET as usize * UNIT / 2];
        let (first, second) = (answers.lend(large()).unwrap(), answers.lend(large()).unwrap());
        assert_eq!(answers.lend(large()).unwrap_err().status, 503);
        assert!(answers.lend(vec![0; SMALL]).is_ok(), "small ones do not count");
        let refused = answers.get("a".to_owned(), || 0, async || Ok(large())).await;
        assert_eq!(refused.unwrap_err().status, 503);
        let copy = first.clone();
        drop(first);
        assert!(answers.lend(large()).is_err());
        drop(copy);
        assert!(answers.lend(large()).is_ok());
        drop(second);
        assert!(answers.lend(vec![0; BUDGET as usize * UNIT * 2]).is_ok(), "one that is larger than all");
        let label = LimitLabel { limit: "http_large_answers" };
        assert_eq!(answers.0.metrics.turned_away.get_or_create(&label).get(), 3);
    }
}
