//! The daemon's own log, on stderr: text for people or JSON for programs. Libraries that speak through the `log`
//! crate (the kernel side's log among them) come out here too.

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, Result, anyhow};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::config::{LogFormat, LogSettings};

/// Libraries whose finer levels show requests with their headers, paths and query strings: keys and webhooks.
/// Above INFO they stay silent whatever the filter says.
const TALKATIVE: [&str; 6] = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "tower_http"];

/// Starts logging for the whole process. Once.
pub fn init(settings: &LogSettings) -> Result<()> {
    subscriber(settings, io::stderr, io::stderr().is_terminal())?
        .try_init()
        .context("logging was already started")
}

fn subscriber<W>(settings: &LogSettings, writer: W, colours: bool) -> Result<impl Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::OFF.into())
        .parse(&settings.filter)
        .map_err(|_| anyhow!("the log level is not valid"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match settings.format {
        LogFormat::Text => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    Ok(Registry::default().with(lines.with_filter(filter_fn(discreet)).with_filter(filter)))
}

/// Whether a record may be shown at all.
fn discreet(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= LevelFilter::INFO || !TALKATIVE.contains(&library)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str) -> String {
        let sink = Sink::default();
        let settings = LogSettings { format, filter: filter.to_owned() };
        let writer = sink.clone();
        // What `init` does for the process; the first test of the process to get here does it for all.
        drop(tracing_log::LogTracer::init());
        let subscriber = subscriber(&settings, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(pid = 42, comm = "a\x1b[2Jb", "seen");
            tracing::debug!("detail");
            tracing::trace!(target: "hyper_util::client", "POST /services/T/B/hunter2");
            tracing::info!(target: "hyper", "harmless");
            tracing::info!(target: "ai_debugger::kernel_side", "by way of log");
            log::trace!(target: "h2::codec", "authorization: hunter2");
        });
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn levels_and_formats() {
        let text = logged(LogFormat::Text, "info");
        assert!(text.contains("seen") && text.contains("pid=42") && !text.contains("detail"), "{text}");
        assert!(text.contains("ai_debugger::kernel_side: by way of log"), "{text}");
        assert!(!text.contains('\x1b'), "a hostile name reaches the terminal: {text:?}");
        let json = logged(LogFormat::Json, "off,ai_debugger=debug");
        let lines: Vec<serde_json::Value> =
            json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3, "{json}");
        assert_eq!((&lines[0]["message"], &lines[0]["pid"]), (&"seen".into(), &42.into()));
    }

    #[test]
    fn libraries_never_log_requests() {
        for filter in ["trace", "hyper_util::client=trace,hyper=trace", "hyper_util=trace,info"] {
            let text = logged(LogFormat::Text, filter);
            assert!(!text.contains("hunter2") && text.contains("harmless"), "{text}");
        }
    }
}
