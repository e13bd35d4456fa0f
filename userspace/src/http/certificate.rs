//! The certificate that new connections are shown; a reload changes it under way.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, Result};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// See the module.
#[derive(Debug)]
pub(super) struct Certificate(RwLock<Arc<CertifiedKey>>);

impl Certificate {
    pub(super) fn new(pair: CertifiedKey) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(pair))))
    }

    /// From now on this one is shown.
    pub(super) fn replace(&self, pair: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
    }

    fn clone_dyn(self: &Arc<Self>) -> Arc<dyn ResolvesServerCert> {
        Arc::<Self>::clone(self)
    }

    /// How connections are set up with it.
    pub(super) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>> {
        let mut config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .context("the TLS library refuses its own default protocol versions")?
            .with_no_client_auth()
            .with_cert_resolver(self.clone_dyn());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}
