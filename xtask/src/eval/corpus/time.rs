//! Processes that stand still, and processes that run without getting anywhere.

use super::super::case::Case;
use super::super::case::Kind::{CpuSpin, HungTask};

pub(super) const HUNG_TASKS: &[Case] = &[
    Case::fault(
        HungTask,
        "hung_task/vfork",
        "a parent that waits in vfork(2)",
        "name sync; exec ./sync stuck 40000",
    )
    .quick(),
    Case::fault(
        HungTask,
        "hung_task/thread",
        "a thread of it does, the leader sleeps",
        "
        name mirror stripped
        exec ./mirror rename main stuck-thread 40000",
    ),
    Case::fault(
        HungTask,
        "hung_task/container-deep",
        "in a pid namespace, three levels down",
        "
        name fetch
        container ./fetch deep 3 stuck 40000",
    ),
    Case::fault(
        HungTask,
        "hung_task/frozen",
        "writing to a file system that is frozen",
        r#"
        truncate -s 64M image && mkfs.ext4 -q -F image && mkdir mnt || exit 77
        exec unshare --mount sh -c '
            mount -o loop image mnt || exit 77
            trap "fsfreeze -u mnt; umount -l mnt; exit 0" TERM
            fsfreeze -f mnt
            dd if=/dev/zero of=mnt/file bs=4096 count=100 conv=fsync &
            echo "culprit $!" > "$EVENTS"; date +"crossed %s.%N" > "$EVENTS"
            (sleep 40; fsfreeze -u mnt) &
            wait; wait'"#,
    )
    .needs(&["mkfs.ext4", "fsfreeze", "losetup"]),
    Case::near_miss(
        HungTask,
        "hung_task/fsync",
        "dd that waits for the disk, again and again",
        "
        for i in 1 2 3 4 5 6; do dd if=/dev/zero of=file bs=1M count=60 oflag=dsync; rm file; done",
    )
    .quick(),
    Case::near_miss(
        HungTask,
        "hung_task/short-vforks",
        "vfork(2) for half a second, ten times",
        "
        name make
        for i in 1 2 3 4 5 6 7 8 9 10; do EVENTS= timeout 0.6 ./make stuck 500; done; true",
    ),
    Case::near_miss(
        HungTask,
        "hung_task/stopped",
        "stopped by SIGSTOP, later continued",
        "
        sleep 60 & kill -STOP $!; sleep 8; kill -CONT $!; kill $!; wait $!; true",
    ),
    Case::near_miss(
        HungTask,
        "hung_task/paused",
        "a container that is paused: the freezer",
        r#"
        for folder in "$@"; do
            mkdir "$folder/inner" || exit 77
            [ -e "$folder/inner/freezer.state" ] && freezer=$folder/inner state=freezer.state on=FROZEN off=THAWED
            [ -e "$folder/inner/cgroup.freeze" ] && freezer=$folder/inner state=cgroup.freeze on=1 off=0
        done
        [ -n "$freezer" ] || exit 77
        sleep 60 & paused=$!
        echo $paused > "$freezer/cgroup.procs"
        echo $on > "$freezer/$state"; sleep 8; echo $off > "$freezer/$state"
        kill $paused; wait $paused; true"#,
    ),
];

pub(super) const CPU_SPINS: &[Case] = &[
    Case::fault(CpuSpin, "cpu_spin/c", "an endless loop in C", "name pricing; exec ./pricing spin user")
        .alone()
        .quick(),
    Case::fault(
        CpuSpin,
        "cpu_spin/thread",
        "in a thread of it, stripped; the leader sleeps",
        "
        name render stripped
        exec ./render spin-thread user",
    )
    .alone(),
    Case::fault(
        CpuSpin,
        "cpu_spin/python-container",
        "in Python, in a pid namespace",
        "
        container \"$PYTHON\" \"$PROGRAMS/fault.py\" spin",
    )
    .alone(),
    Case::fault(
        CpuSpin,
        "cpu_spin/shell",
        "while :; do :; done",
        "
        culprit $$; crossed
        while :; do :; done",
    )
    .alone(),
    Case::fault(CpuSpin, "cpu_spin/yield", "sched_yield(2) without end", "name lock; exec ./lock spin yield")
        .alone(),
    Case::fault(
        CpuSpin,
        "cpu_spin/again",
        "read(2) that always says EAGAIN, three levels down, niced",
        "
        name loop
        nice -n 10 ./loop deep 3 spin again",
    )
    .alone(),
    Case::near_miss(
        CpuSpin,
        "cpu_spin/compressor",
        "gzip -9 of what does not get smaller",
        "
        timeout 15 sh -c 'head -c 400M /dev/urandom | gzip -9 > /dev/null'; true",
    )
    .alone()
    .quick(),
    Case::near_miss(
        CpuSpin,
        "cpu_spin/xz",
        "xz -9 of a file into a file",
        "
        head -c 30M /dev/urandom > data; timeout 15 xz -9 -T 1 -k data; rm -f data*; true",
    )
    .needs(&["xz"])
    .alone(),
    Case::near_miss(
        CpuSpin,
        "cpu_spin/compiler",
        "one compilation after the other",
        r#"
        for i in 1 2 3 4 5 6 7 8 9 10 11 12; do cc -O2 -w -c -o out.o "$PROGRAMS/fault.c"; done"#,
    )
    .alone(),
    Case::near_miss(
        CpuSpin,
        "cpu_spin/half",
        "half a core, for long",
        "name game; ./game half-busy 50 12000",
    )
    .alone(),
];
