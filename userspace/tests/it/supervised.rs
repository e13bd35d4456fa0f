//! Under a supervisor, played on a socket: what it is told, and what it opens for the daemon.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::daemon::{SOON, Setup};
use crate::requires::{no_kernel_events, skip_if};

/// The next words of the daemon, and when they came.
fn told(socket: &UnixDatagram) -> (String, Instant) {
    let mut words = [0; 256];
    let length = socket.recv(&mut words).expect("the supervisor is told in time");
    (String::from_utf8_lossy(&words[..length]).trim().to_owned(), Instant::now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_told_when_the_daemon_is_ready_alive_and_stopping() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let daemon = Setup::new(data.path())
        .variable("NOTIFY_SOCKET", path.to_str().unwrap())
        .variable("WATCHDOG_USEC", "3000000")
        .start();
    let (mut ready, mut alive) = (false, Vec::new());
    while !ready || alive.len() < 3 {
        match told(&socket) {
            (words, _) if words == "READY=1" => ready = true,
            (words, at) if words == "WATCHDOG=1" => alive.push(at),
            (words, _) => panic!("{words}"),
        }
    }
    assert!(alive[2] - alive[0] > Duration::from_millis(1500), "a third of the limit apart, each: {alive:?}");
    assert!(daemon.get("/healthz").await.is_some());
    assert!(daemon.terminate().success());
    while told(&socket).0 != "STOPPING=1" {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kernels_log_may_come_as_standard_input() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).kernel_log_as_input().start();
    let status = daemon.get("/api/v1/status").await.unwrap();
    let degraded = status["degraded"].as_array().unwrap();
    assert!(degraded.iter().all(|it| it["component"] != "kmsg"), "{status}");
    let own = std::fs::read_to_string(format!("/proc/{}/mountinfo", daemon.pid())).unwrap();
    assert!(own.lines().any(|it| it.contains(" /dev/kmsg ")), "there is none to be opened: {own}");
}
