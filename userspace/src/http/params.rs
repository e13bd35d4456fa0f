//! What a request says in its path and query. A value that is not understood is refused by name, never guessed.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::Error;
use crate::text;

/// How much of a bad value an error repeats.
const MAX_SHOWN: usize = 80;

/// The pairs of a query string, decoded.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The query's parameters. One that is empty counts as absent.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn new(query: &str) -> Self {
        Self(pairs(query))
    }

    /// The text of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(it, value)| it == name && !value.is_empty());
        values.next().map(|(_, value)| value.as_str())
    }

    /// A parameter of a type; the error names the parameter, what it was, and what `accepted` says.
    pub(super) fn get<T: FromStr>(&self, name: &str, accepted: impl Display) -> Result<Option<T>, Error> {
        let parse = |value: &str| value.parse().map_err(|_| refuse(name, value, &accepted));
        self.text(name).map(parse).transpose()
    }

    /// A parameter that is the spelling of one of a few things.
    pub(super) fn one_of<T: Copy>(
        &self,
        name: &str,
        all: &[T],
        spelling: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.text(name) else { return Ok(None) };
        let found = all.iter().copied().find(|it| spelling(*it) == value);
        let spellings = || all.iter().map(|it| spelling(*it)).collect::<Vec<_>>().join(", ");
        found.map(Some).ok_or_else(|| refuse(name, value, spellings()))
    }

    /// A whole number from 1 to `max`.
    pub(super) fn count(&self, name: &str, max: usize) -> Result<Option<usize>, Error> {
        let accepted = format!("a whole number from 1 to {max}");
        match self.get::<usize>(name, &accepted)? {
            Some(n) if n == 0 || n > max => Err(refuse(name, &n.to_string(), accepted)),
            n => Ok(n),
        }
    }
}

/// The refusal of a parameter's value.
pub(super) fn refuse(name: &str, value: &str, accepted: impl Display) -> Error {
    let value = text::truncate(&text::printable(value), MAX_SHOWN);
    Error::bad_request(format!("`{name}` is `{value}`; accepted is {accepted}"))
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Ok(Self::new(parts.uri.query().unwrap_or_default()))
    }
}

/// The path's variable segments, decoded; a refusal is JSON as all others are.
pub(super) struct Segments<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        Ok(Self(Path::from_request_parts(parts, state).await?.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_checked() {
        let params = Params::new("q=a%20b+c&limit=7&n=&n=2&bad=%ff&twice=1&twice=2");
        assert_eq!(params.text("q"), Some("a b c"));
        assert_eq!(params.text("n"), Some("2"));
        assert_eq!(params.text("twice"), Some("1"));
        assert_eq!(params.text("bad"), Some("\u{fffd}"));
        assert_eq!(params.text("absent"), None);
        assert_eq!(params.count("limit", 7), Ok(Some(7)));
        assert_eq!(params.count("absent", 7), Ok(None));
    }

    #[test]
    fn a_refusal_names_the_parameter_the_value_and_what_is_accepted() {
        for (value, shown) in [
            ("8", "8"),
            ("0", "0"),
            ("-1", "-1"),
            ("ten", "ten"),
            ("99999999999999999999", "99999999999999999999"),
            ("%1b[31m", "\u{fffd}[31m"),
        ] {
            let error = Params::new(&format!("limit={value}")).count("limit", 7).unwrap_err();
            assert_eq!(error.status, 400);
            assert_eq!(
                error.message,
                format!("`limit` is `{shown}`; accepted is a whole number from 1 to 7")
            );
        }
    }
}
