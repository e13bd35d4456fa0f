//! Loading as a whole: precedence, all errors at once, files, secrets.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use expect_test::{Expect, expect};
use secrecy::ExposeSecret as _;

use super::registry::find;
use super::removed::Removed;
use super::*;

/// What no error, warning or debug output may ever show.
const SECRET: &str = "gsk_hunter2hunter2";

fn sources(dir: &Path, flags: &[(&str, &str)], env: &[(&str, &str)], file: Option<&str>) -> Sources {
    let default_file = dir.join("ai-debugger.toml");
    if let Some(text) = file {
        fs::write(&default_file, text).unwrap();
        fs::set_permissions(&default_file, Permissions::from_mode(0o600)).unwrap();
    }
    let mut given = BTreeMap::<_, Vec<String>>::new();
    for (name, value) in flags {
        given.entry(find(name).unwrap().name.as_str()).or_default().push((*value).to_owned());
    }
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
    Sources { flags: given, env, default_file }
}

fn load_with(
    flags: &[(&str, &str)],
    env: &[(&str, &str)],
    file: Option<&str>,
) -> Result<LoadedConfig, String> {
    let dir = tempfile::tempdir().unwrap();
    let loaded = load(&sources(dir.path(), flags, env, file));
    assert!(!format!("{loaded:#?}").contains(SECRET), "a secret is in the debug output");
    loaded.map_err(|errors| {
        let text = errors.to_string();
        assert!(!text.contains(SECRET), "a secret is in the errors: {text}");
        text.replace(&dir.path().display().to_string(), "DIR")
    })
}

fn check_errors(flags: &[(&str, &str)], env: &[(&str, &str)], file: Option<&str>, want: &Expect) {
    want.assert_eq(&load_with(flags, env, file).expect_err("there are errors"));
}

#[test]
fn without_any_setting_all_is_as_declared() {
    let draft = load_with(&[], &[], None).unwrap();
    assert_eq!(draft.config.detect, DetectLimits::default());
    assert_eq!(draft.config.life, LifeRules::default());
    assert_eq!(draft.config.listen.to_string(), "127.0.0.1:7878");
    assert!(
        draft.config.llm.is_none() && draft.config.receivers.slack.is_none() && draft.warnings.is_empty()
    );
    assert!(matches!(draft.key, KeySource::Kept(path) if path == Path::new("/var/lib/ai-debugger/key")));
    assert!(draft.config.key.expose_secret().len() > 40, "the placeholder opens nothing");
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let flag = [("scan_interval", "2s"), ("no_llm", "false"), ("detect.fd_percent", "20")];
    let env = [
        ("AI_DEBUGGER_SCAN_INTERVAL", "3s"),
        ("AI_DEBUGGER_NO_LLM", "1"),
        ("AI_DEBUGGER_DETECT_FD_PERCENT", "30"),
    ];
    let file = "scan_interval = \"4s\"\nno_llm = true\n[detect]\nfd_percent = 40\n";
    for (flags, env, file, want) in [
        (&flag[..], &env[..], Some(file), (2, true, 20)),
        (&[], &env[..], Some(file), (3, false, 30)),
        (&[], &[], Some(file), (4, false, 40)),
        (&[], &[], None, (10, true, 90)),
        // Empty variables are not set.
        (&[], &[("AI_DEBUGGER_SCAN_INTERVAL", "")][..], None, (10, true, 90)),
    ] {
        let mut env = env.to_vec();
        env.push(("GROQ_API_KEY", SECRET));
        let config = load_with(flags, &env, file).unwrap().config;
        assert_eq!((config.scan_interval.as_secs(), config.llm.is_some(), config.detect.fd_percent), want);
    }
}

#[test]
fn lists_come_repeated_with_commas_or_as_arrays() {
    let want = ["a.example", "b.example"];
    for (flags, env, file) in [
        (&[("allowed_hosts", "a.example"), ("allowed_hosts", "B.example")][..], &[][..], None),
        (&[], &[("AI_DEBUGGER_ALLOWED_HOSTS", " a.example, b.example,")][..], None),
        (&[], &[], Some("allowed_hosts = [\"a.example\", \"b.example\"]")),
        (&[], &[], Some("allowed_hosts = \"a.example,b.example\"")),
    ] {
        assert_eq!(load_with(flags, env, file).unwrap().config.allowed_hosts, want);
    }
}

/// A line of the file, in its section.
fn line(name: &str, value: &str) -> String {
    name.split_once('.').map_or_else(
        || format!("{name} = {value}\n"),
        |(section, key)| format!("[{section}]\n{key} = {value}\n"),
    )
}

#[test]
fn what_was_removed_is_named_wherever_it_is_and_stops_nobody() {
    for Removed { name } in removed() {
        let variable = format!("AI_DEBUGGER_{}", name.replace('.', "_").to_uppercase());
        let flag = format!("--{}", name.replace(['.', '_'], "-"));
        let dir = tempfile::tempdir().unwrap();
        let mut given = sources(dir.path(), &[], &[(&variable, "7")], Some(&line(name, "7")));
        given.flags.insert(name, vec!["7".to_owned()]);
        let loaded = load(&given).unwrap();
        assert_eq!(loaded.config.detect, DetectLimits::default(), "{name}");
        let in_file = format!("ai-debugger.toml: {name}");
        for (warning, origin) in loaded.warnings.iter().zip([flag, variable, in_file]) {
            assert!(warning.contains(&format!("{origin} is no longer a setting")), "{warning}");
        }
        assert_eq!(loaded.warnings.len(), 3, "{:?}", loaded.warnings);
    }
}

#[test]
fn every_setting_of_the_file_is_read_by_its_name() {
    for Setting { name, .. } in SETTINGS.iter().filter(|setting| setting.in_file) {
        let error = load_with(&[], &[], Some(&line(name, "1.5"))).expect_err("a fraction is never right");
        assert!(error.contains("is of the type float"), "{name}: {error}");
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    check_errors(
        &[("listen", "localhost:80"), ("scan_interval", "5ms")],
        &[
            ("AI_DEBUGGER_LLM_BASE_URL", "ftp://x"),
            ("AI_DEBUGGER_LOG_LEVEL", "warning"),
            ("AI_DEBUGGER_ALLOWED_HOSTS", "ok.example,http://no\x1b[2J"),
            ("GROQ_API_KEY_FILE", "/nonexistent/groq"),
            ("SLACK_WEBHOOK_URL", SECRET),
        ],
        Some(
            "lisetn = \"x\"\nport = 1\nconfig = \"x\"\nshow_environ = \"maybe\"\nfd_percent = 3\n[detect]\nzombi_age = 1\nhung_after = \"2\"\n[other]\na = 1\n",
        ),
        &expect![[r#"
            the configuration has 15 errors:
              DIR/ai-debugger.toml: config: the file cannot name itself; remove this key
              DIR/ai-debugger.toml: detect.zombi_age: no such setting; did you mean `detect.zombie_age`?
              DIR/ai-debugger.toml: fd_percent: no such setting; did you mean `detect.fd_percent`?
              DIR/ai-debugger.toml: lisetn: no such setting; did you mean `listen`?
              DIR/ai-debugger.toml: other: no such setting; `ai-debugger run --help` lists the settings
              DIR/ai-debugger.toml: port: no such setting; `ai-debugger run --help` lists the settings
              --listen: `localhost:80` is not an address to listen on; give an IP address and a port, such as 127.0.0.1:7878 or [::1]:7878, or a socket, such as unix:/run/ai-debugger.sock
              AI_DEBUGGER_ALLOWED_HOSTS: `http://no�[2J` is not a host name; give a plain name without scheme and port, such as debug.example.org
              DIR/ai-debugger.toml: show_environ: `maybe` is neither true nor false; give true or false
              --scan-interval: `5ms` is too short; give a time from 100ms to 1h, such as 10s or 1m30s
              AI_DEBUGGER_LLM_BASE_URL: `ftp://x` cannot be an API's base URL; give an http or https URL without user, query and fragment, such as https://api.groq.com/openai/v1
              GROQ_API_KEY_FILE: /nonexistent/groq cannot be read: No such file or directory (os error 2); name a readable file that contains only the secret
              SLACK_WEBHOOK_URL: the value is not a URL; give the URL Slack shows for the incoming webhook, https://hooks.slack.com/services/…
              DIR/ai-debugger.toml: detect.hung_after: `2` is not a time with a unit; give a time from 1s to 24h, such as 10s or 1m30s
              AI_DEBUGGER_LOG_LEVEL: `warning` is not a log level; give error, warn, info, debug or trace, or a list such as info,ai_debugger::monitor=debug"#]],
    );
}

#[test]
fn secrets_are_never_repeated() {
    let key = format!("groq_api_key = \"{SECRET}\"\ngroq_api_key = \"x\"\n");
    let unquoted = format!("no_llm = true\ngroq_api_key = {SECRET}\n");
    let array = format!("groq_api_key = [\"{SECRET}\"]\nslack_webhook_url = \"http://{SECRET}.example/\"");
    for file in [&key, &unquoted, &array] {
        load_with(&[], &[], Some(file)).expect_err("not valid");
    }
    load_with(&[("key", &format!("{SECRET} ö"))], &[], None).expect_err("not ASCII");
    let draft = load_with(&[], &[("GROQ_API_KEY", SECRET), ("AI_DEBUGGER_KEY", SECRET)], None).unwrap();
    assert_eq!(draft.config.llm.unwrap().api_key.expose_secret(), SECRET);
    assert!(matches!(draft.key, KeySource::Given { key, .. } if key.expose_secret() == SECRET));
}

#[test]
fn a_file_that_is_broken_or_missing_is_an_error() {
    check_errors(
        &[],
        &[],
        Some("listen = \"127.0.0.1:1\"\nbroken"),
        &expect![[r#"
        the configuration has an error:
          DIR/ai-debugger.toml, line 2: this line is not TOML, or repeats a key; write key = value, with text in "quotes""#]],
    );
    check_errors(
        &[("config", "/nonexistent/a.toml")],
        &[],
        None,
        &expect![[r#"
        the configuration has an error:
          --config /nonexistent/a.toml: cannot read the configuration file: No such file or directory (os error 2); name a readable TOML file"#]],
    );
    check_errors(
        &[],
        &[("AI_DEBUGGER_CONFIG", "/nonexistent/a.toml")],
        None,
        &expect![[r#"
        the configuration has an error:
          AI_DEBUGGER_CONFIG /nonexistent/a.toml: cannot read the configuration file: No such file or directory (os error 2); name a readable TOML file"#]],
    );
}

#[test]
fn a_value_and_its_file_in_one_layer_contradict_each_other() {
    check_errors(
        &[],
        &[("GROQ_API_KEY", SECRET), ("GROQ_API_KEY_FILE", "/run/secrets/groq")],
        None,
        &expect![[r#"
            the configuration has an error:
              GROQ_API_KEY: `GROQ_API_KEY_FILE` is set too, and they mean the same; set one of the two"#]],
    );
    let file = "groq_api_key_file = \"/nonexistent/groq\"";
    let draft = load_with(&[], &[("GROQ_API_KEY", SECRET)], Some(file)).unwrap();
    assert!(draft.config.llm.is_some(), "the stronger layer wins, the other file is not even read");
}

#[test]
fn secrets_come_from_files_and_open_ones_are_mentioned() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groq");
    fs::write(&path, format!("{SECRET}\n")).unwrap();
    for (mode, warnings) in [(0o600, 0), (0o640, 1)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let draft = load_with(&[], &[("GROQ_API_KEY_FILE", path.to_str().unwrap())], None).unwrap();
        assert_eq!(draft.config.llm.unwrap().api_key.expose_secret(), SECRET);
        assert_eq!(draft.warnings.len(), warnings, "{:?}", draft.warnings);
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let error = load_with(&[("key_file", path.to_str().unwrap())], &[], None).unwrap_err();
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn beyond_loopback_a_guessable_key_is_refused() {
    for (listen, key, good) in [
        ("127.0.0.1:1", "debugger", true),
        ("[::1]:1", "debugger", true),
        ("0.0.0.0:1", "debugger", false),
        ("[::]:1", "changemechangeme", false),
        ("[::ffff:10.0.0.1]:1", "0123456789abcde", false),
        ("10.0.0.1:1", "correct-horse-battery", true),
        ("0.0.0.0:1", "", true),
    ] {
        let loaded = load_with(&[("listen", listen)], &[("AI_DEBUGGER_KEY", key)], None);
        assert_eq!(loaded.is_ok(), good, "{listen} {key} {loaded:?}");
    }
}

#[test]
fn prepare_makes_the_folder_and_the_key_and_checks_a_kept_one() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let flags = [("data_dir", data.to_str().unwrap()), ("listen", "0.0.0.0:0")];
    let prepare = || load(&sources(dir.path(), &flags, &[], None)).unwrap().prepare();
    let (config, warnings) = prepare().unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(prepare().unwrap().0.key.expose_secret(), config.key.expose_secret());
    fs::write(data.join("key"), "debugger").unwrap();
    let error = prepare().unwrap_err();
    assert!(error.is::<ConfigErrors>() && error.to_string().contains("well-known"), "{error}");
    // With a key given, the kept one does not matter.
    let given =
        load(&sources(dir.path(), &flags, &[("AI_DEBUGGER_KEY", "correct-horse-battery")], None)).unwrap();
    assert_eq!(given.prepare().unwrap().0.key.expose_secret(), "correct-horse-battery");
}

#[test]
fn what_is_odd_but_not_wrong_is_mentioned() {
    for (flags, env, file, want) in [
        (&[("key", "correct-horse-battery")][..], &[][..], None, "--key shows the access key"),
        (&[], &[("SLACK_BOT_TOKEN", SECRET)][..], None, "SLACK_BOT_TOKEN is ignored without SLACK_CHANNEL"),
        (&[], &[("AI_DEBUGGER_SCAN_INTERVALL", "1s")], None, "did you mean AI_DEBUGGER_SCAN_INTERVAL?"),
        (&[], &[], Some("llm_base_url = \"http://127.0.0.1:1/v1\""), "the model is not used"),
    ] {
        let warnings = load_with(flags, env, file).unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].contains(want), "{warnings:?}");
    }
    // What Kubernetes sets for a Service of that name.
    let service = [("AI_DEBUGGER_PORT", "tcp://10.0.0.1:80"), ("AI_DEBUGGER_SERVICE_HOST", "10.0.0.1")];
    assert!(load_with(&[], &service, None).unwrap().warnings.is_empty());
}
