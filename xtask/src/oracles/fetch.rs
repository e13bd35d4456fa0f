//! A GET on a connection of its own. By HTTP/1.0, because Alertmanager's answers come in chunks by 1.1.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two tries of something that is awaited.
const STEP: Duration = Duration::from_millis(100);

/// The body of a good answer. `head` is more header lines, each with its line break.
pub(super) fn text(address: SocketAddr, path: &str, head: &str) -> Result<String> {
    let ask = || -> Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{head}\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().with_context(|| format!("http://{address}{path}"))?;
    body(&answer).with_context(|| format!("http://{address}{path}")).map(str::to_owned)
}

/// The same, as JSON.
pub(super) fn json(address: SocketAddr, path: &str, head: &str) -> Result<Value> {
    Ok(serde_json::from_str(&text(address, path, head)?)?)
}

/// Asks until there is an answer.
pub(super) fn wait_for<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        ensure!(began.elapsed() < within, "no {what} within {} s", within.as_secs());
        std::thread::sleep(STEP);
    }
}

fn body(answer: &str) -> Result<&str> {
    let (head, body) = answer.split_once("\r\n\r\n").context("not an HTTP answer")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    ensure!(status == "200", "status {status}: {body}");
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_good_answers() {
        let check = |answer: &str, want: Option<&str>| assert_eq!(body(answer).ok(), want, "{answer}");
        check("HTTP/1.0 200 OK\r\nA: b\r\n\r\n[]\r\n\r\n", Some("[]\r\n\r\n"));
        check("HTTP/1.1 401 Unauthorized\r\n\r\n{}", None);
        check("HTTP/1.1 200 OK\r\nA: b", None);
        check("", None);
    }
}
