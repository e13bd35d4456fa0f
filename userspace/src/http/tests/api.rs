//! `/api/v1`, /metrics, and how methods and unknown paths are answered.

use expect_test::expect;

use super::*;
use crate::coverage::{Delivery, EventKind, Flow, Hook, Loss, LossReason, Way};
use crate::metrics::{QueueLabel, StateLabel};
use crate::model::{ExitCause, ExitRecord};

fn processes() -> Vec<ProcessView> {
    let mut ended = view(9, 900, "gone", None, 0);
    ended.state = 'X';
    ended.exit = Some(ExitRecord {
        oom_killed: true,
        cpu_ns: None,
        age_ms: 60_000,
        peak_rss_bytes: Some(1 << 30),
        ..ExitRecord::sample(ExitCause::Signal(9))
    });
    vec![
        view(42, 4242, "nginx", Some(1.5), 300),
        view(420, 10, "Redis", Some(50.0), 100),
        view(7, 9000, "young", None, 200),
        view(8, 10, "idle", Some(0.0), 300),
        ended,
    ]
}

async fn server() -> Server {
    let mut setup = HttpSetup::new("/nonexistent");
    setup.processes = processes();
    setup.start().await
}

#[tokio::test]
async fn processes_are_sorted_searched_and_cut() {
    let server = server().await;
    for (query, pids, total) in [
        ("", [420, 42, 8, 7].as_slice(), 4),
        ("?sort=cpu", &[420, 42, 8, 7], 4),
        ("?sort=rss", &[8, 42, 7, 420], 4),
        ("?sort=start", &[7, 42, 8, 420], 4),
        ("?limit=2", &[420, 42], 4),
        ("?limit=10000&sort=&q=", &[420, 42, 8, 7], 4),
        ("?q=redis", &[420], 1),
        ("?q=NGINX", &[42], 1),
        ("?q=42", &[420, 42], 2),
        ("?q=--port%3d80&limit=1", &[420], 4),
        ("?q=/usr/bin/you", &[7], 1),
        ("?q=gone", &[], 0),
    ] {
        let answer = server.get(&format!("/api/v1/processes{query}")).await.json();
        let found = answer["processes"].as_array().unwrap();
        let found: Vec<u64> = found.iter().map(|it| it["pid"].as_u64().unwrap()).collect();
        assert_eq!((found.as_slice(), answer["total"].as_u64()), (pids, Some(total)), "{query}");
    }
    for (query, name, value) in [
        ("?sort=age", "`sort`", "`age`"),
        ("?limit=0", "`limit`", "`0`"),
        ("?limit=10001", "`limit`", "`10001`"),
        ("?limit=many", "`limit`", "`many`"),
    ] {
        let answer = server.get(&format!("/api/v1/processes{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        let error = answer.error();
        assert!(error.contains(name) && error.contains(value) && error.contains("accepted"), "{error}");
    }
}

#[tokio::test]
async fn secrets_are_masked_and_no_search_tells_them() {
    for show_secrets in [false, true] {
        let mut setup = HttpSetup::new("/nonexistent");
        setup.config.show_secrets = show_secrets;
        setup.processes = processes();
        setup.processes[0].info.argv = vec!["db".into(), "--password".into(), "hunter2-x".into()];
        setup.processes[0].info.cgroup = Some("/x/hunter2-x".into());
        let server = setup.start().await;
        for path in ["/api/v1/processes", "/api/v1/processes/42", "/api/v1/processes?q=password"] {
            let body = server.get(path).await.json().to_string();
            assert_eq!(body.contains("hunter2"), show_secrets, "{path}: {body}");
            assert_eq!(body.contains("[redacted 9 chars]"), !show_secrets, "{path}: {body}");
        }
        let found = server.get("/api/v1/processes?q=hunt").await.json();
        assert_eq!(found["total"], u64::from(show_secrets));
    }
}

#[tokio::test]
async fn one_process_by_pid_or_identity() {
    let server = server().await;
    expect![[r#"
        {
          "age_s": 60,
          "argv": [
            "gone",
            "--Port=80"
          ],
          "cgroup": null,
          "container_id": null,
          "cpu_percent": null,
          "exe": "/usr/bin/gone",
          "exit": {
            "age_ms": 60000,
            "argv_cut": false,
            "at": "1970-01-01T00:00:00Z",
            "cause": {
              "signal": 9
            },
            "core_dumped": false,
            "cpu_ns": null,
            "gid": 0,
            "major_faults": null,
            "ns_pid": null,
            "oom_killed": true,
            "parent_name": "bash",
            "peak_rss_bytes": 1073741824,
            "read_bytes": null,
            "threads": null,
            "written_bytes": null
          },
          "fds": 5,
          "forks": null,
          "name": "gone",
          "pid": 9,
          "ppid": 1,
          "rss_bytes": 0,
          "start_ticks": 900,
          "state": "X",
          "threads": 2,
          "uid": 33
        }"#]]
    .assert_eq(&server.get("/api/v1/processes/9-900").await.pretty());
    for (id, want) in [
        ("42", 200),
        ("42-4242", 200),
        ("9", 200),
        ("42-4243", 404),
        ("43", 404),
        ("0", 400),
        ("self", 400),
        ("42-", 400),
        ("42-x", 400),
        ("..", 400),
        ("%ff", 400),
        ("42/..", 404),
    ] {
        let answer = server.get(&format!("/api/v1/processes/{id}")).await;
        assert_eq!(answer.status, want, "{id}");
        if want != 200 {
            answer.error();
        }
    }
}

#[tokio::test]
async fn status_tells_what_was_lost() {
    let server = server().await;
    let metrics = &server.metrics;
    let coverage = &metrics.coverage;
    let (way, kind) = (Way::CommonRing, EventKind::Exec);
    coverage.add_received(Flow { kind, way }, 10);
    coverage.add_lost(Loss { way, kind, reason: LossReason::RingFull }, 7);
    let malformed = Loss { way: Way::UrgentRing, kind: EventKind::Any, reason: LossReason::Malformed };
    coverage.add_lost(malformed, 1);
    coverage.add_evidence_lost(Loss { way, kind, reason: LossReason::ArgvUnreadable }, 2);
    metrics.queue_depth.get_or_create(&QueueLabel { queue: "cases" }).set(3);
    metrics.processes.get_or_create(&StateLabel { state: "live" }).set(4);
    coverage.set_hook(Hook::Exec, Delivery::Complete);
    coverage.set_hook(Hook::OomVictim, Delivery::Absent("EPERM".into()));
    coverage.set_systemd(Delivery::Absent("the bus is gone".into()));
    server.health.degrade("probes", "the-key", "run as root");
    let mut status = server.get("/api/v1/status").await.json();
    let started: jiff::Timestamp = status["started_at"].take().as_str().unwrap().parse().unwrap();
    assert!(started <= jiff::Timestamp::now());
    assert!(status["model"]["budget"]["day"].take().is_string());
    assert!(status["uptime_s"].take().as_u64().unwrap() < 60);
    status["version"].take();
    expect![[r#"
        {
          "boot_id": "boot",
          "confinement": [],
          "degraded": [
            {
              "component": "probes",
              "reason": "***",
              "remedy": "run as root"
            }
          ],
          "events": [
            {
              "count": 10,
              "kind": "exec",
              "ring": "common"
            }
          ],
          "helpers": {},
          "hooks": {
            "mark_victim": {
              "attached": false,
              "reason": "EPERM"
            },
            "sched_process_exec": {
              "attached": true
            }
          },
          "host": "web-1",
          "kernel": "6.18",
          "losses": [
            {
              "count": 7,
              "kind": "exec",
              "lost": "event",
              "reason": "ring_full",
              "ring": "common"
            },
            {
              "count": 1,
              "kind": "any",
              "lost": "event",
              "reason": "malformed",
              "ring": "grave"
            },
            {
              "count": 2,
              "kind": "exec",
              "lost": "evidence",
              "reason": "argv_unreadable",
              "ring": "common"
            }
          ],
          "losses_total": 8,
          "model": {
            "breaker": {
              "failures": 0,
              "state": "closed",
              "until": null
            },
            "budget": {
              "day": null,
              "requests_per_day": {
                "left": 1000,
                "limit": 1000,
                "used": 0
              },
              "requests_per_minute": {
                "limit": 30
              },
              "tokens_per_day": {
                "left": 200000,
                "limit": 200000,
                "used": 0
              },
              "tokens_per_minute": {
                "limit": 8000
              },
              "usd_per_day": {
                "limit": 1.0,
                "used": null
              }
            },
            "enabled": true,
            "name": "a/model",
            "prompt_tokens": 5400
          },
          "processes": {
            "ended": 0,
            "live": 4
          },
          "queue": {
            "cases": 3,
            "model": 0
          },
          "secrets": "masked",
          "started_at": null,
          "systemd": {
            "attached": false,
            "reason": "the bus is gone"
          },
          "uptime_s": null,
          "version": null
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&status).unwrap());
}

#[tokio::test]
async fn answers_are_counted_by_route() {
    let server = server().await;
    for target in ["/nothing", "/proc/1/status", "/proc/1/fd/0", "/api/v1/processes/1?key=hidden"] {
        server.get(target).await;
    }
    let answer = server.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(answer.body).unwrap();
    let mut counted: Vec<_> =
        text.lines().filter(|it| it.starts_with("ai_debugger_http_responses_")).collect();
    counted.sort_unstable();
    expect![[r#"
        ai_debugger_http_responses_total{route="/api/v1/processes/{process}",status="404"} 1
        ai_debugger_http_responses_total{route="/proc/{pid}/{file}",status="500"} 1
        ai_debugger_http_responses_total{route="other",status="403"} 1
        ai_debugger_http_responses_total{route="other",status="404"} 1"#]]
    .assert_eq(&counted.join("\n"));
    assert!(!text.contains("hidden"));
    assert!(text.contains("\n# TYPE ai_debugger_http_responses_total counter\n"), "{text}");
    let open = "Accept: application/openmetrics-text\r\n";
    let answer = server.send("GET", "/metrics", open, "").await;
    let kind = Some("application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!((answer.header("content-type"), answer.header("vary")), (kind, Some("accept")));
    assert!(answer.body.ends_with(b"# EOF\n"));
}

#[tokio::test]
async fn methods_and_unknown_paths() {
    let server = server().await;
    for (method, target, want, allow) in [
        ("OPTIONS", "/", 204, Some("GET, HEAD, OPTIONS")),
        ("OPTIONS", "/proc/42/status", 204, Some("GET, HEAD, OPTIONS")),
        ("OPTIONS", "/analyze", 204, Some("POST, OPTIONS")),
        ("OPTIONS", "*", 204, Some("GET, HEAD, POST, OPTIONS")),
        ("OPTIONS", "/healthz", 204, Some("GET, HEAD, OPTIONS")),
        ("OPTIONS", "/nothing", 404, None),
        ("POST", "/", 405, Some("GET, HEAD, OPTIONS")),
        ("DELETE", "/proc/42/status", 405, Some("GET, HEAD, OPTIONS")),
        ("GET", "/analyze", 405, Some("POST, OPTIONS")),
        ("GET", "/logout", 405, Some("POST, OPTIONS")),
        ("HEAD", "/analyze", 405, Some("POST, OPTIONS")),
        ("POST", "/healthz", 405, Some("GET, HEAD, OPTIONS")),
        ("BREW", "/metrics", 405, Some("GET, HEAD, OPTIONS")),
        ("GET", "/nothing", 404, None),
        ("POST", "/api/v1/nothing", 404, None),
        ("GET", "/api/v1/processes/", 404, None),
    ] {
        let answer = server.send(method, target, "", "").await;
        assert_eq!((answer.status, answer.header("allow")), (want, allow), "{method} {target}");
        if want > 400 && method != "HEAD" {
            answer.error();
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            (
                "content-security-policy",
                "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
            ),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{method} {target}");
        }
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = server().await;
    for target in ["/", "/api/v1/processes", "/api/v1/processes/42", "/healthz"] {
        let get = server.get(target).await;
        let head = server.send("HEAD", target, "", "").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{target}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{target}");
        assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()), "{target}");
    }
}
