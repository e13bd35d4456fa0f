//! `run` around the daemon: what takes privilege first, the line that says it is ready, signals until the end.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::output;
use super::protect::protect;
use super::signals::{self, Signals};
use crate::config::{self, KeySource, Listen, Sources};
use crate::{Bound, Origin, Reached, Ready, logging};

/// HTTP answers within this time of the start, or the daemon is never called ready.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// A daemon that has begun, without the privilege that took, and waits for its runtime.
pub struct Service {
    ready: Ready,
    bound: Bound,
    reached: Reached,
    /// What says on stdout that it is ready.
    line: String,
}

/// From the configuration to what takes privilege, while there is one thread.
pub fn begin(sources: &Sources) -> Result<Service> {
    let draft = config::load(sources)?;
    logging::init(&draft.logging)?;
    signals::ignore_early()?;
    protect();
    let place = place_of(&draft.key);
    let origin = Origin { sources: sources.clone(), given: draft.given.clone() };
    let (config, warnings) = draft.prepare()?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let bound = Bound::at(&config.listen)?;
    let reached = bound.reached()?;
    // On a terminal a person waits to open it; a journal keeps what it is given, and others read it: never there.
    let place = (!io::stdout().is_terminal()).then_some(place.as_str());
    let line = ready_line(&reached, config.tls.is_some(), &config.key, place)?;
    let ready = crate::Begun::new(config, origin)?.confine();
    Ok(Service { ready, bound, reached, line })
}

impl Service {
    /// Until a signal stops it.
    pub async fn serve(self) -> Result<()> {
        let Self { ready, bound, reached, line } = self;
        let (stop, stopped) = oneshot::channel();
        let watching = tokio::spawn(Signals::watch()?.handle(stop));
        let daemon = ready.run(bound.listener()?, async {
            // A sender that is gone means the signals are not watched any more: that is a reason to stop, too.
            drop(stopped.await);
        });
        tokio::pin!(daemon);
        let result = tokio::select! {
            result = &mut daemon => result,
            () = announce(&reached, &line) => daemon.await,
        };
        watching.abort();
        result
    }
}

/// Says on stdout, and to a supervisor, that HTTP answers, once it does.
async fn announce(reached: &Reached, line: &str) {
    match timeout(READY_DEADLINE, first_answer(reached)).await {
        Ok(Ok(())) => {
            if let Err(error) = output::print(line) {
                tracing::warn!("cannot print the ready message: {error:#}");
            }
            // The programs are attached since before there was a server. Without a supervisor this is nothing.
            if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
                tracing::warn!("cannot tell the supervisor that it is ready: {error}");
            }
        }
        Ok(Err(error)) => tracing::error!("HTTP does not answer: {error}"),
        Err(_) => tracing::error!("HTTP did not answer within {} s", READY_DEADLINE.as_secs()),
    }
}

/// The socket is bound already, so one request waits in its backlog until the daemon takes it.
async fn first_answer(reached: &Reached) -> io::Result<()> {
    match reached {
        Reached::At(address) => answers(TcpStream::connect(address).await?, &address.to_string()).await,
        Reached::By(path) => answers(UnixStream::connect(path).await?, "localhost").await,
    }
}

/// Whether anything comes back: one that speaks TLS says so to who does not, and that is an answer, too.
async fn answers(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str) -> io::Result<()> {
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.read_u8().await.map(|_| ())
}

/// Where the key is, for people.
fn place_of(source: &KeySource) -> String {
    match source {
        KeySource::Given { origin, .. } => format!("from {origin}"),
        KeySource::Kept(path) => format!("in {}", path.display()),
    }
}

/// The line that says it is ready: the URL with the key in it, or where the key is. A socket's address has no place for
/// a key, and those whose it is need none.
fn ready_line(reached: &Reached, tls: bool, key: &SecretString, place: Option<&str>) -> Result<String> {
    let address = match reached {
        Reached::At(address) => address,
        Reached::By(path) => {
            let listen = Listen::Unix(path.clone());
            return Ok(format!("ai-debugger is ready: {listen} (root and the daemon's user need no key)\n"));
        }
    };
    let scheme = if tls { "https" } else { "http" };
    let base = format!("{scheme}://{address}/");
    let url = match place {
        None => Url::parse_with_params(&base, [("key", key.expose_secret())]),
        Some(_) => Url::parse(&base),
    };
    let url = url.context("cannot make the URL to open")?;
    let place = place.map(|it| format!(" (key {it})")).unwrap_or_default();
    Ok(format!("ai-debugger is ready: {url}{place}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_can_be_opened_whatever_the_key_and_the_address() {
        for (address, tls, key, want) in [
            ("127.0.0.1:7878", false, "abc_-9", "http://127.0.0.1:7878/?key=abc_-9"),
            ("127.0.0.1:80", false, "a&b#c=d%", "http://127.0.0.1/?key=a%26b%23c%3Dd%25"),
            ("[::1]:9", false, "k+k", "http://[::1]:9/?key=k%2Bk"),
            ("10.0.0.7:9", true, "k", "https://10.0.0.7:9/?key=k"),
        ] {
            let key = SecretString::from(key);
            let line = ready_line(&Reached::At(address.parse().unwrap()), tls, &key, None).unwrap();
            assert_eq!(line, format!("ai-debugger is ready: {want}\n"));
        }
        let socket = Reached::By("/run/a.sock".into());
        let line = ready_line(&socket, false, &SecretString::from("hunter2"), None).unwrap();
        assert!(
            line.starts_with("ai-debugger is ready: unix:/run/a.sock") && !line.contains("hunter2"),
            "{line}"
        );
    }

    #[test]
    fn beside_a_place_the_key_itself_is_not_shown() {
        let key = SecretString::from("hunter2");
        let reached = Reached::At("127.0.0.1:7878".parse().unwrap());
        let kept = place_of(&KeySource::Kept("/data/key".into()));
        let line = ready_line(&reached, false, &key, Some(&kept)).unwrap();
        assert_eq!(line, "ai-debugger is ready: http://127.0.0.1:7878/ (key in /data/key)\n");
        let given = KeySource::Given { key, origin: "AI_DEBUGGER_KEY".into(), file: None };
        assert_eq!(place_of(&given), "from AI_DEBUGGER_KEY");
    }

    #[test]
    fn port_zero_is_a_real_port_and_a_taken_one_says_so() {
        let bound = Bound::at(&Listen::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
        let Reached::At(address) = bound.reached().unwrap() else { panic!("an address") };
        assert_ne!(address.port(), 0);
        let error = Bound::at(&Listen::Tcp(address)).err().unwrap().to_string();
        assert!(error.contains("in use") && error.contains("--listen"), "{error}");
    }

    #[tokio::test]
    async fn ready_means_that_http_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reached = Reached::At(listener.local_addr().unwrap());
        let ask = || {
            let reached = reached.clone();
            tokio::spawn(async move { first_answer(&reached).await })
        };
        let first = ask();
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut line = [0; 13];
        peer.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"GET /healthz ");
        assert!(!first.is_finished(), "a connection that was taken is not an answer");
        peer.write_all(b"H").await.unwrap();
        first.await.unwrap().unwrap();
        let hung_up = ask();
        drop(listener.accept().await.unwrap());
        assert!(hung_up.await.unwrap().is_err());
    }
}
