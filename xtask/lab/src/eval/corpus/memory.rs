//! Memory that grows without end, cgroups that are full, and memory that is merely used.

use super::super::case::Kind::{self, MemoryGrowth, MemoryPressure};
use super::super::case::{Case, Held};

const WALKS: Held = Held::Walks(2);
/// What grows is not looked at while it starts, and then for a whole window.
const STEADY: Held = Held::Both("detect-growth-startup", "detect-growth-window");
const FULL: &[Kind] = &[MemoryPressure, Kind::OomKill];
const GREW: &[Kind] = &[MemoryGrowth, Kind::OomKill];

pub(super) const ALL: &[Case] = &[
    Case::fault(MemoryGrowth, "memory_growth/c", "10 MiB a second, in C", "
        name session
        exec ./session grow 1024 100 0 0",
    ).memory_mib(2048).also(FULL).held(STEADY).quick(),
    Case::fault(MemoryGrowth, "memory_growth/python", "8 MiB a second, a list of Python's", "exec_py grow 800 100 0 0")
        .memory_mib(2048).also(FULL).held(STEADY),
    Case::fault(MemoryGrowth, "memory_growth/noisy", "a leak under load: more is given back than is kept", "
        exec_py leak_under_load 500 50 120",
    ).memory_mib(2048).also(FULL).held(STEADY),
    Case::fault(MemoryGrowth, "memory_growth/container-deep", "in a container, three levels down", "
        name router stripped
        container ./router deep 3 grow 1024 100 0 0",
    ).memory_mib(2048).also(FULL).held(STEADY),
    Case::fault(MemoryGrowth, "memory_growth/to-the-limit", "towards the limit of its cgroup", "
        name broker
        exec ./broker grow 512 60 0 0",
    ).memory_mib(256).also(FULL).held(STEADY),
    Case::near_miss(MemoryGrowth, "memory_growth/cache", "a cache that fills to its size, then replaces", "py cache 120 20").quick(),
    Case::near_miss(MemoryGrowth, "memory_growth/start-up", "a start that takes 200 MiB, then works", "py start_up 200 15"),
    Case::near_miss(MemoryGrowth, "memory_growth/saw", "grows and gives back, as collectors do", "name jvm; ./jvm saw 60 6"),
    Case::near_miss(MemoryGrowth, "memory_growth/mapped", "reads a large file by way of a mapping", "
        name reader
        head -c 200M /dev/urandom > data
        ./reader map data 60
        rm data",
    ),
    Case::fault(MemoryPressure, "memory_pressure/c", "97 of 100 MiB held", "
        name heap
        exec ./heap grow 1024 0 98304 97280",
    ).memory_mib(100).also(GREW).held(WALKS).quick(),
    Case::fault(MemoryPressure, "memory_pressure/python-container", "held by Python in a pid namespace", "
        container \"$PYTHON\" \"$PROGRAMS/fault.py\" grow 1024 0 117760 116736",
    ).memory_mib(128).also(GREW).held(WALKS),
    Case::fault(MemoryPressure, "memory_pressure/slow", "filled over six seconds, beside a small neighbour", "
        name tiles; name sidecar
        EVENTS= ./sidecar grow 1024 0 4096 &
        exec ./tiles grow 1024 60 94208 93184",
    ).memory_mib(100).also(GREW).held(WALKS),
    Case::fault(MemoryPressure, "memory_pressure/tmpfs", "held by files in memory, which nothing can take back", "
        exec unshare --mount sh -c '
            mkdir -p mnt; mount -t tmpfs tmpfs mnt || exit 77
            head -c 97M /dev/zero > mnt/data; date +\"crossed %s.%N\" > \"$EVENTS\"; sleep 60'",
    ).memory_mib(100).also(GREW).held(WALKS).blames_any(),
    Case::near_miss(MemoryPressure, "memory_pressure/page-cache", "a limit filled by the page cache", "
        for i in 1 2 3; do dd if=/dev/zero of=file$i bs=1M count=100 conv=fsync; cat file$i > /dev/null; sleep 1; done
        sleep 3; rm file?",
    ).memory_mib(64).quick(),
    Case::near_miss(MemoryPressure, "memory_pressure/eighty", "80 of 100 MiB held", "
        name heap
        EVENTS= timeout 6 ./heap grow 1024 0 80000; true",
    ).memory_mib(100),
    Case::near_miss(MemoryPressure, "memory_pressure/peak", "a short peak near the limit", r#"
        "$PYTHON" -c '
import time
for _ in range(4):
    block = bytearray(88 << 20); block[::4096] = bytes(len(block) // 4096)
    time.sleep(0.2); del block; time.sleep(1.5)'"#,
    ).memory_mib(100),
];
