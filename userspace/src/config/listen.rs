//! Where the HTTP server listens: an address and a port, or a socket's file.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::parse::Parsed;
use super::problem::Rejected;

/// What a socket's file begins with, here and in the command line's `--url`.
pub(crate) const UNIX_SCHEME: &str = "unix:";
/// Longest path of a socket: `sun_path` less its end (unix(7)).
const SOCKET_PATH_MAX: usize = 107;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A socket in the file system, for this host alone.
    Unix(PathBuf),
}

impl Listen {
    /// Whether nobody beyond this host can come in.
    pub fn is_this_host_only(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX_SCHEME}{}", path.display()),
        }
    }
}

pub(super) fn listen(text: &str) -> Parsed<Listen> {
    if let Some(path) = text.strip_prefix(UNIX_SCHEME) {
        return socket_path(path).map(Listen::Unix);
    }
    text.parse().map(Listen::Tcp).map_err(|_| {
        let accepted = "give an IP address and a port, such as 127.0.0.1:7878 or [::1]:7878, or a socket, such as \
                        unix:/run/ai-debugger.sock";
        Rejected::value(text, "is not an address to listen on", accepted)
    })
}

/// The path of a socket, without the scheme.
pub(crate) fn socket_path(path: &str) -> Parsed<PathBuf> {
    let accepted = "give an absolute path of at most 107 bytes, such as unix:/run/ai-debugger.sock";
    if path.starts_with('@') || path.starts_with('\0') {
        let what = "is an abstract socket, which every user of this host could connect to";
        return Err(Rejected::value(path, what, accepted));
    }
    if !Path::new(path).is_absolute()
        || path.ends_with('/')
        || path.contains('\0')
        || path.len() > SOCKET_PATH_MAX
    {
        return Err(Rejected::value(path, "is not a path for a socket", accepted));
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_sockets() {
        let check = |text: &str, want: Option<Listen>| assert_eq!(listen(text).ok(), want, "{text}");
        check("127.0.0.1:0", Some(Listen::Tcp(([127, 0, 0, 1], 0).into())));
        check("unix:/run/a.sock", Some(Listen::Unix("/run/a.sock".into())));
        for bad in ["localhost:1", ":7878", "7878", "1.2.3.4", "1.2.3.4:70000", ""] {
            check(bad, None);
        }
        for bad in ["", "a.sock", "./a", "/run/", "@a", "\0a", "/a\0b"] {
            check(&format!("unix:{bad}"), None);
        }
        check(&format!("unix:/{}", "x".repeat(107)), None);
        let abstract_name = listen("unix:@ai-debugger").unwrap_err();
        assert!(abstract_name.what.contains("abstract"), "{abstract_name:?}");
    }

    #[test]
    fn only_loopback_and_sockets_stay_on_this_host() {
        for (text, want) in [
            ("127.0.0.2:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("unix:/a", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
        ] {
            let listen = listen(text).unwrap();
            assert_eq!(listen.is_this_host_only(), want, "{text}");
            assert_eq!(listen.to_string(), text);
        }
    }
}
