//! Who may ask: the key, as a bearer token, as `?key=` or in a cookie, compared in constant time.

use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::error::Error;
use super::params::pairs;

/// The cookie a browser gets in exchange for `?key=`.
const KEY_COOKIE: &str = "ai_debugger_key";
/// The query parameter, and the only one that never reaches a log or a redirect.
const KEY_PARAM: &str = "key";

/// Where a request carried its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Bearer,
    Query,
    Cookie,
}

/// The key's digest. Digests are compared, so that not even the key's length shows in the time it takes.
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn new(key: &SecretString) -> Self {
        Self(Sha256::digest(key.expose_secret()).into())
    }

    /// Where the right key came from; else 401 without a key, 403 with a wrong one or from a foreign page.
    /// The first carrier that holds a key decides: bearer, query, cookie.
    pub(super) fn check(&self, request: &Parts) -> Result<Carrier, Error> {
        let (carrier, right) = if let Some(token) = bearer(&request.headers) {
            (Carrier::Bearer, self.is(token.as_bytes()))
        } else if let Some(value) = query_key(&request.uri) {
            (Carrier::Query, self.is(value.as_bytes()))
        } else if let Some(value) = cookie(&request.headers) {
            // As we set it, or as it is: a program may put the bare key there.
            let decoded = pairs(value).into_iter().next().unwrap_or_default().0;
            (Carrier::Cookie, self.is(value.as_bytes()) | self.is(decoded.as_bytes()))
        } else {
            let message = "a key is needed: `Authorization: Bearer KEY`, or `?key=KEY` in a browser";
            return Err(Error::new(StatusCode::UNAUTHORIZED, message));
        };
        if !right {
            return Err(Error::forbidden("this is not the key of this server"));
        }
        if carrier == Carrier::Cookie && !request.method.is_safe() && !same_origin(&request.headers) {
            return Err(Error::forbidden("pages from another origin may not change anything here"));
        }
        Ok(carrier)
    }

    fn is(&self, candidate: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(candidate).into();
        self.0.ct_eq(&digest).into()
    }
}

/// The cookie that holds the key this request came with in its query, and the request's target without it.
pub(super) fn exchange(uri: &Uri) -> Option<(HeaderValue, String)> {
    let key = query_key(uri)?;
    let value: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
    let cookie = format!("{KEY_COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/");
    let mut cookie = HeaderValue::from_str(&cookie).ok()?;
    cookie.set_sensitive(true);
    let rest: Vec<&str> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|raw| pairs(raw).iter().all(|(name, _)| name != KEY_PARAM))
        .collect();
    let mark = if rest.iter().all(|it| it.is_empty()) { "" } else { "?" };
    Some((cookie, format!("{}{mark}{}", uri.path(), rest.join("&"))))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn query_key(uri: &Uri) -> Option<String> {
    let all = pairs(uri.query().unwrap_or_default());
    all.into_iter().find(|(name, value)| name == KEY_PARAM && !value.is_empty()).map(|(_, value)| value)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(';'));
    let mut named = all.filter_map(|it| it.trim().split_once('='));
    named.find(|(name, value)| *name == KEY_COOKIE && !value.is_empty()).map(|(_, value)| value)
}

/// A browser sends its cookie along whichever page asks; these headers say which page it was.
/// A program sends neither.
fn same_origin(headers: &HeaderMap) -> bool {
    let site_fits = headers.get("sec-fetch-site").is_none_or(|it| it == "same-origin");
    let host = headers.get(HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let origin_fits = headers.get(ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|it| it.eq_ignore_ascii_case(host))
    });
    site_fits && origin_fits
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, Request};

    use super::*;

    /// A key with characters that neither a query nor a cookie takes as they are.
    const KEY: &str = "s3cret;&+% é";

    fn check(method: Method, uri: &str, headers: &[(&str, &str)]) -> Result<Carrier, u16> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Key::new(&SecretString::from(KEY)).check(&parts).map_err(|error| error.status.as_u16())
    }

    const QUERY: &str = "/?a=1&key=s3cret%3B%26%2B%25%20%C3%A9";
    const COOKIE: &str = "ai_debugger_key=s3cret%3B%26%2B%25+%C3%A9";

    #[test]
    fn the_first_carrier_decides() {
        let plain = Key::new(&SecretString::from("abc"));
        let get = |uri: &str, headers: &[(&str, &str)]| check(Method::GET, uri, headers);
        for (uri, headers, want) in [
            ("/", [].as_slice(), Err(401)),
            ("/?key=", &[], Err(401)),
            ("/?key", &[], Err(401)),
            ("/?notkey=x", &[], Err(401)),
            ("/?key=wrong", &[], Err(403)),
            (QUERY, &[], Ok(Carrier::Query)),
            ("/?%6bey=s3cret%3B%26%2B%25+%C3%A9", &[], Ok(Carrier::Query)),
            (QUERY, &[("authorization", "Bearer wrong")], Err(403)),
            (QUERY, &[("authorization", "Basic dTpw")], Ok(Carrier::Query)),
            (QUERY, &[("authorization", "Bearer ")], Ok(Carrier::Query)),
            ("/?key=wrong", &[("cookie", COOKIE)], Err(403)),
            ("/", &[("cookie", "ai_debugger_key=wrong")], Err(403)),
            ("/", &[("cookie", "ai_debugger_key=")], Err(401)),
            ("/", &[("cookie", "xai_debugger_key=a; b")], Err(401)),
            ("/", &[("cookie", "a=b"), ("cookie", COOKIE)], Ok(Carrier::Cookie)),
            ("/", &[("authorization", "Basic dTpw")], Err(401)),
            ("/", &[("authorization", "bearer")], Err(401)),
        ] {
            assert_eq!(get(uri, headers), want, "{uri} {headers:?}");
        }
        for (header, right) in [("Bearer abc", true), ("bearer  abc ", true), ("Bearer abcd", false)] {
            let request = Request::builder().header("authorization", header).body(()).unwrap();
            assert_eq!(plain.check(&request.into_parts().0).is_ok(), right, "{header}");
        }
    }

    #[test]
    fn a_cookie_changes_things_for_its_own_origin_only() {
        let post = |headers: &[(&str, &str)]| {
            let common = [("host", "localhost:7878"), ("cookie", COOKIE)];
            check(Method::POST, "/", &[common.as_slice(), headers].concat())
        };
        for (headers, want) in [
            ([].as_slice(), Ok(Carrier::Cookie)),
            (&[("origin", "http://localhost:7878")], Ok(Carrier::Cookie)),
            (&[("origin", "https://LOCALHOST:7878"), ("sec-fetch-site", "same-origin")], Ok(Carrier::Cookie)),
            (&[("origin", "http://localhost:8000")], Err(403)),
            (&[("origin", "http://evil.example")], Err(403)),
            (&[("origin", "null")], Err(403)),
            (&[("origin", "")], Err(403)),
            (&[("sec-fetch-site", "cross-site")], Err(403)),
            (&[("sec-fetch-site", "same-site")], Err(403)),
            (&[("sec-fetch-site", "none")], Err(403)),
            (&[("origin", "http://localhost:7878"), ("sec-fetch-site", "cross-site")], Err(403)),
        ] {
            assert_eq!(post(headers), want, "{headers:?}");
        }
        let foreign = ("origin", "http://evil.example");
        assert_eq!(check(Method::GET, "/", &[("cookie", COOKIE), foreign]), Ok(Carrier::Cookie));
        assert_eq!(check(Method::POST, QUERY, &[foreign]), Ok(Carrier::Query));
    }

    #[test]
    fn the_key_moves_from_the_query_to_the_cookie() {
        for (uri, target) in
            [(QUERY, "/?a=1"), ("/?key=k", "/"), ("/?key=k&", "/"), ("/?b=%20&key=k&%6bey=k&c", "/?b=%20&c")]
        {
            let (cookie, to) = exchange(&uri.parse().unwrap()).unwrap();
            assert_eq!(to, target, "{uri}");
            assert!(cookie.is_sensitive());
        }
        let (cookie, _) = exchange(&QUERY.parse().unwrap()).unwrap();
        let cookie = cookie.to_str().unwrap();
        assert_eq!(cookie, format!("{COOKIE}; HttpOnly; SameSite=Strict; Path=/"));
        assert_eq!(exchange(&Uri::from_static("/?a=1")), None);
    }
}
