//! The access key: given, read from a file, or made on the first run and kept in the data folder.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret as _, SecretString};

use super::problem::Rejected;
use super::secret;

/// The kept key's name in the data folder.
const KEPT_NAME: &str = "key";
/// Random bytes of a key: 256 bits.
const KEY_BYTES: usize = 32;
/// Shorter keys are refused where others than this host can reach the daemon.
const SHORTEST_CHARS: usize = 16;
/// Longer ones do not fit a header comfortably.
const LONGEST_CHARS: usize = 512;
/// Fewer different characters than this are a pattern, not a key.
const FEWEST_DIFFERENT: usize = 6;
/// What people type to get on with it; a key made of these alone is known to everybody.
const WELL_KNOWN: [&str; 12] = [
    "debugger",
    "debug",
    "changeme",
    "password",
    "passwd",
    "secret",
    "admin",
    "root",
    "letmein",
    "qwerty",
    "test",
    "0123456789",
];

/// Where the kept key is.
pub(super) fn kept_path(data_dir: &Path) -> PathBuf {
    data_dir.join(KEPT_NAME)
}

pub(super) fn random() -> Result<SecretString, getrandom::Error> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(SecretString::from(BASE64URL_NOPAD.encode(&bytes)))
}

/// Whether it can be sent as a key at all.
pub(super) fn check_shape(key: &SecretString) -> Result<(), Rejected> {
    let text = key.expose_secret();
    if text.is_empty() || text.len() > LONGEST_CHARS || !text.bytes().all(|b| b.is_ascii_graphic()) {
        let what = "the value cannot be an access key";
        return Err(Rejected::new(
            what,
            format!("give 1 to {LONGEST_CHARS} visible ASCII characters without spaces"),
        ));
    }
    Ok(())
}

/// Why strangers would guess it; `None` for a good key.
pub(super) fn weakness(key: &SecretString) -> Option<&'static str> {
    let text = key.expose_secret();
    let mut different: Vec<_> = text.bytes().collect();
    different.sort_unstable();
    different.dedup();
    let mut rest: String = text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    for word in WELL_KNOWN {
        rest = rest.replace(word, "");
    }
    if rest.is_empty() {
        Some("the access key is a well-known default")
    } else if text.len() < SHORTEST_CHARS {
        Some("the access key is shorter than 16 characters")
    } else if different.len() < FEWEST_DIFFERENT {
        Some("the access key is made of too few different characters")
    } else {
        None
    }
}

/// A key from a file; one that every user of the host can read is none.
pub(super) fn from_file(path: &Path) -> Result<(SecretString, Option<String>), Rejected> {
    let read = secret::read(path)?;
    let shown = path.display();
    if read.world_open() {
        let what = format!("every user of this host can read {shown}");
        return Err(Rejected::new(what, format!("run: chmod 600 {shown}")));
    }
    check_shape(&read.secret)?;
    let warning =
        read.too_open().then(|| format!("the group of {shown} can read it; run: chmod 600 {shown}"));
    Ok((read.secret, warning))
}

/// Whether a file has a key that would be taken.
pub(crate) fn check_file(path: &Path) -> Result<(), Rejected> {
    from_file(path).map(|_| ())
}

/// Makes the data folder, closed to others, when it is not there.
pub(super) fn make_folder(data_dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir).with_context(|| {
        format!("cannot create the data folder {}; choose another with --data-dir", data_dir.display())
    })
}

/// The kept key; made when it is not there.
pub(super) fn keep(data_dir: &Path) -> Result<SecretString> {
    let path = kept_path(data_dir);
    if !path.exists() {
        make(data_dir, &path)
            .with_context(|| format!("cannot store a new access key in {}", path.display()))?;
    }
    match from_file(&path) {
        Ok((key, _)) => Ok(key),
        Err(Rejected { what, accepted }) => bail!("access key: {what}; {accepted}"),
    }
}

/// Written under another name and linked into place: whoever sees the file sees a whole key, and of two
/// daemons that start at once both use the same.
fn make(data_dir: &Path, path: &Path) -> Result<()> {
    let draft = data_dir.join(format!(".{KEPT_NAME}.{}", ulid::Ulid::new()));
    let key = random()?;
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        writeln!(file, "{}", key.expose_secret())?;
        file.sync_all()?;
        fs::hard_link(&draft, path)
    };
    let written = write();
    drop(fs::remove_file(&draft));
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.exists() => Ok(()),
        other => Ok(other?),
    }
}

/// A word on a data folder others can enter; `None` when it is closed.
pub(super) fn folder_warning(data_dir: &Path) -> Option<String> {
    let mode = fs::metadata(data_dir).ok()?.permissions().mode();
    let shown = data_dir.display();
    (mode & 0o077 != 0).then(|| format!("others can enter the data folder {shown}; run: chmod 700 {shown}"))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn the_first_run_makes_a_key_and_the_next_ones_use_it() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("a/data");
        make_folder(&data).unwrap();
        let first = keep(&data).unwrap();
        assert_eq!(first.expose_secret().len(), 43, "256 bits");
        assert_eq!(weakness(&first), None);
        assert_eq!(keep(&data).unwrap().expose_secret(), first.expose_secret());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&data), mode(&kept_path(&data))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "no draft is left behind");
        assert_ne!(random().unwrap().expose_secret(), first.expose_secret());
    }

    #[test]
    fn daemons_that_start_at_once_agree_on_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = kept_path(dir.path());
        fs::write(&path, "the-other-daemon-was-faster\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        make(dir.path(), &path).unwrap();
        assert_eq!(keep(dir.path()).unwrap().expose_secret(), "the-other-daemon-was-faster");
    }

    #[test]
    fn a_kept_key_that_is_open_or_broken_is_refused_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let path = kept_path(dir.path());
        for (body, mode, want) in [
            ("a-good-key-0123456789", 0o644, "chmod 600"),
            ("a-good-key-0123456789", 0o602, "chmod 600"),
            ("", 0o600, "is empty"),
            ("two words", 0o600, "cannot be an access key"),
        ] {
            fs::write(&path, body).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = format!("{:#}", keep(dir.path()).unwrap_err());
            assert!(error.contains(want) && !error.contains("a-good-key"), "{error}");
        }
    }

    #[test]
    fn guessable_keys_are_recognised() {
        for (key, weak) in [
            ("debugger", true),
            ("Change-Me!", true),
            ("passwordpassword", true),
            ("admin-secret-debugger", true),
            ("aaaaaaaaaaaaaaaaaaaa", true),
            ("short-but-odd", true),
            ("correct-horse-battery", false),
        ] {
            assert_eq!(weakness(&SecretString::from(key)).is_some(), weak, "{key}");
        }
    }
}
