//! The accept loop: connections, each with bounds on how long its parts may take, and an orderly end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::layers;
use super::listener::Listener;
use super::peer::Peer;
use super::places::{Place, Places, Taken};

/// For a request's head, counted from the connection's start or the answer before: so also how long a
/// connection may idle.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may leave an answer without taking any of it.
pub(super) const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// What requests under way get at the end.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// The head of a request: its path, cookies and all.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// After a failed accept, which with no file descriptors left would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How TLS begins (RFC 8446, 5.1: a record of the type handshake).
const TLS_HANDSHAKE: u8 = 22;
/// To who speaks plain HTTP where TLS is spoken.
const SPEAK_TLS: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n\
                         Content-Length: 52\r\n\r\n{\"error\":\"this server speaks https, not plain http\"}";

/// Serves until `shutdown`, then lets requests under way finish for a while.
pub(super) async fn run(
    routes: Router,
    listener: Listener,
    tls: Option<Arc<ServerConfig>>,
    places: Arc<Places>,
    shutdown: CancellationToken,
) -> Result<()> {
    let server = Server { routes, tls: tls.map(TlsAcceptor::from), shutdown };
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = server.shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener) => accepted,
        };
        match accepted {
            Ok((stream, peer, trusted)) => {
                let taken = places.enter(peer, trusted);
                connections.spawn(server.clone().serve(stream, taken));
                // In a flood each connection gets its turn before the next one pushes it out.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        tracing::warn!("{} connections did not end in time and were closed", connections.len());
    }
    connections.shutdown().await;
    Ok(())
}

/// A new connection, of whichever kind.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The next connection, who it is from, and whether that may do everything.
async fn accept(listener: &Listener) -> io::Result<(Stream, Peer, bool)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, address): (_, SocketAddr) = listener.accept().await?;
            Ok((Stream::Tcp(stream), address.ip().into(), false))
        }
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            let uid = stream.peer_cred()?.uid();
            let trusted = uid == 0 || uid == rustix::process::geteuid().as_raw();
            Ok((Stream::Unix(stream), Peer::User(uid), trusted))
        }
    }
}

#[derive(Clone)]
struct Server {
    routes: Router,
    tls: Option<TlsAcceptor>,
    shutdown: CancellationToken,
}

impl Server {
    /// One connection, to its end or until it has to make room.
    async fn serve(self, stream: Stream, taken: Taken) {
        let place = Arc::clone(&taken.place);
        let served = async {
            match stream {
                Stream::Unix(stream) => self.speak(stream, &taken).await,
                Stream::Tcp(stream) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!("TCP_NODELAY: {error}");
                    }
                    match self.tls.clone() {
                        None => self.speak(stream, &taken).await,
                        Some(acceptor) => self.speak_tls(&acceptor, stream, &taken).await,
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = served => {}
            () = place.is_cut() => tracing::debug!("connection: it made room for another"),
        }
    }

    async fn speak_tls(&self, acceptor: &TlsAcceptor, mut stream: TcpStream, taken: &Taken) {
        let handshake = async {
            let mut first = [0];
            if stream.peek(&mut first).await? > 0 && first[0] != TLS_HANDSHAKE {
                // What is left unread when a connection is closed makes the kernel drop the answer as well.
                let _ = stream.read(&mut [0; 4096]).await?;
                stream.write_all(SPEAK_TLS.as_bytes()).await?;
                stream.shutdown().await?;
                return Err(io::Error::other("it does not speak TLS"));
            }
            acceptor.accept(stream).await
        };
        let handshake = tokio::select! {
            done = timeout(HEAD_TIMEOUT, handshake) => done,
            () = self.shutdown.cancelled() => return,
        };
        match handshake {
            Ok(Ok(stream)) => self.speak(stream, taken).await,
            Ok(Err(error)) => tracing::debug!("TLS: {error}"),
            Err(_) => tracing::debug!("TLS: no handshake within {} s", HEAD_TIMEOUT.as_secs()),
        }
    }

    async fn speak(&self, stream: impl AsyncRead + AsyncWrite + Send + 'static, taken: &Taken) {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_STALL_TIMEOUT));
        let entrance = Entrance {
            routes: TowerToHyperService::new(self.routes.clone()),
            place: Arc::clone(&taken.place),
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(Box::pin(stream)), entrance);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // Clients that hang up or time out: everyday life.
            tracing::debug!("connection: {error}");
        }
    }
}

/// The routes, each request with its connection's place.
#[derive(Clone)]
struct Entrance {
    routes: TowerToHyperService<Router>,
    place: Arc<Place>,
}

impl Service<Request<Incoming>> for Entrance {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(Arc::clone(&self.place));
        let asked = request.method().clone();
        let answer = self.routes.call(request);
        // Here, because a router writes `Allow` outside of its own layers.
        Box::pin(async move { answer.await.map(|answer| layers::allow_options(&asked, answer)) })
    }
}
