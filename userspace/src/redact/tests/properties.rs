//! Properties of masking, on texts that proptest makes of what masks care about, by a fixed seed: a failure comes back,
//! as small as it can be made.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::*;
use crate::redact::shapes;

/// What a mask adds at most: `[redacted 1 chars]` in place of one character.
const LONGER: usize = "[redacted 1 chars]".len();

fn runner(cases: u32) -> TestRunner {
    let config =
        Config { cases, rng_seed: RngSeed::Fixed(0x5eed), failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
}

/// Pieces of command lines, headers, JSON and logs, the masks among them.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "password",
        "--password",
        "-p",
        "--token=",
        "Cookie:",
        "Set-Cookie:",
        "Authorization:",
        "Bearer",
        "Basic",
        "Digest",
        "token",
        "key",
        "secret=",
        "AWS_SECRET_ACCESS_KEY=",
        "user",
        "mysql",
        "curl",
        "-u",
        "sshpass",
        "https://",
        "@",
        ":",
        "://",
        "=",
        "; ",
        "&",
        ",",
        "\"",
        "'",
        "\\\"",
        "`",
        "<",
        ">",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "|",
        "&&",
        "\n",
        "\0",
        "\t",
        " ",
        " ",
        " ",
        "a=b",
        "a=b; ",
        "[redacted 3 chars]",
        "[redacted ",
        " chars]",
        "sha256",
        "…",
        "é",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "https://u:p@h/",
        "x:y@h",
        "null",
        "true",
        "/etc/x.pem",
    ]);
    prop_oneof![
        4 => fixed.prop_map(str::to_owned),
        1 => "[a-z]{1,8}",
        1 => "[A-Za-z0-9+/=_-]{1,40}",
        1 => "[0-9a-f]{32}",
        1 => "\\PC{0,4}",
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    vec(piece(), 0..14).prop_map(|it| it.concat())
}

#[test]
fn masking_twice_is_masking_once() {
    runner(4000)
        .run(&any_text(), |given| {
            let once = text(&given);
            prop_assert_eq!(text(&once), once);
            Ok(())
        })
        .unwrap();
    runner(4000)
        .run(&vec(any_text(), 0..6), |given| {
            let once = argv(&given);
            prop_assert_eq!(argv(&once), once);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_mask_adds_no_more_than_itself() {
    runner(4000)
        .run(&any_text(), |given| {
            let bound = given.chars().count() * LONGER + given.len();
            prop_assert!(text(&given).len() <= bound);
            Ok(())
        })
        .unwrap();
}

/// What may stand beside a secret without becoming part of it.
fn around() -> impl Strategy<Value = (String, String)> {
    let before = prop::sample::select(vec![
        "",
        " ",
        "\n",
        "\t",
        "(",
        "\"",
        "'",
        "=",
        "[info] using ",
        "2026-11-22T12:27:59Z ",
        "-H ",
        "x=y ",
        "é ",
        "/var/lib/app/",
        "{\"v\":\"",
        "a\0",
        "Cookie: a=b; ",
        "password=x ",
        "Authorization: Basic x ",
    ]);
    let after = prop::sample::select(vec![
        "",
        " ",
        "\n",
        ")",
        "\"",
        "'",
        ", then went on",
        " --verbose",
        "\0b",
        "\"}",
        " && true",
        " | cat",
        " é",
    ]);
    (before, after).prop_map(|(before, after)| (before.to_owned(), after.to_owned()))
}

#[test]
fn no_secret_of_any_rule_survives_in_arguments_paths_environment_or_log_lines() {
    let samples = shapes::samples();
    let secret = (0..samples.len(), any::<u64>()).prop_map(move |(at, seed)| samples[at].filled(seed));
    runner(6000)
        .run(&(secret, around(), any_text()), |((line, secret), (before, after), other)| {
            let end: String = secret.chars().skip(secret.chars().count().saturating_sub(8)).collect();
            let whole = format!("{before}{line}{after}");
            let gone = |got: &str| !got.contains(&secret) && !got.contains(&end);
            let got = text(&whole);
            prop_assert!(gone(&got), "{whole:?} gave {got:?}");
            let got = argv(&[other, whole.clone(), "-x".to_owned()]);
            prop_assert!(gone(&got[1]), "{whole:?} gave {got:?}");
            let got = environ(format!("PATH=/bin\0X={line}\0").as_bytes());
            prop_assert!(gone(&String::from_utf8_lossy(&got)));
            Ok(())
        })
        .unwrap();
}

#[test]
fn ordinary_arguments_stay_as_they_are() {
    let program = prop::sample::select(vec![
        "ls", "grep", "find", "cargo", "gcc", "python3", "sed", "git", "make", "rsync", "tar",
    ]);
    let word = prop_oneof![
        "--?[a-z]{2,10}",
        "--[a-z]{3,8}-[a-z]{3,8}=[a-z0-9.]{1,12}",
        "/usr/[a-z]{3,8}/[a-z]{3,8}\\.(c|h|rs|py|conf)",
        "[a-z]{1,12}(\\.(txt|log|o|so))?",
        "[0-9]{1,6}",
        "[A-Z][A-Z_]{2,8}=[a-z0-9/]{1,10}",
    ];
    // Not what says by its name that it is a secret, which the words above may spell.
    let says = |word: &String| {
        let name = word.trim_start_matches('-').split('=').next().unwrap();
        text(word) != *word || names::strength(name).is_some()
    };
    runner(4000)
        .run(&(program, vec(word, 0..8)), |(program, words)| {
            prop_assume!(!words.iter().any(says));
            let given: Vec<String> = [program.to_owned()].into_iter().chain(words).collect();
            prop_assert_eq!(argv(&given), given);
            Ok(())
        })
        .unwrap();
}
