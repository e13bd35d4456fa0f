//! What each signal does to the daemon. Some stop it in order, SIGHUP makes it read its configuration again (`daemon`),
//! and whatever else would end it by default is said and ignored: a daemon that is ended by a stray SIGUSR1 would be
//! found dead in the middle of its work.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::process::exit;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// After a signal the daemon has this long to end in order.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// Signals that follow each other so closely are one request to stop.
const SAME_REQUEST: Duration = Duration::from_millis(300);
/// What a shell adds to the number of the signal that ended a process.
const ENDED_BY: i32 = 128;

/// Those that stop it: SIGINT, SIGQUIT, SIGTERM, SIGXCPU (signal(7)).
const STOPPING: [(i32, &str); 4] = [(2, "SIGINT"), (3, "SIGQUIT"), (15, "SIGTERM"), (24, "SIGXCPU")];
/// Those that would end it and have nothing to say to it. SIGPIPE the standard library ignores.
const IGNORED: [(i32, &str); 9] = [
    (10, "SIGUSR1"),
    (12, "SIGUSR2"),
    (14, "SIGALRM"),
    (16, "SIGSTKFLT"),
    (25, "SIGXFSZ"),
    (26, "SIGVTALRM"),
    (27, "SIGPROF"),
    (29, "SIGIO"),
    (30, "SIGPWR"),
];
/// Real-time signals, the first two of which are the C library's own.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// From now on neither SIGHUP nor a signal that is ignored ends this process. To be called before it begins; those that
/// stop it end it at once until [`Signals::watch`], when there is nothing to bring in order yet.
pub(super) fn ignore_early() -> Result<()> {
    // What is watched once is never the default again (tokio::signal::unix), even without a runtime.
    let runtime = Builder::new_current_thread().enable_io().build().context("cannot watch for signals")?;
    let _inside = runtime.enter();
    let hangup = (SignalKind::hangup().as_raw_value(), String::new());
    Watched::all(ignored().chain([hangup])).map(drop)
}

fn ignored() -> impl Iterator<Item = (i32, String)> {
    let named = IGNORED.map(|(number, name)| (number, name.to_owned()));
    named
        .into_iter()
        .chain(REAL_TIME.map(|number| (number, format!("SIGRTMIN+{}", number - REAL_TIME.start()))))
}

/// Signals that are waited for together.
struct Watched(Vec<(Signal, Caught)>);

/// One that came.
#[derive(Clone)]
struct Caught {
    number: i32,
    name: String,
}

impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Watched {
    fn all(wanted: impl Iterator<Item = (i32, String)>) -> Result<Self> {
        let watch = |(number, name): (i32, String)| -> io::Result<_> {
            Ok((signal(SignalKind::from_raw(number))?, Caught { number, name }))
        };
        Ok(Self(wanted.map(watch).collect::<io::Result<_>>().context("cannot watch for signals")?))
    }

    async fn next(&mut self) -> Caught {
        poll_fn(|context| {
            let came = self
                .0
                .iter_mut()
                .find_map(|(signal, caught)| signal.poll_recv(context).is_ready().then(|| caught.clone()));
            came.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// The first asks the daemon to stop; a second one, or no end in time, ends it at once.
    async fn stop(&mut self, stop: oneshot::Sender<()>) {
        tracing::info!("{}: stopping", self.next().await);
        // No receiver: the daemon is ending by itself.
        let _ = stop.send(());
        // timeout(1) and some supervisors signal a process and then its group: that is one request.
        while timeout(SAME_REQUEST, self.next()).await.is_ok() {}
        let code = tokio::select! {
            again = self.next() => {
                tracing::warn!("{again} again: exiting immediately");
                ENDED_BY + again.number
            }
            () = sleep(STOP_DEADLINE.saturating_sub(SAME_REQUEST)) => {
                tracing::error!("not stopped within {} s: exiting immediately", STOP_DEADLINE.as_secs());
                1
            }
        };
        // Whoever asks twice does not want to wait for anything.
        exit(code);
    }
}

/// All that are waited for while the daemon runs.
pub(super) struct Signals {
    stopping: Watched,
    ignored: Watched,
}

impl Signals {
    /// From now on none of them ends this process by itself.
    pub(super) fn watch() -> Result<Self> {
        let stopping = STOPPING.into_iter().map(|(number, name)| (number, name.to_owned()));
        Ok(Self { stopping: Watched::all(stopping)?, ignored: Watched::all(ignored())? })
    }

    /// The first that stops asks the daemon to; a second one, or no end in time, ends it at once.
    pub(super) async fn handle(self, stop: oneshot::Sender<()>) {
        let Self { mut stopping, mut ignored } = self;
        let saying = async {
            loop {
                tracing::info!("{}: ignored; SIGHUP reads the configuration again", ignored.next().await);
            }
        };
        tokio::select! {
            () = stopping.stop(stop) => {}
            () = saying => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_that_ends_a_process_is_seen_to() {
        let ignored: Vec<i32> = ignored().map(|(number, _)| number).collect();
        // signal(7), x86-64: those that end a process by default, but for faults and SIGKILL, and SIGPIPE.
        for number in (1..=64).filter(|it| ![4, 5, 6, 7, 8, 9, 11, 13, 31, 32, 33].contains(it)) {
            let stops = STOPPING.iter().any(|it| it.0 == number);
            let by_default_harmless = [17, 18, 19, 20, 21, 22, 23, 28].contains(&number);
            let seen_to =
                usize::from(stops) + usize::from(ignored.contains(&number)) + usize::from(number == 1);
            assert_eq!(seen_to, usize::from(!by_default_harmless), "{number}");
        }
    }
}
