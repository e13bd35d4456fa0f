//! The first clients' endpoints, to the letter.

use expect_test::expect;

use super::*;

async fn server() -> (Server, tempfile::TempDir) {
    let root = fixture();
    let mut setup = HttpSetup::new(root.path());
    setup.processes =
        vec![view(42, 4242, "ng\"inx\u{1b}", Some(12.5), 4096 * 10), view(1, 1, "init", None, 1023)];
    setup.files = vec![case_file(42, "nginx", vec![finding()]), case_file(1, "init", Vec::new())];
    (setup.start().await, root)
}

#[tokio::test]
async fn the_process_list() {
    let (server, _root) = server().await;
    expect![[r#"
        {
          "processes": [
            {
              "cpu": 0.0,
              "mem_kb": 0,
              "name": "init",
              "pid": 1,
              "ppid": 1,
              "start_ticks": 1,
              "state": "S",
              "threads": 2,
              "uid": 33
            },
            {
              "cpu": 12.5,
              "mem_kb": 40,
              "name": "ng\"inx\u001b",
              "pid": 42,
              "ppid": 1,
              "start_ticks": 4242,
              "state": "S",
              "threads": 2,
              "uid": 33
            }
          ]
        }"#]]
    .assert_eq(&server.get("/").await.pretty());
}

#[tokio::test]
async fn proc() {
    let (server, _root) = server().await;
    expect![[r#"
        {
          "pids": [
            "7",
            "9",
            "42",
            "100"
          ]
        }"#]]
    .assert_eq(&server.get("/proc").await.pretty());
    expect![[r#"
        {
          "files": [
            "cmdline",
            "comm",
            "environ",
            "fd",
            "limits",
            "maps",
            "mem",
            "stat",
            "status",
            "wchan"
          ]
        }"#]]
    .assert_eq(&server.get("/proc/42").await.pretty());
    // In the file's order, which a parsed object would not show.
    let status = server.get("/proc/42/status").await;
    expect![[r#"{"Name":"nginx","Umask":"0022","Pid":"42","Uid":"0\t0\t0\t0","VmRSS":"1204 kB"}"#]]
        .assert_eq(&String::from_utf8(status.body).unwrap());
}

#[tokio::test]
async fn a_verdict_now() {
    let (server, _root) = server().await;
    let answer =
        server.send("POST", "/analyze", "Content-Type: application/json\r\n", r#"{"pid": 42}"#).await;
    expect![[r#"
        {
          "analysis": "ANOMALY: it spins�[2J\nCause: a busy loop\n1. where it is: cat /proc/42/stack",
          "name": "nginx",
          "pid": 42,
          "verdict": {
            "by": "rules",
            "confidence": "low",
            "evidence": [
              "F1"
            ],
            "hypotheses": [],
            "next_steps": [
              {
                "command": "cat /proc/42/stack",
                "why": "where it is"
              }
            ],
            "probable_cause": "a busy loop",
            "summary": "it spins\u001b[2J"
          }
        }"#]]
    .assert_eq(&answer.pretty());
    let answer = server.send("POST", "/analyze", "", r#"{"pid": "1", "x": 0}"#).await.json();
    assert_eq!(answer["pid"], "1");
    assert!(answer["analysis"].as_str().unwrap().starts_with("OK: "), "{answer}");
}

#[tokio::test]
async fn what_cannot_be_analysed() {
    let (server, _root) = server().await;
    for (body, want) in [
        ("", 400),
        ("pid=42", 400),
        ("{\"pid\": 42", 400),
        ("{\"pid\": 42} x", 400),
        ("{}", 422),
        ("[]", 422),
        ("42", 422),
        ("null", 422),
        (r#"{"pid": null}"#, 422),
        (r#"{"pid": 0}"#, 422),
        (r#"{"pid": -42}"#, 422),
        (r#"{"pid": 42.0}"#, 422),
        (r#"{"pid": 4.2e1}"#, 422),
        (r#"{"pid": 4294967338}"#, 422),
        (r#"{"pid": "self"}"#, 422),
        (r#"{"pid": "../42"}"#, 422),
        (r#"{"pid": [42]}"#, 422),
        (r#"{"pid": 43}"#, 404),
        (r#"{"pid": "43"}"#, 404),
    ] {
        let answer = server.send("POST", "/analyze", "", body).await;
        assert_eq!(answer.status, want, "{body}");
        answer.error();
    }
}
