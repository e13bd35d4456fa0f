//! `analyze PID`: one verdict now, from a running daemon where one is named, otherwise made right here.

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;

use super::client::{DaemonClient, Target, decode};
use super::output;
use super::ps::with_newline;
use super::view;
use crate::analyst::{self, Analyst, Question};
use crate::config::{self, Config, LoadedConfig};
use crate::health::Health;
use crate::kinds::case::CaseFile;
use crate::languages;
use crate::metrics::Metrics;
use crate::model::Verdict;
use crate::monitor;
use crate::programs;
use crate::redact;
use crate::render;
use crate::text;

/// What POST /analyze answers.
#[derive(Deserialize)]
struct AnalyzeReply {
    pid: u32,
    name: String,
    analysis: String,
    verdict: Verdict,
}

/// Judges and prints. `false`: there is no such process, which has been said.
pub(super) async fn analyze(target: &Target, pid: u32, json: bool) -> Result<bool> {
    let said = if target.named().is_some() {
        remote(target, pid, json).await?
    } else {
        local(target, pid, json).await?
    };
    match said {
        Some(text) => output::print(&text).map(|()| true),
        None => {
            output::complain(&format!("there is no process {pid}; it may have already ended"));
            Ok(false)
        }
    }
}

/// Prints what would go to the model, and sends it to nobody. `false`: there is no such process.
pub(super) async fn show_prompt(target: &Target, pid: u32, json: bool) -> Result<bool> {
    let question: Option<Question> = if target.named().is_some() {
        let asked = json!({ "pid": pid, "prompt": true });
        let body = DaemonClient::new(target)?.post(&["analyze"], &asked).await?;
        body.map(|body| decode(&body)).transpose()?
    } else {
        local_file(target, pid)
            .await?
            .map(|(file, config)| asker(config).map(|it| it.question(&file)))
            .transpose()?
    };
    let Some(question) = question else {
        output::complain(&format!("there is no process {pid}; it may have already ended"));
        return Ok(false);
    };
    let text = if json { with_newline(serde_json::to_string(&question)?) } else { as_text(&question) };
    output::print(&text).map(|()| true)
}

/// As a person reads it: both messages as they are, and below what was done to them.
fn as_text(question: &Question) -> String {
    let Question { system, user, tokens, left_out, masked, .. } = question;
    let masked: Vec<String> = masked.iter().map(|(rule, count)| format!("{count} by {rule}")).collect();
    let masked = if masked.is_empty() { "nothing".to_owned() } else { masked.join(", ") };
    let lines = |text: &str| text::printable_lines(text);
    format!(
        "--- system ---\n{}\n--- user ---\n{}\n---\nabout {tokens} tokens; masked: {}; left out to save \
         space: {left_out}; nothing was sent\n",
        lines(system),
        lines(user),
        lines(&masked),
    )
}

async fn remote(target: &Target, pid: u32, json: bool) -> Result<Option<String>> {
    let Some(body) = DaemonClient::new(target)?.post(&["analyze"], &json!({ "pid": pid })).await? else {
        return Ok(None);
    };
    if json {
        return Ok(Some(with_newline(body)));
    }
    let AnalyzeReply { pid, name, analysis, verdict } = decode(&body)?;
    // Its first word is the rules' word; the rest is the verdict, which follows.
    let word = analysis.split(':').next().unwrap_or_default();
    Ok(Some(view::judged(&format!("{name} (pid {pid}): {word}"), &verdict)))
}

async fn local(target: &Target, pid: u32, json: bool) -> Result<Option<String>> {
    let Some((file, config)) = local_file(target, pid).await? else { return Ok(None) };
    let verdict = if config.llm.is_some() {
        let dir = config.data_dir.clone();
        let analyst = asker(config)?;
        // One account for the day, the daemon's: else each call would begin with a whole day's budget.
        let keeper = analyst.clone();
        let kept = tokio::task::spawn_blocking(move || keeper.keep_usage(&dir)).await?;
        if let Err(err) = kept {
            output::complain(&format!(
                "this request is not counted in the daemon's budget for today: {err:#}"
            ));
        }
        analyst.verdict(&file).await
    } else {
        analyst::built_in(&file)
    };
    Ok(Some(if json { with_newline(as_json(&file, &verdict)) } else { view::case(&file, &verdict) }))
}

/// The case file, as it may be shown; `None`: no such process.
async fn local_file(target: &Target, pid: u32) -> Result<Option<(CaseFile, Config)>> {
    let LoadedConfig { config, warnings, .. } = config::load(&target.sources)?;
    programs::extend(&config.own_programs())?;
    languages::extend(&config.own_languages())?;
    for warning in warnings {
        output::complain(&format!("warning: {warning}"));
    }
    let Some(file) = monitor::examine_once(&config, pid).await? else { return Ok(None) };
    let file = if config.show_secrets { file } else { redact::records::masked(file) }.dated();
    Ok(Some((file, config)))
}

fn asker(config: Config) -> Result<Analyst> {
    Analyst::new(config.llm, Health::default(), Metrics::new())
}

/// As POST /analyze answers, and the proof with it.
fn as_json(file: &CaseFile, verdict: &Verdict) -> String {
    let word = if file.findings.is_empty() { "OK" } else { "ANOMALY" };
    json!({
        "pid": file.process.pid,
        "name": file.process.name,
        "analysis": format!("{word}: {}", verdict.summary),
        "verdict": verdict,
        "process": file.process,
        "observed_at": file.observed_at,
        "findings": file.findings,
        "facts": render::facts(file),
        "completeness": file.completeness,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use axum::{Json, Router};
    use serde_json::Value;

    use super::super::client::tests::peer;
    use super::super::view::tests::hostile_incident;
    use super::*;

    fn router() -> Router {
        Router::new().route(
            "/analyze",
            post(|Json(body): Json<Value>| async move {
                if body != json!({"pid": 42}) {
                    return Err(axum::http::StatusCode::NOT_FOUND);
                }
                let verdict = hostile_incident().verdict;
                Ok(Json(json!({"pid": 42, "name": "\x1b[2J", "analysis": "ANOMALY: It used all its memory.\nCause: …", "verdict": verdict})))
            }),
        )
    }

    #[tokio::test]
    async fn a_named_daemon_is_asked() {
        let target = peer(router(), "k").await;
        let text = remote(&target, 42, false).await.unwrap().unwrap();
        assert!(
            text.starts_with("\u{fffd}[2J (pid 42): ANOMALY\n\nVerdict of openai/gpt-oss-120b"),
            "{text}"
        );
        assert_eq!(text.matches("It used all its memory.").count(), 1, "{text}");
        let body = remote(&target, 42, true).await.unwrap().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&body).unwrap()["analysis"],
            "ANOMALY: It used all its memory.\nCause: …"
        );
        assert!(!analyze(&target, 43, false).await.unwrap(), "no such process is bad news, no error");
    }

    #[test]
    fn the_local_answer_has_what_the_daemon_s_has() {
        let it = hostile_incident();
        let mut file = CaseFile::from(&it);
        let answer: AnalyzeReply =
            decode(&as_json(&file, &it.verdict)).map_err(|error| panic!("{error}")).unwrap();
        assert_eq!((answer.pid, answer.analysis.as_str()), (13674, "ANOMALY: It used all its memory."));
        file.findings.clear();
        let text = as_json(&file, &it.verdict);
        assert!(decode::<AnalyzeReply>(&text).unwrap().analysis.starts_with("OK: "), "{}", it.id);
    }
}
