//! Asking the daemon: a GET on one connection that is kept, so that a poll costs as little as it can.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// Longest wait for an answer: longer than the daemon is stopped for.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Largest answer: all incidents of a run.
const BODY_MAX: usize = 64 << 20;

/// A connection to a daemon.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
    key: &'static str,
}

impl Client {
    pub(super) fn connect(host: SocketAddr, key: &'static str) -> Result<Self> {
        Ok(Self { stream: connect(host)?, host, key })
    }

    /// Status and body.
    pub(super) fn get(&mut self, path: &str) -> Result<(u16, String)> {
        // The daemon closes connections that nothing is asked on for a while.
        self.ask(path).or_else(|_| {
            self.stream = connect(self.host)?;
            self.ask(path)
        })
    }

    fn ask(&mut self, path: &str) -> Result<(u16, String)> {
        let (host, key) = (self.host, self.key);
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).context("the daemon hung up")?;
        let (status, length) = self.head()?;
        ensure!(length <= BODY_MAX, "{path}: an answer of {length} bytes");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, String::from_utf8(body)?))
    }

    pub(crate) fn json(&mut self, path: &str) -> Result<Value> {
        let (status, body) = self.get(path)?;
        ensure!(status == 200, "{path}: {status} {body}");
        Ok(serde_json::from_str(&body)?)
    }

    fn head(&mut self) -> Result<(u16, usize)> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).context("the daemon does not answer")? == 0 {
                bail!("the daemon hung up");
            }
            match line.trim_end() {
                "" => return head(&lines),
                line => lines.push(line.to_owned()),
            }
        }
    }
}

fn connect(host: SocketAddr) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(host).with_context(|| format!("cannot connect to {host}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Status and length of the body.
fn head(lines: &[String]) -> Result<(u16, usize)> {
    let (status, fields) = lines.split_first().context("an empty answer")?;
    let status = status.split(' ').nth(1).and_then(|it| it.parse().ok()).context("not an HTTP answer")?;
    let length = fields.iter().find_map(|field| {
        let (name, value) = field.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Ok((status, length.context("an answer without a length")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let check = |lines: &[&str], want: Option<(u16, usize)>| {
            let lines: Vec<String> = lines.iter().map(|it| (*it).to_owned()).collect();
            assert_eq!(head(&lines).ok(), want, "{lines:?}");
        };
        check(&["HTTP/1.1 200 OK", "Content-Length: 12", "x: y"], Some((200, 12)));
        check(&["HTTP/1.1 404 Not Found", "content-length:0"], Some((404, 0)));
        check(&["HTTP/1.1 200 OK", "transfer-encoding: chunked"], None);
        check(&["HTTP/1.1 200 OK", "content-length: many"], None);
        check(&["SSH-2.0"], None);
        check(&[], None);
    }
}
