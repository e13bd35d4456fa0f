//! Without privilege the daemon starts all the same, degraded, and says what is missing.

use std::os::unix::fs::{PermissionsExt as _, chown};

use crate::daemon::Setup;
use crate::requires::skip_if;

/// nobody, on every distribution.
const NOBODY: u32 = 65_534;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_privilege_it_scans_and_says_what_is_missing() {
    skip_if!((!rustix::process::geteuid().is_root()).then_some("only root can become nobody"));
    let data = tempfile::tempdir().unwrap();
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    chown(data.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let daemon = Setup::new(data.path()).user(NOBODY).start();
    let health = daemon.get("/healthz").await.unwrap();
    assert_eq!(health["status"], "degraded");
    let status = daemon.get("/api/v1/status").await.unwrap();
    assert_eq!(status["hooks"]["sched_process_exit"]["attached"], false);
    let probes =
        status["degraded"].as_array().unwrap().iter().find(|it| it["component"] == "probes").unwrap();
    assert!(probes["remedy"].as_str().unwrap().contains("CAP_BPF"), "{probes}");
    if std::fs::read_to_string("/proc/sys/kernel/dmesg_restrict").is_ok_and(|it| it.trim() == "1") {
        let degraded = status["degraded"].as_array().unwrap();
        let log = degraded.iter().find(|it| it["component"] == "kmsg").unwrap();
        assert!(log["remedy"].as_str().unwrap().contains("CAP_SYSLOG"), "{log}");
    }
    let me = std::process::id();
    let seen = daemon
        .wait_until("this test in the table", async || daemon.get(&format!("/api/v1/processes/{me}")).await)
        .await;
    assert_eq!(seen["pid"], me);
}
