//! The fields, against a good report and against ones with a single thing wrong.

use super::super::sample::{GOOD, changed};
use super::*;

/// The fields that are not simply present.
fn odd(console: &str) -> Vec<(&'static str, Cell)> {
    let report = Report::parse(console).unwrap();
    let cells = FIELDS.iter().map(|field| (field.name, judge(field, &report)));
    cells.filter(|(_, cell)| *cell != Cell::Present).collect()
}

#[test]
fn a_good_report_lacks_only_what_its_kernel_cannot_give() {
    assert_eq!(odd(GOOD), [("peak RSS of a small process", Cell::Absent)]);
}

/// This one field must be wrong, with this in its reason, and no other.
#[track_caller]
fn check(console: &str, name: &str, why: &str) {
    let mut odd = odd(console);
    odd.retain(|(_, cell)| *cell != Cell::Absent);
    let [(field, Cell::Wrong(reason))] = &odd[..] else { panic!("{name}: {odd:?}") };
    assert_eq!(*field, name);
    assert!(reason.contains(why), "{reason}\nwanted: {why}");
}

#[test]
fn each_field_is_wrong_by_itself() {
    for (from, to, field, why) in FAULTY {
        check(&changed(from, to), field, why);
    }
}

/// What is changed in the good report, to what, which field that makes wrong, and what the reason says.
const FAULTY: &[(&str, &str, &str, &str)] = &[
    (
        r#""mark_victim":{"attached":true}"#,
        r#""mark_victim":{"attached":false,"reason":"the verifier said no"}"#,
        "hooks attached",
        "mark_victim: the verifier said no",
    ),
    (r#""two words","","last""#, r#""two","words","last""#, "argv", "/argv of `quick`"),
    (
        r#""exe":"/bin/fault","argv":["fault","wait-sleep"]"#,
        r#""exe":null,"argv":["fault","wait-sleep"]"#,
        EXE,
        "absent",
    ),
    (r#""name":"fault","exe":"/bin/fault","argv":["fault","wait-eat"]"#, SHELL, "name", "is \"sh\""),
    (r#""uid":1234"#, r#""uid":0"#, "uid", "/uid of `quick` is 0, not 1234"),
    (r#""ppid":107,"#, r#""ppid":1,"#, "parent's pid", "`status` is 1, not 107"),
    ("start=1130", "start=1129", "start time, as in /proc", "`status` is 1130, not 1129"),
    (r#""cgroup":"/limited""#, r#""cgroup":null"#, "cgroup's path", "absent"),
    (
        r#""cause":{"status":7}"#,
        r#""cause":{"status":0}"#,
        "exit status",
        r#"{"status":0}, not {"status":7}"#,
    ),
    (r#""cause":{"signal":6}"#, r#""cause":{"status":134}"#, "signal", "of `abort`"),
    (r#""core_dumped":true"#, r#""core_dumped":false"#, "core flag", "of `segv` is false"),
    (r#""oom_killed":true"#, r#""oom_killed":false"#, "OOM flag", "of `oom` is false"),
    (r#"{"status":5}"#, r#"{"status":0}"#, "leader gone first: one end", r#"{"status":0}"#),
    (r#""age_ms":1005"#, r#""age_ms":10"#, "age at the end", "`killed` in ms is 10, not within 990 to 1020"),
    (r#""age_ms":124"#, r#""age_ms":400"#, "age at the end", "`burn` in ms is 400"),
    (r#""cpu_ns":113643704"#, r#""cpu_ns":null"#, "CPU time", "absent"),
    (r#""cpu_ns":5121161"#, r#""cpu_ns":0"#, "CPU time", "`killed` in ns is 0"),
    (r#""peak_rss_bytes":25776128"#, r#""peak_rss_bytes":6292"#, LARGE, "`oom` in bytes is 6292"),
    (r#"{"kind":"crash_loop","#, r#"{"kind":"oom_kill","#, OOM, "2 incidents of OOM kills"),
    (r#""process":{"pid":116,"#, r#""process":{"pid":117,"#, OOM, "is 117, not 116"),
    ("its own allocation", "an allocation of sh (pid 1)", "incident: who triggered the OOM", "not its own"),
    (
        "crashed with SIGSEGV (signal 11, core",
        "crashed with SIGBUS (signal 7, core",
        "incident: crash by SIGSEGV",
        "does not name SIGSEGV",
    ),
    ("raised by the program itself", "raised by a trap", "crash: si_code", "of `abort`"),
    (" address 0x8,", " address 0x0,", "crash: fault address", "0x0"),
    ("thread 119 crashed", "thread 118 crashed", "crash: thread", "of process 118"),
    ("its stack was fall_over", "its stack was 0x413fdb", "crash: function at fault", "of `thread-segv`"),
    ("main ← __libc_start_call_main", "main ← fault+0x1d04", "crash: callers", "of `segv`"),
    (r#"sent_total{kind="exec",ring="common"} 29"#, SENT_MORE, "events sent = events received", "30"),
    (r#""losses_total":0"#, r#""losses_total":1"#, "events lost: none", "losses_total is 1"),
];

const EXE: &str = "path of the executable";
const SHELL: &str = r#""name":"sh","exe":"/bin/fault","argv":["fault","wait-eat"]"#;
const LARGE: &str = "peak RSS of a large process";
const OOM: &str = "incident: OOM kill, of its victim alone";
const SENT_MORE: &str = r#"sent_total{kind="exec",ring="common"} 30"#;

#[test]
fn what_was_not_captured_at_all_is_wrong_and_not_absent() {
    let lines = GOOD.lines().filter(|line| !line.contains("answer process-status "));
    let report = lines.map(|line| format!("{line}\n")).collect::<String>();
    let odd = odd(&report);
    assert!(
        odd.iter().all(|(_, cell)| matches!(cell, Cell::Wrong(why) if why.contains("`status`"))),
        "{odd:?}"
    );
    assert!(odd.iter().any(|(name, _)| *name == "argv"));
}

#[test]
fn a_kernel_that_can_give_a_field_must() {
    let check = |kernel: &str, want: bool| {
        let odd = odd(&changed("6.1.0-50-cloud-amd64", kernel));
        let [("peak RSS of a small process", cell)] = &odd[..] else { panic!("{odd:?}") };
        assert_eq!(*cell == Cell::Absent, want, "{kernel}: {cell:?}");
    };
    check("5.10.0-32-cloud-amd64", true);
    check("6.15", true);
    check("6.16.1", false);
    check("7.2.13+deb14-cloud-amd64", false);
    // A name that is no version excuses nothing.
    check("next", false);
}
