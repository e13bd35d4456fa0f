//! Processes that stand still, and processes that run without getting anywhere.

use super::super::case::Kind::{CpuSpin, HungTask};
use super::super::case::{Case, Held};

const HUNG: Held = Held::Times(1, "detect-hung-after");
/// It did something else before, and gets less time.
const SPUN: Held = Held::Part(3, "detect-spin-window");
/// It never did anything else: it may be a job that only computes.
const ONLY_SPUN: Held = Held::Times(1, "detect-spin-window");

pub(super) const HUNG_TASKS: &[Case] = &[
    Case::fault(
        HungTask,
        "hung_task/vfork",
        "a parent that waits in vfork(2)",
        "name sync; exec ./sync stuck 40000",
    )
    .held(HUNG)
    .quick(),
    Case::fault(
        HungTask,
        "hung_task/thread",
        "a thread of it does, the leader sleeps",
        "
        name mirror stripped
        exec ./mirror rename main stuck-thread 40000",
    )
    .held(HUNG),
    Case::fault(
        HungTask,
        "hung_task/container-deep",
        "in a pid namespace, three levels down",
        "
        name fetch
        container ./fetch deep 3 stuck 40000",
    )
    .held(HUNG),
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
    .held(HUNG)
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
        .held(ONLY_SPUN)
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
    .held(ONLY_SPUN)
    .alone(),
    Case::fault(
        CpuSpin,
        "cpu_spin/python-container",
        "in Python, in a pid namespace",
        "
        container \"$PYTHON\" \"$PROGRAMS/fault.py\" spin",
    )
    .held(ONLY_SPUN)
    .alone(),
    Case::fault(
        CpuSpin,
        "cpu_spin/shell",
        "while :; do :; done",
        "
        culprit $$; crossed
        while :; do :; done",
    )
    .held(ONLY_SPUN)
    .alone(),
    Case::fault(CpuSpin, "cpu_spin/yield", "sched_yield(2) without end", "name lock; exec ./lock spin yield")
        .held(ONLY_SPUN)
        .alone(),
    Case::fault(
        CpuSpin,
        "cpu_spin/again",
        "read(2) that always says EAGAIN, three levels down",
        "
        name loop
        ./loop deep 3 spin again",
    )
    .held(ONLY_SPUN)
    .alone(),
    Case::fault(
        CpuSpin,
        "cpu_spin/after-idle",
        "a server that served, and then got stuck in a loop",
        "
        name server
        exec ./server after-idle 6000 spin user",
    )
    .held(SPUN)
    .alone(),
    Case::fault(
        CpuSpin,
        "cpu_spin/retries",
        "a retry without a pause: connections that are refused",
        "exec_py retry",
    )
    .held(ONLY_SPUN)
    .alone(),
    Case::fault(
        CpuSpin,
        "cpu_spin/by-turns",
        "in six threads of Python's, which share one lock",
        "exec_py spin_in_turns 6",
    )
    .held(ONLY_SPUN)
    .alone(),
    Case::near_miss(
        CpuSpin,
        "cpu_spin/pool",
        "six threads of Python's that compute, and say so now and then",
        "py compute_in_turns 6 14",
    )
    .alone(),
    Case::near_miss(
        CpuSpin,
        "cpu_spin/prints",
        "a program that computes, and says so every second",
        "py compute 14",
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
