//! Each statement: its JSON, and its sentence. Programs read the one and people the other: neither changes unseen.

use expect_test::expect;

use super::facts::{MemoryGrown, MemorySign, PressureFact};
use crate::kinds::facts::FactData;
use crate::kinds::fixture::check_statements;
use crate::kinds::pieces::Who;

fn stall(cgroup: Option<&str>) -> PressureFact {
    PressureFact::MemoryStall {
        cgroup: cgroup.map(Into::into),
        full_avg10_permille: 450,
        full_avg60_permille: 7,
        some_avg60_permille: 1000,
    }
}

fn host(swap_total_bytes: u64) -> PressureFact {
    PressureFact::HostMemory {
        total_bytes: 1 << 30,
        available_bytes: 20 << 20,
        swap_total_bytes,
        swap_free_bytes: 0,
    }
}

fn holder(name: &str, grown: Option<MemoryGrown>) -> PressureFact {
    let process = Who { name: name.into(), pid: 9 };
    PressureFact::MemoryHolder { process, rss_bytes: 700 << 20, grown }
}

#[test]
fn data_and_sentences() {
    let short = |sign| PressureFact::MemoryShort { sign, threshold_percent: 95, scans: 2 };
    let statements = [
        PressureFact::CgroupMemoryLimit { cgroup: "/a\x1b[2J\nb".into(), limit_bytes: 1 << 20 },
        PressureFact::CgroupMemoryHeld { held_bytes: 1000 },
        host(0),
        host(4096),
        stall(None),
        stall(Some("/app")),
        short(MemorySign::NearLimit),
        short(MemorySign::LittleAvailable),
        short(MemorySign::Stall),
        holder("api\x1b[2J", None),
        holder(", 1 B of them", Some(MemoryGrown { bytes: 512 << 20, over_ms: 130_000 })),
    ];
    check_statements(
        &statements.map(FactData::from),
        &expect![[r#"
        {"type":"cgroup_memory_limit","cgroup":"/a\u001b[2J\nb","limit_bytes":1048576}
          the limit of /a�[2J b is 1.0 MiB
        {"type":"cgroup_memory_held","held_bytes":1000}
          without file pages it holds 1000 B
        {"type":"host_memory","total_bytes":1073741824,"available_bytes":20971520,"swap_total_bytes":0,"swap_free_bytes":0}
          20.0 MiB of the host's 1.0 GiB of memory are available, page cache included; it has no swap
        {"type":"host_memory","total_bytes":1073741824,"available_bytes":20971520,"swap_total_bytes":4096,"swap_free_bytes":0}
          20.0 MiB of the host's 1.0 GiB of memory are available, page cache included; 0 B of its 4.0 KiB of swap are free
        {"type":"memory_stall","cgroup":null,"full_avg10_permille":450,"full_avg60_permille":7,"some_avg60_permille":1000}
          all tasks waited for memory for 45.0 % of the last 10 s and 0.7 % of the last minute, some for 100.0 %
        {"type":"memory_stall","cgroup":"/app","full_avg10_permille":450,"full_avg60_permille":7,"some_avg60_permille":1000}
          all tasks waited for memory for 45.0 % of the last 10 s and 0.7 % of the last minute, some for 100.0 %
        {"type":"memory_short","sign":"near_limit","threshold_percent":95,"scans":2}
          it was above 95 % for 2 scans in a row
        {"type":"memory_short","sign":"little_available","threshold_percent":95,"scans":2}
          it was in this state for 2 scans in a row
        {"type":"memory_short","sign":"stall","threshold_percent":95,"scans":2}
          it was in this state for 2 scans in a row
        {"type":"memory_holder","process":{"name":"api\u001b[2J","pid":9},"rss_bytes":734003200,"grown":null}
          api�[2J (pid 9) holds 700.0 MiB resident
        {"type":"memory_holder","process":{"name":", 1 B of them","pid":9},"rss_bytes":734003200,"grown":{"bytes":536870912,"over_ms":130000}}
          , 1 B of them (pid 9) holds 700.0 MiB resident, 512.0 MiB of them in the last 2 min
    "#]],
    );
}
