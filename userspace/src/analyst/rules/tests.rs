//! Every family: the cause it names from the facts, and that hostile names change nothing but the words.

use std::process::Command;

use expect_test::{Expect, expect};

use super::*;
use crate::kinds::fixture::{found, frozen, healthy, judged};
use crate::model::{Confidence, IncidentKind};

pub(super) fn check(file: &CaseFile, want: &Expect) {
    want.assert_eq(&judged(file));
}

#[test]
fn a_zombie_pileup_under_a_stopped_parent() {
    let mut file = found(IncidentKind::ZombiePileup, "make (pid 13674) has 300 zombies");
    file.evidence[0] = frozen("status", "State:\tT (stopped)\n");
    check(
        &file,
        &expect![[r#"
        make (pid 13674) has 300 zombies
        python3 (pid 13674) is stopped (by a signal or a debugger), so it cannot reap the children that ended. It will reap them once it is continued (kill -CONT).
        High, by F1
        ? It is the first process of a container but not an init: run the container with one (docker run --init) [F1 F2]
        ? python3 waits only at certain times, and starts children faster than that [F1 F2]
        - The zombies, and how long ago each was started
          $ ps --ppid 13674 -o pid,stat,etime,comm --sort=etime | grep -w Z
        - Whether the parent runs, and whether it blocks or ignores SIGCHLD (bit 17)
          $ grep -E '^(State|Threads|Sig)' /proc/13674/status; cat /proc/13674/wchan; echo
        - Where the parent hangs, if it does
          $ gdb -p 13674 -batch -ex 'thread apply all bt' 2>/dev/null || cat /proc/13674/stack
        - Its ancestors: the zombies go away when the parent ends, because init then reaps them
          $ pstree -sp 13674 || ps -o pid,ppid,stat,args -p 13674
    "#]],
    );
}

#[test]
fn nothing_found() {
    check(
        &healthy(),
        &expect![[r#"
            Nothing suspicious in python3 (pid 13674).
            No rule found a fault; 2 facts and 3 files were examined.
            High, by F1 F2
            - If python3 still seems wrong: state, memory, threads, signals
              $ cat /proc/13674/status
            - Recent log output
              $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
        "#]],
    );
    let mut file = healthy();
    file.completeness.events_lost = 3;
    file.completeness.missing = vec!["/proc/13674/io: permission denied".into()];
    assert_eq!(judge(&file).confidence, Confidence::Medium);
    assert!(judge(&file).probable_cause.contains("3 kernel events were lost"));
    file.facts.clear();
    file.evidence.clear();
    assert_eq!(judge(&file).confidence, Confidence::Low);
}

#[test]
fn the_cause_follows_the_frozen_files() {
    for (kind, name, body, want, confidence) in [
        (
            IncidentKind::ZombiePileup,
            "status",
            "State:\tS\nSigBlk:\t0000000000010000\n",
            "blocks SIGCHLD",
            Confidence::Medium,
        ),
        (
            IncidentKind::ZombiePileup,
            "status",
            "SigBlk:\t0\nSigCgt:\t0000000180014a03\n",
            "one child per signal",
            Confidence::Medium,
        ),
        (IncidentKind::ZombiePileup, "status", "SigBlk:\t0\nSigCgt:\t0\n", "no handler", Confidence::High),
        (
            IncidentKind::ZombiePileup,
            "status",
            "State:\tD (disk sleep)\n",
            "stuck in the kernel",
            Confidence::Medium,
        ),
        (IncidentKind::ZombiePileup, "status", "", "does not call wait()", Confidence::Medium),
    ] {
        let mut file = found(kind, "found");
        file.evidence = vec![frozen(name, body)];
        let verdict = judge(&file);
        assert!(verdict.probable_cause.contains(want), "{body:?}: {}", verdict.probable_cause);
        assert_eq!(verdict.confidence, confidence, "{body:?}");
    }
}

/// Names that processes, containers and cgroups can have.
const HOSTILE: [&str; 8] = [
    "'; reboot; '",
    "$(reboot)`reboot`",
    "a\nb\x1b[2Jc",
    "--help",
    "\u{202e}gnp.exe",
    "",
    "password=hunter2",
    "'\"\\",
];

#[test]
fn every_kind_holds_with_hostile_names() {
    for kind in IncidentKind::ALL {
        for hostile in HOSTILE {
            let mut file = found(kind, &format!("{hostile} (pid 13674) did it: SIGSEGV"));
            file.process.name = hostile.into();
            file.process.exe = Some(format!("/tmp/{hostile}"));
            file.process.cgroup = Some(format!("/{hostile}/{hostile}.service"));
            file.process.argv = vec![hostile.into()];
            file.findings[0].facts.push("F99".into());
            check_sound(&file);
            file.process.exe = None;
            file.process.cgroup = Some("/".into());
            file.process.container_id = Some(hostile.into());
            check_sound(&file);
            file.facts.clear();
            file.evidence.clear();
            file.process.cgroup = None;
            check_sound(&file);
        }
    }
}

/// A verdict is whole, cites what exists, shows nothing it must not, and its commands parse and run nothing else.
fn check_sound(file: &CaseFile) {
    let verdict = judge(file);
    let all = judged(file);
    assert!(!all.contains("hunter2") && !all.contains('\x1b') && !all.contains('\u{202e}'), "{all}");
    assert!(
        !verdict.probable_cause.is_empty() && (2..=MAX_STEPS).contains(&verdict.next_steps.len()),
        "{all}"
    );
    let cited = verdict.hypotheses.iter().flat_map(|it| &it.evidence).chain(&verdict.evidence);
    for id in cited {
        assert!(file.facts.iter().any(|fact| &fact.id == id), "{id}: {all}");
    }
    // Only functions are defined with the commands inside, so that bash parses and does not run them; what a name
    // smuggled in would show as a word `reboot` of its own.
    let functions: String = verdict
        .next_steps
        .iter()
        .enumerate()
        .map(|(i, it)| format!("f{i}() {{ {}\n}}\n", it.command))
        .collect();
    let shell = Command::new("bash").args(["-c", &format!("{functions}declare -f")]).output().unwrap();
    assert!(shell.status.success() && shell.stderr.is_empty(), "{functions}{shell:?}");
    let parsed = String::from_utf8_lossy(&shell.stdout);
    assert!(!parsed.lines().any(|line| line.trim().starts_with("reboot")), "{parsed}");
}
