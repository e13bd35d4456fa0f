//! One connection to the bus, as long as it and systemd last: subscribes, reads what is there, and follows. What is asked
//! runs beside what comes, so neither waits for the other.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use zbus::message::Type;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, Message, MessageStream};

use super::ask::{self, Answer, Question};
use super::book::{Book, Full};
use super::wire::{self, Signal};
use crate::coverage::{Coverage, EventKind, Flow, Way};
use crate::host::boot_time;
use crate::metrics::Metrics;
use crate::observation::{Observation, Unit};

/// How long the bus may take to let us in, and systemd to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Signals that may wait for us before they wait at the bus.
const SIGNALS: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not zero");
/// Questions that may be under way at once …
const AT_ONCE: usize = 8;
/// … and that may wait for that.
const QUESTIONS: usize = 4096;

/// Where what is heard goes.
pub(super) struct Out {
    pub(super) batches: Sender<Vec<Observation>>,
    pub(super) coverage: Coverage,
    pub(super) metrics: Arc<Metrics>,
}

/// A connection that has found systemd.
pub(super) struct Session {
    connection: Connection,
    systemd: OwnedUniqueName,
    signals: MessageStream,
    owners: MessageStream,
    book: Book,
    waiting: VecDeque<Question>,
    asked: JoinSet<Answer>,
}

/// Connects to the bus at this address; the bus, and who systemd is on it.
pub(super) async fn connect(address: &str) -> Result<(Connection, OwnedUniqueName)> {
    let building = zbus::connection::Builder::address(address).method_timeout(PATIENCE).build();
    let connection = tokio::time::timeout(PATIENCE, building).await.context("the bus does not answer")??;
    let systemd = ask::owner(&connection).await.context("systemd is not on the bus")?;
    Ok((connection, systemd))
}

impl Session {
    /// Connects, and has systemd tell of everything from now on.
    pub(super) async fn begin(address: &str) -> Result<Self> {
        let (connection, systemd) = connect(address).await?;
        // By the sender's own name: anybody may send anybody signals, and claim anything in them.
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(systemd.as_str())
            .path_namespace(wire::ROOT)
            .build()
            .context("the bus takes no such rule")?;
        let signals = MessageStream::for_match_rule(rule, &connection, Some(SIGNALS)).await?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .arg(0, wire::SYSTEMD)
            .build()
            .context("the bus takes no such rule")?;
        let owners = MessageStream::for_match_rule(rule, &connection, None).await?;
        // Whoever came in between is whom the rules are for.
        if ask::owner(&connection).await? != systemd {
            bail!("systemd came anew to the bus");
        }
        ask::subscribe(&connection, &systemd).await.context("systemd does not tell us of its units")?;
        Ok(Self {
            connection,
            systemd,
            signals,
            owners,
            book: Book::default(),
            waiting: VecDeque::from([Question::List]),
            asked: JoinSet::new(),
        })
    }

    /// Passes on what is heard; why that ended. `whole` is called once everything that was there before is known.
    pub(super) async fn follow(mut self, out: &Out, mut whole: impl FnMut()) -> anyhow::Error {
        loop {
            self.ask();
            let heard = tokio::select! {
                signal = self.signals.next() => match signal {
                    Some(Ok(message)) => self.hear(&message, out),
                    Some(Err(error)) => return anyhow::Error::from(error).context("the bus is gone"),
                    None => return anyhow::anyhow!("the bus is gone"),
                },
                _ = self.owners.next() => return anyhow::anyhow!("systemd left the bus, or came anew to it"),
                Some(answer) = self.asked.join_next() => match answer {
                    Ok(Answer::Units(Ok(units))) => {
                        let mut heard = self.begin_with(&units, out);
                        whole();
                        heard.push(Observation::UnitsFollowed(true));
                        heard
                    }
                    Ok(Answer::Units(Err(error))) => return error.context("systemd does not list its units"),
                    Ok(answer) => self.learn(&answer),
                    Err(_) => Vec::new(),
                },
            };
            if !heard.is_empty() && out.batches.send(heard).await.is_err() {
                return anyhow::anyhow!("the monitor is gone");
            }
        }
    }

    fn hear(&mut self, message: &Message, out: &Out) -> Vec<Observation> {
        let now = boot_time();
        // The rule on the bus is not for what is sent to us alone.
        if message.header().sender().is_none_or(|sender| *sender != *self.systemd) {
            out.metrics.count_turned_away("foreign_signals", 1);
            return Vec::new();
        }
        let Some(signal) = wire::signal(message) else { return Vec::new() };
        out.coverage.add_received(Flow { kind: EventKind::Unit, way: Way::SystemBus }, 1);
        let heard = match signal {
            Signal::Half(unit, said) => self.book.half(&unit, said).map(|()| None),
            Signal::Whole(unit, said) => self.book.whole(&unit, said, now).inspect(|heard| {
                if heard.is_some() && self.book.wants_settings(&unit) {
                    self.waiting.push_back(Question::Settings(unit));
                }
            }),
            Signal::NewJob { unit, id, path } => self.book.job(&unit, id).map(|()| {
                self.waiting.push_back(Question::Job { unit, id, path });
                None
            }),
            Signal::Reloaded => {
                self.waiting.extend(self.book.forget_settings().map(Question::Settings));
                Ok(None)
            }
        };
        if self.waiting.len() > QUESTIONS {
            out.metrics.count_turned_away("unit_questions", (self.waiting.len() - QUESTIONS) as u64);
            self.waiting.truncate(QUESTIONS);
        }
        noted(heard, out)
    }

    /// How every unit stands at the beginning.
    fn begin_with(&mut self, units: &[ask::Listed], out: &Out) -> Vec<Observation> {
        let now = boot_time();
        let mut all = Vec::new();
        for unit in units {
            all.extend(noted(self.book.begin_with(&unit.name, unit.said, now), out));
            if self.book.wants_settings(&unit.name) {
                self.waiting.push_back(Question::Settings(unit.name.clone()));
            }
        }
        all
    }

    fn learn(&mut self, answer: &Answer) -> Vec<Observation> {
        let now = boot_time();
        let unit = match answer {
            Answer::Job { unit, id, kind } => self.book.job_is(unit, *id, *kind, now),
            Answer::Settings { unit, settings, said } => self.book.learn(unit, settings, said, now),
            Answer::Units(_) | Answer::Nothing => None,
        };
        unit.map(Observation::Unit).into_iter().collect()
    }

    fn ask(&mut self) {
        while self.asked.len() < AT_ONCE
            && let Some(question) = self.waiting.pop_front()
        {
            let (connection, systemd) = (self.connection.clone(), self.systemd.clone());
            self.asked.spawn(async move { ask::answer(&connection, &systemd, question).await });
        }
    }
}

/// What is to be passed on; what found no room is counted.
fn noted(heard: Result<Option<Arc<Unit>>, Full>, out: &Out) -> Vec<Observation> {
    match heard {
        Ok(unit) => unit.map(Observation::Unit).into_iter().collect(),
        Err(Full) => {
            out.metrics.count_turned_away("units", 1);
            Vec::new()
        }
    }
}
