//! Who gets in: the key, the Host header, the browser's cookie; and what needs neither.

use super::*;

async fn server() -> (Server, tempfile::TempDir) {
    let root = fixture();
    (HttpSetup::new(root.path()).start().await, root)
}

#[tokio::test]
async fn every_path_but_the_probes_needs_the_key() {
    let (server, _root) = server().await;
    let host = "Host: localhost\r\n";
    for target in [
        "/",
        "/proc",
        "/proc/42",
        "/proc/42/status",
        "/proc//kmsg",
        "/metrics",
        "/api/v1/status",
        "/api/v1/processes",
        "/nothing",
        "/proc/../etc/passwd",
    ] {
        for method in ["GET", "POST", "OPTIONS", "DELETE"] {
            let answer = server.bare(&format!("{method} {target}"), host).await;
            assert_eq!(answer.status, 401, "{method} {target}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(answer.error().contains("Bearer"));
        }
        let answer =
            server.bare(&format!("GET {target}"), &format!("{host}Authorization: Bearer no\r\n")).await;
        assert_eq!(answer.status, 403, "{target}");
        assert!(!answer.error().contains("no\""));
    }
    for target in ["/healthz", "/healthz?x=1"] {
        assert_eq!(server.bare(&format!("GET {target}"), host).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn the_key_comes_two_ways_and_not_in_a_cookie() {
    let (server, _root) = server().await;
    for (target, head) in [("/proc", "Authorization: Bearer the-key\r\n"), ("/proc?key=the-key", "")] {
        let answer = server.bare(&format!("GET {target}"), &format!("Host: 127.0.0.1\r\n{head}")).await;
        assert_eq!(answer.status, 200, "{target} {head}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    for cookie in ["ai_debugger_key=the-key", "ai_debugger_session=the-key"] {
        let answer = server.bare("GET /proc", &format!("Host: 127.0.0.1\r\nCookie: {cookie}\r\n")).await;
        assert_eq!(answer.status, 401, "{cookie}");
    }
}

#[tokio::test]
async fn only_known_hosts_are_answered_and_probes_always() {
    let (server, _root) = server().await;
    let key = "Authorization: Bearer the-key\r\n";
    for (head, want) in [
        ("Host: localhost:7878\r\n", 200),
        ("Host: web-1\r\n", 200),
        ("Host: [::1]:7878\r\n", 200),
        ("Host: debug.example.com\r\n", 200),
        ("Host: evil.example\r\n", 421),
        ("", 400),
        ("Host: localhost\r\nHost: evil.example\r\n", 400),
    ] {
        let answer = server.bare("GET /proc", &format!("{key}{head}")).await;
        assert_eq!(answer.status, want, "{head}");
        if want != 200 {
            answer.error();
        }
        for probe in ["/healthz", "/readyz"] {
            assert_ne!(server.bare(&format!("GET {probe}"), head).await.status, want.max(400), "{head}");
        }
    }
    // The name is asked for before the key: a foreign page learns nothing about keys.
    assert_eq!(server.bare("GET /proc", "Host: evil.example\r\n").await.status, 421);
    let absolute = server.bare("GET http://evil.example/proc", &format!("Host: localhost\r\n{key}")).await;
    assert_eq!(absolute.status, 421);
}

#[tokio::test]
async fn health_is_told_without_a_key_and_without_secrets() {
    let (server, _root) = server().await;
    let probe = async |target: &str| server.bare(&format!("GET {target}"), "").await;
    assert_eq!(probe("/healthz").await.json()["status"], "ok");
    assert_eq!(probe("/readyz").await.status, 503);
    assert!(probe("/readyz").await.error().contains("/proc"));

    server.health.first_scan_done();
    let reason = "POST https://hooks.example/T/B/secret said the-key and gsk_secret are \u{1b}bad";
    server.health.degrade("alerts", reason, "set SLACK_WEBHOOK_URL");
    assert_eq!(probe("/readyz").await.status, 200);
    // Strangers, and who has a wrong key, learn that something is wrong and not what.
    for head in ["", "Authorization: Bearer wrong\r\n"] {
        let told = server.bare("GET /healthz", head).await;
        assert_eq!((told.status, told.body.as_slice()), (200, br#"{"status":"degraded"}"#.as_slice()));
    }
    let told = server.get("/healthz").await.json();
    assert_eq!(told["status"], "degraded");
    let shown = &told["degraded"][0];
    assert_eq!(shown["component"], "alerts");
    assert_eq!(shown["reason"], "POST *** said *** and *** are \u{fffd}bad");
}
