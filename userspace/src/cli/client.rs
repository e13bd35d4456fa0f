//! A running daemon, asked over HTTP; and what to say when it does not answer, or not as hoped.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::config::{self, ClientKey, ConfigErrors, Problem, Sources};
use crate::outbound;

/// Asked when no other is named.
const DEFAULT_URL: &str = "http://127.0.0.1:7878";
/// The variable that names another daemon's address.
const URL_VARIABLE: &str = "SERVER_URL";
/// A model's verdict included.
const TIMEOUT: Duration = Duration::from_secs(90);
/// Most bytes of an answer.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// Which daemon a command means.
pub struct Target {
    /// Where the access key may be.
    pub sources: Sources,
    /// The daemon's address, from `--url`.
    pub url: Option<String>,
}

impl Target {
    /// The daemon that was named, and where; `None`: none was.
    pub(super) fn named(&self) -> Option<(&str, &'static str)> {
        let variable = || self.sources.env.get(URL_VARIABLE)?.to_str().filter(|url| !url.is_empty());
        self.url.as_deref().map(|url| (url, "--url")).or_else(|| Some((variable()?, URL_VARIABLE)))
    }
}

/// A daemon to ask.
pub(super) struct DaemonClient {
    base: Url,
    /// How people know it.
    place: String,
    key: ClientKey,
    http: reqwest::Client,
}

impl DaemonClient {
    /// Nothing is sent yet.
    pub(super) fn new(target: &Target) -> Result<Self> {
        let (url, origin) = target.named().unwrap_or((DEFAULT_URL, "default"));
        let wrong = |rejected| ConfigErrors(vec![Problem { origin: origin.to_owned(), rejected }]);
        if let Some(path) = url.strip_prefix(config::UNIX_SCHEME) {
            let path = config::socket_path(path).map_err(wrong)?;
            return Ok(Self {
                base: Url::parse("http://localhost/").context("the URL is not valid")?,
                place: url.to_owned(),
                // Not needed by root; sent by others, to a server of this host.
                key: config::client_key(&target.sources, true),
                http: straight_client(Some(&path))?,
            });
        }
        let base = Url::parse(&config::base_url(url).map_err(wrong)?).context("the URL is not valid")?;
        let this_host = config::is_this_host(&base);
        let key = config::client_key(&target.sources, this_host);
        let http = if this_host && base.scheme() == "http" {
            straight_client(None)?
        } else {
            outbound::client(TIMEOUT)?
        };
        let place = base.as_str().trim_end_matches('/').to_owned();
        Ok(Self { base, place, key, http })
    }

    /// The body of a GET; `None`: there is no such thing.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Option<String>> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.http.request(Method::GET, url)).await
    }

    /// The body of the answer to a POST of JSON; `None`: there is no such thing.
    pub(super) async fn post(&self, path: &[&str], body: &serde_json::Value) -> Result<Option<String>> {
        self.send(self.http.request(Method::POST, self.url(path)).json(body)).await
    }

    /// Where it is, for people.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Only http and https URLs get here, and those have a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn send(&self, request: RequestBuilder) -> Result<Option<String>> {
        let request = match &self.key.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        };
        let mut response = request.send().await.map_err(|error| self.unreachable(error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + chunk.len() > ANSWER_MAX_BYTES {
                bail!("the answer from {} is larger than {ANSWER_MAX_BYTES} bytes", self.place());
            }
            body.extend_from_slice(&chunk);
        }
        let body = String::from_utf8(body)
            .with_context(|| format!("the answer from {} is not text", self.place()))?;
        match response.status() {
            status if status.is_success() => Ok(Some(body)),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(self.refusal(status, &body)),
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> anyhow::Error {
        let (place, connected) = (self.place(), !error.is_connect());
        let error = error.without_url();
        let mut cause = error.to_string();
        let mut next = error.source();
        while let Some(inner) = next {
            cause = inner.to_string();
            next = inner.source();
        }
        if connected {
            return anyhow!("the daemon at {place} did not send a complete answer: {cause}");
        }
        anyhow!(
            "no daemon answers at {place}: {cause}; start one with `ai-debugger run`, or give another \
             address with --url or {URL_VARIABLE}"
        )
    }

    fn refusal(&self, status: StatusCode, body: &str) -> anyhow::Error {
        let (place, origin, said) = (self.place(), &self.key.origin, reason(body));
        let advice = "give the daemon's key with --key-file or AI_DEBUGGER_KEY, or run this as a user who can read \
             the key file";
        match (status, &self.key.key) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(_)) => {
                anyhow!(
                    "the daemon at {place} refuses the access key from {origin} ({status}{said}); {advice}"
                )
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, None) => {
                anyhow!(
                    "the daemon at {place} requires an access key ({status}{said}), and none was found: \
                     {origin}; {advice}"
                )
            }
            _ => anyhow!("the daemon at {place} answers {status}{said}"),
        }
    }
}

/// A client that ignores the environment's proxies: to a daemon on this host a proxy is no way, and it would read
/// the access key. Plain http only, so it trusts no certificates.
fn straight_client(socket: Option<&Path>) -> Result<reqwest::Client> {
    let provider = rustls::crypto::ring::default_provider();
    let tls = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .context("the TLS library refuses its own default protocol versions")?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let builder = match socket {
        Some(path) => reqwest::Client::builder().unix_socket(path),
        None => reqwest::Client::builder(),
    };
    builder
        .use_preconfigured_tls(tls)
        .no_proxy()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("cannot set up the HTTP client")
}

/// What an error body says.
fn reason(body: &str) -> String {
    #[derive(Deserialize)]
    struct Said {
        error: String,
    }
    serde_json::from_str(body).map_or_else(|_| String::new(), |Said { error }| format!(": {error}"))
}

pub(super) fn decode<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T> {
    serde_json::from_str(body)
        .context("this version does not understand the answer; is the daemon of the same version?")
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use axum::Router;
    use axum::http::HeaderMap;
    use axum::routing::{get, post};

    use super::*;

    /// A daemon of literals on loopback, and a target that means it.
    pub(in crate::cli) async fn peer(router: Router, key: &str) -> Target {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        target(&url, key)
    }

    fn target(url: &str, key: &str) -> Target {
        let flags = BTreeMap::from([("data_dir", vec!["/nonexistent".to_owned()])]);
        let env = BTreeMap::from([("AI_DEBUGGER_KEY".to_owned(), key.into())]);
        let sources = Sources { flags, env, default_file: "/nonexistent/file".into() };
        Target { sources, url: Some(url.to_owned()) }
    }

    fn guarded() -> Router {
        let echo = |headers: HeaderMap, uri: axum::http::Uri| async move {
            match headers.get("authorization").map(|value| value.to_str().unwrap()) {
                None => (StatusCode::UNAUTHORIZED, r#"{"error":"no key"}"#.to_owned()),
                Some("Bearer right") => (StatusCode::OK, uri.to_string()),
                Some(_) => (StatusCode::FORBIDDEN, r#"{"error":"wrong \u001b[2Jkey"}"#.to_owned()),
            }
        };
        let moved = || async { (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]) };
        Router::new()
            .route("/api/{*rest}", get(echo))
            .route("/moved", get(moved))
            .route("/x", post(|| async {}))
    }

    #[tokio::test]
    async fn questions_carry_the_key_and_escape_what_they_ask() {
        let daemon = DaemonClient::new(&peer(guarded(), "right").await).unwrap();
        let body = daemon.get(&["api", "a/../b"], &[("q", "x&y=é ".to_owned())]).await.unwrap();
        assert_eq!(body.as_deref(), Some("/api/a%2F..%2Fb?q=x%26y%3D%C3%A9+"));
        assert_eq!(daemon.get(&["none"], &[]).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_socket_is_asked_as_an_address_is() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("unix:{}", dir.path().join("a.sock").display());
        let error =
            DaemonClient::new(&target(&url, "right")).unwrap().get(&["api", "a"], &[]).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("no daemon answers at {url}: ")), "{error}");
        let listener = tokio::net::UnixListener::bind(dir.path().join("a.sock")).unwrap();
        tokio::spawn(async move { axum::serve(listener, guarded()).await });
        for (key, want) in [("right", Ok("/api/a?q=1")), ("", Err("requires an access key"))] {
            let daemon = DaemonClient::new(&target(&url, key)).unwrap();
            match (daemon.get(&["api", "a"], &[("q", "1".to_owned())]).await, want) {
                (Ok(body), Ok(want)) => assert_eq!(body.as_deref(), Some(want)),
                (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
                (got, want) => panic!("{got:?} for {want:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_refusal_says_which_key_was_tried_and_never_the_key() {
        for (key, path, want) in [
            ("wrong", "api", "refuses the access key from AI_DEBUGGER_KEY (403 Forbidden: wrong"),
            ("", "api", "/nonexistent/key cannot be read"),
            ("right", "moved", "answers 302 Found"),
        ] {
            let daemon = DaemonClient::new(&peer(guarded(), key).await).unwrap();
            let error = format!(
                "{:#}",
                daemon.get(&[path, "x"][..if path == "api" { 2 } else { 1 }], &[]).await.unwrap_err()
            );
            assert!(error.contains(want), "{error}");
        }
    }

    #[tokio::test]
    async fn nobody_there_says_how_to_start_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error =
            DaemonClient::new(&target(&url, "k")).unwrap().get(&["x"], &[]).await.unwrap_err().to_string();
        assert!(error.contains("Connection refused") && error.contains("ai-debugger run"), "{error}");
    }

    #[test]
    fn a_wrong_url_is_a_usage_error() {
        for url in ["ftp://x", "host:7878", "http://u:hunter2@h/", "unix:@name", "unix:a.sock"] {
            let error = DaemonClient::new(&target(url, "k")).err().unwrap();
            assert!(error.is::<ConfigErrors>() && !error.to_string().contains("hunter2"), "{error}");
        }
    }
}
