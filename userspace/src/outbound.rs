//! The one way out of this host: an HTTP client for the model, for Slack and for the command line.
//! No redirects (a receiver that moves is a configuration error, and a redirect could carry a secret away).

use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::{NoProxy, Proxy};
use rustls::{ClientConfig, RootCertStore};

/// Time to connect, name resolution and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client whose requests end, one way or the other, within `timeout`.
pub fn client(timeout: Duration) -> Result<reqwest::Client> {
    let provider = rustls::crypto::ring::default_provider();
    let tls = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .context("the TLS library refuses its own default protocol versions")?
        .with_root_certificates(trusted_roots())
        .with_no_client_auth();
    let mut builder = reqwest::Client::builder().no_proxy();
    for proxy in proxies()? {
        builder = builder.proxy(proxy);
    }
    builder
        .use_preconfigured_tls(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("ai-debugger/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("cannot set up the HTTP client")
}

/// The proxies of the environment, in curl's spelling; never for this machine itself, so that no key meant for
/// a loopback address passes through a third hand.
fn proxies() -> Result<Vec<Proxy>> {
    let variable = |name: &str| {
        let value = std::env::var(name).or_else(|_| std::env::var(name.to_uppercase()));
        value.ok().filter(|value| !value.is_empty())
    };
    let excepted = format!("localhost,127.0.0.0/8,::1,{}", variable("no_proxy").unwrap_or_default());
    let mut proxies = Vec::new();
    for name in ["https_proxy", "http_proxy", "all_proxy"] {
        let Some(url) = variable(name) else { continue };
        let proxy = match name {
            "https_proxy" => Proxy::https(url),
            "http_proxy" => Proxy::http(url),
            _ => Proxy::all(url),
        };
        let proxy = proxy.with_context(|| format!("{name} is not a proxy's URL"))?;
        proxies.push(proxy.no_proxy(NoProxy::from_string(&excepted)));
    }
    Ok(proxies)
}

/// The host's certificate authorities; Mozilla's where the host has none, as in an image made from scratch.
fn trusted_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_can_be_made_on_any_host() {
        assert!(client(Duration::from_secs(1)).is_ok());
        assert!(!trusted_roots().is_empty());
    }
}
