//! Shows what the daemon sends and serves to programs and libraries that others wrote for it: Groq's and Slack's own
//! libraries, Prometheus' tools, Alertmanager. Their idea of right is not ours, so they find what our tests share.

mod alertmanager;
mod groq;
mod metrics;
mod scene;
mod services;
mod slack;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use serde_json::Value;
use xtask::oracle_tools::{self, Tools};
use xtask::process::{self, RootAccess};

use crate::workspace::RunDir;
use scene::{OracleStage, Scene};
use services::{Alertmanager, Played};

/// What is printed of one failure; the whole of it is in the folder of the run.
const SHOWN: usize = 8 << 10;

/// What an oracle said.
#[derive(Debug, PartialEq, Eq)]
enum CheckOutcome {
    Ok(String),
    /// With what it does not take.
    Failed(String),
    /// It could not be asked here.
    Skipped(String),
}

pub(crate) fn oracles() -> Result<ExitCode> {
    let claimed = RunDir::claim(&oracle_tools::root().join("run"))?;
    let dir = claimed.path.clone();
    let tools = Tools::find();
    let (daemon, example) = build()?;
    let mut messages = slack::from_unit_tests(&dir)?;
    let mut said =
        vec![("groq answers", or_failed(Played::start(&example), |it| groq::answers(&tools, &it)))];
    let stage = OracleStage::build(&dir, &daemon)?;
    let alertmanager = start_alertmanager(&tools, &stage, &dir);
    let analyzed = stage.analyze();
    let scene = stage.play(alertmanager.as_ref().ok());
    said.push(("promtool", on(&scene, |scene| metrics::promtool(&tools, scene))));
    said.push(("openmetrics", on(&scene, |scene| metrics::open_metrics(&tools, scene, &dir))));
    let received = match alertmanager {
        Ok(alertmanager) => on(&scene, |scene| alertmanager::receives(&alertmanager, scene)),
        Err(outcome) => outcome,
    };
    said.push(("alertmanager", received));
    drop(scene);

    let questions = analyzed.and_then(|()| stage.questions());
    said.push(("groq requests", or_failed(questions, |questions| groq::requests(&tools, &questions, &dir))));
    messages.extend(stage.messages()?);
    said.push(("slack limits", slack::limits(&messages)));
    said.push(("slack_sdk", slack::sdk(&tools, &messages, &dir)));
    said.push(("@slack/types", slack::types(&tools, &messages)));
    Ok(report(&said))
}

/// What `cargo xtask test` builds, by the same words, so that nothing is built twice: the daemon's program and the
/// example's.
fn build() -> Result<(PathBuf, PathBuf)> {
    process::run(process::cargo().args(["test", "--no-run", "--quiet"]))?;
    let target = process::target_dir();
    Ok((target.join("debug/ai-debugger"), target.join("debug/examples/oracles")))
}

/// Where it can't be asked here, that; where it does not start, that it failed.
fn start_alertmanager(
    tools: &Tools,
    stage: &OracleStage<'_>,
    dir: &Path,
) -> Result<Alertmanager, CheckOutcome> {
    let program = tools.alertmanager.as_ref().map_err(|why| CheckOutcome::Skipped(why.clone()))?;
    let failed = |error: anyhow::Error| CheckOutcome::Failed(format!("{error:#}"));
    if !stage.knows(scene::ALERTMANAGER).map_err(failed)? {
        return Err(CheckOutcome::Skipped(format!("this daemon has no {}", scene::ALERTMANAGER)));
    }
    if !matches!(RootAccess::find(), RootAccess::Already) {
        return Err(CheckOutcome::Skipped("only root sees the crash that it is to be told of".to_owned()));
    }
    Alertmanager::start(program, dir).map_err(failed)
}

/// What the oracle says of the scene; that it could not be played is a failure too.
fn on(scene: &Result<Scene>, ask: impl FnOnce(&Scene) -> CheckOutcome) -> CheckOutcome {
    scene.as_ref().map_or_else(|error| CheckOutcome::Failed(format!("{error:#}")), ask)
}

fn or_failed<T>(it: Result<T>, ask: impl FnOnce(T) -> CheckOutcome) -> CheckOutcome {
    it.map_or_else(|error| CheckOutcome::Failed(format!("{error:#}")), ask)
}

/// A script of ours that holds what it is given against a library of theirs.
fn script(tools: &Tools, name: &str, argument: &str) -> CheckOutcome {
    let python = match &tools.python {
        Ok(python) => python,
        Err(why) => return CheckOutcome::Skipped(why.clone()),
    };
    // -B: nothing is written beside the sources.
    judged(Command::new(python).arg("-B").arg(scripts().join(name)).arg(argument))
}

/// Where the scripts are.
fn scripts() -> PathBuf {
    process::repository().join("xtask/lab/src/oracles")
}

/// What a program says that ends well where it has nothing against what it was shown.
fn judged(command: &mut Command) -> CheckOutcome {
    match command.output() {
        Ok(output) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
            let (said, complained) = (text(&output.stdout), text(&output.stderr));
            if output.status.success() {
                CheckOutcome::Ok(said)
            } else {
                CheckOutcome::Failed(format!("{said}\n{complained}").trim().to_owned())
            }
        }
        Err(error) => {
            CheckOutcome::Failed(format!("cannot start {}: {error}", command.get_program().display()))
        }
    }
}

fn write(path: &Path, values: &[Value]) -> Result<()> {
    fs::write(path, serde_json::to_string(values)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn report(said: &[(&str, CheckOutcome)]) -> ExitCode {
    let (mut ok, mut failed, mut skipped) = (0, 0, 0);
    for (name, outcome) in said {
        match outcome {
            CheckOutcome::Ok(what) => {
                ok += 1;
                println!("oracle {name}: ok: {what}");
            }
            CheckOutcome::Failed(what) => {
                failed += 1;
                println!("oracle {name}: FAILED: {}", beginning(what));
            }
            CheckOutcome::Skipped(why) => {
                skipped += 1;
                println!("oracle {name}: skipped: {why}");
            }
        }
    }
    println!("{ok} oracles agree, {failed} do not, {skipped} were not asked");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn beginning(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(SHOWN)];
    if cut.len() == text.len() {
        text.to_owned()
    } else {
        format!("{cut}\n… {} more bytes", text.len() - cut.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_ends_badly_has_something_against_it() {
        let check = |script: &str, want: CheckOutcome| {
            assert_eq!(judged(Command::new("sh").args(["-c", script])), want);
        };
        check("echo fine", CheckOutcome::Ok("fine".to_owned()));
        check("echo this; echo that >&2; exit 3", CheckOutcome::Failed("this\nthat".to_owned()));
        check("kill -9 $$", CheckOutcome::Failed(String::new()));
        assert!(matches!(judged(&mut Command::new("/nowhere")), CheckOutcome::Failed(_)));
    }

    #[test]
    fn one_failure_fails_and_what_was_not_asked_does_not() {
        let code = |outcomes: Vec<CheckOutcome>| {
            let said: Vec<_> = outcomes.into_iter().map(|it| ("x", it)).collect();
            format!("{:?}", report(&said))
        };
        let (ok, failed) = (format!("{:?}", ExitCode::SUCCESS), format!("{:?}", ExitCode::FAILURE));
        assert_eq!(code(vec![CheckOutcome::Ok(String::new()), CheckOutcome::Skipped(String::new())]), ok);
        assert_eq!(
            code(vec![CheckOutcome::Failed("é".repeat(SHOWN)), CheckOutcome::Ok(String::new())]),
            failed
        );
    }
}
