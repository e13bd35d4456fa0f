//! From deaths to what is told of their loop and its cause.

use std::time::Duration;

use expect_test::expect;

use super::*;
use crate::analyst::built_in;
use crate::config::DetectLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::crash_loop::detect;
use crate::kinds::crash_loop::facts::Pace;
use crate::kinds::crash_loop::respawn::{Life, Respawns, StarterKind};
use crate::kinds::fixture::{case_about, case_of, check_statements, golden, healthy, judged, recorded};
use crate::kinds::shared::ending::Ended;
use crate::kinds::shared::ending::fixture::{ended, exit};
use crate::model::{ExitRecord, IncidentKind, ProcessInfo, Verdict};
use crate::observation::FatalSignal;
use crate::stack::{Frame, Stack};

const DEATHS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(30)];

/// What systemd started as `api.service`.
fn service() -> ProcessInfo {
    ProcessInfo { ppid: 1, cgroup: Some("/system.slice/api.service".into()), ..healthy().process }
}

/// A supervised program that died three times in a row, the last time so.
fn supervised(cause: ExitCause, oom_killed: bool) -> Draft {
    let (process, exit) = (service(), ExitRecord { oom_killed, ..exit(cause) });
    detect(&ended(&process, &exit), &DEATHS, None, &DetectLimits::default()).unwrap()
}

/// A service that crashed three times in 20 s.
pub(in crate::kinds::crash_loop) fn sample() -> (ProcessInfo, Draft) {
    (service(), supervised(ExitCause::Signal(11), false))
}

/// A program that `parent_name` has started six times, a second after each bad end.
fn started_again(process: &ProcessInfo, parent_name: &str) -> Draft {
    let at = |second: u64| Duration::from_secs(second);
    let lives: Vec<_> =
        (0..6).map(|turn| Life { started: at(100 + 2 * turn), ended: at(101 + 2 * turn) }).collect();
    let starter = StarterKind::default();
    let respawns = Respawns { lives: &lives, total: 6, since: lives[0].ended, of_children: 6, starter };
    let exit = ExitRecord { age_ms: 1000, ..exit(ExitCause::Status(3)) };
    let it = Ended { parent_name, ..ended(process, &exit) };
    detect(&it, &[], Some(respawns), &DetectLimits::default()).unwrap()
}

#[test]
fn a_loop_is_judged_by_its_last_end() {
    for (cause, oom_killed, want) in [
        (ExitCause::Signal(11), false, "crashes with SIGSEGV after each start"),
        (ExitCause::Signal(6), false, "crashes with SIGABRT after each start"),
        (ExitCause::Signal(9), true, "killed by the OOM killer again"),
        (ExitCause::Signal(9), false, "with SIGKILL (signal 9) after each start"),
        (ExitCause::Status(1), false, "with exit status 1 after each start, and its supervisor restarts it"),
    ] {
        // A name cannot choose the cause.
        let process = ProcessInfo {
            name: "SIGSEGV, last by SIGSEGV (signal 11)".into(),
            exe: Some("/srv/api".into()),
            argv: vec!["./api".into()],
            ..service()
        };
        let verdict = built_in(&case_about(&process, &supervised(cause, oom_killed)));
        assert!(verdict.probable_cause.contains(want), "{cause:?}: {}", verdict.probable_cause);
        let configuration = verdict.probable_cause.contains("configuration");
        let other = matches!(cause, ExitCause::Status(_));
        assert_eq!(configuration, other, "{cause:?}");
    }
}

/// A crash by this signal with this stack, told alone and as the third of a loop.
fn told_twice(process: &ProcessInfo, signal: &FatalSignal, functions: &[&str]) -> [Verdict; 2] {
    let exit = exit(ExitCause::Signal(signal.signal));
    let it = Ended { signal: Some(signal), ..ended(process, &exit) };
    let frame = |function: &&str| Frame {
        module: Some("/srv/api".to_owned()),
        function: Some((*function).to_owned()),
        ..Frame::default()
    };
    let stack = Stack { frames: functions.iter().map(frame).collect(), ..Stack::default() };
    let alone = crate::kinds::crash::detect(&it).unwrap();
    let of_loop = detect(&it, &DEATHS, None, &DetectLimits::default()).unwrap();
    [alone, of_loop].map(|mut draft| {
        let site = draft.site.clone();
        (crate::kinds::room(draft.kind).stack.unwrap())(&mut draft, &stack);
        assert_eq!(draft.site == site, draft.kind == IncidentKind::CrashLoop, "each life may end elsewhere");
        built_in(&case_about(process, &draft))
    })
}

#[test]
fn a_loop_names_the_cause_of_its_last_end() {
    let process = service();
    let own = |signal, code, address| FatalSignal {
        fault_address: address,
        ..FatalSignal::sample(signal, Some(code), 42)
    };
    for (signal, functions, want) in [
        (
            own(6, -6, None),
            &["abort", "node::OOMErrorHandler(x)", "f"][..],
            "ran out of memory for JavaScript",
        ),
        (own(6, -6, None), &["runtime.raise", "runtime.gopanic", "main.boom"], "panicked and aborted"),
        (own(6, -6, None), &["abort", "__assert_fail", "check"], "failed one of its own assertions"),
        (own(6, -6, None), &["abort", "give_up"], "Nothing on its stack proves which"),
        (own(11, 1, Some(8)), &["parse", "main"], "used a null pointer"),
        (own(8, 1, Some(0x40_1000)), &["mean", "main"], "divided an integer by zero"),
    ] {
        let [alone, of_loop] = told_twice(&process, &signal, functions);
        let clause = |verdict: &Verdict| {
            let begin = verdict.probable_cause.find(want).unwrap_or_else(|| panic!("{want}: {verdict:?}"));
            verdict.probable_cause[begin..].to_owned()
        };
        assert_eq!(clause(&alone), clause(&of_loop), "told in the same words");
        assert_eq!(alone.confidence, of_loop.confidence, "{want}");
        assert_eq!(alone.hypotheses[0].cause, of_loop.hypotheses[0].cause, "{want}");
    }
}

#[test]
fn a_loop_of_a_runtimes_status_says_what_the_runtime_says() {
    let java = ProcessInfo {
        name: "java".into(),
        exe: Some("/usr/bin/java".into()),
        argv: ["java", "-XX:+ExitOnOutOfMemoryError", "-jar", "a.jar"].map(str::to_owned).into(),
        ..service()
    };
    let verdict = built_in(&case_about(&java, &supervised(ExitCause::Status(3), false)));
    assert!(verdict.probable_cause.contains("restarts it: it ran out of Java memory"), "{verdict:?}");
    assert!(!verdict.probable_cause.contains("database"), "{verdict:?}");
    assert_eq!(verdict.confidence, Confidence::Medium);
}

#[test]
fn a_loop_of_a_service() {
    let draft = supervised(ExitCause::Status(1), false);
    expect![[r#"
        python3 keeps dying: 3 times in 20.0 s, last by exit status 1.
        python3 ends with exit status 1 after each start, and its supervisor restarts it: it may have met an exception that it did not catch, a MemoryError among them, or called sys.exit(1): the traceback is in its last log lines.
        Low, by F1 F2 F3 F4 F5
        ? Something it needs was not available, such as a database, a port, a file or disk space [F2 F3 F4 F5]
        ? A deployment or a configuration change broke it [F2 F3 F4 F5]
        - Recent log output
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' -u api.service
        - What its supervisor reports: result, restarts, limits
          $ systemctl status --no-pager -l api.service
        - Earlier crashes of the same program
          $ coredumpctl list --no-pager /usr/bin/python3
        - Whether its configuration was changed shortly before: files in /etc modified within a day
          $ find /etc -xdev -type f -mtime -1 -ls
    "#]].assert_eq(&judged(&case_about(&service(), &draft)));
}

#[test]
fn a_loop_that_a_program_of_ones_own_keeps_up() {
    let process = healthy().process;
    let draft = started_again(&process, "keeper");
    expect![[r#"
        python3 keeps dying: 6 times in 10.0 s, last by exit status 3.
        python3 ends with exit status 3 after each start, and keeper (pid 13671) restarts it. Nothing that was seen proves why: what it logs at the end of each life does. Most often it is its configuration, or something it needs at startup: a port, a file, a database, a permission.
        Low, by F1 F2 F3 F4 F5 F6
        ? A deployment or a configuration change broke it [F3 F4 F5 F6]
        ? Something it depends on at startup is down or unreachable [F3 F4 F5 F6]
        - Recent log output
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
        - What restarts it, and since when
          $ ps -o pid,ppid,lstart,args -p 13671; pstree -sp 13671
        - Earlier crashes of the same program
          $ coredumpctl list --no-pager /usr/bin/python3
        - Whether its configuration was changed shortly before: files in /etc modified within a day
          $ find /etc -xdev -type f -mtime -1 -ls
    "#]].assert_eq(&judged(&case_of(&draft)));
}

#[test]
fn the_values_and_the_sentences() {
    let process = ProcessInfo { name: "a\x1b[2Jb".into(), ..healthy().process };
    expect![[r#"
        Warning a�[2Jb keeps dying: 6 times in 10.0 s, last by exit status 3.
        - 6 deaths within 10.0 s, one every 2.0 s on average, at a steady pace (monitor:history)
          {"apart_ms":2000,"count":6,"pace":"steady","type":"deaths","within_ms":10000}
        - keep�er (pid 13671) has started it with the same arguments 6 times without success, typically 1.0 s after it ended (monitor:history)
          {"by":{"name":"keep\u001ber","pid":13671},"pause_ms":1000,"times":6,"type":"started_again"}
        - ended by exit status 3 after living 1.0 s (kernel:sched_process_exit)
          {"age_ms":1000,"cause":{"status":3},"core_dumped":false,"type":"ended"}
        - peak resident memory was 24.0 MiB (kernel:sched_process_exit)
          {"rss_bytes":25165824,"type":"peak_memory"}
        - it used 12 ms of CPU time (kernel:sched_process_exit)
          {"cpu_ns":12000000,"type":"cpu_used"}
        - its parent is keep�er (pid 13671) (kernel:sched_process_exit)
          {"name":"keep\u001ber","pid":13671,"starts_it_again":false,"type":"parent"}
    "#]].assert_eq(&golden(&process, &started_again(&process, "keep\x1ber")));
    let deaths = |pace| CrashLoopFact::Deaths { count: 5, within_ms: 40_000, apart_ms: 10_000, pace }.into();
    check_statements(
        &[
            deaths(None),
            deaths(Some(Pace::Steady)),
            deaths(Some(Pace::SlowingDown)),
            deaths(Some(Pace::SpeedingUp)),
        ],
        &expect![[r#"
            {"type":"deaths","count":5,"within_ms":40000,"apart_ms":10000,"pace":null}
              5 deaths within 40.0 s, one every 10.0 s on average
            {"type":"deaths","count":5,"within_ms":40000,"apart_ms":10000,"pace":"steady"}
              5 deaths within 40.0 s, one every 10.0 s on average, at a steady pace
            {"type":"deaths","count":5,"within_ms":40000,"apart_ms":10000,"pace":"slowing_down"}
              5 deaths within 40.0 s, one every 10.0 s on average, and less and less often: whatever restarts it backs off
            {"type":"deaths","count":5,"within_ms":40000,"apart_ms":10000,"pace":"speeding_up"}
              5 deaths within 40.0 s, one every 10.0 s on average, and more and more often
        "#]],
    );
}

#[test]
fn a_finding_without_the_facts_of_its_end_still_has_a_cause() {
    let mut draft = supervised(ExitCause::Status(1), false);
    draft.facts = vec![Statement::new("x", recorded("ended by SIGSEGV (signal 11) after living 1.0 s"))];
    let verdict = built_in(&case_about(&service(), &draft));
    assert!(verdict.probable_cause.contains("ends after each start, and its supervisor"), "{verdict:?}");
    assert_eq!(verdict.summary, "python3 keeps dying.");
}
