//! Reports of several kernels, whole, mixed with other lines, cut off and forged.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::super::record::LogRecord;
use super::*;
use crate::model::Name;

const V6_18: &str = include_str!("6.18-memcg.kmsg");

/// 5.10, host-wide: no columns for the kinds of RSS.
const V5_10: &str = "\
stress invoked oom-killer: gfp_mask=0x100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
CPU: 1 PID: 812 Comm: stress Not tainted 5.10.0-28-amd64 #1 Debian 5.10.209-2
Hardware name: QEMU Standard PC
Call Trace:
 dump_stack+0x6b/0x83
 dump_header+0x4a/0x1f3
Mem-Info:
active_anon:101 inactive_anon:240022 isolated_anon:0
Node 0 DMA free:4000kB min:724kB low:904kB high:1084kB
0 pages in swap cache
262009 pages RAM
Tasks state (memory values in pages):
[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
[    224]     0   224     5551      317    65536        0         -1000 systemd-udevd
[    812]  1000   812   230021   229000  1900544        0             0 stress
[    640]   107   640    20000     9000   110592       12           900 php fpm: pool w
oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/user.slice/user-1000.slice/session-1.scope,task=stress,pid=812,uid=1000
Out of memory: Killed process 812 (stress) total-vm:920084kB, anon-rss:916000kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:1856kB oom_score_adj:0
oom_reaper: reaped process 812 (stress), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB
";

/// 6.1, cgroup v2, the limit of a parent; the statistics are one record. The victim is not the largest.
const V6_1: &str = r"
java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=-997
CPU: 3 PID: 4242 Comm: java Not tainted 6.1.0-18-amd64 #1  Debian 6.1.76-1
Call Trace:
 <TASK>
 dump_stack_lvl+0x44/0x5c
 </TASK>
memory: usage 1048576kB, limit 1048576kB, failcnt 1213
swap: usage 0kB, limit 0kB, failcnt 0
Memory cgroup stats for /kubepods/pod7:
anon 1041235968\x0afile 0\x0akernel 3000000
Tasks state (memory values in pages):
[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
[   4100]  1000  4100   900000   250000  2200000        0          -997 java
[   4242]  1000  4200     2000      900    50000        0          1000 sidecar
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c1,mems_allowed=0,oom_memcg=/kubepods/pod7,task_memcg=/kubepods/pod7/c1,task=sidecar,pid=4242,uid=1000
Memory cgroup out of memory: Killed process 4242 (sidecar) total-vm:8000kB, anon-rss:3000kB, file-rss:600kB, shmem-rss:0kB, UID:1000 pgtables:48kB oom_score_adj:1000
";

/// 6.12, memory.oom.group: all of a cgroup's processes go.
const V6_12: &str = "\
worker invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=3, oom_score_adj=0
memory: usage 20480kB, limit 20480kB, failcnt 9
Tasks state (memory values in pages):
[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
[     71]     0    71     4000     3000     2900      100         0    53248        0             0 worker
[     72]     0    72     2000     1500     1400      100         0    45056        0             0 master
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/g,task_memcg=/g,task=worker,pid=71,uid=0
Memory cgroup out of memory: Killed process 71 (worker) total-vm:16000kB, anon-rss:11600kB, file-rss:400kB, shmem-rss:0kB, UID:0 pgtables:52kB oom_score_adj:0
Tasks in /g are going to be killed due to memory.oom.group set
Memory cgroup out of memory: Killed process 72 (master) total-vm:8000kB, anon-rss:5600kB, file-rss:400kB, shmem-rss:0kB, UID:0 pgtables:44kB oom_score_adj:0
";

/// Every report in the kernel's lines.
fn reports(lines: &str) -> Vec<OomReport> {
    let mut reports = Reports::new(4096);
    lines.lines().filter_map(|line| reports.line(Duration::from_secs(9), line, false)).collect()
}

fn one(lines: &str) -> OomReport {
    let mut all = reports(lines);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn render(report: &OomReport) -> String {
    let mut out = String::new();
    let victim = &report.victim;
    writeln!(
        out,
        "{} {} ({}) {} kB adj {:?} uid {:?}",
        victim.name.raw().escape_debug(),
        victim.pid,
        report.victim_tgid,
        victim.rss_bytes() / 1024,
        victim.oom_score_adj,
        victim.uid
    )
    .unwrap();
    let raw = |path: &Option<Name>| path.as_ref().map(|it| it.raw().to_owned());
    writeln!(out, "{:?} {:?} {:?}", report.constraint, raw(&report.oom_memcg), raw(&report.task_memcg))
        .unwrap();
    let kb = |it: MemoryCounter| format!("{} of {} kB", it.usage_bytes / 1024, it.limit_bytes / 1024);
    writeln!(out, "memory {:?}, with swap {:?}", report.memory.map(kb), report.memory_swap.map(kb)).unwrap();
    if let Some(it) = &report.invoker {
        let name = it.name.raw().escape_debug();
        writeln!(out, "by {name} {} {} {}", it.gfp.raw(), it.order, it.oom_score_adj).unwrap();
    }
    for task in &report.tasks {
        writeln!(
            out,
            "{} {} rss {} anon {:?} adj {} {}",
            task.tgid,
            task.uid,
            task.rss_pages,
            task.rss_anon_pages,
            task.oom_score_adj,
            task.name.raw().escape_debug()
        )
        .unwrap();
    }
    out
}

fn check(lines: &str, want: &Expect) {
    let all: Vec<_> = reports(lines).iter().map(render).collect();
    want.assert_eq(&all.join("--\n"));
}

/// The texts of a log's records.
fn texts(records: &str) -> String {
    records
        .lines()
        .map(|it| format!("{}\n", LogRecord::parse(it.as_bytes()).expect("a record").text))
        .collect()
}

#[test]
fn a_real_report_of_6_18() {
    check(
        &texts(V6_18),
        &expect![[r#"
        big\noom-kill:x 3642 (3642) 19060 kB adj Some(0) uid Some(0)
        Some(Memcg) Some("/app") Some("/app")
        memory Some("24576 of 24576 kB"), with swap Some("24576 of 9007199254740988 kB")
        by big\noom-kill:x GFP_KERNEL 0 0
        3642 0 rss 4765 anon Some(4512) adj 0 big\noom-kill:x
        3641 0 rss 1854 anon Some(1536) adj 0 sm[all) x
    "#]],
    );
}

#[test]
fn reports_of_other_kernels() {
    check(
        V5_10,
        &expect![[r#"
        stress 812 (812) 916000 kB adj Some(0) uid Some(1000)
        Some(Host) None Some("/user.slice/user-1000.slice/session-1.scope")
        memory None, with swap None
        by stress GFP_HIGHUSER_MOVABLE 0 0
        812 1000 rss 229000 anon None adj 0 stress
        640 107 rss 9000 anon None adj 900 php fpm: pool w
        224 0 rss 317 anon None adj -1000 systemd-udevd
    "#]],
    );
    check(
        V6_1,
        &expect![[r#"
        sidecar 4242 (4200) 3600 kB adj Some(1000) uid Some(1000)
        Some(Memcg) Some("/kubepods/pod7") Some("/kubepods/pod7/c1")
        memory Some("1048576 of 1048576 kB"), with swap None
        by java GFP_KERNEL 0 -997
        4100 1000 rss 250000 anon None adj -997 java
        4200 1000 rss 900 anon None adj 1000 sidecar
    "#]],
    );
    check(
        V6_12,
        &expect![[r#"
        worker 71 (71) 12000 kB adj Some(0) uid Some(0)
        Some(Memcg) Some("/g") Some("/g")
        memory Some("20480 of 20480 kB"), with swap None
        by worker GFP_KERNEL 3 0
        71 0 rss 3000 anon Some(2900) adj 0 worker
        72 0 rss 1500 anon Some(1400) adj 0 master
        --
        master 72 (72) 6000 kB adj Some(0) uid Some(0)
        Some(Memcg) Some("/g") None
        memory Some("20480 of 20480 kB"), with swap None
        by worker GFP_KERNEL 3 0
        71 0 rss 3000 anon Some(2900) adj 0 worker
        72 0 rss 1500 anon Some(1400) adj 0 master
    "#]],
    );
}

#[test]
fn the_text_holds_what_tells_and_the_json_reads_back() {
    for lines in [&texts(V6_18), V5_10, V6_1, V6_12] {
        for report in reports(lines) {
            let again: OomReport =
                serde_json::from_str(&serde_json::to_string(&report).unwrap()).expect("a report");
            let (text, text_cut) = (report.text.clone(), report.text_cut);
            assert_eq!(OomReport { text, text_cut, ..again }, report);
        }
    }
    expect![[r#"
        # Sizes in the table of tasks are in pages. Bytes a page: 4096
        stress invoked oom-killer: gfp_mask=0x100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
        Mem-Info:
        active_anon:101 inactive_anon:240022 isolated_anon:0
        Node 0 DMA free:4000kB min:724kB low:904kB high:1084kB
        0 pages in swap cache
        262009 pages RAM
        Tasks state (memory values in pages):
        [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
        [    224]     0   224     5551      317    65536        0         -1000 systemd-udevd
        [    812]  1000   812   230021   229000  1900544        0             0 stress
        [    640]   107   640    20000     9000   110592       12           900 php fpm: pool w
        oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/user.slice/user-1000.slice/session-1.scope,task=stress,pid=812,uid=1000
        Out of memory: Killed process 812 (stress) total-vm:920084kB, anon-rss:916000kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:1856kB oom_score_adj:0
    "#]].assert_eq(&one(V5_10).text);
}

#[test]
fn other_lines_in_between_change_nothing() {
    let noise = [
        "usb 1-1: new device",
        "[   99]: segfault at 0 ip 0 sp 0 error 4",
        "oom-kill:",
        "oom-kill:constraint=",
        "memory: usage",
        "[  1] 2 3 4 5 6",
        "Killed process 1 (init) total-vm:1kB",
        "x: Killed process 1 (init) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB",
        "Tasks in /x are going to be killed due to memory.oom.group set",
        "",
    ];
    for lines in [&texts(V6_18), V5_10, V6_1] {
        let mixed: String = lines
            .lines()
            .flat_map(|line| [line].into_iter().chain(noise))
            .map(|it| format!("{it}\n"))
            .collect();
        assert_eq!(render(&one(&mixed)), render(&one(lines)));
    }
}

#[test]
fn lines_cut_anywhere_do_no_harm() {
    for lines in [&texts(V6_18), V5_10, V6_1, V6_12] {
        let mut reports = Reports::new(4096);
        for line in lines.lines() {
            for at in (0..line.len()).filter(|at| line.is_char_boundary(*at)) {
                let (start, end) = line.split_at(at);
                for part in [start, end, &end.replace('0', "99999999999999999999"), &start.replace(' ', "é")]
                {
                    let told = reports.line(Duration::ZERO, part, false);
                    assert!(told.is_none_or(|it| part.contains("Killed process") && it.text.contains(part)));
                }
            }
        }
    }
}

#[test]
fn two_reports_back_to_back_are_two() {
    let both = format!("{V5_10}{V6_1}");
    let all: Vec<_> = reports(&both).iter().map(render).collect();
    assert_eq!(all, [render(&one(V5_10)), render(&one(V6_1))]);
}

#[test]
fn a_kill_without_its_own_report_is_told_alone() {
    let kill = V6_1.lines().last().unwrap();
    let alone = one(kill);
    let of_another = V6_1.lines().take(16).collect::<Vec<_>>().join("\n");
    let other = kill.replace("4242", "777").replace("sidecar", "else");
    let second = format!("{V6_1}{}\n", V5_10.lines().nth(17).unwrap());
    for (lines, pid, constraint) in [
        (kill.to_owned(), 4242, Some(Constraint::Memcg)),
        // The kill's own report was lost or left out; the one before is another victim's.
        (format!("{of_another}\n{other}"), 777, Some(Constraint::Memcg)),
        (second, 812, None),
    ] {
        let report = reports(&lines).pop().unwrap();
        assert_eq!((report.victim_tgid, report.constraint), (pid, constraint), "{lines}");
        assert!(report.oom_memcg.is_none() && report.memory.is_none() && report.tasks.is_empty());
    }
    assert_eq!(alone.victim.anon_rss_bytes, 3000 * 1024);
}

#[test]
fn lost_and_late_lines_are_not_joined() {
    let (head, kill) = V6_1.trim().rsplit_once('\n').unwrap();
    for lost in [true, false] {
        let mut reports = Reports::new(4096);
        for line in head.lines() {
            assert_eq!(reports.line(Duration::from_secs(1), line, false), None);
        }
        if lost {
            reports.gap();
        }
        let late = if lost { 1 } else { 62 };
        let report = reports.line(Duration::from_secs(late), kill, false).unwrap();
        assert!(report.tasks.is_empty() && report.oom_memcg.is_none());
    }
}

#[test]
fn a_summary_in_pieces_is_put_together() {
    let mut reports = Reports::new(4096);
    let mut report = None;
    for line in V6_1.lines() {
        if let Some((start, rest)) = line.split_once(",cpuset=") {
            let (middle, end) = rest.split_once(",task=").unwrap();
            for (text, continues) in [
                (start.to_owned(), false),
                ("eth0: link up".to_owned(), false),
                (format!(",cpuset={middle}"), true),
                (format!(",task={end}"), true),
                (" of another line".to_owned(), true),
            ] {
                report = report.or(reports.line(Duration::ZERO, &text, continues));
            }
        } else {
            report = report.or(reports.line(Duration::ZERO, line, false));
        }
    }
    assert_eq!(render(&report.unwrap()), render(&one(V6_1)));
}

#[test]
fn names_cannot_pass_for_what_the_kernel_says() {
    // (the task's name, the cpuset's, the limited cgroup's, the task's cgroup; what is known of the last two)
    for (task, cpuset, limited, inside, want) in [
        ("a", "/", "/app", "/app/x", (Some("/app"), Some("/app/x"))),
        (",task=z,pid=1", "/", "/app", "/app", (Some("/app"), Some("/app"))),
        (",uid=0", "/", "/app", "/app", (Some("/app"), Some("/app"))),
        (r"\x0a\x1b[2J", "/", "/app", "/app", (Some("/app"), Some("/app"))),
        (") total-vm:1kB", "/", "/app", "/app", (Some("/app"), Some("/app"))),
        ("a", "/", "/a,b=c", "/a,b=c/\\xff", (Some("/a,b=c"), Some("/a,b=c/\u{fffd}"))),
        ("a", "x,oom_memcg=/else", "/app", "/app", (None, Some("/app"))),
        ("a", "/", "/app,task_memcg=/else", "/app", (None, None)),
        ("a", "/", "/app", "/x,task=init,pid=1,uid=0", (Some("/app"), Some("/x,task=init,pid=1,uid=0"))),
    ] {
        let lines = format!(
            "{task} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n\
             [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n\
             [     42]     0    42     2000      900    50000        0             5 {task}\n\
             oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset={cpuset},mems_allowed=0,\
             oom_memcg={limited},task_memcg={inside},task={task},pid=42,uid=7\n\
             Memory cgroup out of memory: Killed process 42 ({task}) total-vm:8kB, anon-rss:4kB, file-rss:0kB, \
             shmem-rss:0kB, UID:7 pgtables:4kB oom_score_adj:5\n"
        );
        let report = one(&lines);
        let paths = (report.oom_memcg.as_ref().map(Name::raw), report.task_memcg.as_ref().map(Name::raw));
        assert_eq!(paths, want, "{lines}");
        assert_eq!((report.victim_tgid, report.victim.oom_score_adj), (42, Some(5)));
        assert_eq!(report.tasks.len(), 1, "{lines}");
        assert_eq!(report.tasks[0].name, report.victim.name);
        assert_eq!(report.invoker.as_ref().unwrap().name, report.victim.name);
    }
}

#[test]
fn a_thread_that_outlived_its_leader_is_its_process() {
    let lines = V6_1.replace("pid=4242,", "pid=4200,");
    assert_eq!(one(&lines).victim_tgid, 4200);
    assert!(one(&lines).names(4200) && one(&lines).names(4242) && !one(&lines).names(4100));
}

#[test]
fn many_tasks_leave_the_largest() {
    let (head, tail) = V5_10.split_once("[    224]").unwrap();
    let tail = tail.split_once("oom-kill:").unwrap().1;
    let rows: String = (0..5000_u32)
        .map(|i| {
            format!(
                "[{:>7}]     0 {:>5}     1000 {:>8}    65536        0             0 t\n",
                i + 1,
                i + 1,
                (i * 7919) % 5000
            )
        })
        .collect();
    let report = one(&format!("{head}{rows}oom-kill:{tail}"));
    assert_eq!((report.tasks.len(), report.task_count), (ROWS_MAX, 5000));
    let sizes: Vec<_> = report.tasks.iter().map(|it| it.rss_pages).collect();
    assert_eq!(sizes, (5000 - ROWS_MAX as u64..5000).rev().collect::<Vec<_>>());
    assert!(report.text_cut && report.text.len() < 32 << 10);
    assert!(report.text.contains("# Smaller tasks left out: 4"), "{}", report.text);
    assert!(report.text.contains("oom-kill:") && report.text.contains(": Killed process 812 "));
    let largest = format!("{:>8}    65536", report.tasks[0].rss_pages);
    assert!(report.text.contains(&largest), "{}", report.text);
    let rows = report.text.lines().filter(|line| line.ends_with(" t")).count();
    assert!(rows < ROWS_MAX && rows > 50, "{rows}");
    // Lines without end before the table.
    let flood: String = (0..5000).map(|i| format!("Node {i} free\n")).collect();
    let report = one(&V5_10.replace("Mem-Info:\n", &format!("Mem-Info:\n{flood}")));
    assert!(report.text_cut && report.text.len() < 32 << 10);
    assert_eq!(report.tasks.len(), 3);
}
