//! What is listened on: an address, or a socket's file with its leftovers and its mode.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::net::{TcpListener, UnixListener};

use crate::config::Listen;

/// Of a socket's file: its owner and group may connect; who that is, the peer's credentials say.
const SOCKET_MODE: u32 = 0o660;

/// A socket that listens already, and that nobody serves yet: that takes privilege for some, and no runtime.
pub enum Bound {
    /// On an address.
    Tcp(std::net::TcpListener),
    /// On a file.
    Unix(std::os::unix::net::UnixListener, SocketFile),
}

/// A listening socket.
pub enum Listener {
    /// On an address.
    Tcp(TcpListener),
    /// On a file.
    Unix(UnixListener, SocketFile),
}

/// Where a server can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// At an address: a real one, with its port.
    At(SocketAddr),
    /// At a socket's file.
    By(PathBuf),
}

impl Bound {
    /// Listens there; an error says what is in the way and what to do.
    pub fn at(listen: &Listen) -> Result<Self> {
        match listen {
            Listen::Unix(path) => {
                clear_stale(path)?;
                let bound = std::os::unix::net::UnixListener::bind(path);
                let listener = bound.with_context(|| format!("cannot listen on {listen}"))?;
                let file = SocketFile::new(path)?;
                fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))
                    .with_context(|| format!("cannot close {} to others", path.display()))?;
                Ok(Self::Unix(listener, file))
            }
            Listen::Tcp(address) => match std::net::TcpListener::bind(address) {
                Ok(listener) => Ok(Self::Tcp(listener)),
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    bail!(
                        "{address} is in use, maybe by another ai-debugger; stop that or choose another with --listen"
                    )
                }
                Err(error) => {
                    bail!("cannot listen on {address}: {error}; choose another address with --listen")
                }
            },
        }
    }

    /// Where it can be reached. An address that means every interface means none to a client.
    pub fn reached(&self) -> Result<Reached> {
        match self {
            Self::Unix(_, file) => Ok(Reached::By(file.path.clone())),
            Self::Tcp(listener) => {
                let address = listener.local_addr().context("cannot read the listening address")?;
                let ip = match address.ip() {
                    IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                    IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                    ip => ip,
                };
                Ok(Reached::At(SocketAddr::new(ip, address.port())))
            }
        }
    }

    /// To be served by the runtime that this is called in.
    pub fn listener(self) -> Result<Listener> {
        let listener = match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Listener::Tcp(TcpListener::from_std(listener)?)
            }
            Self::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                Listener::Unix(UnixListener::from_std(listener)?, file)
            }
        };
        Ok(listener)
    }
}

/// A socket's file; taken away with the listener, unless another has taken its place.
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Device, inode and time of a file's birth, seconds and nanoseconds: an inode's number alone is used again.
type Identity = (u64, u64, i64, i64);

impl SocketFile {
    fn new(path: &Path) -> Result<Self> {
        let identity = identity(path).with_context(|| format!("{} is gone again", path.display()))?;
        Ok(Self { path: path.to_owned(), identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path) == Some(self.identity) {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    // Nothing is written to a socket's file, so it was modified last when it was made.
    fs::symlink_metadata(path).ok().map(|it| (it.dev(), it.ino(), it.mtime(), it.mtime_nsec()))
}

/// Takes away a socket that nobody listens on any more: a daemon that was killed leaves one. Nothing else is touched.
fn clear_stale(path: &Path) -> Result<()> {
    let shown = path.display();
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        bail!("{shown} is there and is no socket; choose another path with --listen unix:/PATH");
    }
    match knock(path) {
        Err(Errno::CONNREFUSED) => {
            fs::remove_file(path).with_context(|| format!("cannot remove the old socket {shown}"))
        }
        Err(error) if error != Errno::AGAIN => {
            bail!("cannot see who listens on {shown}: {error}; choose another with --listen")
        }
        // Or so many wait there that there is no more room.
        _ => {
            bail!(
                "{shown} is in use, maybe by another ai-debugger; stop that or choose another with --listen"
            )
        }
    }
}

/// Without waiting for whoever listens there.
fn knock(path: &Path) -> std::result::Result<(), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let listen = Listen::Unix(path.clone());
        let refused = || Bound::at(&listen).err().map(|it| it.to_string());

        let first = Bound::at(&listen).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        assert_eq!(first.reached().unwrap(), Reached::By(path.clone()));
        assert!(refused().unwrap().contains("in use"));
        let Bound::Unix(first, file) = first else { panic!("a socket") };
        // As after a kill: nobody listens, the file stays.
        drop(first);
        let made = identity(&path).unwrap();
        let second = loop {
            let second = Bound::at(&listen).unwrap();
            if identity(&path) != Some(made) {
                break second;
            }
            // Within one tick of the kernel's clock.
            let Bound::Unix(listener, file) = second else { panic!("a socket") };
            std::mem::forget(file);
            drop(listener);
        };
        drop(file);
        assert!(path.exists(), "it is not the first one's any more");
        drop(second);
        assert!(!path.exists());

        fs::write(&path, "precious").unwrap();
        assert!(refused().unwrap().contains("no socket"));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/nonexistent", &path).unwrap();
        assert!(refused().unwrap().contains("no socket"));
    }

    #[test]
    fn an_address_that_means_all_is_reached_on_loopback() {
        for (text, ip) in [("0.0.0.0:0", "127.0.0.1"), ("127.0.0.1:0", "127.0.0.1")] {
            let listener = Bound::at(&Listen::Tcp(text.parse().unwrap())).unwrap();
            let Reached::At(address) = listener.reached().unwrap() else { panic!("an address") };
            assert_eq!((address.ip().to_string().as_str(), address.port() > 0), (ip, true));
        }
    }
}
