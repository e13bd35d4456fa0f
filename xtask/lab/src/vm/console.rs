//! From a guest's console to what it reported: what is true of the processes it made, and what the daemon said of
//! them. Every line of the report begins with `@@`; a report without its last line is cut, and worth nothing.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// What each fault of the self-test must come to, by wait(2) as the shell shows it (128 and the signal) and by the
/// core file it leaves. Where it does not, the self-test is broken, and nothing can be said of the daemon.
const SCRIPT: [(&str, u64, bool); 9] = [
    ("quick", 0, false),
    ("status", 7, false),
    ("segv", 128 + 11, true),
    ("abort", 128 + 6, false),
    ("thread-segv", 128 + 11, false),
    ("leader-first", 5, false),
    ("burn", 0, false),
    ("oom", 128 + 9, false),
    ("killed", 128 + 9, false),
];

/// What one boot reported.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) kernel: String,
    /// Which version the memory controller was in.
    pub(super) cgroups: String,
    /// What is true, by the name of the fault.
    pub(super) faults: BTreeMap<String, GuestFault>,
    /// What the daemon answered, by the name of the question.
    answers: BTreeMap<String, Value>,
    /// The daemon's counts, by name and labels.
    pub(super) metrics: BTreeMap<String, u64>,
}

/// What is true of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GuestFault {
    pub(super) pid: u64,
    /// Field 22 of /proc/PID/stat.
    pub(super) start: u64,
    pub(super) ppid: u64,
    /// As a shell shows it.
    pub(super) status: u64,
    /// Whether there was a core file.
    pub(super) core: bool,
    /// Longest it can have lived.
    pub(super) lived_ms: u64,
}

impl Report {
    /// Everything, or why it cannot be had.
    pub(super) fn parse(console: &str) -> Result<Self> {
        let mut report = Self::default();
        let (mut begun, mut ended) = (false, false);
        for line in console.lines().filter_map(|line| line.trim_end().strip_prefix("@@ ")) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "begin" => {
                    let (kernel, cgroups) = rest.split_once(' ').context("`begin` names no cgroups")?;
                    (report.kernel, report.cgroups) = (kernel.to_owned(), cgroups.to_owned());
                    begun = true;
                }
                "fault" => {
                    let (name, facts) = rest.split_once(' ').context("`fault` has no name")?;
                    let fault =
                        GuestFault::parse(facts).with_context(|| format!("fault {name}: `{facts}`"))?;
                    report.faults.insert(name.to_owned(), fault);
                }
                "answer" => {
                    let (name, json) = rest.split_once(' ').context("`answer` has no name")?;
                    let value =
                        serde_json::from_str(json).with_context(|| format!("answer {name} is not JSON"))?;
                    report.answers.insert(name.to_owned(), value);
                }
                "metric" => {
                    let (name, count) = rest.rsplit_once(' ').context("`metric` has no count")?;
                    let count = count.parse().with_context(|| format!("metric `{rest}`"))?;
                    report.metrics.insert(name.to_owned(), count);
                }
                "failed" => bail!("the self-test gave up: {rest}"),
                "end" => ended = true,
                "ready" => {}
                _ => bail!("the self-test printed `{word}`, which this side does not know"),
            }
        }
        ensure!(begun, "the self-test did not start");
        ensure!(ended, "the self-test did not come to its end");
        report.check_script()?;
        Ok(report)
    }

    fn check_script(&self) -> Result<()> {
        for (name, status, core) in SCRIPT {
            let fault = self.faults.get(name).with_context(|| format!("the self-test made no `{name}`"))?;
            ensure!(
                (fault.status, fault.core) == (status, core),
                "the self-test itself is broken: `{name}` ended with {} and core {}, not {status} and {core}",
                fault.status,
                fault.core
            );
        }
        Ok(())
    }

    /// What the daemon says of the process that was this fault.
    pub(super) fn process(&self, fault: &str) -> Option<&Value> {
        self.answers.get(&format!("process-{fault}"))
    }

    pub(super) fn status(&self) -> Option<&Value> {
        self.answers.get("status")
    }

    /// Every incident of a kind.
    pub(super) fn incidents<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        let incidents = self.answers.iter().filter(|(name, _)| name.starts_with("incident-"));
        incidents.map(|(_, incident)| incident).filter(move |incident| incident["kind"] == kind)
    }

    /// What was captured, for people: one line a process.
    pub(super) fn captured(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(|(name, fault)| match self.process(name) {
            Some(view) => {
                let at = |pointer| match view.pointer(pointer) {
                    None | Some(Value::Null) => "absent".to_owned(),
                    Some(value) => value.to_string(),
                };
                format!(
                    "{name}: pid {} {} uid {} in {}: {}, core {}, OOM {}, peak bytes {}, CPU ns {}, age ms {}",
                    fault.pid,
                    at("/argv"),
                    at("/uid"),
                    at("/cgroup"),
                    at("/exit/cause"),
                    at("/exit/core_dumped"),
                    at("/exit/oom_killed"),
                    at("/exit/peak_rss_bytes"),
                    at("/exit/cpu_ns"),
                    at("/exit/age_ms")
                )
            }
            None => format!("{name}: pid {}: nothing", fault.pid),
        })
    }
}

impl GuestFault {
    fn parse(facts: &str) -> Result<Self> {
        let facts: BTreeMap<&str, &str> =
            facts.split_whitespace().filter_map(|fact| fact.split_once('=')).collect();
        let fact = |name: &str| facts.get(name).copied().with_context(|| format!("no {name}"));
        let number = |name: &str| fact(name)?.parse::<u64>().with_context(|| format!("{name} is no number"));
        let (began, ended) = (uptime_ms(fact("began")?)?, uptime_ms(fact("ended")?)?);
        Ok(Self {
            pid: number("pid")?,
            start: number("start")?,
            ppid: number("ppid")?,
            status: number("status")?,
            core: number("core")? != 0,
            // Both are cut to hundredths of a second.
            lived_ms: ended.saturating_sub(began) + 10,
        })
    }
}

/// The first number of /proc/uptime, which has two digits after the point.
fn uptime_ms(text: &str) -> Result<u64> {
    let (seconds, hundredths) = text.split_once('.').with_context(|| format!("`{text}` is no uptime"))?;
    ensure!(hundredths.len() == 2, "`{text}` is no uptime");
    Ok(seconds.parse::<u64>()? * 1000 + hundredths.parse::<u64>()? * 10)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{GOOD, changed};
    use super::*;

    #[test]
    fn a_whole_report() {
        let report = Report::parse(GOOD).unwrap();
        assert_eq!((&*report.kernel, &*report.cgroups), ("6.1.0-50-cloud-amd64", "v2"));
        assert_eq!(
            report.faults["segv"],
            GuestFault { pid: 109, start: 1132, ppid: 1, status: 139, core: true, lived_ms: 60 }
        );
        assert_eq!(report.process("quick").unwrap()["uid"], 1234);
        assert_eq!(report.incidents("crash").count(), 3);
        assert_eq!(report.metrics["events_sent_total{kind=\"exec\",ring=\"common\"}"], 29);
        let line = report.captured().find(|line| line.starts_with("oom: ")).unwrap();
        assert_eq!(
            line,
            "oom: pid 116 [\"fault\",\"wait-eat\"] uid 0 in \"/limited\": {\"signal\":9}, core false, OOM true, \
             peak bytes 25776128, CPU ns 112233071, age ms 148"
        );
    }

    #[test]
    fn a_report_that_is_cut_or_broken_says_how() {
        let check = |console: &str, want: &str| {
            let error = format!("{:#}", Report::parse(console).unwrap_err());
            assert!(error.contains(want), "{error}\nwanted: {want}");
        };
        check("", "did not start");
        check("SeaBIOS\nBooting from ROM\n", "did not start");
        // Cut at the end of a line, and within one.
        check(GOOD.split_once("@@ answer status").unwrap().0, "did not come to its end");
        check(&GOOD[..GOOD.find("\"cause\"").unwrap()], "answer process-quick is not JSON");
        check("@@ begin 5.10 v1\n@@ failed no daemon\n", "gave up: no daemon");
        check(&changed("status=139 core=1", "status=0 core=0"), "`segv` ended with 0 and core false");
        check(&changed("@@ fault burn", "fault burn"), "made no `burn`");
        check(&changed("pid=109", "pid="), "pid is no number");
        check(&changed("began=11.32", "began=11"), "`11` is no uptime");
        check(&changed("@@ fault segv", "@@ faul segv"), "`faul`");
        check(&changed("} 29\n", "} many\n"), "metric");
    }

    #[test]
    fn a_consoles_line_ends_do_no_harm() {
        Report::parse(&GOOD.replace('\n', "\r\n")).unwrap();
    }
}
