//! Slack's own libraries on every message that the tests and the daemon produced, and the limits that no library
//! knows. <https://docs.slack.dev/reference/block-kit/blocks>

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use xtask::oracle_tools::{self, Tools};
use xtask::process;

use super::{CheckOutcome, judged, or_failed, script, scripts, write};

/// Where the unit tests of messages leave each one.
const KEEP: &str = "AI_DEBUGGER_KEEP_MESSAGES";
/// Blocks of one message.
const BLOCKS: usize = 50;
/// Characters over all blocks, from where Slack answers `msg_blocks_too_long`.
const ALL_TEXT: usize = 13_000;
/// Characters of a header, of a section, of a field and of anything else.
const HEADER: usize = 150;
const TEXT: usize = 3000;
const FIELD: usize = 2000;

/// The messages that the unit tests make: every kind of them, and of every size.
pub(super) fn from_unit_tests(dir: &Path) -> Result<Vec<Value>> {
    let dir = dir.join("messages");
    fs::create_dir_all(&dir)?;
    let mut test = process::cargo();
    test.args(["test", "--quiet", "--lib", "alerts::message"]);
    process::run(test.env(KEEP, &dir).stdout(Stdio::null()))?;
    let mut paths: Vec<_> = fs::read_dir(&dir)?.filter_map(|it| Some(it.ok()?.path())).collect();
    paths.sort();
    ensure!(!paths.is_empty(), "the tests left no message in {}", dir.display());
    let read = |path| Ok(serde_json::from_str(&fs::read_to_string(path)?)?);
    paths.into_iter().map(read).collect()
}

pub(super) fn sdk(tools: &Tools, messages: &[Value], dir: &Path) -> CheckOutcome {
    let file = dir.join("messages.json");
    or_failed(write(&file, messages), |()| script(tools, "slack_blocks.py", &file.to_string_lossy()))
}

/// The types of @slack/types, by the TypeScript compiler.
pub(super) fn types(tools: &Tools, messages: &[Value]) -> CheckOutcome {
    let tsc = match &tools.tsc {
        Ok(tsc) => tsc,
        Err(why) => return CheckOutcome::Skipped(why.clone()),
    };
    let sources = || -> Result<()> {
        let node = oracle_tools::node();
        fs::copy(scripts().join("slack_faults.ts"), node.join("slack_faults.ts"))?;
        fs::write(node.join("messages.ts"), typescript(messages)).context("cannot write messages.ts")
    };
    let mut command = Command::new(tsc);
    command.current_dir(oracle_tools::node()).args([
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "nodenext",
    ]);
    command.args(["--target", "es2022", "slack_faults.ts", "messages.ts"]);
    match or_failed(sources(), |()| judged(&mut command)) {
        CheckOutcome::Ok(_) => CheckOutcome::Ok(format!(
            "tsc takes the blocks of {} messages, and none with a fault",
            messages.len()
        )),
        CheckOutcome::Failed(said) => CheckOutcome::Failed(with_messages(&said, messages)),
        skipped @ CheckOutcome::Skipped(_) => skipped,
    }
}

/// One message a line, from the second.
fn typescript(messages: &[Value]) -> String {
    let mut out = "import type { KnownBlock } from \"@slack/types\";\n".to_owned();
    for message in messages {
        out += &format!("void ({} satisfies KnownBlock[]);\n", message["blocks"]);
    }
    out
}

/// What the compiler says, with the messages that it speaks of by line.
fn with_messages(said: &str, messages: &[Value]) -> String {
    let message = |line: &str| {
        let number: usize = line.strip_prefix("messages.ts(")?.split(',').next()?.parse().ok()?;
        messages.get(number.checked_sub(2)?)
    };
    let lines = said.lines().map(|line| match message(line) {
        Some(message) => format!("{line}\n{}\n", message["blocks"]),
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// What Slack counts and no library does.
pub(super) fn limits(messages: &[Value]) -> CheckOutcome {
    let problems: Vec<String> = messages
        .iter()
        .flat_map(|message| beyond(message).into_iter().map(move |problem| format!("{problem}\n{message}")))
        .collect();
    if problems.is_empty() {
        let most = messages.iter().map(characters).max().unwrap_or_default();
        CheckOutcome::Ok(format!("{} messages, the longest of {most} characters", messages.len()))
    } else {
        CheckOutcome::Failed(problems.join("\n"))
    }
}

fn beyond(message: &Value) -> Vec<String> {
    let blocks = message["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut problems = vec![];
    if message["text"].as_str().is_none_or(str::is_empty) {
        problems.push("no text for notifications".to_owned());
    }
    if blocks.is_empty() || blocks.len() > BLOCKS {
        problems.push(format!("{} blocks, of 1 to {BLOCKS}", blocks.len()));
    }
    let all = characters(message);
    if all > ALL_TEXT {
        problems.push(format!("{all} characters, of {ALL_TEXT}"));
    }
    for block in blocks {
        let limit = if block["type"] == "header" { HEADER } else { TEXT };
        let fields = texts(&block["fields"]).into_iter().map(|text| (text, FIELD));
        let others = ["text", "elements"].into_iter().flat_map(|key| texts(&block[key]));
        for (text, limit) in fields.chain(others.map(|text| (text, limit))) {
            let count = length(text);
            if count == 0 || count > limit {
                problems.push(format!("a text of {count} characters, of 1 to {limit}"));
            }
        }
    }
    problems
}

fn characters(message: &Value) -> usize {
    texts(&message["blocks"]).into_iter().map(length).sum()
}

/// In UTF-16, the longest way to count characters that Slack might mean.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Every string under a `text`, at whatever depth.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => match map.get("text") {
            Some(Value::String(text)) => vec![text],
            _ => map.values().flat_map(texts).collect(),
        },
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn section(text: &str) -> Value {
        json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    }

    #[test]
    fn limits_of_a_message() {
        let check = |message: Value, want: &[&str]| assert_eq!(beyond(&message), want, "{message}");
        let of = |blocks: Vec<Value>| json!({"text": "x", "blocks": blocks});
        let header = |n| json!({"type": "header", "text": {"type": "plain_text", "text": "𝄞".repeat(n)}});
        let context =
            |n: usize| json!({"type": "context", "elements": [{"type": "mrkdwn", "text": "x".repeat(n)}]});
        let fields =
            |n: usize| json!({"type": "section", "fields": [{"type": "mrkdwn", "text": "x".repeat(n)}]});
        check(of(vec![header(75), section(&"x".repeat(3000)), context(3000), fields(2000)]), &[]);
        check(of(vec![header(76)]), &["a text of 152 characters, of 1 to 150"]);
        check(of(vec![section(&"x".repeat(3001))]), &["a text of 3001 characters, of 1 to 3000"]);
        check(of(vec![context(3001)]), &["a text of 3001 characters, of 1 to 3000"]);
        check(of(vec![fields(2001)]), &["a text of 2001 characters, of 1 to 2000"]);
        check(of(vec![section("")]), &["a text of 0 characters, of 1 to 3000"]);
        check(of(vec![section("x"); 50]), &[]);
        check(of(vec![section("x"); 51]), &["51 blocks, of 1 to 50"]);
        check(of(vec![section(&"x".repeat(2800)); 5]), &["14000 characters, of 13000"]);
        check(json!({"blocks": []}), &["no text for notifications", "0 blocks, of 1 to 50"]);
    }

    #[test]
    fn the_compiler_speaks_of_messages_by_line() {
        let messages = [json!({"blocks": [1]}), json!({"blocks": [2]})];
        let source = typescript(&messages);
        assert_eq!(source.lines().nth(2), Some("void ([2] satisfies KnownBlock[]);"));
        let said = "messages.ts(3,7): error TS2322: no\n  why\nslack_faults.ts(3,1): error TS2578: unused";
        let want =
            "messages.ts(3,7): error TS2322: no\n[2]\n  why\nslack_faults.ts(3,1): error TS2578: unused\n";
        assert_eq!(with_messages(said, &messages), want);
    }
}
