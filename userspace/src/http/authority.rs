//! Which `Host` a request may name. A web page whose own name was re-pointed at this address (DNS rebinding)
//! can make a browser talk to us, but not make it say another name.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{StatusCode, Version};

use super::error::Error;

/// The longest name DNS has.
const MAX_NAME: usize = 253;

/// The names this server answers to, beside IP literals.
pub(super) struct Names(Vec<String>);

impl Names {
    /// `localhost`, the machine's own name and those the operator allows.
    pub(super) fn new<'a>(machine: &'a str, allowed: impl IntoIterator<Item = &'a str>) -> Self {
        let listed = ["localhost", machine].into_iter().chain(allowed);
        let names = listed.map(|name| normal(without_port(name).unwrap_or(name)));
        Self(names.filter(|name| !name.is_empty()).collect())
    }

    /// Whether the request names one of them.
    pub(super) fn check(&self, request: &Parts) -> Result<(), Error> {
        let mut hosts = request.headers.get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => {
                let host = host.to_str().map_err(|_| Error::bad_request("the Host header is not text"))?;
                self.answers_to(host)?;
            }
            (Some(_), Some(_)) => return Err(Error::bad_request("more than one Host header")),
            (None, _) if request.version >= Version::HTTP_11 => {
                return Err(Error::bad_request("no Host header; HTTP/1.1 needs one"));
            }
            (None, _) => {}
        }
        // `GET http://name/path`: the name there counts, whatever Host says (RFC 9112, 3.2.2).
        request.uri.authority().map_or(Ok(()), |it| self.answers_to(it.as_str()))
    }

    fn answers_to(&self, authority: &str) -> Result<(), Error> {
        let malformed = || Error::bad_request("the Host header is not HOST or HOST:PORT");
        let host = without_port(authority).ok_or_else(malformed)?;
        if let Some(v6) = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            return v6.parse::<Ipv6Addr>().map(drop).map_err(|_| malformed());
        }
        if host.parse::<Ipv4Addr>().is_ok() || self.0.iter().any(|it| it == host) {
            return Ok(());
        }
        let host = normal(host);
        if host.parse::<Ipv4Addr>().is_ok() || self.0.contains(&host) {
            return Ok(());
        }
        let part_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || host.len() > MAX_NAME || !host.chars().all(part_of_name) {
            return Err(malformed());
        }
        let message = format!(
            "this server does not answer to the name `{host}`; if it should, start ai-debugger with \
             --allowed-host {host} (or AI_DEBUGGER_ALLOWED_HOSTS={host}), or use its IP address"
        );
        Err(Error::new(StatusCode::MISDIRECTED_REQUEST, message))
    }
}

/// Names are compared without case and without the root's dot.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The host of `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`; `None` where it is none of these.
fn without_port(authority: &str) -> Option<&str> {
    // A v6 literal has colons of its own, inside its brackets.
    let host_end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at(host_end);
    let well_formed = match rest.strip_prefix(':') {
        Some(port) => {
            port.is_empty() || port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
        }
        None => rest.is_empty(),
    };
    well_formed.then_some(host)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn status(version: Version, uri: &str, hosts: &[&str]) -> u16 {
        let names = Names::new("web-1", ["debug.example.com", "Other.Example:8443"]);
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        names.check(&parts).map_or_else(|error| error.status.as_u16(), |()| 200)
    }

    #[test]
    fn only_known_names_and_addresses_are_answered() {
        for (host, want) in [
            ("localhost", 200),
            ("LOCALHOST:7878", 200),
            ("localhost.", 200),
            ("127.0.0.1", 200),
            ("127.0.0.1:7878", 200),
            ("192.0.2.7:", 200),
            ("[::1]", 200),
            ("[::1]:7878", 200),
            ("[fe80::1]:1", 200),
            ("web-1", 200),
            ("Web-1:80", 200),
            ("debug.example.com", 200),
            ("debug.example.com.:9", 200),
            ("other.example", 200),
            ("evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("localhost.evil.example:7878", 421),
            ("notlocalhost", 421),
            ("0x7f.1", 421),
            ("2130706433", 421),
            ("", 400),
            (".", 400),
            (":7878", 400),
            ("::1", 400),
            ("[::1", 400),
            ("[::1]x", 400),
            ("[localhost]", 400),
            ("x[::1]", 400),
            ("x[::1]:80", 400),
            ("localhost:http", 400),
            ("localhost:99999", 400),
            ("localhost:80:80", 400),
            ("user@localhost", 400),
            ("localhost/..", 400),
            ("evil example", 400),
            ("<script>", 400),
        ] {
            assert_eq!(status(Version::HTTP_11, "/", &[host]), want, "{host:?}");
        }
        assert_eq!(status(Version::HTTP_11, "/", &[&"a".repeat(254)]), 400);
    }

    #[test]
    fn the_name_is_given_once_and_in_one_place() {
        assert_eq!(status(Version::HTTP_11, "/", &[]), 400);
        assert_eq!(status(Version::HTTP_10, "/", &[]), 200);
        assert_eq!(status(Version::HTTP_11, "/", &["localhost", "localhost"]), 400);
        assert_eq!(status(Version::HTTP_11, "http://localhost/", &["localhost"]), 200);
        assert_eq!(status(Version::HTTP_11, "http://evil.example/", &["localhost"]), 421);
        assert_eq!(status(Version::HTTP_11, "http://localhost/", &["evil.example"]), 421);
    }

    #[test]
    fn the_refusal_says_what_to_set() {
        let names = Names::new("web-1", []);
        let error = names.answers_to("Debug.Example:80").unwrap_err();
        assert!(error.message.contains("--allowed-host debug.example "), "{}", error.message);
    }
}
