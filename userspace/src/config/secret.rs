//! Secrets, given as such or kept in files. Files are read whole, trimmed, bounded; and it is seen whether anybody
//! else could have read them.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use secrecy::SecretString;

use super::declare::{Field, Place, Reader};
use super::layers::Either;
use super::problem::Rejected;
use super::setting::{Setting, Shape};

/// Most bytes of a secret's file.
const SECRET_MAX_BYTES: u64 = 4096;

/// A secret as a file had it.
#[derive(Debug)]
pub(super) struct SecretFile {
    /// Without the white space around it; never empty.
    pub(super) secret: SecretString,
    /// Permission bits; 0 for a pipe, which only its reader sees.
    pub(super) mode: u32,
}

impl SecretFile {
    /// Whether the file's group or others may read or write it.
    pub(super) const fn too_open(&self) -> bool {
        self.mode & 0o066 != 0
    }

    /// Whether every user of the host may read or write it.
    pub(super) const fn world_open(&self) -> bool {
        self.mode & 0o006 != 0
    }
}

pub(super) fn read(path: &Path) -> Result<SecretFile, Rejected> {
    let accepted = "name a readable file that contains only the secret";
    // Who mixes up a secret and its file's name must not find the secret in an error.
    let text = path.to_string_lossy();
    let is_path = text.contains('/') && !text.contains("://");
    let shown = if is_path { text } else { "the named file".into() };
    let refuse = |what: &str| Rejected::new(format!("{shown} {what}"), accepted);
    let open = || {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        let mode = if meta.is_file() { meta.permissions().mode() & 0o777 } else { 0 };
        let mut bytes = Vec::new();
        file.take(SECRET_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>((bytes, mode))
    };
    let (bytes, mode) = open().map_err(|error| refuse(&format!("cannot be read: {error}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > SECRET_MAX_BYTES) {
        return Err(refuse(&format!("is larger than {SECRET_MAX_BYTES} bytes")));
    }
    let text = str::from_utf8(&bytes).map_err(|_| refuse("is not plain text"))?.trim();
    if text.is_empty() {
        return Err(refuse("is empty"));
    }
    Ok(SecretFile { secret: SecretString::from(text), mode })
}

/// A secret, given as such or in a file.
pub(super) struct Secret(pub(super) &'static str);

/// A secret that was given.
pub(super) struct Given {
    pub(super) value: SecretString,
    pub(super) origin: String,
}

impl Secret {
    /// Declares the setting and its twin, the file; says the secret's name.
    pub(super) fn declare(&self, reader: &mut Reader, place: Place) -> String {
        let mut setting = place.setting(Shape::Value, self.0, "");
        setting.secret = true;
        let mut file = Setting {
            name: format!("{}_file", setting.name),
            flag: setting.flag.as_ref().map(|flag| format!("{flag}-file")),
            env: setting.env.iter().map(|name| format!("{name}_FILE")).collect(),
            placeholder: "FILE",
            help: format!("Same as {}, but read from this file", setting.shown()),
            file_of: Some(setting.name.clone()),
            ..setting.clone()
        };
        file.secret = false;
        let name = setting.name.clone();
        reader.declared.extend([setting, file]);
        name
    }
}

impl Field<Option<Given>> for Secret {
    fn read(self, reader: &mut Reader, place: Place) -> Option<Given> {
        let name = self.declare(reader, place);
        match reader.layers.either(&name) {
            Ok(Either::Neither) => None,
            Ok(Either::Value(found)) => {
                Some(Given { value: SecretString::from(found.text().trim()), origin: found.origin })
            }
            Ok(Either::File(found)) => {
                let path = found.text();
                let file = reader.note(read(Path::new(path)), &found.origin)?;
                if file.too_open() {
                    reader.warn(format!("others can read the secret in {path}; run: chmod 600 {path}"));
                }
                Some(Given { value: file.secret, origin: found.origin })
            }
            Err(problem) => {
                reader.problem(problem);
                None
            }
        }
    }
}

/// Declares the access key. Which it is depends on settings that are read after it: loading finds out.
pub(super) struct AccessKey;

impl Field<SecretString> for AccessKey {
    fn read(self, reader: &mut Reader, place: Place) -> SecretString {
        Secret("KEY").declare(reader, place);
        SecretString::from("")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn files_are_trimmed_and_their_modes_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "\n  s3cret \r\n").unwrap();
        for (mode, too_open, world_open) in [(0o600, false, false), (0o640, true, false), (0o644, true, true)]
        {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = read(&path).unwrap();
            assert_eq!(read.secret.expose_secret(), "s3cret");
            assert_eq!((read.too_open(), read.world_open()), (too_open, world_open), "{mode:o}");
            assert!(!format!("{read:?}").contains("s3cret"));
        }
    }

    #[test]
    fn a_secret_in_the_place_of_a_path_is_not_repeated() {
        for mixed_up in ["gsk_hunter2", "https://hooks.slack.com/services/T/B/hunter2"] {
            assert!(!format!("{:?}", read(Path::new(mixed_up)).unwrap_err()).contains("hunter2"));
        }
    }

    #[test]
    fn what_holds_no_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for (body, want) in [
            (&b" \n"[..], "is empty"),
            (b"\xff\xfe", "is not plain text"),
            (&[b'a'; 5000], "is larger than 4096 bytes"),
        ] {
            fs::write(&path, body).unwrap();
            assert!(read(&path).unwrap_err().what.ends_with(want), "{want}");
        }
        for gone in [dir.path().join("none"), dir.path().to_owned()] {
            assert!(read(&gone).unwrap_err().what.contains("cannot be read"));
        }
    }
}
