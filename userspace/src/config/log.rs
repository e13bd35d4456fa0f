//! What is logged, and how.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::declare::{flags, one, settings};
use super::parse::Parsed;
use super::problem::Rejected;
use super::setting::group;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text per event, for people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

settings! {
    /// What is logged, and how.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LogSettings {
        in flags(group::LOGGING, "log_") => {
            /// Log format: text or json.
            pub format: LogFormat = one("text", "FORMAT", log_format);
            // Directives of tracing-subscriber's filter.
            /// Log level: error, warn, info, debug, trace, or a list such as info,ai_debugger::monitor=debug.
            pub filter: String = one("info", "LEVEL", log_filter).adjust(|it| {
                it.rename("log_level");
                it.env.push("RUST_LOG".to_owned());
            });
        }
    }
}

fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(Rejected::value(text, "is not a log format", "give text or json")),
    }
}

/// A filter of tracing-subscriber, less its trap: there a bare `warning` means everything of a part named
/// `warning` and nothing of any other.
fn log_filter(text: &str) -> Parsed<String> {
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let explicit = text.split(',').all(|piece| piece.contains(['=', '[']) || is_level(piece.trim()));
    if !explicit || EnvFilter::builder().parse(text).is_err() {
        let accepted =
            "give error, warn, info, debug or trace, or a list such as info,ai_debugger::monitor=debug";
        return Err(Rejected::value(text, "is not a log level", accepted));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::check;

    #[test]
    fn formats_and_filters() {
        check(log_format, &[("json", LogFormat::Json)], &["JSON", "logfmt", ""]);
        check(
            log_filter,
            &[("warn,hyper=info", "warn,hyper=info".to_owned())],
            &["a=b=c", "info,x=loud", "warning", ""],
        );
    }
}
