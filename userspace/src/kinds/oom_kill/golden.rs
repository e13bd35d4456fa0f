//! Each statement: its JSON, and its sentence. Programs read the one and people the other: neither changes unseen.

use expect_test::expect;

use super::facts::{Charged, Counter, OomFact, OomTask, RanOut};
use crate::kinds::facts::FactData;
use crate::kinds::fixture::check_statements;
use crate::kinds::pieces::Who;

fn who(pid: u32, name: &str) -> Who {
    Who { name: name.into(), pid }
}

fn reason(ran_out: RanOut) -> OomFact {
    OomFact::OomReason {
        ran_out,
        cgroup: None,
        counter: None,
        memory: None,
        memory_and_swap: None,
        victim_cgroup: None,
        kill_alone: false,
    }
}

/// A cgroup's limit, with a hostile path.
fn of_cgroup() -> OomFact {
    OomFact::OomReason {
        ran_out: RanOut::CgroupLimit,
        cgroup: Some("/a\x1b[2J\nb".into()),
        counter: Some(Counter::MemoryAndSwap),
        memory: Some(Charged { usage_bytes: 4096, limit_bytes: 8192 }),
        memory_and_swap: Some(Charged { usage_bytes: 16384, limit_bytes: 16384 }),
        victim_cgroup: Some("/a/w".into()),
        kill_alone: true,
    }
}

fn statements() -> Vec<OomFact> {
    vec![
        OomFact::OomNotEnded {},
        OomFact::OomTrigger { by: who(7, "a\x1b[2J"), is_victim: false },
        OomFact::OomTrigger { by: who(8, "b"), is_victim: true },
        of_cgroup(),
        reason(RanOut::CgroupLimit),
        reason(RanOut::HostMemory),
        reason(RanOut::CpusetNodes),
        reason(RanOut::PolicyNodes),
        reason(RanOut::NoCgroupLimit),
        reason(RanOut::Nothing),
        OomFact::OomVictimSize {
            anon_bytes: 4096,
            file_bytes: 1024,
            shmem_bytes: 0,
            tables_bytes: None,
            oom_score_adj: Some(-997),
        },
        OomFact::OomTasks {
            count: 1,
            listed: 1,
            listed_rss_bytes: 5120,
            listed_tables_bytes: None,
            group: None,
            largest: vec![OomTask {
                task: who(8, "; this is new"),
                rss_bytes: 5120,
                oom_score_adj: -997,
                is_victim: true,
            }],
        },
        OomFact::OomTaskGrew { task: who(8, "b"), before_bytes: 1024, rss_bytes: 5120, over_ms: 3000 },
        OomFact::OomRequest { by: "a\nb".into(), bytes: 8192, order: 1, gfp: "GFP_KERNEL".into() },
    ]
}

#[test]
fn data_and_sentences() {
    let statements: Vec<_> = statements().into_iter().map(FactData::from).collect();
    check_statements(
        &statements,
        &expect![[r#"
        {"type":"oom_not_ended"}
          the OOM killer chose it, and its end was not reported
        {"type":"oom_trigger","by":{"name":"a\u001b[2J","pid":7},"is_victim":false}
          an allocation of a�[2J (pid 7) triggered the OOM killer
        {"type":"oom_trigger","by":{"name":"b","pid":8},"is_victim":true}
          its own allocation triggered the OOM killer
        {"type":"oom_reason","ran_out":"cgroup_limit","cgroup":"/a\u001b[2J\nb","counter":"memory_and_swap","memory":{"usage_bytes":4096,"limit_bytes":8192},"memory_and_swap":{"usage_bytes":16384,"limit_bytes":16384},"victim_cgroup":"/a/w","kill_alone":true}
          memory cgroup /a�[2J b was at its memory+swap limit of 16.0 KiB: 16.0 KiB of 16.0 KiB memory+swap used; the kernel log lacks the rest of its report, as happens after many OOM kills at once; the victim was in /a/w
        {"type":"oom_reason","ran_out":"cgroup_limit","cgroup":null,"counter":null,"memory":null,"memory_and_swap":null,"victim_cgroup":null,"kill_alone":false}
          a memory cgroup was at its limit
        {"type":"oom_reason","ran_out":"host_memory","cgroup":null,"counter":null,"memory":null,"memory_and_swap":null,"victim_cgroup":null,"kill_alone":false}
          the host's memory ran out
        {"type":"oom_reason","ran_out":"cpuset_nodes","cgroup":null,"counter":null,"memory":null,"memory_and_swap":null,"victim_cgroup":null,"kill_alone":false}
          the memory nodes of a cpuset ran out
        {"type":"oom_reason","ran_out":"policy_nodes","cgroup":null,"counter":null,"memory":null,"memory_and_swap":null,"victim_cgroup":null,"kill_alone":false}
          the memory nodes of a memory policy ran out
        {"type":"oom_reason","ran_out":"no_cgroup_limit","cgroup":null,"counter":null,"memory":null,"memory_and_swap":null,"victim_cgroup":null,"kill_alone":false}
          memory outside the limits of cgroups ran out
        {"type":"oom_reason","ran_out":"nothing","cgroup":null,"counter":null,"memory":null,"memory_and_swap":null,"victim_cgroup":null,"kill_alone":false}
          somebody invoked the OOM killer through sysrq
        {"type":"oom_victim_size","anon_bytes":4096,"file_bytes":1024,"shmem_bytes":0,"oom_score_adj":-997}
          the victim held 5.0 KiB resident (4.0 KiB anonymous, 1.0 KiB of files, 0 B shared); its oom_score_adj was -997
        {"type":"oom_tasks","count":1,"listed":1,"listed_rss_bytes":5120,"largest":[{"task":{"name":"; this is new","pid":8},"rss_bytes":5120,"oom_score_adj":-997,"is_victim":true}]}
          the largest of the 1 task in the report: ; this is new (pid 8) 5.0 KiB, the victim
        {"type":"oom_task_grew","task":{"name":"b","pid":8},"before_bytes":1024,"rss_bytes":5120,"over_ms":3000}
          b (pid 8) held 1.0 KiB 3.0 s before it held 5.0 KiB
        {"type":"oom_request","by":"a\nb","bytes":8192,"order":1,"gfp":"GFP_KERNEL"}
          the failed allocation was of 8.0 KiB (order 1, GFP_KERNEL) by a b
    "#]],
    );
}
