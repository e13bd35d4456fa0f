//! Too many of something: processes, zombies, descriptors, threads.

use super::super::case::Kind::{self, FdExhaustion, ForkStorm, ThreadExplosion, ZombiePileup};
use super::super::case::{Case, Held};

const OLD: Held = Held::Times(1, "detect-zombie-age");
const WALKS: Held = Held::Walks(2);
const STORM: Held = Held::Walks(3);
/// What grows is not looked at while it starts, and then for a whole window.
const STEADY: Held = Held::Both("detect-growth-startup", "detect-growth-window");
const BUSY: &[Kind] = &[Kind::CpuSpin];

pub(super) const FORK_STORMS: &[Case] = &[
    Case::fault(
        ForkStorm,
        "fork_storm/bomb",
        "a fork bomb, held by its cgroup",
        "name billing; exec ./billing bomb",
    )
    .held(STORM)
    .pids(300)
    .blames("billing")
    .also(BUSY)
    .alone()
    .quick(),
    Case::fault(
        ForkStorm,
        "fork_storm/shell",
        "the classic of the shell",
        "
        printf 'f() { f | f & }; f; sleep 30\n' > spool.sh
        crossed
        exec bash ./spool.sh",
    )
    .held(STORM)
    .pids(300)
    .blames("spool.sh")
    .needs(&["bash"])
    .also(BUSY)
    .alone(),
    Case::fault(
        ForkStorm,
        "fork_storm/python-container",
        "in Python, in a pid namespace",
        "
        container \"$PYTHON\" \"$PROGRAMS/fault.py\" bomb",
    )
    .held(STORM)
    .pids(300)
    .blames("fault.py")
    .also(BUSY)
    .alone(),
    Case::fault(
        ForkStorm,
        "fork_storm/brood",
        "one parent, fifty children a second that stay",
        "
        name dispatch stripped
        exec ./dispatch brood 280 20000 207",
    )
    .held(STORM)
    .pids(300)
    .also(BUSY),
    Case::near_miss(
        ForkStorm,
        "fork_storm/make",
        "make -j8 with 400 short jobs",
        r#"
        printf 'all: %s\n' "$(seq -f t%g -s ' ' 400)" > Makefile
        printf 't%%:\n\t@/bin/sh -c "sleep 0.02; true | cat"\n' >> Makefile
        make -s -j 8"#,
    )
    .pids(2000)
    .needs(&["make"])
    .alone()
    .quick(),
    Case::near_miss(
        ForkStorm,
        "fork_storm/xargs",
        "xargs -P 16 over a thousand files",
        "
        find /usr/share -type f | head -n 1000 | xargs -P 16 -n 1 sh -c 'wc -c \"$1\" > /dev/null' sh",
    )
    .pids(2000)
    .alone(),
    Case::near_miss(
        ForkStorm,
        "fork_storm/prefork",
        "a web server's forty workers, replaced in turn",
        "py prefork 40 3 2",
    )
    .pids(2000)
    .alone(),
];

pub(super) const ZOMBIES: &[Case] = &[
    Case::fault(ZombiePileup, "zombie_pileup/c", "twelve children that are not reaped", "name spooler; exec ./spooler zombies 12 0 10")
        .held(OLD).quick(),
    Case::fault(ZombiePileup, "zombie_pileup/python", "the same in Python", "exec_py zombies 14 20 10").held(OLD),
    Case::fault(ZombiePileup, "zombie_pileup/thread", "made by a thread, the leader sleeps", "
        name gateway stripped
        exec ./gateway rename pool-1 zombies-thread 12 10 10",
    ).held(OLD),
    Case::fault(ZombiePileup, "zombie_pileup/container", "a container's first process that is no init", "
        name app
        container ./app zombies 15 50 10",
    ).held(OLD),
    Case::fault(ZombiePileup, "zombie_pileup/slow-deep", "one every half second, three levels down", "
        name cron
        ./cron deep 3 zombies 40 500 10",
    ).held(OLD),
    Case::near_miss(ZombiePileup, "zombie_pileup/brief", "forty zombies for a moment, six times", "name pool; ./pool brief-zombies 40 6 900").quick(),
    Case::near_miss(ZombiePileup, "zombie_pileup/few", "five forgotten ones", "
        name app
        EVENTS= timeout 8 ./app zombies 5 0 99; true",
    ),
    Case::near_miss(ZombiePileup, "zombie_pileup/jobs", "a shell with thirty background jobs that have ended", "
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do /bin/true & done
        sleep 7; wait",
    ),
];

pub(super) const DESCRIPTORS: &[Case] = &[
    Case::fault(
        FdExhaustion,
        "fd_exhaustion/files",
        "240 of 256 files open",
        "
        name store
        ulimit -n 256; exec ./store fds file 240 0 228",
    )
    .held(WALKS)
    .quick(),
    Case::fault(
        FdExhaustion,
        "fd_exhaustion/python-sockets",
        "connections of Python's that are never closed",
        "
        ulimit -n 300; exec_py sockets 295 10 272",
    )
    .held(WALKS),
    Case::fault(
        FdExhaustion,
        "fd_exhaustion/slow-events",
        "an eventfd every 20 ms, by a container's process",
        "
        name bus stripped
        ulimit -n 200; container ./bus fds event 200 20 178",
    )
    .held(WALKS),
    Case::fault(
        FdExhaustion,
        "fd_exhaustion/all",
        "all of them; the next open fails",
        "
        name proxy
        ulimit -n 128; exec ./proxy fds socket 1000 5 113",
    )
    .held(WALKS),
    Case::fault(
        FdExhaustion,
        "fd_exhaustion/leak",
        "far from its limit, but twenty more a second",
        "
        name pooler
        ulimit -n 20000; exec ./pooler fds socket 19000 50 1",
    )
    .held(STEADY),
    Case::near_miss(
        FdExhaustion,
        "fd_exhaustion/server",
        "a server with 500 connections that stay, of 1024",
        "
        ulimit -n 1024; py server 500 8",
    )
    .quick(),
    Case::near_miss(
        FdExhaustion,
        "fd_exhaustion/waves",
        "half of them opened and closed again and again",
        "
        ulimit -n 1024; py fd_waves 500 6",
    ),
];

pub(super) const THREADS: &[Case] = &[
    Case::fault(
        ThreadExplosion,
        "thread_explosion/c",
        "285 of the 300 its cgroup allows",
        "name feed; exec ./feed threads 285 0 268",
    )
    .pids(300)
    .quick(),
    Case::fault(
        ThreadExplosion,
        "thread_explosion/python-container",
        "in Python, in a pid namespace",
        "
        container \"$PYTHON\" \"$PROGRAMS/fault.py\" threads 287 2 268",
    )
    .pids(300),
    Case::fault(
        ThreadExplosion,
        "thread_explosion/nproc",
        "as nobody, against RLIMIT_NPROC",
        r#"
        name chat stripped; chmod a+rw "$EVENTS"
        exec setpriv --reuid 65534 --clear-groups prlimit --nproc=200:200 ./chat threads 195 5 179"#,
    )
    .needs(&["setpriv", "prlimit"]),
    Case::fault(
        ThreadExplosion,
        "thread_explosion/leak",
        "far from its limit, but twenty more a second",
        "
        name actor
        exec ./actor threads 1500 50 1",
    )
    .pids(4000)
    .held(STEADY),
    Case::near_miss(
        ThreadExplosion,
        "thread_explosion/pool",
        "a pool of 100 threads at the start",
        "py pool 100 7",
    )
    .pids(2000)
    .quick(),
    Case::near_miss(
        ThreadExplosion,
        "thread_explosion/java",
        "a JVM starts",
        "
        for i in 1 2 3; do java -version; done",
    )
    .needs(&["java"]),
];
