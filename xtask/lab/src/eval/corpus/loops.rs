//! Crash loops, and what fails again and again without being one.

use super::super::case::Case;
use super::super::case::Kind::{self, CrashLoop};

/// Each death is one, too.
const DEATHS: &[Kind] =
    &[Kind::Crash, Kind::AbnormalExit, Kind::OomKill, Kind::MemoryPressure, Kind::MemoryGrowth];

pub(super) const CRASH_LOOPS: &[Case] = &[
    Case::fault(CrashLoop, "crash_loop/runsv", "a service of runit's that fails at its start", r#"
        name api; mkdir service
        printf '#!/bin/sh\nexec ../api exit 1 200\n' > service/run; chmod +x service/run
        runsv service"#,
    ).nth(3).also(DEATHS).needs(&["runsv"]).quick(),
    Case::fault(CrashLoop, "crash_loop/s6", "of s6's, stripped", r#"
        name mail stripped; mkdir service
        printf '#!/bin/sh\nexec ../mail exit 111 100\n' > service/run; chmod +x service/run
        s6-supervise service"#,
    ).nth(3).also(DEATHS).needs(&["s6-supervise"]),
    Case::fault(CrashLoop, "crash_loop/supervisord", "of supervisord's", r#"
        name search
        printf '[supervisord]\nnodaemon=true\nuser=root\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=%s/pid\n[program:search]\ncommand=%s/search exit 5 900\nautorestart=true\nstartsecs=0\n' "$PWD" "$PWD" > conf
        supervisord -c conf"#,
    ).nth(3).also(DEATHS).needs(&["supervisord"]),
    Case::fault(CrashLoop, "crash_loop/unknown-supervisor", "under a supervisor of one's own, in Python", "
        name worker
        py supervise 40 400 ./worker exit 1 600",
    ).nth(6).also(DEATHS).quick(),
    Case::fault(CrashLoop, "crash_loop/at-start", "under one's own supervisor, dead at once each time", "
        name gateway stripped
        py supervise 60 400 ./gateway exit 1 20",
    ).nth(12).also(DEATHS),
    Case::fault(CrashLoop, "crash_loop/slow", "one death every four seconds", r#"
        name sync; mkdir service
        printf '#!/bin/sh\nexec ../sync exit 2 3500\n' > service/run; chmod +x service/run
        runsv service"#,
    ).nth(3).also(DEATHS).needs(&["runsv"]),
    Case::fault(CrashLoop, "crash_loop/segv-by-shell", "a crash that a shell starts again", "
        name ingest
        while :; do ./ingest crash segv; sleep 0.5; done",
    ).nth(3).also(DEATHS),
    Case::fault(CrashLoop, "crash_loop/wrapped", "a wrapper script that fails with what it wraps", "
        name report
        py supervise 60 400 /bin/sh -c './report exit 1 600; exit $?'",
    ).nth(6).also(DEATHS).blames_any(),
    Case::fault(CrashLoop, "crash_loop/oom", "killed for its memory at each start", "
        name index
        while :; do ./index watch ./index grow 1024 0
            sleep 0.3; done",
    ).nth(3).also(DEATHS).memory_mib(48),
    Case::fault(CrashLoop, "crash_loop/containers", "a container that is started again, each time with a new id", r#"
        name shop
        py supervise 60 500 /bin/sh "$PROGRAMS/container.sh" ./shop exit 3 300"#,
    ).nth(3).also(DEATHS),
    Case::fault(CrashLoop, "crash_loop/script", "a service's script that starts its program again and again", r#"
        name store; mkdir service
        printf '#!/bin/sh\nwhile :; do ../store exit 1 600; sleep 0.3; done\n' > service/run; chmod +x service/run
        runsv service"#,
    ).nth(6).also(DEATHS).needs(&["runsv"]),
    Case::fault(CrashLoop, "crash_loop/script-in-container", "the same as what tini runs, by a subshell", r#"
        name store
        tini -s -- sh -c '(while :; do ./store exit 1 600; sleep 0.3; done); exit 0'"#,
    ).nth(6).also(DEATHS).needs(&["tini"]),
    Case::fault(CrashLoop, "crash_loop/by-hand", "a shell's endless loop, started by hand and left alone", r#"
        name depot
        sh -c 'while :; do ./depot exit 1 600; sleep 0.3; done'"#,
    ).nth(6).also(DEATHS),
    Case::fault(CrashLoop, "crash_loop/perl", "a Perl program that dies, under one's own supervisor", r#"
        printf 'open my $e, ">>", $ENV{EVENTS}; print $e "culprit $$\n"; close $e; select undef, undef, undef, 0.6; open $e, ">>", $ENV{EVENTS}; print $e "crossed\n"; close $e; die "no data base\n";' > worker.pl
        py supervise 40 400 perl "$PWD/worker.pl""#,
    ).nth(6).also(DEATHS).needs(&["perl"]),
    Case::near_miss(CrashLoop, "crash_loop/retries", "a shell runs one slow test seven times", "
        name flaky
        export EVENTS=
        for i in 1 2 3 4 5 6 7; do ./flaky exit 1 700; sleep 0.2; done; true",
    ),
    Case::near_miss(CrashLoop, "crash_loop/retries-script", "the same by a script with a name of its own, until it works", r#"
        name check
        export EVENTS=
        printf '#!/bin/sh\nn=0; while [ $n -lt 14 ] && ! ./check exit 3 600; do n=$((n + 1)); sleep 0.4; done; exit 0\n' > ci.sh
        chmod +x ci.sh; ./ci.sh"#,
    ),
    Case::near_miss(CrashLoop, "crash_loop/test-suite", "a test suite runs one program sixty times and wants it to fail", "
        name cli
        export EVENTS=
        py suite 60 ./cli exit 1 20",
    ).quick(),
    Case::near_miss(CrashLoop, "crash_loop/make-k", "make -k with thirty targets that fail", r#"
        printf 'all: %s\n' "$(seq -f t%g -s ' ' 30)" > Makefile
        printf 't%%:\n\t@/bin/sh -c "exit 1"\n' >> Makefile
        ! make -k -j 4"#,
    ).needs(&["make"]).quick(),
    Case::near_miss(CrashLoop, "crash_loop/until", "a person waits: until probe; do sleep 0.3; done", "
        name probe
        export EVENTS=
        (sleep 8; touch ready) &
        until [ -e ready ] || ./probe exit 7 20; do sleep 0.3; done",
    ),
    Case::near_miss(CrashLoop, "crash_loop/watch", "watch(1) repeats a command that fails", r"
        name probe
        export EVENTS=
        py keys '\x03' 8000 env TERM=xterm watch -n 0.5 ./probe exit 1 10",
    ).needs(&["watch"]),
    Case::near_miss(CrashLoop, "crash_loop/restarts", "a service is restarted five times by hand", r#"
        name web; mkdir service
        export EVENTS=
        printf '#!/bin/sh\nexec ../web sleep 60000\n' > service/run; chmod +x service/run
        runsv service &
        sleep 1
        for i in 1 2 3 4 5; do sv restart "$PWD/service"; sleep 0.5; done
        sv exit "$PWD/service"; wait; true"#,
    ).needs(&["runsv", "sv"]),
    Case::near_miss(CrashLoop, "crash_loop/again-and-well", "a supervised job that ends well and is started again", r#"
        name job; mkdir service
        export EVENTS=
        printf '#!/bin/sh\nexec ../job exit 0 100\n' > service/run; chmod +x service/run
        runsv service & sleep 6; sv exit "$PWD/service"; wait; true"#,
    ).needs(&["runsv", "sv"]),
];
