//! Browsers' sessions, and what becomes of wrong keys.

use std::fs;

use tokio::time::Instant;

use super::*;
use crate::http::sessions::LIFE;
use crate::http::throttle::{AT_ONCE, DELAY};
use crate::metrics::LimitLabel;

const BROWSER: &str = "Host: localhost\r\nAccept: text/html,*/*;q=0.8\r\n";

/// The cookie that a browser has after it opened the address with this key.
async fn log_in(server: &Server, key: &str) -> String {
    let answer = server.bare(&format!("GET /?key={key}&view=all"), BROWSER).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/?view=all")));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(!cookie.contains(key), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
}

async fn status(server: &Server, cookie: &str) -> u16 {
    server.bare("GET /proc", &format!("Host: localhost\r\n{cookie}")).await.status
}

#[tokio::test]
async fn a_browser_gets_a_session_for_its_key_and_then_the_page() {
    let root = fixture();
    let server = HttpSetup::new(root.path()).start().await;
    let cookie = log_in(&server, KEY).await;
    let answer = server.bare("GET /", &format!("{BROWSER}{cookie}")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = answer.header("content-security-policy").unwrap();
    for part in ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    let page = String::from_utf8(answer.body).unwrap();
    assert!(page.contains("/api/v1/status") && page.contains("/logout"), "{page}");

    let answer = server.bare("GET /?key=wrong", BROWSER).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (403, None));
    let answer = server.bare("GET /?key=the-key", "Host: localhost\r\nAccept: */*\r\n").await;
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
    assert_ne!(cookie, log_in(&server, KEY).await, "each is one of its own");
}

#[tokio::test]
async fn a_session_ends_when_it_is_logged_out_and_no_other_does() {
    let root = fixture();
    let server = HttpSetup::new(root.path()).start().await;
    let (mine, other) = (log_in(&server, KEY).await, log_in(&server, KEY).await);
    let foreign = format!("Host: localhost\r\n{mine}Origin: http://evil.example\r\n");
    assert_eq!(server.bare("POST /logout", &foreign).await.status, 403);
    assert_eq!(status(&server, &mine).await, 200);
    let answer = server.bare("POST /logout", &format!("Host: localhost\r\n{mine}")).await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!((status(&server, &mine).await, status(&server, &other).await), (401, 200));
    assert_eq!(server.send("POST", "/logout", "", "").await.status, 204, "the key has no session to end");
    let page = server.bare("POST /logout", &format!("{BROWSER}{other}")).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(status(&server, &other).await, 401);
}

#[tokio::test]
async fn a_foreign_page_cannot_post_with_the_cookie() {
    let root = fixture();
    let server = HttpSetup::new(root.path()).start().await;
    let cookie = log_in(&server, KEY).await;
    for (head, want) in [
        ("", 400),
        ("Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n", 400),
        ("Origin: http://evil.example\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
    ] {
        let head = format!("Host: localhost\r\n{cookie}{head}");
        assert_eq!(server.bare("POST /analyze", &head).await.status, want, "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_its_time() {
    let server = HttpSetup::new("/proc").start().await;
    let cookie = log_in(&server, KEY).await;
    tokio::time::advance(LIFE / 2).await;
    assert_eq!(status(&server, &cookie).await, 200);
    tokio::time::advance(LIFE / 2).await;
    assert_eq!(status(&server, &cookie).await, 401, "use makes it no longer");
}

#[tokio::test]
async fn sessions_end_with_the_key_and_a_bad_file_changes_nothing() {
    let root = fixture();
    let path = root.path().join("key");
    let mut setup = HttpSetup::new(root.path());
    setup.config.key_file = Some(path.clone());
    let server = setup.start().await;
    let cookie = log_in(&server, KEY).await;
    let write = |key: &str, mode: u32| {
        fs::write(&path, key).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        server.access.reload();
    };
    // Not there, and readable by all.
    server.access.reload();
    assert_eq!((status(&server, &cookie).await, server.health.is_ok()), (200, false));
    write("another-key-of-some-length", 0o644);
    assert_eq!((status(&server, &cookie).await, server.health.is_ok()), (200, false));
    write(KEY, 0o600);
    assert_eq!((status(&server, &cookie).await, server.health.is_ok()), (200, true), "it is the same");
    write("another-key-of-some-length", 0o600);
    assert_eq!(status(&server, &cookie).await, 401);
    assert_eq!(server.get("/proc").await.status, 403, "the old key");
    let answer = server.bare("GET /proc?key=another-key-of-some-length", "Host: localhost\r\n").await;
    assert_eq!(answer.status, 200);
    log_in(&server, "another-key-of-some-length").await;
}

#[tokio::test(start_paused = true)]
async fn wrong_keys_are_told_late_and_the_right_one_at_once() {
    let server = HttpSetup::new("/proc").start().await;
    let guess = async |target: &str| {
        let began = Instant::now();
        let answer = server.bare(target, "Host: localhost\r\nAuthorization: Bearer wrong\r\n").await;
        (answer.status, began.elapsed() >= DELAY)
    };
    for _ in 0..AT_ONCE {
        assert_eq!(guess("GET /proc").await, (403, false));
    }
    for _ in 0..3 {
        assert_eq!(guess("GET /proc").await, (429, true));
    }
    // Not by another door either.
    assert_eq!(guess("GET /healthz").await, (200, true));
    let began = Instant::now();
    assert_eq!(server.get("/proc").await.status, 200);
    assert_eq!(server.bare("GET /healthz", "").await.status, 200);
    assert!(began.elapsed() < DELAY, "from the same address");
    let label = LimitLabel { limit: "http_wrong_keys" };
    assert_eq!(server.metrics.turned_away.get_or_create(&label).get(), 4);
}
