//! The fields: each with what must be true of it in a boot's report. A new one is a line of [`FIELDS`] and a check.

use serde_json::{Value, json};

use super::cell::{Cell, equal, within};
use super::console::{GuestFault, Report};

/// How much of a reason is shown: its end.
const MAX_REASON: usize = 1500;

/// How the fact about a stack begins.
const STACK: &str = "its stack ";

/// One line of the table.
pub(super) struct KernelField {
    pub(super) name: &'static str,
    pub(super) check: fn(&Report) -> Cell,
    /// Which kernels cannot give it; none where all must.
    pub(super) absent: Option<Absent>,
}

/// Which kernels cannot give a field, and why.
#[derive(Clone, Copy)]
pub(super) struct Absent {
    /// The first version that can.
    before: (u32, u32),
    pub(super) why: &'static str,
}

const fn must(name: &'static str, check: fn(&Report) -> Cell) -> KernelField {
    KernelField { name, check, absent: None }
}

/// All of them, in the order of the table.
pub(super) const FIELDS: &[KernelField] = &[
    must("hooks attached", hooks),
    must("argv", argv),
    must("path of the executable", |report| every(report, "/exe", |_, _| json!("/bin/fault"))),
    must("name", |report| every(report, "/name", |_, _| json!("fault"))),
    must("uid", |report| every(report, "/uid", |name, _| json!(if name == "quick" { 1234 } else { 0 }))),
    must("parent's pid", |report| every(report, "/ppid", |_, fault| json!(fault.ppid))),
    must("start time, as in /proc", |report| every(report, "/start_ticks", |_, fault| json!(fault.start))),
    must("cgroup's path", |report| {
        every(report, "/cgroup", |name, _| json!(if name == "oom" { "/limited" } else { "/" }))
    }),
    must("exit status", |report| each(report, &["quick", "status", "burn"], "/exit/cause", cause)),
    must("signal", |report| {
        each(report, &["segv", "abort", "thread-segv", "oom", "killed"], "/exit/cause", cause)
    }),
    must("core flag", |report| every(report, "/exit/core_dumped", |_, fault| json!(fault.core))),
    must("OOM flag", |report| every(report, "/exit/oom_killed", |name, _| json!(name == "oom"))),
    must("leader gone first: one end", leader_first),
    must("age at the end", age),
    must("CPU time", cpu_time),
    must("peak RSS of a large process", |report| {
        let range = (20 << 20)..=(60 << 20);
        Cell::all(["burn", "oom"].map(|name| peak_rss(report, name, range.clone())))
    }),
    KernelField {
        name: "peak RSS of a small process",
        check: |report| Cell::all(["quick", "status"].map(|name| peak_rss(report, name, 1..=(8 << 20)))),
        absent: Some(Absent {
            before: (6, 16),
            why: "Before 6.16 a process's memory is gone when its end is reported. What is left is the largest of all \
             programs it ever was, the shell before its exec included; where the last one was not the largest, its \
             own peak is not known, and not made up.",
        }),
    },
    must("incident: OOM kill, of its victim alone", oom_incident),
    must("incident: who triggered the OOM", oom_trigger),
    must("incident: crash by SIGSEGV", |report| crash_incident(report, "segv", "SIGSEGV")),
    must("incident: crash by SIGABRT", |report| crash_incident(report, "abort", "SIGABRT")),
    must("crash: si_code", |report| {
        Cell::all([
            crash_says(report, "segv", "SIGSEGV was raised by ", "(SEGV_MAPERR)"),
            // SI_TKILL, of itself.
            crash_says(report, "abort", "SIGABRT was raised by ", "by the program itself"),
        ])
    }),
    must("crash: fault address", |report| {
        Cell::all(
            ["segv", "thread-segv"]
                .map(|name| crash_says(report, name, "SIGSEGV was raised by ", " address 0x8,")),
        )
    }),
    must("crash: thread", crashed_thread),
    must("crash: function at fault", |report| {
        Cell::all([
            crash_says(report, "segv", STACK, "was main"),
            crash_says(report, "thread-segv", STACK, "was fall_over"),
        ])
    }),
    must("crash: callers", |report| {
        Cell::all([
            crash_says(report, "segv", STACK, " ← __libc_start_call_main"),
            crash_says(report, "thread-segv", STACK, " ← start_thread"),
        ])
    }),
    must("events sent = events received", counts_agree),
    must("events lost: none", nothing_lost),
];

/// A field's cell: what may not be absent is wrong when it is.
pub(super) fn judge(field: &KernelField, report: &Report) -> Cell {
    let excused =
        field.absent.is_some_and(|it| version(&report.kernel).is_some_and(|version| version < it.before));
    match (field.check)(report) {
        Cell::Absent if !excused => Cell::Wrong("absent, and this kernel can give it".to_owned()),
        cell => cell,
    }
}

/// 6 and 12 of `6.12.107+deb13-cloud-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// What the daemon says at `pointer` of each of these processes.
fn each(report: &Report, names: &[&str], pointer: &str, want: impl Fn(&str, &GuestFault) -> Value) -> Cell {
    Cell::all(names.iter().map(|name| {
        let want = want(name, &report.faults[*name]);
        with(report, name, |view| equal(&format!("{pointer} of `{name}`"), at(view, pointer), &want))
    }))
}

/// The same of all processes.
fn every(report: &Report, pointer: &str, want: impl Fn(&str, &GuestFault) -> Value) -> Cell {
    let names: Vec<&str> = report.faults.keys().map(String::as_str).collect();
    each(report, &names, pointer, want)
}

/// A process of which the daemon knows nothing is worse than an absent field.
fn with(report: &Report, name: &str, check: impl FnOnce(&Value) -> Cell) -> Cell {
    report.process(name).map_or_else(|| Cell::Wrong(format!("nothing is known of `{name}`")), check)
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn hooks(report: &Report) -> Cell {
    let Some(hooks) = report.status().and_then(|status| status["hooks"].as_object()) else {
        return Cell::Wrong("no answer to /api/v1/status".to_owned());
    };
    let missing = hooks.iter().filter(|(_, state)| state["attached"] != true);
    let missing = missing.map(|(hook, state)| {
        let reason = state["reason"].as_str().unwrap_or("no reason given");
        // The verifier's log tells at its end what it did not like.
        let skipped = reason.chars().count().saturating_sub(MAX_REASON);
        Cell::Wrong(format!("{hook}: {}", reason.chars().skip(skipped).collect::<String>()))
    });
    Cell::all(missing.chain([Cell::when(!hooks.is_empty(), || "no hooks at all".to_owned())]))
}

fn argv(report: &Report) -> Cell {
    every(report, "/argv", |name, _| match name {
        // Started by another program, which gives the path as the name.
        "quick" => json!(["/bin/fault", "wait-quick", "0", "two words", "", "last"]),
        "status" => json!(["fault", "wait-quick", "7"]),
        "leader-first" => json!(["fault", "wait-leader-first", "5"]),
        "burn" => json!(["fault", "wait-burn", "20"]),
        "oom" => json!(["fault", "wait-eat"]),
        "killed" => json!(["fault", "wait-sleep"]),
        same => json!(["fault", format!("wait-{same}")]),
    })
}

fn cause(_name: &str, fault: &GuestFault) -> Value {
    match fault.status.checked_sub(128) {
        Some(signal) => json!({ "signal": signal }),
        None => json!({ "status": fault.status }),
    }
}

/// The leader ends at once, with 0; its second thread ends the process 300 ms later, with 5.
fn leader_first(report: &Report) -> Cell {
    Cell::all([
        each(report, &["leader-first"], "/exit/cause", cause),
        with(report, "leader-first", |view| {
            within("age of `leader-first`", at(view, "/exit/age_ms"), &(300..=10_000))
        }),
    ])
}

fn age(report: &Report) -> Cell {
    Cell::all(report.faults.iter().map(|(name, fault)| {
        let least = match &**name {
            "burn" => 100,
            "leader-first" => 300,
            // The self-test waits for a second before it kills this one.
            "killed" => 990,
            _ => 0,
        };
        let range = least..=fault.lived_ms;
        with(report, name, |view| within(&format!("age of `{name}` in ms"), at(view, "/exit/age_ms"), &range))
    }))
}

/// `burn` spends 100 ms by its own clock. A life too short for the scheduler to account for has no CPU time.
fn cpu_time(report: &Report) -> Cell {
    Cell::all(report.faults.iter().map(|(name, fault)| {
        let most = fault.lived_ms * 1_000_000;
        let range = if name == "burn" { 100_000_000..=most } else { 1..=most };
        let cell = with(report, name, |view| {
            within(&format!("CPU time of `{name}` in ns"), at(view, "/exit/cpu_ns"), &range)
        });
        if name == "burn" { cell } else { cell.or_absent() }
    }))
}

fn peak_rss(report: &Report, name: &str, range: std::ops::RangeInclusive<u64>) -> Cell {
    with(report, name, |view| {
        within(&format!("peak RSS of `{name}` in bytes"), at(view, "/exit/peak_rss_bytes"), &range)
    })
}

/// Whether the incident is about the process that was this fault, with its evidence.
fn about(report: &Report, incident: &Value, name: &str) -> Cell {
    let fault = &report.faults[name];
    let same = |pointer: &str, want: &Value| {
        equal(&format!("{pointer} of the incident of `{name}`"), at(incident, pointer), want)
    };
    let argv = report.process(name).map_or(&Value::Null, |view| &view["argv"]);
    Cell::all([
        same("/process/pid", &json!(fault.pid)),
        same("/process/start_ticks", &json!(fault.start)),
        same("/process/argv", argv),
        same("/count", &json!(1)),
    ])
}

fn oom_incident(report: &Report) -> Cell {
    let incidents: Vec<&Value> = report.incidents("oom_kill").collect();
    match incidents[..] {
        [incident] => about(report, incident, "oom"),
        _ => Cell::Wrong(format!("{} incidents of OOM kills, not 1", incidents.len())),
    }
}

/// The victim was the only process in its cgroup, so it was the one that asked for more, too.
fn oom_trigger(report: &Report) -> Cell {
    let facts = report.incidents("oom_kill").filter_map(|incident| incident["facts"].as_array()).flatten();
    let triggers: Vec<&Value> =
        facts.filter(|fact| fact["source"] == "kernel:mark_victim").map(|fact| &fact["text"]).collect();
    match triggers[..] {
        [] => Cell::Absent,
        [text] => Cell::when(text.as_str().is_some_and(|it| it.starts_with("its own allocation")), || {
            format!("{text}, not its own allocation")
        }),
        _ => Cell::Wrong(format!("{} triggers, not 1", triggers.len())),
    }
}

fn crash_incident(report: &Report, name: &str, signal: &str) -> Cell {
    let pid = json!(report.faults[name].pid);
    let incidents: Vec<&Value> =
        report.incidents("crash").filter(|incident| incident["process"]["pid"] == pid).collect();
    let [incident] = incidents[..] else {
        return Cell::Wrong(format!("{} incidents of the crash of `{name}`, not 1", incidents.len()));
    };
    let summary = at(incident, "/findings/0/summary");
    let named = summary.as_str().is_some_and(|text| text.contains(signal));
    Cell::all([
        about(report, incident, name),
        Cell::when(named, || format!("the finding {summary} does not name {signal}")),
    ])
}

/// The one fact of this fault's crash that begins so; absent where there is none.
fn crash_fact<'a>(report: &'a Report, name: &str, beginning: &str) -> Option<&'a str> {
    let pid = json!(report.faults[name].pid);
    let incidents = report.incidents("crash").filter(|incident| incident["process"]["pid"] == pid);
    let facts = incidents.filter_map(|incident| incident["facts"].as_array()).flatten();
    facts
        .filter(|fact| fact["source"] == "kernel:signal_generate")
        .filter_map(|fact| fact["text"].as_str())
        .find(|text| text.starts_with(beginning))
}

fn crash_says(report: &Report, name: &str, beginning: &str, part: &str) -> Cell {
    crash_fact(report, name, beginning).map_or(Cell::Absent, |text| {
        Cell::when(text.contains(part), || format!("of `{name}`: \"{text}\" lacks \"{part}\""))
    })
}

/// A thread that is not the main one is named; the main one is not.
fn crashed_thread(report: &Report) -> Cell {
    let pid = report.faults["thread-segv"].pid;
    let named = crash_fact(report, "thread-segv", "thread ").map_or(Cell::Absent, |text| {
        let tid = text.split(' ').nth(1).and_then(|tid| tid.parse::<u64>().ok());
        Cell::when(tid.is_some_and(|tid| tid > pid), || format!("\"{text}\", of process {pid}"))
    });
    let silent = crash_fact(report, "segv", "thread ").map_or(Cell::Present, |text| {
        Cell::Wrong(format!("of `segv`, whose main thread crashed: \"{text}\""))
    });
    Cell::all([named, silent])
}

fn counts_agree(report: &Report) -> Cell {
    let of = |prefix: &'static str| {
        let counts = report.metrics.iter();
        counts.filter_map(move |(name, count)| Some((name.strip_prefix(prefix)?, *count)))
    };
    let (sent, received): (Vec<_>, Vec<_>) =
        (of("events_sent_total{").collect(), of("events_total{").collect());
    Cell::when(!sent.is_empty() && sent == received, || format!("sent {sent:?}, received {received:?}"))
}

fn nothing_lost(report: &Report) -> Cell {
    let lost: Vec<_> = report.metrics.iter().filter(|(name, _)| name.starts_with("events_lost")).collect();
    let total = report.status().map_or(&Value::Null, |status| &status["losses_total"]);
    Cell::all([
        equal("losses_total", total, &json!(0)),
        Cell::when(lost.iter().all(|(_, count)| **count == 0), || format!("{lost:?}")),
    ])
}

#[cfg(test)]
mod tests;
