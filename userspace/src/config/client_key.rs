//! The access key as a client of the daemon finds it. A client is often not root: what it may not read, or what
//! is wrong in settings that are not its own, does not stop it.

use std::path::Path;

use secrecy::SecretString;

use super::key;
use super::layers::Either;
use super::problem::Rejected;
use super::registry;
use super::sources::{self, Sources};

/// The key to try, and where it is from, for the message when it does not fit.
#[derive(Debug)]
pub(crate) struct ClientKey {
    /// `None`: none was found.
    pub(crate) key: Option<SecretString>,
    /// Where it was found, or where it was looked for in vain and why.
    pub(crate) origin: String,
}

/// Looks for it. The kept key of this host is for daemons of this host: to another one it is not sent.
pub(crate) fn client_key(sources: &Sources, this_host: bool) -> ClientKey {
    let layers = sources::read(sources);
    let none = |origin: String| ClientKey { key: None, origin };
    match layers.either("key") {
        Err(problem) => {
            none(format!("{}: {}; {}", problem.origin, problem.rejected.what, problem.rejected.accepted))
        }
        Ok(Either::Value(found)) => {
            let key = SecretString::from(found.text());
            match key::check_shape(&key) {
                Ok(()) => ClientKey { key: Some(key), origin: found.origin },
                Err(Rejected { what, accepted }) => none(format!("{}: {what}; {accepted}", found.origin)),
            }
        }
        Ok(Either::File(found)) => from_file(Path::new(found.text()), &found.origin),
        Ok(Either::Neither) if this_host => {
            let given = layers.get("data_dir");
            let default = registry::find("data_dir").map_or("", |it| it.default);
            let data_dir = given.as_ref().map_or(default, |it| it.text());
            from_file(&key::kept_path(Path::new(data_dir)), "the data folder")
        }
        Ok(Either::Neither) => {
            none("no key is given, and this host's key is not sent to another host".to_owned())
        }
    }
}

fn from_file(path: &Path, origin: &str) -> ClientKey {
    match key::from_file(path) {
        Ok((key, _)) => ClientKey { key: Some(key), origin: format!("{} ({origin})", path.display()) },
        Err(Rejected { what, .. }) => ClientKey { key: None, origin: format!("{what} ({origin})") },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn the_kept_key_stays_on_this_host() {
        let dir = tempfile::tempdir().unwrap();
        let kept = key::keep(dir.path()).unwrap();
        let sources = |given: Option<&str>| Sources {
            flags: BTreeMap::from([("data_dir", vec![dir.path().display().to_string()])]),
            env: given.map(|key| ("AI_DEBUGGER_KEY".to_owned(), key.into())).into_iter().collect(),
            default_file: dir.path().join("none.toml"),
        };
        for (given, this_host, want) in [
            (None, true, Some(kept.expose_secret())),
            (None, false, None),
            (Some("theirs"), true, Some("theirs")),
            (Some("theirs"), false, Some("theirs")),
            (Some("not\u{a0}ascii"), true, None),
        ] {
            let found = client_key(&sources(given), this_host);
            assert_eq!(
                found.key.as_ref().map(secrecy::ExposeSecret::expose_secret),
                want,
                "{given:?} {this_host}"
            );
            assert!(!found.origin.is_empty());
        }
    }

    #[test]
    fn a_client_that_may_not_read_the_key_learns_why() {
        let dir = tempfile::tempdir().unwrap();
        let flags = BTreeMap::from([("key_file", vec![dir.path().join("gone").display().to_string()])]);
        let found = client_key(
            &Sources { flags, env: BTreeMap::new(), default_file: dir.path().join("none.toml") },
            true,
        );
        assert!(found.key.is_none() && found.origin.contains("gone cannot be read"), "{}", found.origin);
    }
}
