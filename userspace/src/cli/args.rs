//! What the command line looks like. The flags of settings are in `flags.rs`.

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use jiff::{SignedDuration, Timestamp};

use super::client::Target;
use super::flags::{flag, sources, with_settings};
use super::incidents::Query;
use super::ps;
use crate::config::{Sources, find_setting};
use crate::model::{IncidentKind, IncidentStatus};
use crate::store::{IncidentAction, LIST_MAX};

/// Settings a client of the daemon needs, to find the access key.
const CLIENT_SETTINGS: [&str; 4] = ["key", "key_file", "data_dir", "config"];
/// Most processes to ask for.
const PROCESSES_MAX: usize = 10_000;

/// What signals do to the daemon.
const SIGNALS: &str = "Signals:\n  SIGTERM, SIGINT, SIGQUIT  stop in order, within 5 s\n  SIGHUP                    \
                       read the configuration file, secrets in files, the access key and the certificate again\n  \
                       SIGUSR1, SIGUSR2, SIGALRM, and others that would end it: ignored";

/// A command with its arguments.
pub enum Action {
    /// Run the daemon.
    Run(Sources),
    /// Answer a question.
    Ask(Question),
}

/// A command that ends with an answer.
pub enum Question {
    /// What this host can give.
    Doctor {
        /// Flags, environment and file that the configuration is made of.
        sources: Sources,
        /// Whether to print JSON, for programs.
        json: bool,
    },
    /// Examine one live process and give a verdict.
    Analyze {
        /// Which daemon, if any.
        target: Target,
        /// The pid of the process.
        pid: u32,
        /// Whether only to show what would go to the model.
        prompt: bool,
        /// Whether to print JSON, for programs.
        json: bool,
    },
    /// The processes a daemon sees.
    Ps {
        /// Which daemon to ask, and with which key.
        target: Target,
        /// Which processes to show, and in what order.
        query: ps::ProcessQuery,
        /// Whether to print JSON, for programs.
        json: bool,
    },
    /// The incidents a daemon has.
    Incidents {
        /// Which daemon to ask, and with which key.
        target: Target,
        /// Which incidents to show.
        query: Query,
        /// Whether to print JSON, for programs.
        json: bool,
    },
    /// Show one incident in full, or change its status.
    Incident {
        /// Which daemon to ask, and with which key.
        target: Target,
        /// The incident's id, as `incidents` lists it.
        id: String,
        /// What to do with it first.
        action: Option<IncidentAction>,
        /// Whether to print JSON, for programs.
        json: bool,
    },
}

/// Understands a command line.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Action, clap::Error> {
    let mut matches = command().try_get_matches_from(args)?;
    let (name, mut matches) = matches.remove_subcommand().expect("clap asks for a command");
    let json = matches.try_get_one::<bool>("json").ok().flatten().copied().unwrap_or(false);
    if name == "run" {
        return Ok(Action::Run(sources(&matches)));
    }
    Ok(Action::Ask(match name.as_str() {
        "doctor" => Question::Doctor { sources: sources(&matches), json },
        "analyze" => {
            let pid = matches.remove_one("pid").expect("clap asks for PID");
            let prompt = matches.get_flag("prompt");
            Question::Analyze { target: target(&mut matches), pid, prompt, json }
        }
        "ps" => {
            let query = ps::ProcessQuery {
                sort: matches.remove_one("sort").unwrap_or_default(),
                limit: matches.remove_one("limit"),
                text: matches.remove_one("query"),
            };
            Question::Ps { target: target(&mut matches), query, json }
        }
        "incidents" => match matches.remove_one("id") {
            Some(id) => {
                let action = match (matches.get_flag("ack"), matches.get_flag("resolve")) {
                    (true, _) => Some(IncidentAction::Acknowledge),
                    (_, true) => Some(IncidentAction::Resolve),
                    _ => None,
                };
                Question::Incident { target: target(&mut matches), id, action, json }
            }
            None => {
                let query = Query {
                    kind: matches.remove_one("kind"),
                    status: matches.remove_one("status"),
                    since: matches.remove_one("since"),
                    limit: matches.remove_one("limit"),
                };
                Question::Incidents { target: target(&mut matches), query, json }
            }
        },
        other => unreachable!("the command {other} is declared and not handled"),
    }))
}

/// Every command and flag.
pub fn command() -> Command {
    let kinds = IncidentKind::ALL.map(IncidentKind::as_str);
    let statuses = [IncidentStatus::Open, IncidentStatus::Acknowledged, IncidentStatus::Resolved]
        .map(IncidentStatus::as_str);
    Command::new("ai-debugger")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Shows what just died or is going wrong on a Linux host, why, and what to do about it, with evidence")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(with_settings(Command::new("run").about("Run the daemon").after_help(SIGNALS)))
        .subcommand(
            with_settings(
                Command::new("doctor").about("Check what works on this host, and say how to fix what does not"),
            )
            .arg(json()),
        )
        .subcommand(
            with_settings(Command::new("analyze").about("Examine one process now and give a verdict"))
                .arg(
                    Arg::new("pid")
                        .value_name("PID")
                        .required(true)
                        .value_parser(value_parser!(u32).range(1..))
                        .help("Process to examine"),
                )
                .arg(url("Ask the daemon at this URL instead of examining this host directly [env: SERVER_URL]"))
                .arg(
                    Arg::new("prompt")
                        .long("prompt")
                        .action(ArgAction::SetTrue)
                        .help("Show what would be sent to the model, without sending it"),
                )
                .arg(json()),
        )
        .subcommand(
            with_client(Command::new("ps").about("List the processes a running daemon sees"))
                .arg(
                    option("sort", "ORDER", "Sort order")
                        .value_parser(["cpu", "rss", "start"])
                        .default_value("cpu"),
                )
                .arg(limit(PROCESSES_MAX))
                .arg(option("query", "TEXT", "Show only processes whose name or arguments contain this text").short('q')),
        )
        .subcommand(
            with_client(
                Command::new("incidents").about("List a running daemon's incidents, or show one in full"),
            )
            .arg(
                Arg::new("id")
                    .value_name("ID")
                    .value_parser(incident_id)
                    .conflicts_with_all(["kind", "status", "since", "limit"])
                    .help("Show this incident in full"),
            )
            .arg(option("kind", "KIND", "Show only incidents of this kind").value_parser(PossibleValuesParser::new(kinds)))
            .arg(
                option("status", "STATUS", "Show only incidents with this status")
                    .value_parser(PossibleValuesParser::new(statuses)),
            )
            .arg(
                option("since", "TIME", "Show only incidents seen since this time: 30m or 2h ago, or 2026-01-31T12:00:00Z")
                    .value_parser(since),
            )
            .arg(limit(LIST_MAX))
            .arg(mark("ack", "Acknowledge the incident: no more reminders").conflicts_with("resolve"))
            .arg(mark("resolve", "Resolve the incident: it is over")),
        )
}

fn with_client(command: Command) -> Command {
    let settings = CLIENT_SETTINGS.iter().filter_map(|name| find_setting(name));
    settings
        .fold(command, |command, setting| command.args(flag(setting)))
        .arg(url(
            "URL of the daemon to ask, or unix:/PATH of its socket [env: SERVER_URL] [default: http://127.0.0.1:7878]",
        ))
        .arg(json())
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn url(help: &'static str) -> Arg {
    option("url", "URL", help)
}

fn json() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON, for programs")
}

fn mark(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).requires("id").help(help)
}

fn limit(most: usize) -> Arg {
    let help = format!("Show at most this many, up to {most}");
    option("limit", "N", "").help(help).value_parser(move |text: &str| {
        let count =
            text.parse::<u64>().ok().filter(|it| (1..=most).contains(&usize::try_from(*it).unwrap_or(0)));
        count.ok_or_else(|| format!("give a whole number from 1 to {most}"))
    })
}

fn incident_id(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(
            "an incident's id consists of letters and digits, as `ai-debugger incidents` lists it".to_owned()
        );
    }
    Ok(text.to_owned())
}

fn since(text: &str) -> Result<Timestamp, String> {
    let ago = || {
        let span: SignedDuration = text.parse().ok().filter(|span: &SignedDuration| !span.is_negative())?;
        Timestamp::now().checked_sub(span).ok()
    };
    let accepted = "give a time span such as 30m or 2h, or a point in time such as 2026-01-31T12:00:00Z";
    text.parse().ok().or_else(ago).ok_or_else(|| accepted.to_owned())
}

fn target(matches: &mut ArgMatches) -> Target {
    Target { sources: sources(matches), url: matches.remove_one("url") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Action, String> {
        let args = line.split_whitespace().map(OsString::from);
        parse(std::iter::once("ai-debugger".into()).chain(args)).map_err(|said| said.to_string())
    }

    #[test]
    fn the_declaration_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn commands_and_their_flags() {
        assert!(matches!(
            check("doctor --json --no-llm"),
            Ok(Action::Ask(Question::Doctor { json: true, .. }))
        ));
        assert!(matches!(
            check("analyze 42"),
            Ok(Action::Ask(Question::Analyze { pid: 42, prompt: false, json: false, .. }))
        ));
        assert!(matches!(
            check("analyze 42 --prompt"),
            Ok(Action::Ask(Question::Analyze { prompt: true, .. }))
        ));
        let ps = check("ps --sort rss --limit 5 -q nginx --url http://h:1 --json");
        let Ok(Action::Ask(Question::Ps { target, query, json: true })) = ps else {
            panic!("not understood")
        };
        assert_eq!((target.url.as_deref(), query.limit), (Some("http://h:1"), Some(5)));
        assert_eq!((query.sort.as_str(), query.text.as_deref()), ("rss", Some("nginx")));
        assert!(
            matches!(check("incidents 01JABC"), Ok(Action::Ask(Question::Incident { id, action: None, .. })) if id == "01JABC")
        );
        for (flag, want) in [("--ack", IncidentAction::Acknowledge), ("--resolve", IncidentAction::Resolve)] {
            let Ok(Action::Ask(Question::Incident { action, .. })) =
                check(&format!("incidents 01JABC {flag}"))
            else {
                panic!("not understood")
            };
            assert_eq!(action, Some(want));
        }
        let Ok(Action::Ask(Question::Incidents { query, .. })) =
            check("incidents --kind oom_kill --status open --since 2h")
        else {
            panic!("not understood")
        };
        assert_eq!((query.kind.as_deref(), query.status.as_deref()), (Some("oom_kill"), Some("open")));
        let ago = Timestamp::now().duration_since(query.since.unwrap());
        assert!((7200..7260).contains(&ago.as_secs()), "{ago}");
    }

    #[test]
    fn what_is_wrong_is_refused_with_a_hint() {
        for (line, want) in [
            ("ps --sort memory", "[possible values: cpu, rss, start]"),
            ("ps --limit 0", "from 1 to 10000"),
            ("analyze 0", "0 is not in 1.."),
            ("analyze 4294967296", "is not in 1.."),
            ("analyze ../1", "invalid digit"),
            ("incidents ../status", "letters and digits"),
            ("incidents 01J --kind crash", "cannot be used with"),
            ("incidents 01J --ack --resolve", "cannot be used with"),
            ("incidents --ack", "<ID>"),
            ("incidents --limit 1001", "give a whole number from 1 to 1000"),
            ("ps --limit 10001", "give a whole number from 1 to 10000"),
            ("incidents --kind oom", "[possible values: oom_kill,"),
            ("incidents --since yesterday", "give a time span"),
            ("run --lisetn x", "similar argument exists: '--listen'"),
            ("run --groq-api-key x", "unexpected argument"),
            ("run extra", "unexpected argument"),
        ] {
            let said = check(line).err().unwrap_or_default();
            assert!(said.contains(want), "{line}: {said}");
        }
    }
}
