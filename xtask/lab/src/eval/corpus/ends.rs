//! Ends: OOM kills, crashes, abnormal exits.

use super::super::case::Case;
use super::super::case::Kind::{self, AbnormalExit, Crash, OomKill};

/// What else is true when memory is full.
const FULL: &[Kind] = &[Kind::MemoryPressure, Kind::MemoryGrowth];
/// What else is true when a supervised program crashes.
const SUPERVISED: &[Kind] = &[AbnormalExit];

pub(super) const OOM_KILLS: &[Case] = &[
    Case::fault(
        OomKill,
        "oom_kill/c",
        "a C program outgrows its cgroup",
        "
        name checkout
        ./checkout watch ./checkout grow 1024 0",
    )
    .memory_mib(48)
    .also(FULL)
    .quick(),
    Case::fault(
        OomKill,
        "oom_kill/python-container",
        "Python, first process of a container",
        r#"
        name runner
        ./runner watch sh "$PROGRAMS/container.sh" "$PYTHON" "$PROGRAMS/fault.py" grow 1024 0"#,
    )
    .memory_mib(64)
    .also(&[Kind::MemoryPressure, Kind::MemoryGrowth, AbnormalExit]),
    Case::fault(
        OomKill,
        "oom_kill/neighbour",
        "a small process is killed for a neighbour's growth",
        "
        name ledger; name importer
        (echo 1000 > /proc/self/oom_score_adj; exec ./ledger watch ./ledger grow 1024 0 16384) &
        sleep 1.5
        EVENTS= ./importer grow 1024 0 40960",
    )
    .memory_mib(48)
    .also(FULL),
    Case::fault(
        OomKill,
        "oom_kill/thread",
        "a thread grows after the leader has left; stripped",
        "
        name indexer stripped
        ./indexer watch ./indexer grow-thread",
    )
    .memory_mib(48)
    .also(FULL),
    Case::fault(
        OomKill,
        "oom_kill/stress-ng",
        "stress-ng's bigheap, not restarted",
        "
        name runner
        ./runner watch stress-ng --quiet --bigheap 1 --oomable --timeout 30",
    )
    .memory_mib(64)
    .also(FULL)
    .needs(&["stress-ng"])
    // As it calls its worker; of a fork that no scan saw nothing else is known.
    .blames("stress-ng-bighe"),
    Case::fault(
        OomKill,
        "oom_kill/deep-under-load",
        "three levels down, beside busy cores",
        "
        name batch
        EVENTS= ./batch deep 1 half-busy 40 9000 &
        EVENTS= ./batch spin user & EVENTS= ./batch spin user &
        sleep 1
        ./batch watch ./batch deep 3 grow 1024 0
        kill %2 %3",
    )
    .memory_mib(48)
    .also(&[Kind::MemoryPressure, Kind::MemoryGrowth, Kind::CpuSpin])
    .alone(),
    Case::near_miss(
        OomKill,
        "oom_kill/kill-9",
        "kill -9 of a process that holds memory",
        "
        name cache
        EVENTS= ./cache grow 1024 0 24576 &
        sleep 2
        kill -9 $!
        wait $!
        true",
    )
    .memory_mib(48)
    .quick(),
    Case::near_miss(
        OomKill,
        "oom_kill/refused",
        "malloc fails by RLIMIT_AS, and the program gives up",
        r#"
        ulimit -v 200000
        ! "$PYTHON" -c 'bytearray(1 << 30)'"#,
    ),
];

pub(super) const CRASHES: &[Case] = &[
    Case::fault(Crash, "crash/segv", "a null pointer in C", "
        name checkout
        exec ./checkout crash segv",
    ).quick(),
    Case::fault(Crash, "crash/stripped-thread", "in a thread, under another name, -O2 and stripped", "
        name resizer stripped
        exec ./resizer rename worker-3 crash-thread segv",
    ),
    Case::fault(Crash, "crash/abort-deep", "abort(3), three levels below anything that looks", "
        name planner
        ./planner deep 3 crash abort",
    ),
    Case::fault(Crash, "crash/python", "a native call in Python", "exec_py segv").quick(),
    Case::fault(Crash, "crash/python-thread", "the same in a thread of Python's", "exec_py segv_thread"),
    Case::fault(Crash, "crash/container-fpe", "division by zero, in a pid namespace", "
        name meter
        container ./meter crash fpe",
    ).also(SUPERVISED),
    Case::fault(Crash, "crash/overflow", "endless recursion", "name parser; ./parser crash overflow"),
    Case::fault(Crash, "crash/bus", "reading a mapped file that was cut", "name reader; ./reader crash bus"),
    Case::fault(Crash, "crash/ill", "an illegal instruction", "name codec; ./codec crash ill"),
    Case::fault(Crash, "crash/sys", "a call that seccomp forbids", "name sandbox; ./sandbox crash sys"),
    Case::fault(Crash, "crash/unprivileged", "as nobody", r#"
        name mailer; chmod a+rw "$EVENTS"
        setpriv --reuid 65534 --clear-groups ./mailer crash segv"#,
    ).needs(&["setpriv"]),
    Case::fault(Crash, "crash/xcpu", "its CPU limit used up", r#"
        name solver
        ./solver watch sh -c 'ulimit -S -t 1; EVENTS= exec ./solver spin user'"#,
    ).blames("solver"),
    Case::fault(Crash, "crash/supervised", "a child of tini", "
        name frontend
        tini -s -- ./frontend crash segv",
    ).also(SUPERVISED).needs(&["tini"]),
    Case::fault(Crash, "crash/under-load", "while both cores and more are busy", "
        name pricing; name load
        for i in 1 2 3 4; do EVENTS= ./load half-busy 400 7000 & done
        sleep 2
        ./pricing crash segv",
    ).alone(),
    Case::fault(Crash, "crash/c++-exception", "an exception in C++ that nobody catches", r#"
        printf '#include <cstdlib>\n#include <fstream>\n#include <stdexcept>\n#include <unistd.h>\nint main() { std::ofstream(std::getenv("EVENTS"), std::ios::app) << "culprit " << getpid() << "\\ncrossed\\n" << std::flush; throw std::runtime_error("no"); }\n' > a.cc
        g++ -o exchange a.cc && exec ./exchange"#,
    ).needs(&["g++"]),
    Case::fault(Crash, "crash/rust-abort", "a panic in Rust that aborts", r#"
        printf 'fn main() { let text = format!("culprit {}\\ncrossed\\n", std::process::id()); std::fs::write(std::env::var("EVENTS").unwrap(), text).unwrap(); let none: Option<u8> = None; none.unwrap(); }\n' > a.rs
        PATH=${CARGO%/*}:$PATH rustc -C panic=abort -o ledgerd a.rs || exit 77
        exec ./ledgerd"#,
    ).needs(&["rustc"]),
    Case::fault(Crash, "crash/node", "node aborts itself", r#"
        node -e 'require("fs").writeFileSync(process.env.EVENTS, "culprit " + process.pid + "\ncrossed\n"); process.abort()'"#,
    ).needs(&["node"]),
    Case::fault(Crash, "crash/perl", "a signal of perl's own doing", r#"
        perl -e 'open my $e, ">>", $ENV{EVENTS}; print $e "culprit $$\ncrossed\n"; close $e; CORE::dump'"#,
    ).needs(&["perl"]),
    Case::near_miss(Crash, "crash/handled", "SIGSEGV handled by siglongjmp, again and again", "
        name vm
        ./vm handled 2000",
    ).quick(),
    Case::near_miss(Crash, "crash/write-barrier", "SIGSEGV handled as garbage collectors do", "
        name gc
        ./gc barrier 2000",
    ),
    Case::near_miss(Crash, "crash/stress-ng-handled", "stress-ng's sigsegv, which handles it", "
        stress-ng --quiet --sigsegv 1 --timeout 3",
    ).needs(&["stress-ng"]),
    Case::near_miss(Crash, "crash/sent", "a person sends SIGSEGV and SIGABRT", "
        for signal in SEGV ABRT BUS; do sleep 60 & sleep 0.3; kill -$signal $!; wait $!; done; true",
    ).quick(),
    Case::near_miss(Crash, "crash/sent-by-timeout", "timeout(1) with a signal that dumps core", "
        timeout -s ABRT 1 sleep 60; timeout -s QUIT 1 sleep 60; true",
    ),
    Case::near_miss(Crash, "crash/other-signals", "SIGKILL, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE", "
        for signal in KILL TERM HUP USR1 PIPE; do sleep 60 & sleep 0.2; kill -$signal $!; wait $!; done; true",
    ),
    Case::near_miss(Crash, "crash/status-139", "a shell that tells of a crash by its own status", "
        sh -c 'exit 139'; sh -c 'exit 134'; true",
    ),
];

pub(super) const ABNORMAL_EXITS: &[Case] = &[
    Case::fault(AbnormalExit, "abnormal_exit/tini", "the program that tini runs ends by status 3", "
        name api
        tini -s -- ./api exit 3 1200",
    ).needs(&["tini"]).quick(),
    Case::fault(AbnormalExit, "abnormal_exit/dumb-init", "under dumb-init, by status 70", "
        name queue stripped
        dumb-init ./queue exit 70 1200",
    ).needs(&["dumb-init"]),
    Case::fault(AbnormalExit, "abnormal_exit/container", "a container's first process, by status 7", "
        name shop
        container ./shop exit 7 1500",
    ).quick(),
    Case::fault(AbnormalExit, "abnormal_exit/container-python", "the same in Python, by an exception", r#"
        container "$PYTHON" -c '
import os, time
tell = lambda text: open(os.environ["EVENTS"], "a").write(text + "\n")
tell("culprit " + os.readlink("/proc/self"))
time.sleep(1)
tell("crossed " + str(time.time()))
raise RuntimeError("no database")'"#,
    ),
    Case::fault(AbnormalExit, "abnormal_exit/runsv", "a service of runit's, once", r#"
        name billing; mkdir service
        printf '#!/bin/sh\n[ -e ../once ] && exec sleep 1000\ntouch ../once\nexec ../billing exit 4 1500\n' > service/run
        chmod +x service/run
        runsv service"#,
    ).needs(&["runsv"]),
    Case::fault(AbnormalExit, "abnormal_exit/supervisord", "a program of supervisord's that is not started again", r#"
        name search
        printf '[supervisord]\nnodaemon=true\nuser=root\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=%s/pid\n[program:search]\ncommand=%s/search exit 5 2000\nautorestart=false\nstartsecs=0\n' "$PWD" "$PWD" > conf
        supervisord -c conf"#,
    ).needs(&["supervisord"]),
    Case::fault(AbnormalExit, "abnormal_exit/signal", "a supervised program ends by a signal that nobody sent it: SIGALRM", "
        name clock
        tini -s -- ./clock crash alarm",
    ).needs(&["tini"]),
    Case::fault(AbnormalExit, "abnormal_exit/daemon", "a daemon that detached itself, after eight seconds", "
        name collector
        (setsid ./collector exit 2 8000 &)
        sleep 20",
    ),
    Case::fault(AbnormalExit, "abnormal_exit/node", "node under tini, by an exception that nobody catches", r#"
        tini -s -- node -e 'const tell = (text) => require("fs").appendFileSync(process.env.EVENTS, text + "\n"); tell("culprit " + process.pid); setTimeout(() => { tell("crossed"); throw new Error("no"); }, 800)'"#,
    ).needs(&["tini", "node"]),
    Case::fault(AbnormalExit, "abnormal_exit/perl", "perl under tini dies", r#"
        tini -s -- perl -e 'open my $e, ">>", $ENV{EVENTS}; print $e "culprit $$\n"; close $e; sleep 1; open $e, ">>", $ENV{EVENTS}; print $e "crossed\n"; close $e; die "no\n"'"#,
    ).needs(&["tini", "perl"]),
    Case::near_miss(AbnormalExit, "abnormal_exit/commands", "grep that finds nothing, test, diff, ls of what is not there", "
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            /bin/grep -q nothing-like-it /etc/hostname; /usr/bin/test -f /nonexistent
            /usr/bin/diff /etc/hostname /etc/passwd; /bin/ls /nonexistent; /bin/false
        done; true",
    ).quick(),
    Case::near_miss(AbnormalExit, "abnormal_exit/sigpipe", "a pipeline whose reader has enough, at once and after a while", "
        yes | head -n 1
        (while echo x; do :; done) | (sleep 4; head -n 1)
        seq 1 10000000 | head -n 1",
    ).quick(),
    Case::near_miss(AbnormalExit, "abnormal_exit/keys", r"Ctrl-C and Ctrl-\ at a terminal", r#"
        py keys '\x03' 1500 sleep 60
        py keys '\x1c' 1500 sleep 60
        py keys '\x03' 1500 sh -c 'sleep 60; exit 3'
        py keys '\x03' 1500 "$PYTHON" -c 'import time; time.sleep(60)'"#,
    ),
    Case::near_miss(AbnormalExit, "abnormal_exit/told-to-stop", "SIGTERM by its supervisor, obeyed in two ways", r#"
        name web
        export EVENTS=
        py supervise_and_stop 2 ./web sleep 60000
        py supervise_and_stop 2 sh -c 'trap "exit 143" TERM; while :; do sleep 0.1; done'"#,
    ),
    Case::near_miss(AbnormalExit, "abnormal_exit/tini-stopped", "a container is stopped: SIGTERM by way of tini", "
        name web
        tini -s -- ./web sleep 60000 &
        sleep 2; kill -TERM $!; wait $!; true",
    ).needs(&["tini"]),
    Case::near_miss(AbnormalExit, "abnormal_exit/sv-down", "a service of runit's is stopped and started", r#"
        name web; mkdir service
        printf '#!/bin/sh\nexec ../web sleep 60000\n' > service/run; chmod +x service/run
        runsv service &
        sleep 2; sv down "$PWD/service"; sleep 1; sv up "$PWD/service"; sleep 1; sv exit "$PWD/service"; wait; true"#,
    ).needs(&["runsv", "sv"]),
    Case::near_miss(AbnormalExit, "abnormal_exit/orphan", "an orphan that nobody supervises fails", "
        name job
        (EVENTS= setsid ./job exit 1 1500 &)
        sleep 3",
    ),
    Case::near_miss(AbnormalExit, "abnormal_exit/timeouts", "timeout(1) ends what takes too long", "
        timeout 1 sleep 60; timeout -s KILL 1 sleep 60; true",
    ),
    Case::near_miss(AbnormalExit, "abnormal_exit/session", "a person leaves a shell after a command that failed", r"
        py keys 'false\nexit\n' 3000 bash -i",
    ),
    Case::near_miss(AbnormalExit, "abnormal_exit/long-make", "make that fails after nine seconds", r#"
        printf 'all:\n\tsleep 9; cc -c nothing-like-it.c\n' > Makefile
        ! make"#,
    ).needs(&["make"]),
    Case::near_miss(AbnormalExit, "abnormal_exit/long-script", "a script that fails after eight seconds", "
        ! sh -c 'sleep 8; grep -q nothing-like-it /etc/hostname'",
    ),
    Case::near_miss(AbnormalExit, "abnormal_exit/sandbox", "tests in sandboxes, pid namespaces that are no containers, fail", "
        for i in 1 2 3 4 5 6; do unshare --pid --fork --kill-child sh -c \"sleep 0.$i; exit $i\"; done; true",
    ),
];
