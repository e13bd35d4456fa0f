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
async fn the_key_comes_three_ways() {
    let (server, _root) = server().await;
    for (target, head) in [
        ("/proc", "Authorization: Bearer the-key\r\n"),
        ("/proc?key=the-key", ""),
        ("/proc", "Cookie: a=b; ai_debugger_key=the-key\r\n"),
    ] {
        let answer = server.bare(&format!("GET {target}"), &format!("Host: 127.0.0.1\r\n{head}")).await;
        assert_eq!(answer.status, 200, "{target} {head}");
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn a_browser_gets_a_cookie_for_its_key_and_then_the_page() {
    let (server, _root) = server().await;
    let browser = "Host: localhost\r\nAccept: text/html,*/*;q=0.8\r\n";
    let answer = server.bare("GET /?key=the-key&view=all", browser).await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), Some("/?view=all"));
    let cookie = answer.header("set-cookie").unwrap();
    assert_eq!(cookie, "ai_debugger_key=the-key; HttpOnly; SameSite=Strict; Path=/");

    let held = cookie.split(';').next().unwrap();
    let answer = server.bare("GET /", &format!("{browser}Cookie: {held}\r\n")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(String::from_utf8(answer.body).unwrap().contains("/api/v1/status"));

    let answer = server.bare("GET /?key=wrong", browser).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (403, None));
    let answer = server.bare("GET /?key=the-key", "Host: localhost\r\nAccept: */*\r\n").await;
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
}

#[tokio::test]
async fn a_foreign_page_cannot_post_with_the_cookie() {
    let (server, _root) = server().await;
    for (head, want) in [
        ("", 400),
        ("Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n", 400),
        ("Origin: http://evil.example\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
    ] {
        let cookie = "Host: localhost\r\nCookie: ai_debugger_key=the-key\r\n";
        let answer = server.bare("POST /analyze", &format!("{cookie}{head}")).await;
        assert_eq!(answer.status, want, "{head}");
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
    let told = probe("/healthz").await;
    assert_eq!(told.status, 200);
    assert_eq!(told.json()["status"], "degraded");
    let shown = &told.json()["degraded"][0];
    assert_eq!(shown["component"], "alerts");
    assert_eq!(shown["reason"], "POST *** said *** and *** are \u{fffd}bad");
}
