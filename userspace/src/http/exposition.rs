//! `/metrics` in the format that is asked for: OpenMetrics, which the library writes and Prometheus asks for by name,
//! or the older text format, which everything else reads (promtool, collectors, curl).

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};

use super::core::Core;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Prometheus' text format, by <https://prometheus.io/docs/instrumenting/exposition_formats/>.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(core): State<Arc<Core>>, headers: HeaderMap) -> Response {
    let all = core.metrics.render();
    let (kind, body) = if asks_for_open_metrics(&headers) { (OPEN_METRICS, all) } else { (TEXT, text(&all)) };
    ([(CONTENT_TYPE, kind), (VARY, "accept")], body).into_response()
}

fn asks_for_open_metrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok());
    accepted
        .flat_map(|it| it.split(','))
        .any(|it| it.trim_start().starts_with("application/openmetrics-text"))
}

/// The text format of an OpenMetrics exposition: there a counter goes by its samples' name, `_total` included, and
/// nothing marks the end or a unit.
fn text(open_metrics: &str) -> String {
    let type_of = |line: &str| Some(line.strip_prefix("# TYPE ")?.split_once(' ')?.1.to_owned());
    let mut out = String::with_capacity(open_metrics.len() + 1024);
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        // The type stands behind the help.
        let kind = type_of(line).or_else(|| lines.peek().and_then(|next| type_of(next)));
        match line
            .strip_prefix("# ")
            .and_then(|it| it.split_once(' '))
            .filter(|_| kind.as_deref() == Some("counter"))
        {
            Some((word, rest)) => {
                let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                out += &format!("# {word} {name}_total {rest}\n");
            }
            None => {
                out += line;
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn counters_get_their_samples_name() {
        let open = "# HELP a Things.\n# TYPE a counter\na_total{x=\"# TYPE y counter\"} 1\na_total 2\n\
                    # HELP b_seconds Time.\n# TYPE b_seconds histogram\n# UNIT b_seconds seconds\nb_seconds_sum 1\n\
                    # HELP c Now.\n# TYPE c gauge\nc 1\n# EOF\n";
        let want = "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"# TYPE y counter\"} 1\na_total 2\n\
                    # HELP b_seconds Time.\n# TYPE b_seconds histogram\nb_seconds_sum 1\n\
                    # HELP c Now.\n# TYPE c gauge\nc 1\n";
        assert_eq!(text(open), want);
        assert_eq!(
            text("# the metrics could not be encoded\n# EOF\n"),
            "# the metrics could not be encoded\n"
        );
        assert_eq!(text(""), "");
    }

    #[test]
    fn open_metrics_goes_to_who_asks_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, want) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/plain; version=0.0.4"), false),
            (Some("text/html, application/openmetrics-text"), true),
            (Some(prometheus), true),
        ] {
            let headers = accept.map(|it| (ACCEPT, HeaderValue::from_static(it))).into_iter().collect();
            assert_eq!(asks_for_open_metrics(&headers), want, "{accept:?}");
        }
    }
}
