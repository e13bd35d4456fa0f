//! The kernel's tables of sockets of the internet's families, in a process's own network namespace (proc_pid_net(5)).

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Most of a table read to find a few sockets.
const TABLE_MAX: u64 = 8 << 20;
/// Most of a table read for those that listen, which stand first (kernel net/ipv4/tcp_ipv4.c, `tcp_get_idx`).
const LISTENING_MAX: u64 = 256 << 10;
/// `TCP_LISTEN`, as the table shows it (kernel include/net/tcp_states.h).
const LISTENS: &str = "0A";

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::net::SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// A socket of the internet's families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    pub(super) inode: u64,
    /// This host's end.
    pub local: Endpoint,
    /// The other end; absent where there is none.
    pub peer: Option<Endpoint>,
    /// Whether it waits for connections.
    pub(super) listens: bool,
}

impl Socket {
    /// A connection between these ends.
    #[cfg(test)]
    pub(in crate::kinds::suspicious_exec) const fn sample(local: Endpoint, peer: Option<Endpoint>) -> Self {
        Self { inode: 1, local, peer, listens: false }
    }

    /// A way to draw windows, as ssh -X makes one, and no way for commands.
    fn is_display(&self) -> bool {
        self.peer.is_some_and(|it| it.address.is_loopback() && (6000..6064).contains(&it.port))
    }
}

/// The sockets with these inodes, those for an X server left out.
pub(super) fn with_inodes(directory: &Path, inodes: &[u64]) -> Vec<Socket> {
    let mut found = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        if found.len() == inodes.len() {
            break;
        }
        let missing = inodes.len();
        each(directory, table, TABLE_MAX, |socket| {
            if inodes.contains(&socket.inode) {
                found.push(socket);
            }
            found.len() < missing
        });
    }
    found.retain(|it: &Socket| !it.is_display());
    found
}

/// The sockets that wait for connections.
pub(super) fn listening(directory: &Path) -> Vec<Socket> {
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        each(directory, table, LISTENING_MAX, |socket| {
            if socket.listens {
                found.push(socket);
            }
            socket.listens
        });
    }
    found
}

/// Whether this inode is a socket of this host's own (unix(7)).
pub(super) fn is_local(directory: &Path, inode: u64) -> bool {
    let Ok(file) = File::open(directory.join("net/unix")) else { return false };
    let wanted = inode.to_string();
    let lines = BufReader::new(file.take(TABLE_MAX)).lines().map_while(Result::ok).skip(1);
    lines.into_iter().any(|line| line.split_whitespace().nth(6) == Some(&*wanted))
}

/// Each socket of a table until `act` has seen enough.
fn each(directory: &Path, table: &str, max: u64, mut act: impl FnMut(Socket) -> bool) {
    let Ok(file) = File::open(directory.join("net").join(table)) else { return };
    for line in BufReader::new(file.take(max)).lines().map_while(Result::ok).skip(1) {
        if !socket(&line).is_none_or(&mut act) {
            return;
        }
    }
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
fn socket(line: &str) -> Option<Socket> {
    let mut fields = line.split_whitespace().skip(1);
    let local = endpoint(fields.next()?)?;
    let peer = endpoint(fields.next()?)?;
    let listens = fields.next()? == LISTENS;
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Socket { inode, local, peer: Some(peer).filter(|it| it.port != 0), listens })
}

/// `ADDRESS:PORT`: the words of the address as this machine holds them in memory (`get_tcp4_sock`, `get_tcp6_sock`).
fn endpoint(text: &str) -> Option<Endpoint> {
    let (address, port) = text.split_once(':')?;
    let word =
        |at: usize| Some(u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
            }
            // An IPv4 peer of a socket for both is shown as what it is.
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(Endpoint { address, port: u16::from_str_radix(port, 16).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_tables() {
        let tail = "00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100";
        for (ends, want) in [
            ("0: 0100007F:1F90 0200000A:115C 01", Some(("127.0.0.1:8080", Some("10.0.0.2:4444"), false))),
            ("0: 00000000:0050 00000000:0000 0A", Some(("0.0.0.0:80", None, true))),
            (
                "0: 0000000000000000FFFF00000100007F:0050 0000000000000000FFFF00000200007F:ABCD 01",
                Some(("127.0.0.1:80", Some("127.0.0.2:43981"), false)),
            ),
            (
                "0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A",
                Some(("[::1]:80", None, true)),
            ),
            ("0: 0100007:1F90 0200000A:115C 01", None),
            ("0: zz00007F:1F90 0200000A:115C 01", None),
            ("", None),
        ] {
            let got = socket(&format!("{ends} {tail}"));
            let got = got.map(|it| (it.local.to_string(), it.peer.map(|it| it.to_string()), it.listens));
            let want =
                want.map(|(local, peer, listens)| (local.to_owned(), peer.map(str::to_owned), listens));
            assert_eq!(got, want, "{ends}");
        }
    }

    #[test]
    fn windows_of_another_host_are_no_commands() {
        let end = |text: &str| {
            let it: std::net::SocketAddr = text.parse().unwrap();
            Endpoint { address: it.ip(), port: it.port() }
        };
        for (peer, want) in [("127.0.0.1:6010", true), ("10.0.0.1:6010", false), ("127.0.0.1:4444", false)] {
            let socket =
                Socket { inode: 1, local: end("127.0.0.1:5"), peer: Some(end(peer)), listens: false };
            assert_eq!(socket.is_display(), want, "{peer}");
        }
    }

    #[test]
    fn what_listens_is_found_here() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let me = Path::new("/proc/self");
        let found = listening(me).into_iter().find(|it| it.local.port == port).unwrap();
        assert_eq!(with_inodes(me, &[found.inode]), [found]);
        assert!(with_inodes(me, &[]).is_empty());
    }
}
