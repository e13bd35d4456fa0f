//! Asking a program on loopback, the daemon above all: on one connection that is kept, so that a poll costs as little as
//! it can.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;
use ureq::Agent;

/// Longest wait for an answer: longer than the daemon is stopped for.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Largest answer: all incidents of a run.
const BODY_MAX: u64 = 64 << 20;
/// Between two tries of something that is awaited.
const STEP: Duration = Duration::from_millis(100);

/// A connection to one program.
pub(crate) struct Client {
    agent: Agent,
    address: SocketAddr,
    /// What `Authorization` says, where the program wants that.
    authorization: Option<String>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        let agent = config.proxy(None).max_redirects(0).build().new_agent();
        Self { agent, address, authorization: None }
    }

    pub(crate) fn with_key(self, key: &str) -> Self {
        Self { authorization: Some(format!("Bearer {key}")), ..self }
    }

    pub(crate) fn get(&self, path: &str) -> Result<(u16, String)> {
        self.ask(path, "*/*")
    }

    /// The body of a good answer, in this format.
    pub(crate) fn text(&self, path: &str, accept: &str) -> Result<String> {
        let (status, body) = self.ask(path, accept)?;
        ensure!(status == 200, "{path}: {status} {body}");
        Ok(body)
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let text = self.text(path, "application/json")?;
        serde_json::from_str(&text).with_context(|| format!("{path}: not as agreed"))
    }

    fn ask(&self, path: &str, accept: &str) -> Result<(u16, String)> {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.agent.get(&url).header("accept", accept);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let mut answer = request.call().with_context(|| url.clone())?;
        let body = answer.body_mut().with_config().limit(BODY_MAX).read_to_string().context(url)?;
        Ok((answer.status().as_u16(), body))
    }
}

/// Asks until there is an answer.
pub(crate) fn wait_for<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        ensure!(began.elapsed() < within, "no {what} within {} s", within.as_secs());
        std::thread::sleep(STEP);
    }
}
