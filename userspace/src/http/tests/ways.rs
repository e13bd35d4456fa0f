//! The other ways in: TLS, and the unix socket with its peers' credentials.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::config::TlsFiles;

/// Writes a new certificate for localhost and its key; what a client has to trust.
fn certify(files: &TlsFiles) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(&files.cert, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()
}

/// One request over TLS by a client that trusts this certificate.
async fn ask(server: &Server, trusted: &CertificateDer<'static>, head: &str) -> std::io::Result<Answer> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await?;
    let request = format!("GET {head}Host: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    Ok(Answer::read(&mut stream).await)
}

#[tokio::test]
async fn tls_is_spoken_and_a_new_certificate_is_shown_after_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let files = TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    let first = certify(&files);
    let mut setup = HttpSetup::new("/proc");
    setup.config.tls = Some(files.clone());
    let server = setup.start().await;
    let proc = format!("/proc HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n");
    assert_eq!(ask(&server, &first, &proc).await.unwrap().status, 200);
    assert_eq!(ask(&server, &first, "/proc HTTP/1.1\r\n").await.unwrap().status, 401);
    let browser =
        ask(&server, &first, &format!("/?key={KEY} HTTP/1.1\r\nAccept: text/html\r\n")).await.unwrap();
    let cookie = browser.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Host-ai_debugger_session=") && cookie.ends_with("; Path=/; Secure"),
        "{cookie}"
    );

    let second = certify(&files);
    assert!(ask(&server, &second, &proc).await.is_err(), "it is not shown yet");
    server.access.reload();
    assert!(ask(&server, &first, &proc).await.is_err(), "it is not shown any more");
    assert_eq!(ask(&server, &second, &proc).await.unwrap().status, 200);

    fs::write(&files.key, "no key").unwrap();
    server.access.reload();
    assert_eq!(ask(&server, &second, &proc).await.unwrap().status, 200, "the good pair stays");
    assert_eq!(server.health.degraded()[0].component, "tls");
    certify(&files);
    server.access.reload();
    assert!(server.health.is_ok());
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let files = TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    certify(&files);
    let mut setup = HttpSetup::new("/proc");
    setup.config.tls = Some(files);
    let server = setup.start().await;
    let answer = server.bare("GET /healthz", "Host: localhost\r\n").await;
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("https"));
}

/// A server on a socket.
async fn on_socket() -> (Server, tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sock");
    let mut setup = HttpSetup::new("/proc");
    setup.config.listen = Listen::Unix(path.clone());
    (setup.start().await, dir, path)
}

async fn ask_socket(mut stream: UnixStream, head: &str) -> Answer {
    let request = format!("GET /proc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    Answer::parse(&bytes)
}

#[tokio::test]
async fn the_daemons_own_user_needs_no_key_on_the_socket() {
    let (server, _dir, path) = on_socket().await;
    for head in ["", "Authorization: Bearer wrong\r\n"] {
        let stream = UnixStream::connect(&path).await.unwrap();
        assert_eq!(ask_socket(stream, head).await.status, 200, "{head}");
    }
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
    assert!(!path.exists(), "a server that ends takes its socket away");
}

#[tokio::test]
async fn another_user_needs_the_key_on_the_socket() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED another_user_needs_the_key_on_the_socket: only root can be somebody else");
        return;
    }
    let (_server, dir, path) = on_socket().await;
    let connect = async || {
        let path = path.clone();
        // The kernel takes the credentials of the thread that connects: one that then ends.
        let connecting = std::thread::spawn(move || {
            let nobody = rustix::process::Uid::from_raw(65534);
            let nogroup = rustix::process::Gid::from_raw(65534);
            rustix::thread::set_thread_res_gid(nogroup, nogroup, nogroup).unwrap();
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            std::os::unix::net::UnixStream::connect(path)
        });
        let stream = tokio::task::spawn_blocking(|| connecting.join().unwrap()).await.unwrap()?;
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    };
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(connect().await.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied, "0660");
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert_eq!(ask_socket(connect().await.unwrap(), "").await.status, 401);
    let right = format!("Authorization: Bearer {KEY}\r\n");
    assert_eq!(ask_socket(connect().await.unwrap(), &right).await.status, 200);
}
