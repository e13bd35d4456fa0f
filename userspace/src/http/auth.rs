//! What a request carries to be let in: the key, as a bearer token or as `?key=`, or a browser's session in a cookie.

use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri};

use super::params::pairs;
use super::sessions::LIFE;

/// The cookie with a browser's session.
const COOKIE_NAME: &str = "ai_debugger_session";
/// The same over TLS: browsers take this name only from the host itself, for all its paths, over TLS (RFC 6265bis).
const HOST_COOKIE_NAME: &str = "__Host-ai_debugger_session";
/// The query parameter, and the only one that never reaches a log or a redirect.
const KEY_PARAM: &str = "key";

/// What a request shows; the first one of these that holds anything decides.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// A key in `Authorization`.
    Bearer(String),
    /// A key in the query.
    Query(String),
    /// A session's id.
    Session(String),
}

impl Credential {
    /// `tls`: whether the server speaks it, and so which cookie is its own.
    pub(super) fn of(request: &Parts, tls: bool) -> Option<Self> {
        let bearer = || bearer(&request.headers).map(|it| Self::Bearer(it.to_owned()));
        let query = || query_key(&request.uri).map(Self::Query);
        let session = || cookie(&request.headers, tls).map(|it| Self::Session(it.to_owned()));
        bearer().or_else(query).or_else(session)
    }
}

/// The cookie that gives a browser its session; without an id, the one that takes it away.
pub(super) fn session_cookie(id: Option<&str>, tls: bool) -> Option<HeaderValue> {
    let (name, secure) = if tls { (HOST_COOKIE_NAME, "; Secure") } else { (COOKIE_NAME, "") };
    let (id, max_age_s) = id.map_or(("", 0), |id| (id, LIFE.as_secs()));
    let cookie = format!("{name}={id}; Max-Age={max_age_s}; HttpOnly; SameSite=Strict; Path=/{secure}");
    let mut cookie = HeaderValue::from_str(&cookie).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

/// The request's target without the key in its query.
pub(super) fn without_key(uri: &Uri) -> String {
    let rest: Vec<&str> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|raw| pairs(raw).iter().all(|(name, _)| name != KEY_PARAM))
        .collect();
    let mark = if rest.iter().all(|it| it.is_empty()) { "" } else { "?" };
    format!("{}{mark}{}", uri.path(), rest.join("&"))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn query_key(uri: &Uri) -> Option<String> {
    let all = pairs(uri.query()?);
    all.into_iter().find(|(name, value)| name == KEY_PARAM && !value.is_empty()).map(|(_, value)| value)
}

fn cookie(headers: &HeaderMap, tls: bool) -> Option<&str> {
    let wanted = if tls { HOST_COOKIE_NAME } else { COOKIE_NAME };
    let all = headers.get_all(COOKIE).iter().filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(';'));
    let mut named = all.filter_map(|it| it.trim().split_once('='));
    named.find(|(name, value)| *name == wanted && !value.is_empty()).map(|(_, value)| value)
}

/// A browser sends its cookie along whichever page asks; these headers say which page it was.
/// A program sends neither.
pub(super) fn same_origin(headers: &HeaderMap) -> bool {
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
    use axum::http::Request;

    use super::*;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_first_carrier_decides() {
        let bearer = |it: &str| Some(Credential::Bearer(it.to_owned()));
        let query = |it: &str| Some(Credential::Query(it.to_owned()));
        let session = |it: &str| Some(Credential::Session(it.to_owned()));
        const COOKIE: (&str, &str) = ("cookie", "ai_debugger_session=abc");
        for (uri, headers, want) in [
            ("/", [].as_slice(), None),
            ("/?key=", &[], None),
            ("/?key", &[], None),
            ("/?notkey=x", &[], None),
            ("/?a=1&key=s3cret%3B%26%2B%25%20%C3%A9", &[], query("s3cret;&+% é")),
            ("/?%6bey=a+b", &[], query("a b")),
            ("/?key=k", &[("authorization", "Bearer abc")], bearer("abc")),
            ("/", &[("authorization", "bearer  abc ")], bearer("abc")),
            ("/?key=k", &[("authorization", "Basic dTpw")], query("k")),
            ("/?key=k", &[("authorization", "Bearer ")], query("k")),
            ("/?key=k", &[COOKIE], query("k")),
            ("/", &[("cookie", "ai_debugger_session=")], None),
            ("/", &[("cookie", "xai_debugger_session=a; ai_debugger_key=k")], None),
            ("/", &[("cookie", "__Host-ai_debugger_session=a")], None),
            ("/", &[("cookie", "a=b; c"), COOKIE], session("abc")),
            ("/", &[("authorization", "Basic dTpw")], None),
            ("/", &[("authorization", "bearer")], None),
        ] {
            assert_eq!(Credential::of(&parts(uri, headers), false), want, "{uri} {headers:?}");
        }
        let both = [("cookie", "ai_debugger_session=stale; __Host-ai_debugger_session=new")];
        assert_eq!(Credential::of(&parts("/", &both), true), session("new"));
    }

    #[test]
    fn a_page_of_another_origin_is_told_from_our_own() {
        for (headers, want) in [
            ([].as_slice(), true),
            (&[("origin", "http://localhost:7878")], true),
            (&[("origin", "https://LOCALHOST:7878"), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", "http://localhost:8000")], false),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "http://localhost:7878"), ("sec-fetch-site", "cross-site")], false),
        ] {
            let all = [[("host", "localhost:7878")].as_slice(), headers].concat();
            assert_eq!(same_origin(&parts("/", &all).headers), want, "{headers:?}");
        }
    }

    #[test]
    fn the_key_leaves_the_address_and_the_cookie_is_the_hosts_alone() {
        for (uri, target) in [
            ("/?a=1&key=s3cret", "/?a=1"),
            ("/?key=k", "/"),
            ("/?key=k&", "/"),
            ("/?b=%20&key=k&%6bey=k&c", "/?b=%20&c"),
            ("/?a=1", "/?a=1"),
        ] {
            assert_eq!(without_key(&uri.parse().unwrap()), target, "{uri}");
        }
        for (id, tls, want) in [
            (Some("abc"), false, "ai_debugger_session=abc; Max-Age=43200; HttpOnly; SameSite=Strict; Path=/"),
            (
                Some("abc"),
                true,
                "__Host-ai_debugger_session=abc; Max-Age=43200; HttpOnly; SameSite=Strict; Path=/; Secure",
            ),
            (None, false, "ai_debugger_session=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/"),
        ] {
            let cookie = session_cookie(id, tls).unwrap();
            assert!(cookie.is_sensitive());
            assert_eq!(cookie.to_str().unwrap(), want);
        }
    }
}
