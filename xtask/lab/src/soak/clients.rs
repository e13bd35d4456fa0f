//! Who asks the daemon over HTTP meanwhile: a few dashboards and scripts all the time, now and then very many at once,
//! and some that hang up in the middle. How long each answer took is kept.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::pace::Pace;
use crate::daemon::KEY;
use crate::http::Client;

/// What is asked in turn; `{}` is the lab's own pid, which is there.
const PATHS: [&str; 10] = [
    "/",
    "/api/v1/processes?limit=50",
    "/healthz",
    "/api/v1/incidents?limit=50",
    "/proc",
    "/proc/{}/status",
    "/api/v1/status",
    "/proc/{}/maps",
    "/metrics",
    "/api/v1/processes?q=sh&limit=1000",
];
const CLIENTS: usize = 3;
const ASK_EVERY: Duration = Duration::from_millis(700);
/// So many at once ask for a thousand processes each.
const MANY: usize = 60;
const MANY_EVERY: Duration = Duration::from_secs(60);
const LARGE: &str = "/api/v1/processes?limit=1000";
const HANG_UP_EVERY: Duration = Duration::from_secs(2);

/// The answers since they were taken last.
#[derive(Default)]
pub(super) struct Answers {
    /// How long the good ones took, in milliseconds.
    pub(super) took_ms: Vec<f64>,
    /// What was not answered well.
    pub(super) failed: u64,
}

pub(super) struct Clients<'a> {
    /// Where the daemon is; it changes when it starts anew.
    pub(super) address: Mutex<SocketAddr>,
    pub(super) pace: &'a Pace,
    pub(super) answers: Mutex<Answers>,
}

impl Clients<'_> {
    /// All of them, until the end.
    pub(super) fn run(&self) -> Result<()> {
        std::thread::scope(|scope| {
            let mut all = Vec::new();
            for first in 0..CLIENTS {
                all.push(scope.spawn(move || self.browse(first)));
            }
            all.push(scope.spawn(|| self.crowd()));
            all.push(scope.spawn(|| self.hang_up()));
            all.into_iter().try_for_each(|it| it.join().unwrap_or_else(|_| anyhow::bail!("a client failed")))
        })
    }

    pub(super) fn take(&self) -> Answers {
        std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn browse(&self, first: usize) -> Result<()> {
        let pid = std::process::id().to_string();
        let mut client = self.client();
        self.pace.each(ASK_EVERY, |turn| {
            if client.address() != self.address() {
                client = self.client();
            }
            let path = PATHS[(first * 3 + usize::try_from(turn)?) % PATHS.len()];
            self.ask(&client, &path.replace("{}", &pid));
            Ok(())
        })
    }

    fn crowd(&self) -> Result<()> {
        self.pace.each(MANY_EVERY, |_| {
            std::thread::scope(|scope| {
                for _ in 0..MANY {
                    scope.spawn(|| self.ask(&self.client(), LARGE));
                }
            });
            Ok(())
        })
    }

    /// Half a request; and a whole one whose answer nobody reads.
    fn hang_up(&self) -> Result<()> {
        self.pace.each(HANG_UP_EVERY, |turn| {
            let whole =
                format!("GET {LARGE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\r\n");
            let part = if turn % 2 == 0 { &whole[..40] } else { &whole };
            // A daemon that has no place for it may close it.
            if let Ok(mut stream) = TcpStream::connect(self.address()) {
                stream.write_all(part.as_bytes()).ok();
            }
            Ok(())
        })
    }

    fn ask(&self, client: &Client, path: &str) {
        let began = Instant::now();
        let good = client.get(path).is_ok_and(|(status, _)| status == 200);
        let took_ms = began.elapsed().as_secs_f64() * 1e3;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if good {
            answers.took_ms.push(took_ms);
        } else {
            answers.failed += 1;
        }
    }

    fn client(&self) -> Client {
        Client::new(self.address()).with_key(KEY)
    }

    fn address(&self) -> SocketAddr {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
