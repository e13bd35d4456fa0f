//! `ps`: the processes a running daemon sees.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::client::{DaemonClient, Target, decode};
use super::output;
use super::table::{Side, TextTable};

/// Which processes to show.
pub struct ProcessQuery {
    /// `cpu`, `rss` or `start`.
    pub sort: String,
    /// At most so many.
    pub limit: Option<u64>,
    /// Only those with this text.
    pub text: Option<String>,
}

/// What the table needs of a process.
#[derive(Deserialize)]
struct ProcessRow {
    pid: u32,
    ppid: u32,
    uid: Option<u32>,
    name: String,
    #[serde(default)]
    argv: Vec<String>,
    cpu_percent: Option<f64>,
    rss_bytes: u64,
    threads: u64,
    fds: Option<u64>,
    state: char,
    age_s: u64,
}

/// Both shapes a list may have.
#[derive(Deserialize)]
#[serde(untagged)]
enum ProcessesReply {
    Named { processes: Vec<ProcessRow>, total: Option<usize> },
    Bare(Vec<ProcessRow>),
}

pub(super) async fn ps(target: &Target, query: &ProcessQuery, json: bool) -> Result<()> {
    let body = ask(target, query).await?;
    let text = if json { with_newline(body) } else { render(&body, output::columns())? };
    output::print(&text)
}

async fn ask(target: &Target, query: &ProcessQuery) -> Result<String> {
    let daemon = DaemonClient::new(target)?;
    let mut asked = vec![("sort", query.sort.clone())];
    asked.extend(query.limit.map(|limit| ("limit", limit.to_string())));
    asked.extend(query.text.clone().map(|text| ("q", text)));
    daemon
        .get(&["api", "v1", "processes"], &asked)
        .await?
        .with_context(|| format!("{} has no list of processes; is it an ai-debugger daemon?", daemon.place()))
}

/// The API's JSON, untouched but for a line's end.
pub(super) fn with_newline(mut body: String) -> String {
    if !body.ends_with('\n') {
        body.push('\n');
    }
    body
}

fn render(body: &str, columns: Option<usize>) -> Result<String> {
    let (processes, total) = match decode(body)? {
        ProcessesReply::Named { processes, total } => (processes, total),
        ProcessesReply::Bare(processes) => (processes, None),
    };
    let more = total.unwrap_or_default().saturating_sub(processes.len());
    let mut table = TextTable::new([
        ("PID", Side::Right),
        ("PPID", Side::Right),
        ("UID", Side::Right),
        ("%CPU", Side::Right),
        ("RSS", Side::Right),
        ("THR", Side::Right),
        ("FD", Side::Right),
        ("AGE", Side::Right),
        ("STATE", Side::Left),
        ("NAME", Side::Left),
        ("ARGV", Side::Left),
    ]);
    let unknown = || "-".to_owned();
    for row in processes {
        table.push([
            row.pid.to_string(),
            row.ppid.to_string(),
            row.uid.map_or_else(unknown, |uid| uid.to_string()),
            row.cpu_percent.map_or_else(unknown, |percent| format!("{percent:.1}")),
            size(row.rss_bytes),
            row.threads.to_string(),
            row.fds.map_or_else(unknown, |fds| fds.to_string()),
            age(row.age_s),
            row.state.to_string(),
            row.name,
            row.argv.join(" "),
        ]);
    }
    let mut text = table.render(columns);
    if more > 0 {
        text += &format!("… {more} more (--limit)\n");
    }
    Ok(text)
}

/// Bytes in the largest binary unit that leaves a whole number in front, as `ls -h` shows them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    let exponent = bytes.checked_ilog2().unwrap_or(0) / 10;
    if exponent == 0 {
        return bytes.to_string();
    }
    let unit = UNITS[usize::try_from(exponent - 1).unwrap_or(0)];
    // In tenths, rounded down: whole numbers all the way.
    let tenths = (u128::from(bytes) * 10) >> (10 * exponent);
    format!("{}.{}{unit}", tenths / 10, tenths % 10)
}

/// Seconds in the two largest units.
fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days}d{:02}h", hours % 24),
        () if hours > 0 => format!("{hours}h{:02}m", minutes % 60),
        () if minutes > 0 => format!("{minutes}m{:02}s", seconds % 60),
        () => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use expect_test::expect;

    use super::super::client::tests::peer;
    use super::*;

    const BODY: &str = r#"{"processes":[
        {"pid":1,"start_ticks":5,"ppid":0,"name":"init","exe":"/sbin/init","argv":["/sbin/init","splash"],"uid":0,
         "cgroup":"/","container_id":null,"cpu_percent":0.04,"rss_bytes":12582912,"threads":1,"fds":120,"state":"S","age_s":356400},
        {"pid":4194304,"start_ticks":9,"ppid":1,"name":"\u001b[2J\u009b1m","exe":null,"argv":["x\ny","\u202eevil"],"uid":null,
         "cgroup":null,"container_id":null,"cpu_percent":null,"rss_bytes":1023,"threads":3,"fds":null,"state":"D","age_s":61}]}"#;

    #[test]
    fn processes_as_a_table() {
        expect![[r#"
                PID  PPID  UID  %CPU    RSS  THR   FD    AGE  STATE  NAME     ARGV
                  1     0    0   0.0  12.0M    1  120  4d03h  S      init     /sbin/init splash
            4194304     1    -     -   1023    3    -  1m01s  D      �[2J�1m  x y evil
        "#]]
        .assert_eq(&render(BODY, None).unwrap());
        expect![[r#"
                PID  PPID  UID  %CPU    RSS  THR   FD    AGE  STATE  NAME     ARGV
                  1     0    0   0.0  12.0M    1  120  4d03h  S      init     /sbin/init …
            4194304     1    -     -   1023    3    -  1m01s  D      �[2J�1m  x y evil
        "#]]
        .assert_eq(&render(BODY, Some(70)).unwrap());
        assert!(render("{}", None).is_err());
        assert!(render("[]", None).unwrap().starts_with("PID"));
        for (total, want) in [(0, ""), (1, "… 1 more (--limit)\n"), (250, "… 250 more (--limit)\n")] {
            let text = render(&format!(r#"{{"processes":[],"total":{total}}}"#), None).unwrap();
            assert_eq!(text.split_once('\n').unwrap().1, want);
        }
    }

    #[test]
    fn sizes_and_ages_are_short() {
        for (bytes, want) in
            [(0, "0"), (1023, "1023"), (1024, "1.0K"), (1536, "1.5K"), (1 << 30, "1.0G"), (u64::MAX, "15.9E")]
        {
            assert_eq!(size(bytes), want);
        }
        for (seconds, want) in [(0, "0s"), (59, "59s"), (61, "1m01s"), (3661, "1h01m"), (90_000, "1d01h")] {
            assert_eq!(age(seconds), want);
        }
    }

    #[tokio::test]
    async fn the_daemon_is_asked_for_what_was_wanted() {
        let router = Router::new().route(
            "/api/v1/processes",
            get(|uri: axum::http::Uri| async move {
                assert_eq!(uri.query(), Some("sort=rss&limit=3&q=a+b"));
                BODY
            }),
        );
        let query = ProcessQuery { sort: "rss".into(), limit: Some(3), text: Some("a b".into()) };
        assert_eq!(ask(&peer(router, "k").await, &query).await.unwrap(), BODY);
        let query = ProcessQuery { sort: "cpu".into(), limit: None, text: None };
        let error = ask(&peer(Router::new(), "k").await, &query).await.unwrap_err();
        assert!(error.to_string().contains("is it an ai-debugger daemon"), "{error}");
    }
}
