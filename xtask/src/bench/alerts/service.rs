//! A service on loopback that the daemon talks to, a model or Slack: keeps what it was sent and when, and answers as
//! it is told. A thread for each connection; all of them end with this program.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

/// Largest body: far more than any prompt or message.
const BODY_MAX: usize = 4 << 20;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at_ms: i64,
    pub(super) path: String,
    /// Names in small letters.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// When its answer was written; absent: it was not.
    pub(super) answered_ms: Option<i64>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// What is done with one.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Answer {
        status: u16,
        header: Option<(&'static str, &'static str)>,
        body: String,
        after: Duration,
    },
    /// Nothing, until the other side gives up.
    Hang,
    /// The connection is closed.
    Drop,
}

impl Reply {
    pub(super) fn ok(body: impl Into<String>) -> Self {
        Self::Answer { status: 200, header: None, body: body.into(), after: Duration::ZERO }
    }
}

type Answers = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// One that runs.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Service {
    pub(super) fn start(answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let service = Self { address: listener.local_addr()?, seen: Arc::default() };
        let (answers, accepting): (Answers, _) = (Arc::new(answers), service.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, service) = (Arc::clone(&answers), accepting.clone());
                // A connection that breaks is the daemon's doing, and no error.
                thread::spawn(move || service.serve(stream, &answers).ok());
            }
        });
        Ok(service)
    }

    /// All it was sent so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream, answers: &Answers) -> Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        while let Some(seen) = request(&mut stream)? {
            let reply = answers(&seen);
            let number = {
                let mut all = self.lock();
                all.push(seen);
                all.len() - 1
            };
            match reply {
                Reply::Drop => return Ok(()),
                Reply::Hang => {
                    std::io::copy(&mut stream, &mut std::io::sink())?;
                    return Ok(());
                }
                Reply::Answer { status, header, body, after } => {
                    thread::sleep(after);
                    let header =
                        header.map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
                    let mime = if body.starts_with('{') { "application/json" } else { "text/plain" };
                    let text = format!(
                        "HTTP/1.1 {status} Told\r\ncontent-type: {mime}\r\ncontent-length: {}\r\n{header}\r\n{body}",
                        body.len()
                    );
                    stream.get_mut().write_all(text.as_bytes())?;
                    if let Some(seen) = self.lock().get_mut(number) {
                        seen.answered_ms = Some(now_ms());
                    }
                }
            }
        }
        Ok(())
    }
}

/// The next request; `None` at the end of the connection.
fn request(stream: &mut BufReader<TcpStream>) -> Result<Option<Seen>> {
    let (mut first, mut length, mut headers) = (String::new(), 0, Vec::new());
    if stream.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    loop {
        let mut line = String::new();
        ensure!(stream.read_line(&mut line)? > 0, "the request ended in its head");
        match line.trim_end().split_once(':') {
            None => break,
            Some((name, value)) => {
                let (name, value) = (name.to_ascii_lowercase(), value.trim());
                if name == "content-length" {
                    length = value.parse()?;
                }
                headers.push((name, value.to_owned()));
            }
        }
    }
    ensure!(length <= BODY_MAX, "a request of {length} bytes");
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let path = first.split(' ').nth(1).context("not an HTTP request")?.to_owned();
    Ok(Some(Seen {
        at_ms: now_ms(),
        path,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        answered_ms: None,
    }))
}

/// Milliseconds since 1970, as the daemon's own times are.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: SocketAddr, body: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        let text = format!("POST /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn it_keeps_what_it_was_sent_and_answers_as_it_is_told() {
        let service = Service::start(|seen| match seen.body.as_str() {
            "drop" => Reply::Drop,
            "hang" => Reply::Hang,
            _ => Reply::Answer {
                status: 429,
                header: Some(("retry-after", "2")),
                body: "no".into(),
                after: Duration::ZERO,
            },
        })
        .unwrap();
        let answer = ask(service.address, "é");
        assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: 2\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nno"), "{answer}");
        assert_eq!(
            (ask(service.address, "drop"), ask(service.address, "hang")),
            (String::new(), String::new())
        );
        let seen = service.seen();
        assert_eq!(seen.iter().map(|it| it.body.as_str()).collect::<Vec<_>>(), ["é", "drop", "hang"]);
        assert_eq!(seen.iter().filter(|it| it.answered_ms.is_some()).count(), 1);
        assert!(seen.iter().all(|it| it.path == "/a"));
    }
}
