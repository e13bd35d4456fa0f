//! The verdicts on memory that grows.

use expect_test::expect;

use crate::analyst::built_in;
use crate::kinds::fixture::{self, frozen};
use crate::kinds::memory_growth::tests::leak;
use crate::model::Confidence;

#[test]
fn a_heap_that_grows_in_a_limited_cgroup() {
    let mut file = fixture::case_of(&leak());
    file.evidence = vec![
        frozen("status", "VmRSS:\t  230000 kB\nRssAnon:\t 220000 kB\nThreads:\t4\n"),
        frozen("cgroup.memory.max", "268435456\n"),
    ];
    expect![[r#"
        python3 (pid 13674) grows steadily: by 100.0 MiB in 10 min, 10.0 MiB a minute; the rest lasts 10 min.
        python3 (pid 13674) grows steadily and releases nothing: objects that are kept but never used again. 95 % of its resident memory is anonymous, 214 MiB in total, so it is the heap and not file cache. It will reach its limit soon: an orderly restart now is better than a kill later.
        Medium, by F1 F2 F3 F4
        ? A cache without a size limit, or one that is too large for this host: then it levels off, or would with more memory [F1 F2]
        ? More work than usual: python3 holds the data it was given, and shrinks when the work is done [F1 F2]
        - Where the memory is: the largest mappings; [heap] and nameless ones are the program's own data
          $ awk '/^[0-9a-f]+-/ {name=$6} /^Anonymous:/ {kb[name]+=$2} END {for (n in kb) print kb[n], "kB", n==""?"(nameless)":n}' /proc/13674/smaps | sort -rn | head
        - Who allocates it: the stacks of what was not freed in 30 s (bcc's memleak)
          $ timeout 40 memleak-bpfcc -p 13674 --top 10 30 1 || timeout 40 memleak -p 13674 --top 10 30 1
        - The cgroup's limit, use and OOM count
          $ grep -sH '' /sys/fs/cgroup/oomtest/memory.{max,high,current,peak,events}
    "#]]
    .assert_eq(&fixture::judged(&file));
    file.evidence[0] = frozen("status", "VmRSS:\t 1 kB\nThreads:\t900\n");
    assert!(built_in(&file).probable_cause.contains("900 threads, and each has a stack"));
    file.evidence.clear();
    assert_eq!(built_in(&file).confidence, Confidence::Low);
}
