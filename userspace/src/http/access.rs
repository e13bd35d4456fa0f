//! Who is let in: the key, compared in constant time, the sessions made of it, and the certificate they travel under.
//! A reload reads key and certificate again.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Result, anyhow};
use axum::http::StatusCode;
use axum::http::request::Parts;
use rustls::ServerConfig;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tracing::{info, warn};

use super::auth::{Credential, same_origin};
use super::certificate::Certificate;
use super::error::Error;
use super::places::Place;
use super::sessions::Sessions;
use super::throttle::{DELAY, Throttle};
use crate::config::{Config, TlsFiles};
use crate::health::Health;
use crate::metrics::{LimitLabel, Metrics};

/// How somebody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Bearer,
    Query,
    Session,
    /// The unix socket, whose other end is root or the daemon's own user.
    Socket,
}

/// See the module.
pub struct Access {
    config: Arc<Config>,
    key: RwLock<Key>,
    /// Secrets that must not come out with the words of somebody else; those that are no more are kept, too.
    hidden: RwLock<Vec<SecretString>>,
    certificate: Option<Arc<Certificate>>,
    pub(super) sessions: Sessions,
    throttle: Throttle,
    metrics: Arc<Metrics>,
    health: Health,
}

/// The key, and its digest. Digests are compared, so that not even the key's length shows in the time it takes.
struct Key {
    text: SecretString,
    digest: [u8; 32],
}

impl Key {
    fn new(text: SecretString) -> Self {
        let digest = Sha256::digest(text.expose_secret()).into();
        Self { text, digest }
    }
}

impl Access {
    /// By what the configuration says; an error where certificate and key are no pair any more.
    pub fn new(config: Arc<Config>, metrics: Arc<Metrics>, health: Health) -> Result<Self> {
        let pair = config.tls.as_ref().map(TlsFiles::read).transpose();
        let pair = pair.map_err(|it| anyhow!("{}; {}", it.what, it.accepted))?;
        let key = RwLock::new(Key::new(config.key.clone()));
        let hidden = RwLock::new(config.receivers.secrets());
        Ok(Self {
            config,
            key,
            hidden,
            certificate: pair.map(Certificate::new),
            sessions: Sessions::default(),
            throttle: Throttle::default(),
            metrics,
            health,
        })
    }

    /// Reads key and certificate again. What cannot be used is said, and what was used so far stays.
    pub fn reload(&self) {
        self.reload_key();
        self.reload_certificate();
    }

    fn reload_key(&self) {
        match self.config.key_again() {
            None => info!("the access key was given as such: a new one needs a restart"),
            Some(Err(it)) => {
                warn!("the access key stays as it was: {}; {}", it.what, it.accepted);
                let reason = format!("the access key cannot be read again: {}", it.what);
                self.health.degrade("key", reason, it.accepted);
            }
            Some(Ok((key, warning))) => {
                if let Some(warning) = warning {
                    warn!("{warning}");
                }
                self.health.recover("key");
                if self.is_key(key.expose_secret().as_bytes()) {
                    info!("the access key is the same as before");
                    return;
                }
                *self.key.write().unwrap_or_else(PoisonError::into_inner) = Key::new(key);
                // After the change: a session that begins in between is the old key's, too.
                let ended = self.sessions.end_all();
                info!(
                    "the access key is a new one; {ended} sessions of browsers have ended with the old one"
                );
            }
        }
    }

    fn reload_certificate(&self) {
        let (Some(certificate), Some(files)) = (&self.certificate, &self.config.tls) else { return };
        match files.read() {
            Ok(pair) => {
                certificate.replace(pair);
                self.health.recover("tls");
                info!("new connections are shown the certificate in {}", files.cert.display());
            }
            Err(it) => {
                warn!("the certificate stays as it was: {}; {}", it.what, it.accepted);
                self.health.degrade(
                    "tls",
                    format!("the new certificate cannot be used: {}", it.what),
                    it.accepted,
                );
            }
        }
    }

    /// Whether the server speaks TLS.
    pub(super) const fn tls(&self) -> bool {
        self.certificate.is_some()
    }

    pub(super) fn server_config(&self) -> Result<Option<Arc<ServerConfig>>> {
        self.certificate.as_ref().map(Certificate::server_config).transpose()
    }

    /// The key in force, for those who must not let it out.
    pub(super) fn key(&self) -> SecretString {
        self.key.read().unwrap_or_else(PoisonError::into_inner).text.clone()
    }

    /// From now on these are hidden, too.
    pub fn hide(&self, secrets: Vec<SecretString>) {
        self.hidden.write().unwrap_or_else(PoisonError::into_inner).extend(secrets);
    }

    /// The secrets beside the key that must not be let out.
    pub(super) fn hidden(&self) -> Vec<SecretString> {
        self.hidden.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the request may come in; else 401 without a key, 403 with a wrong one or from a foreign page. Whoever has
    /// given too many wrong ones waits for his answer, 429.
    pub(super) async fn check(&self, request: &Parts, place: &Place) -> Result<Carrier, Error> {
        if place.trusted {
            return Ok(Carrier::Socket);
        }
        let (carrier, right) = match Credential::of(request, self.tls()) {
            Some(Credential::Bearer(key)) => (Carrier::Bearer, self.is_key(key.as_bytes())),
            Some(Credential::Query(key)) => (Carrier::Query, self.is_key(key.as_bytes())),
            Some(Credential::Session(id)) if self.sessions.knows(&id) => (Carrier::Session, true),
            Some(Credential::Session(_)) => {
                let message = "the session has ended; open the address with `?key=KEY` again";
                return Err(Error::new(StatusCode::UNAUTHORIZED, message));
            }
            None => {
                let message = "a key is needed: `Authorization: Bearer KEY`, or `?key=KEY` in a browser";
                return Err(Error::new(StatusCode::UNAUTHORIZED, message));
            }
        };
        if !right {
            return Err(self.refuse_wrong(place).await);
        }
        if carrier == Carrier::Session && !request.method.is_safe() && !same_origin(&request.headers) {
            return Err(Error::forbidden("a page of another origin may not change anything here"));
        }
        Ok(carrier)
    }

    async fn refuse_wrong(&self, place: &Place) -> Error {
        if !self.throttle.wrong(place.peer) {
            return Error::forbidden("this is not the key of this server");
        }
        self.metrics.turned_away.get_or_create(&LimitLabel { limit: "http_wrong_keys" }).inc();
        tokio::time::sleep(DELAY).await;
        let message = "this is not the key of this server, and too many wrong ones came from this address";
        Error::new(StatusCode::TOO_MANY_REQUESTS, message)
    }

    fn is_key(&self, candidate: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(candidate).into();
        self.key.read().unwrap_or_else(PoisonError::into_inner).digest.ct_eq(&digest).into()
    }
}
