//! `GET /`: the process list as the first clients know it; for a browser, a page.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, VARY};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;

use super::core::Core;
use super::error::Error;
use super::proc::json_text;
use super::processes;
use crate::model::ProcessView;
use crate::redact;

/// One process, by the names the first clients read.
#[derive(Serialize)]
struct Line<'a> {
    pid: u32,
    name: &'a str,
    cpu: f64,
    mem_kb: u64,
    ppid: u32,
    uid: Option<u32>,
    state: char,
    threads: u64,
    start_ticks: u64,
}

#[derive(Serialize)]
struct Lines<'a> {
    processes: Vec<Line<'a>>,
}

impl<'a> From<&'a ProcessView> for Line<'a> {
    fn from(view: &'a ProcessView) -> Self {
        Self {
            pid: view.info.pid,
            name: &view.info.name,
            // A number in every line: clients add them up.
            cpu: view.cpu_percent.unwrap_or(0.0),
            mem_kb: view.rss_bytes / 1024,
            ppid: view.info.ppid,
            uid: view.info.uid,
            state: view.state,
            threads: view.threads,
            start_ticks: view.info.start_ticks,
        }
    }
}

pub(super) async fn index(State(core): State<Arc<Core>>, headers: HeaderMap) -> Result<Response, Error> {
    let vary = [(VARY, "accept")];
    if wants_html(&headers) {
        return Ok((vary, Html(page(&core.host.name))).into_response());
    }
    let make = async || {
        let mut views = processes::live(&core.monitor).await?;
        views.sort_unstable_by_key(|it| it.info.key());
        if !core.config.show_secrets {
            views.iter_mut().for_each(|view| view.info.name = redact::text(&view.info.name));
        }
        let lines = Lines { processes: views.iter().map(Line::from).collect() };
        serde_json::to_vec(&lines).map_err(|fault| Error::internal("cannot list the processes", fault))
    };
    let body = core.answers.get("/".to_owned(), || core.monitor.revision(), make).await?;
    Ok((vary, json_text(body)).into_response())
}

/// Whether the client is a browser: it names HTML, and not JSON before it.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let accepted =
        headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(','));
    let mut types = accepted.map(|it| it.split(';').next().unwrap_or(it).trim().to_ascii_lowercase());
    types.find(|it| it == "text/html" || it == "application/json").is_some_and(|it| it == "text/html")
}

fn page(host: &str) -> String {
    let host = escape(host);
    let link =
        |path: &str, what: &str| format!("<li><a href=\"{path}\"><code>{path}</code></a> {what}</li>\n");
    let links = [
        link("/api/v1/status", "what works, what does not, what was lost"),
        link("/api/v1/processes?sort=cpu", "live processes"),
        link("/api/v1/incidents", "what went wrong, and why"),
        link("/metrics", "the daemon's own numbers"),
    ]
    .concat();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>ai-debugger on {host}</title></head>\n\
         <body>\n<h1>ai-debugger on {host}</h1>\n<p>The JSON API is here:</p>\n<ul>\n{links}</ul>\n\
         <form method=\"post\" action=\"/logout\"><button>Log out</button></form>\n</body>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::text::printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn browsers_are_told_from_programs() {
        for (accept, want) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("Text/HTML; charset=utf-8", true),
            ("application/json, text/html", false),
            ("text/html, application/json", true),
            ("*/*", false),
            ("application/json", false),
            ("text/htmlx", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_html(&headers), want, "{accept:?}");
        }
        assert!(!wants_html(&HeaderMap::new()));
    }

    #[test]
    fn the_page_escapes_the_host() {
        let page = page("<script>&\"'\u{1b}");
        assert!(page.contains("<h1>ai-debugger on &lt;script&gt;&amp;&quot;&#39;\u{fffd}</h1>"), "{page}");
        assert!(!page.contains("<script>"));
    }
}
