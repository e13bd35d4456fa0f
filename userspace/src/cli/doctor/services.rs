//! What the daemon works with beside the kernel: its data folder, the access key, the model, the alerts' receivers.

use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::report::Check;
use crate::analyst::Analyst;
use crate::config::{self, KeySource, LlmConfig, LoadedConfig, Receivers, SlackConfig};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::systemd::Bus;

/// How long the model's API may take to list its models.
const MODELS_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn checks(draft: &LoadedConfig) -> Vec<Check> {
    let systemd = systemd(&Bus::of_this_host(&draft.config.proc_root)).await;
    vec![systemd, data_dir(&draft.config.data_dir), key(&draft.key), model(draft).await, alerts(draft)]
}

async fn systemd(bus: &Bus) -> Check {
    if !bus.is_of_systemd() {
        return Check::ok("systemd", "does not run here: ends are judged by what the kernel says");
    }
    match bus.trouble().await {
        None => Check::ok("systemd", "says over the system bus why it stops and restarts services"),
        Some((reason, remedy)) => Check::warn("systemd", reason, remedy),
    }
}

fn data_dir(dir: &Path) -> Check {
    let shown = dir.display();
    let writable = |dir: &Path| accessat(CWD, dir, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
    let remedy = "run as root, or choose a folder of this user with --data-dir";
    let Some(there) = dir.ancestors().find(|it| it.exists()) else {
        return Check::fail("data folder", format!("{shown} has no parent folder"), remedy);
    };
    match writable(there) {
        _ if !there.is_dir() => {
            Check::fail("data folder", format!("{} is not a folder", there.display()), remedy)
        }
        Err(error) => {
            Check::fail("data folder", format!("cannot write in {}: {error}", there.display()), remedy)
        }
        Ok(()) if there == dir => Check::ok("data folder", format!("{shown} is writable")),
        Ok(()) => Check::ok("data folder", format!("{shown} will be created on the first run")),
    }
}

fn key(source: &KeySource) -> Check {
    match source {
        KeySource::Given { origin, .. } => Check::ok("access key", format!("from {origin}")),
        KeySource::Kept(path) if !path.exists() => {
            Check::ok("access key", "will be generated on the first run")
        }
        KeySource::Kept(path) => match config::check_key_file(path) {
            Ok(()) => Check::ok("access key", format!("kept in {}", path.display())),
            Err(rejected) => Check::fail("access key", rejected.what, rejected.accepted),
        },
    }
}

fn alerts(draft: &LoadedConfig) -> Check {
    let Receivers { slack, webhook, alertmanager_url, .. } = &draft.config.receivers;
    let named = [
        slack.as_ref().map(|it| match it {
            SlackConfig::Webhook { .. } => "Slack through a webhook",
            SlackConfig::Bot { .. } => "Slack through a bot",
        }),
        webhook.as_ref().map(|_| "a webhook"),
        alertmanager_url.as_ref().map(|_| "Alertmanager"),
    ];
    let named: Vec<_> = named.into_iter().flatten().collect();
    if named.is_empty() {
        let remedy = "set SLACK_WEBHOOK_URL, ALERT_WEBHOOK_URL or AI_DEBUGGER_ALERTMANAGER_URL";
        return Check::warn("alerts", "no receiver is configured: no alerts are sent", remedy);
    }
    Check::ok("alerts", format!("to {}; doctor sends nothing", named.join(", ")))
}

async fn model(draft: &LoadedConfig) -> Check {
    match (&draft.config.llm, draft.config.no_llm) {
        (Some(llm), _) => ask(llm).await,
        (None, true) => Check::ok("model", "turned off: the built-in analyst works alone"),
        (None, false) => Check::warn(
            "model",
            "no GROQ_API_KEY: the built-in analyst works alone",
            "set GROQ_API_KEY, or --no-llm if that is intended",
        ),
    }
}

/// By the daemon's own judgement, so that the two never disagree.
async fn ask(llm: &LlmConfig) -> Check {
    let LlmConfig { base_url, model, .. } = llm;
    let asked = LlmConfig { deadline: MODELS_TIMEOUT, ..llm.clone() };
    let analyst = match Analyst::new(Some(asked), Health::default(), Metrics::new()) {
        Ok(analyst) => analyst,
        Err(error) => return Check::warn("model", format!("{error:#}"), "check the key and the URL"),
    };
    match analyst.trouble().await {
        None => Check::ok("model", format!("{model} at {base_url}")),
        Some((reason, remedy)) => {
            Check::warn("model", format!("{base_url}: {reason}; the built-in analyst works instead"), remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::get;
    use secrecy::SecretString;

    use super::super::report::{Status, as_text};
    use super::*;
    use crate::config::LlmLimits;

    async fn asked(router: Router, model: &str) -> Check {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let api_key = SecretString::from("gsk_hunter2");
        ask(&LlmConfig {
            base_url,
            model: model.to_owned(),
            api_key,
            deadline: MODELS_TIMEOUT,
            limits: LlmLimits::default(),
        })
        .await
    }

    fn api(body: &'static str) -> Router {
        let list = move |headers: HeaderMap| async move {
            if headers["authorization"] == "Bearer gsk_hunter2" {
                Ok(body)
            } else {
                Err(StatusCode::UNAUTHORIZED)
            }
        };
        Router::new().route("/v1/models", get(list))
    }

    #[tokio::test]
    async fn without_the_bus_it_is_said_what_is_lost_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("unix:path={}", folder.path().join("bus").display());
        let check = systemd(&Bus::at(address)).await;
        assert_eq!(check.status, Status::Warn, "the main job can run");
        assert!(
            check.detail.starts_with("why systemd stops or restarts a service is not known"),
            "{check:?}"
        );
        assert!(check.remedy.contains("/run/dbus/system_bus_socket mounted"), "{check:?}");
        // A /proc without a systemd in it, on a host without one.
        if !Path::new("/run/systemd/system").is_dir() {
            let check = systemd(&Bus::of_this_host(folder.path())).await;
            assert_eq!((check.status, &*check.remedy), (Status::Ok, ""));
        }
    }

    #[tokio::test]
    async fn the_model_is_looked_for_in_the_list() {
        let list =
            r#"{"object":"list","data":[{"id":"openai/gpt-oss-120b"},{"id":"openai/gpt-oss-20b\u001b[2J"}]}"#;
        let refusing = Router::new().route("/v1/models", get(|| async { StatusCode::UNAUTHORIZED }));
        for (router, model, status, want) in [
            (api(list), "openai/gpt-oss-120b", Status::Ok, "openai/gpt-oss-120b at http://"),
            (api(list), "llama3-70b-8192", Status::Warn, "has no model `llama3-70b-8192`"),
            (api("{}"), "m", Status::Warn, "is no list of models"),
            (refusing, "m", Status::Warn, "check GROQ_API_KEY"),
            // Not every compatible server has a list: the daemon asks it all the same.
            (Router::new(), "m", Status::Ok, "m at http://"),
        ] {
            let check = asked(router, model).await;
            let text = as_text(std::slice::from_ref(&check));
            assert_eq!(check.status, status, "{text}");
            assert!(text.contains(want) && !text.contains("hunter2") && !text.contains('\x1b'), "{text}");
        }
    }

    #[test]
    fn folders_that_cannot_be_used_fail() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for (path, status) in [
            (dir.path().to_owned(), Status::Ok),
            (dir.path().join("a/b/c"), Status::Ok),
            (file.clone(), Status::Fail),
            (file.join("below"), Status::Fail),
        ] {
            let check = data_dir(&path);
            assert_eq!(check.status, status, "{}: {check:?}", path.display());
        }
    }

    #[test]
    fn keys_are_looked_at_and_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert_eq!(key(&KeySource::Kept(path.clone())).detail, "will be generated on the first run");
        assert!(!path.exists());
        fs::write(&path, "correct-horse-battery").unwrap();
        for (mode, status) in [(0o600, Status::Ok), (0o644, Status::Fail)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(key(&KeySource::Kept(path.clone())).status, status);
        }
    }
}
