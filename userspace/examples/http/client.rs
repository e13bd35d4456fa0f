//! A client that costs as little as it can: one thread, a fixed request on each of its connections as soon as the answer
//! before it has come whole. Anything but a 200 ends the run: what is counted is answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) key: String,
    pub(crate) connections: usize,
    pub(crate) lasts: Duration,
    /// Whether a connection is used again; else one for each request.
    pub(crate) reuse: bool,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    answers: u64,
    bytes: u64,
    slowest: Duration,
}

impl Load {
    /// Answers, bytes and seconds, and the slowest answer.
    pub(crate) fn run(self) -> Result<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let began = Instant::now();
            let until = began + self.lasts;
            let request = format!(
                "GET {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
                self.path, self.address, self.key
            );
            let mut asking = JoinSet::new();
            for _ in 0..self.connections {
                asking.spawn(ask(self.address, request.clone(), until, self.reuse));
            }
            let mut all = Seen::default();
            while let Some(seen) = asking.join_next().await {
                let seen = seen??;
                all.answers += seen.answers;
                all.bytes += seen.bytes;
                all.slowest = all.slowest.max(seen.slowest);
            }
            Ok(json!({
                "answers": all.answers,
                "bytes": all.bytes,
                "seconds": began.elapsed().as_secs_f64(),
                "slowest_ms": all.slowest.as_secs_f64() * 1e3,
            }))
        })
    }
}

async fn ask(address: SocketAddr, request: String, until: Instant, reuse: bool) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut kept: Option<TcpStream> = None;
    let mut buffer = Vec::with_capacity(64 << 10);
    while Instant::now() < until {
        let began = Instant::now();
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(request.as_bytes()).await?;
        seen.bytes += answer(&mut stream, &mut buffer).await?;
        seen.answers += 1;
        seen.slowest = seen.slowest.max(began.elapsed());
        kept = reuse.then_some(stream);
    }
    Ok(seen)
}

/// Reads one answer whole; its bytes.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<u64> {
    buffer.clear();
    let end = loop {
        ensure!(stream.read_buf(buffer).await? > 0, "the server hung up");
        if let Some(end) = buffer.windows(4).position(|it| it == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = std::str::from_utf8(&buffer[..end])?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("{head}");
    }
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.context("no Content-Length")?.1.parse()?;
    while buffer.len() < end + length {
        ensure!(stream.read_buf(buffer).await? > 0, "the server hung up");
    }
    Ok(u64::try_from(end + length)?)
}
