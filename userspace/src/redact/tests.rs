//! Secrets that must vanish, and everyday text that must not.

mod command_lines;
mod ordinary;
mod planted;
mod properties;

pub(super) use planted::Dice;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::*;

/// Each line: given, then wanted.
fn check_text(cases: &[(&str, &str)]) {
    for (given, want) in cases {
        let got = text(given);
        assert_eq!(got, *want, "given {given:?}");
        assert_eq!(text(&got), got, "applied twice to {given:?}");
    }
}

#[test]
fn secrets_by_name() {
    check_text(&[
        ("password=hunter22x", "password=[redacted 9 chars]"),
        ("DB_PASSWORD=p PGPASSWORD=qq", "DB_PASSWORD=[redacted 1 chars] PGPASSWORD=[redacted 2 chars]"),
        ("--api-key=abc --verbose", "--api-key=[redacted 3 chars] --verbose"),
        ("--password hunter2 --port 80", "--password [redacted 7 chars] --port 80"),
        ("-storepass changeit x", "-storepass [redacted 8 chars] x"),
        ("--password \"two words\" x", "--password \"[redacted 9 chars]\" x"),
        ("[\"--token\", \"abc\", \"x\"]", "[\"--token\", \"[redacted 3 chars]\", \"x\"]"),
        (
            "{\"password\": \"a\\\"b\", \"user\": \"bob\"}",
            "{\"password\": \"[redacted 4 chars]\", \"user\": \"bob\"}",
        ),
        ("{\\\"token\\\":\\\"abc\\\",\\\"n\\\":1}", "{\\\"token\\\":\\\"[redacted 3 chars]\\\",\\\"n\\\":1}"),
        ("{password: x, user: bob}", "{password: [redacted 1 chars], user: bob}"),
        ("client_secret: 'a b c'\nuser: x", "client_secret: '[redacted 5 chars]'\nuser: x"),
        ("$db['password'] => 'x y'", "$db['password'] => '[redacted 3 chars]'"),
        ("<password>abc</password>", "<password>[redacted 3 chars]</password>"),
        ("GET /x?token=abc&page=2 HTTP", "GET /x?token=[redacted 3 chars]&page=2 HTTP"),
        ("/?key=0123456789abcdef", "/?key=[redacted 16 chars]"),
        ("Server=h;Password=a;b;Database=d", "Server=h;Password=[redacted 3 chars];Database=d"),
        ("password=a,b&c", "password=[redacted 5 chars]"),
        ("password=пароль", "password=[redacted 6 chars]"),
        ("SECRET_KEY_BASE=1", "SECRET_KEY_BASE=[redacted 1 chars]"),
        ("password=\"never closed and more", "password=\"[redacted 21 chars]"),
        ("auth=s3 x", "auth=[redacted 2 chars] x"),
        ("cmd\0--secret\0abc\0x", "cmd\0--secret\0[redacted 3 chars]\0x"),
        ("password=[redacted 3 chars]more", "password=[redacted 22 chars]"),
    ]);
}

#[test]
fn secrets_in_headers() {
    check_text(&[
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted 7 chars]"),
        (
            "-H 'Authorization: Basic dTpw' http://h/",
            "-H 'Authorization: Basic [redacted 4 chars]' http://h/",
        ),
        ("authorization: raw-value x", "authorization: [redacted 9 chars] x"),
        ("Authorization: Digest u=\"x\", r=\"y\"", "Authorization: Digest [redacted 12 chars]"),
        ("Cookie: a=b; c=d http://h/", "Cookie: [redacted 8 chars] http://h/"),
        ("Cookie: a=b; Secure; c=d x", "Cookie: [redacted 16 chars] x"),
        ("Cookie: a=b; Cookie: c=d; ", "Cookie: [redacted 3 chars]; Cookie: [redacted 3 chars]; "),
        ("Cookie: [redacted 3 chars]; c=d", "Cookie: [redacted 23 chars]"),
        ("X-Api-Key: abc", "X-Api-Key: [redacted 3 chars]"),
        ("sent bearer abcdefghijkl", "sent bearer [redacted 12 chars]"),
    ]);
}

#[test]
fn secrets_by_shape() {
    for secret in [
        "AKIAIOSFODNN7EXAMPLE",
        "gsk_abcdefghijklmnop",
        "sk-ant-api03-abcdefghijklmnop",
        "sk_live_abcdefgh1234",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11ABCDEFG0abcdefghijkl_xyz",
        "glpat-abcdefghijklmnopqrst",
        "npm_abcdefghijklmnopqrstuvwxyz0123456789",
        "pypi-AgEIcHlwaS5vcmcCJGFiY2RlZmdoaWprbG1ub3A",
        "xoxb-1234-5678-abcdef",
        "xoxp-1234567890",
        "xapp-1-A111-222-abc",
        "hf_abcdefghijklmnopqrstuvwx",
        "whsec_abcdefghijklmnop",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "hvs.CAESIJabcdefghijklmn",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "eyJhbGciOiJIUzI1NiJ9",
    ] {
        for (before, after) in [("saw ", " there"), ("", ""), ("\"", "\""), ("x=", ""), ("(", ")")] {
            let got = text(&format!("{before}{secret}{after}"));
            let want = format!("{before}[redacted {} chars]{after}", secret.len());
            assert_eq!(got, want);
        }
    }
    check_text(&[
        ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/services/[redacted 9 chars]"),
        ("https://discord.com/api/webhooks/1/ab", "https://discord.com/api/webhooks/[redacted 4 chars]"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- x",
            "-----BEGIN RSA PRIVATE KEY-----[redacted 5 chars]-----END RSA PRIVATE KEY----- x",
        ),
        ("-----BEGIN PRIVATE KEY----- MII cut", "-----BEGIN PRIVATE KEY-----[redacted 8 chars]"),
        ("postgres://bob:hunter2@db:5432/app", "postgres://bob:[redacted 7 chars]@db:5432/app"),
        ("redis://:p@ss@h/0", "redis://:[redacted 4 chars]@h/0"),
        ("redis://:pa/ss@h:6379", "redis://:[redacted 5 chars]@h:6379"),
        ("amqp://a:b@h1,amqp://c:d@h2", "amqp://a:[redacted 1 chars]@h1,amqp://c:[redacted 1 chars]@h2"),
        ("https://0123456789abcdef01234567@h/1", "https://[redacted 24 chars]@h/1"),
        ("root:hunter2@tcp(127.0.0.1:3306)/db", "root:[redacted 7 chars]@tcp(127.0.0.1:3306)/db"),
    ]);
}

#[test]
fn secrets_by_randomness() {
    check_text(&[
        ("x=kX9vQ2mZ7pR4tW1yB6nL", "x=[redacted 20 chars]"),
        ("blob: \"hT4k/Zq8+Wd2Lm0cRv7Yx1Nb5Ug3Pj9sEf6Ko2Aa\"", "blob: \"[redacted 40 chars]\""),
        ("id=q7w2e9r4t1y6u3i8o5p0a7s2d9f4g1h6", "id=[redacted 32 chars]"),
    ]);
}

#[test]
fn secrets_of_programs() {
    check_text(&[
        ("sh -c 'mysql -uroot -phunter2 db'", "sh -c 'mysql -uroot -p[redacted 7 chars] db'"),
        ("curl -u bob:hunter2 http://h", "curl -u bob:[redacted 7 chars] http://h"),
        ("/usr/bin/redis-cli -a hunter2 PING", "/usr/bin/redis-cli -a [redacted 7 chars] PING"),
        ("sshpass -phunter2 ssh -p 22 h", "sshpass -p[redacted 7 chars] ssh -p [redacted 2 chars] h"),
    ]);
}

#[test]
fn everyday_text_stays_readable() {
    for plain in [
        "",
        "/usr/bin/python3 -m http.server 8080 --bind 127.0.0.1",
        "java -Xmx512m -XX:+UseG1GC -Djava.io.tmpdir=/tmp/hsperf -jar /opt/app-1.2.3-rc1.jar",
        "docker-7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d.scope",
        "id=7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d",
        "pod=3f2b8c1e-9a4d-4e6f-8b1a-2c3d4e5f6a7b rev=1fca1c5 commit=1fca1c50ffb4e1a2b3c4d5e6f7a8b9c0d1e2f3a4",
        "image=nginx:1.25@sha256:7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d",
        "integrity=sha512-kX9vQ2mZ7pR4tW1yB6nLkX9vQ2mZ7pR4tW1yB6nL==",
        "SHA256:kX9vQ2mZ7pR4tW1yB6nLkX9vQ2mZ7pR4tW1yB6nL",
        "my-app-7d9f8b6c5d-x2x4z at 2026-11-22T12:27:59.123456Z v1.2.3+build.45",
        "PWD=/home/bob HOME=/home/bob SSH_AUTH_SOCK=/tmp/ssh/agent.1 XDG_SESSION_ID=3",
        "--password-file /run/secrets/db --token-ttl 30 --max-tokens 100 --tls-key server.pem --key=/etc/k.pem",
        "max_completion_tokens=2000 auth_method=pam session_timeout=30 primary_key=id author=bob key: value",
        "https://host:8080/path@2?page=2 git@github.com:org/repo.git mailto:bob@example.com http://[::1]:80/@x",
        "the password is wrong, the token expired; auth: failure",
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,oom_memcg=/oomtest,task=python3,pid=13674,uid=0",
        "SigBlk:\t0000000000010000\nSigCgt:\t0000000180014a03\nVmRSS:\t  262144 kB\nSeccomp:\t0\nThreads:\t12",
        "7f3a00000000-7f3a00021000 r-xp 00000000 fe:01 1048 /usr/lib/x86_64-linux-gnu/libc.so.6",
        "std::token::Kind at src/lexer.rs:12:3, \"password\": null",
        "Max open files            1024                 524288               files",
        "mysql -p -h db -P 3306",
    ] {
        assert_eq!(text(plain), plain);
    }
}

#[test]
fn arguments_know_their_neighbours() {
    for (given, want) in [
        (&["app", "--password", "hunter2", "x"][..], &["app", "--password", "[redacted 7 chars]", "x"][..]),
        (&["app", "--password", "two words"], &["app", "--password", "[redacted 9 chars]"]),
        (&["app", "--password", "--verbose"], &["app", "--password", "--verbose"]),
        (&["app", "--password", "-x1-Kd82"], &["app", "--password", "[redacted 8 chars]"]),
        (&["app", "--password=a b\"c;d=e"], &["app", "--password=[redacted 9 chars]"]),
        (&["app", "-Ddb.password=x y"], &["app", "-Ddb.password=[redacted 3 chars]"]),
        (&["env", "TOKEN=abc", "app"], &["env", "TOKEN=[redacted 3 chars]", "app"]),
        (&["mysql", "-uroot", "-phunter2"], &["mysql", "-uroot", "-p[redacted 7 chars]"]),
        (&["sudo", "/usr/bin/curl", "-u", "a:b:c"], &["sudo", "/usr/bin/curl", "-u", "a:[redacted 3 chars]"]),
        (&["curl", "--user=a:b"], &["curl", "--user=a:[redacted 1 chars]"]),
        (&["curl", "-H", "X-Token: a"], &["curl", "-H", "X-Token: [redacted 1 chars]"]),
        (&["sh", "-c", "mysql -px; ls"], &["sh", "-c", "mysql -p[redacted 2 chars] ls"]),
        (&["app", "kX9vQ2mZ7pR4tW1yB6nL"], &["app", "[redacted 20 chars]"]),
        (&["app", "--key", "7", "--key", "a-key"], &["app", "--key", "7", "--key", "[redacted 5 chars]"]),
        (&["nginx: master process /usr/sbin/nginx"], &["nginx: master process /usr/sbin/nginx"]),
        (&["app", "--token"], &["app", "--token"]),
        (&[], &[]),
    ] {
        let given: Vec<String> = given.iter().map(|&arg| arg.to_owned()).collect();
        let got = argv(&given);
        assert_eq!(got, want);
        assert_eq!(argv(&got), got, "applied twice");
    }
}

#[test]
fn known_secrets_vanish_everywhere() {
    let given = ["app", "--password", "correct horse", "--pin-token=abc", "-x"].map(str::to_owned);
    let secrets = secrets_in(&given);
    assert_eq!(secrets, ["correct horse"], "and none that is too short");
    let line = "ran app --password correct horse -x, said: correct horse";
    assert_eq!(
        text_without(&secrets, line),
        "ran app --password [redacted 13 chars] -x, said: [redacted 13 chars]"
    );
    assert!(secrets_in(&argv(&given)).is_empty(), "a mask is no secret");
}

#[test]
fn an_environment_shows_names_only() {
    for (given, want) in [
        (
            b"HOME=/root\0API_KEY=gsk_1=2\0EMPTY=\0".as_slice(),
            b"HOME=***\0API_KEY=***\0EMPTY=***\0".as_slice(),
        ),
        (b"CUT=val", b"CUT=***\0"),
        (b"LINES=a\nSECRET=b\0", b"LINES=***\0"),
        (b"nginx: master --password=hunter2\0\0\0", b"***\0"),
        (b"hunter2\0=hunter2\0\xff\xfe=x\0A=\xff\0", b"***\0***\0***\0A=***\0"),
        (b"BASH_FUNC_x%%=() { :; }\0", b"BASH_FUNC_x%%=***\0"),
        (b"", b""),
    ] {
        let masked = environ(given);
        assert_eq!(masked, want, "{}", String::from_utf8_lossy(given));
        assert_eq!(environ(&masked), want, "masking twice is masking once");
    }
}

#[test]
fn hostile_sizes_take_work_in_proportion() {
    for unit in [
        "password=",
        "a:",
        "token:a&",
        "--password ",
        "\"",
        "://",
        "eyJa.",
        "-----BEGIN A-----",
        "=&;",
        "key=/",
        "a://b",
        "cookie:",
        "auth: a ",
        "'",
        "\"a",
        "a:b@",
        "authorization: ",
        "-",
        "x=aB3",
        "[redacted 1 chars]",
        "vault kv put a b=c ",
        "htpasswd -b a b c ",
        "nmcli password ",
        "a_token ",
        "a/b:c@",
    ] {
        let grew = (0..TRIES).map(|_| work(unit, 8 * SIZE) / work(unit, SIZE)).find(|grew| *grew < 16.0);
        assert!(
            grew.is_some(),
            "{unit:?} of eight times the size took over sixteen times the work, each time"
        );
    }
}

/// The smaller of two sizes of text: large enough that what is paid once a text does not hide how the rest grows.
const SIZE: usize = 5_000;
/// What others do to the caches while one of these is measured, they do not do each time.
const TRIES: usize = 3;

/// The CPU time of this thread, in seconds, that masking so much of this takes, twice.
fn work(unit: &str, size: usize) -> f64 {
    let cpu_time = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let long = unit.repeat(size / unit.len());
    let begun = cpu_time();
    let once = text(&long);
    assert_eq!(text(&once), once, "{unit:?}");
    (cpu_time() - begun).as_secs_f64()
}
