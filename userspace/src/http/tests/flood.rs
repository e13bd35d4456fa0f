//! Floods of connections from one address, on the machine's own clock: a probe is answered all the same. How fast, the
//! bench says (`cargo xtask bench http`): here the attackers take the server's own CPU.

use super::*;
use crate::http::places::{MAX_STRANGERS, MAX_STRANGERS_OF_PEER};
use crate::http::server::HEAD_TIMEOUT;
use crate::metrics::LimitLabel;

const SOCKETS: usize = 1500;

async fn server() -> Server {
    raise_descriptors();
    HttpSetup::new("/proc").start().await
}

/// A test process opens both ends of each connection.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

async fn probe(server: &Server) {
    // A server that keeps those who say nothing has no room before their time is over.
    let answer = tokio::time::timeout(HEAD_TIMEOUT / 2, server.bare("GET /healthz", "")).await;
    assert_eq!(answer.expect("an answer").status, 200);
}

fn pushed_out(server: &Server) -> usize {
    let label = LimitLabel { limit: "http_connections_of_peer" };
    server.metrics.turned_away.get_or_create(&label).get().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_say_nothing() {
    let server = server().await;
    let mut held = Vec::new();
    for n in 0..SOCKETS {
        held.push(server.connect().await);
        if n % 150 == 149 {
            probe(&server).await;
        }
    }
    // All but the last few have been closed by the server.
    probe(&server).await;
    assert!(pushed_out(&server) >= SOCKETS - MAX_STRANGERS);
    for stream in &mut held[..SOCKETS - MAX_STRANGERS] {
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }
    assert_eq!(server.get("/proc").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_trickle() {
    let server = server().await;
    let writers: Vec<_> = (0..500)
        .map(|_| {
            let address = server.address;
            tokio::spawn(async move {
                loop {
                    let Ok(mut stream) = TcpStream::connect(address).await else { return };
                    for byte in
                        b"GET /healthz HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter()
                    {
                        if stream.write_all(&[*byte]).await.is_err() {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            })
        })
        .collect();
    while pushed_out(&server) < 500 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..12 {
        probe(&server).await;
    }
    writers.iter().for_each(JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_shown_the_key_keeps_his_connection() {
    let server = server().await;
    let mut mine = server.connect().await;
    let request = format!("GET /proc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\r\n");
    let mut ask = async || {
        mine.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"]}") {
            assert_ne!(mine.read_buf(&mut seen).await.unwrap(), 0, "it is kept");
        }
    };
    ask().await;
    let mut held = Vec::new();
    for _ in 0..MAX_STRANGERS_OF_PEER * 3 {
        held.push(server.connect().await);
    }
    while pushed_out(&server) < MAX_STRANGERS_OF_PEER * 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    ask().await;
}
