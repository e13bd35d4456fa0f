//! The server's certificate: where its two files are, and whether they are a pair. They are read again on SIGHUP.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::declare::{Reader, Section, flags, optional, settings};
use super::parse;
use super::problem::{Problem, Rejected};
use super::setting::group;

/// Largest file: a chain of a few certificates is some kilobytes.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates, the server's own first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Reads them; an error says which file is wrong and what is accepted.
    pub fn read(&self) -> Result<CertifiedKey, Rejected> {
        let (cert, key) = (self.cert.display(), self.key.display());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(&self.cert)?)
            .collect::<Result<_, _>>()
            .map_err(|error| refuse(&self.cert, &format!("is not whole: {error}"), CHAIN))?;
        if chain.is_empty() {
            return Err(refuse(&self.cert, "has no certificate in it", CHAIN));
        }
        let private = PrivateKeyDer::from_pem_slice(&read(&self.key)?)
            .map_err(|_| refuse(&self.key, "has no private key in it", KEY))?;
        CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Rejected::new(
                format!("the private key in {key} is not that of the certificate in {cert}"),
                "name the two files of one pair, the server's own certificate first",
            ),
            other => Rejected::new(format!("{cert} and {key} cannot be used: {other}"), CHAIN),
        })
    }

    /// A word on a key that others than the daemon can read; `None`: nobody else can.
    pub(super) fn warning(&self) -> Option<String> {
        let mode = self.key.metadata().ok()?.permissions().mode();
        let shown = self.key.display();
        (mode & 0o007 != 0).then(|| {
            format!("every user of this host can read the private key {shown}; run: chmod 640 {shown}")
        })
    }
}

const CHAIN: &str = "name a PEM file with the server's certificate, then those between it and its root";
const KEY: &str = "name a PEM file with the certificate's private key, not encrypted";

fn refuse(path: &Path, what: &str, accepted: &str) -> Rejected {
    Rejected::new(format!("{} {what}", path.display()), accepted)
}

fn read(path: &Path) -> Result<Vec<u8>, Rejected> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| refuse(path, &format!("cannot be read: {error}"), "name a readable PEM file"))?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > FILE_MAX_BYTES) {
        return Err(refuse(path, "is larger than 1 MiB", "name a readable PEM file"));
    }
    Ok(bytes)
}

settings! {
    struct TlsSettings {
        in flags(group::SERVER, "tls_") => {
            /// Certificate of the HTTP server as a PEM file, with those between it and its root; makes it speak https.
            cert: Option<PathBuf> = optional("FILE", parse::path);
            /// Private key of that certificate, a PEM file; both are read again on SIGHUP.
            key: Option<PathBuf> = optional("FILE", parse::path);
        }
    }
}

impl Section for Option<TlsFiles> {
    fn read(reader: &mut Reader) -> Self {
        let (cert, key, given, missing) = match Section::read(reader) {
            TlsSettings { cert: None, key: None } => return None,
            TlsSettings { cert: Some(cert), key: Some(key) } => (cert, key, "", ""),
            TlsSettings { cert, key } => {
                let (given, missing) =
                    if cert.is_some() { ("--tls-cert", "--tls-key") } else { ("--tls-key", "--tls-cert") };
                (cert.unwrap_or_default(), key.unwrap_or_default(), given, missing)
            }
        };
        if !missing.is_empty() {
            let what = format!("it is given and {missing} is not");
            let rejected = Rejected::new(what, "https needs both a certificate and its private key");
            reader.problem(Problem { origin: given.to_owned(), rejected });
            return None;
        }
        let files = TlsFiles { cert, key };
        match files.read() {
            Ok(_) => files.warning().into_iter().for_each(|it| reader.warn(it)),
            Err(rejected) => {
                reader.problem(Problem { origin: "--tls-cert and --tls-key".to_owned(), rejected });
            }
        }
        Some(files)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A certificate for localhost and its key, as PEM.
    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_pair_is_taken_and_anything_else_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let ((cert, key), (_, other)) = (pair(), pair());
        for (name, body) in [
            ("cert", cert.clone()),
            ("key", key.clone()),
            ("both", format!("{cert}{key}")),
            ("other", other),
            ("half", cert[..cert.len() / 2].to_owned()),
            ("empty", String::new()),
            ("bad", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()),
        ] {
            fs::write(at(name), body).unwrap();
        }
        let read = |cert: &str, key: &str| TlsFiles { cert: at(cert), key: at(key) }.read();
        assert_eq!(read("cert", "key").unwrap().cert.len(), 1);
        assert!(read("both", "both").is_ok());
        for (cert, key, want) in [
            ("cert", "other", "is not that of the certificate"),
            ("key", "key", "has no certificate"),
            ("cert", "cert", "has no private key"),
            ("empty", "key", "has no certificate"),
            ("half", "key", "is not whole"),
            ("bad", "key", "cannot be used"),
            ("none", "key", "cannot be read"),
            ("cert", "none", "cannot be read"),
        ] {
            let error = read(cert, key).unwrap_err();
            assert!(error.what.contains(want), "{cert} {key}: {error:?}");
            assert!(!format!("{error:?}").contains("BEGIN"), "{error:?}");
        }
    }
}
