//! The verdicts on open descriptors.

use expect_test::expect;

use crate::analyst::built_in;
use crate::config::DetectLimits;
use crate::kinds::fd_exhaustion::tests::leaks_sockets;
use crate::kinds::fd_exhaustion::{FdUse, near_limit};
use crate::kinds::fixture::{self, frozen};
use crate::model::Confidence;

#[test]
fn descriptors_that_grow() {
    let file = fixture::case_of(&leaks_sockets());
    expect![[r#"
        python3 (pid 13674) opens file descriptors and does not close them: from 100 to 400 in 9 min; its limit of 1024 is reached in 19 min.
        python3 (pid 13674) keeps opening more files, towards its limit of 1024, and 75 % of them are sockets: it opens them and does not close them. At the limit open(), accept() and socket() fail with EMFILE ("Too many open files").
        High, by F1 F2 F3 F4 F5
        ? python3 leaks descriptors on an error path: the count grows with failures, not with load [F3 F4 F5]
        ? The limit is too low for the load; then the count follows the number of connections [F3 F4 F5]
        - What is open, by type, the most frequent first
          $ ls -l /proc/13674/fd | sed -n 's/.* -> //p' | sed 's/:\[[0-9]*\]//' | sort | uniq -c | sort -rn | head -20
        - Its connections by state; many in CLOSE-WAIT mean that the peer hung up and this process does not close them
          $ ss -tanp | grep 'pid=13674,' | awk '{print $1}' | sort | uniq -c
        - To gain time: a higher limit, without a restart
          $ prlimit --pid 13674 --nofile=4096:4096
        - Recent log output
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
    "#]]
    .assert_eq(&fixture::judged(&file));
}

#[test]
fn descriptors_that_are_mostly_sockets() {
    let near = near_limit(FdUse { open: 1000, limit: 1024, scans: 2 }, &DetectLimits::default()).unwrap();
    let mut file = fixture::case_of(&near);
    file.evidence.push(frozen("fd", "0 /dev/null\n1 socket:[1]\n2 socket:[2]\n3 -> socket:[3]\n"));
    expect![[r#"
        python3 has 1000 of its 1024 file descriptors open.
        python3 (pid 13674) has almost as many open files as its limit of 1024 allows, and 75 % of them are sockets: it opens them and does not close them. At the limit open(), accept() and socket() fail with EMFILE ("Too many open files").
        Medium, by F1 F2 F3
        ? python3 leaks descriptors on an error path: the count grows with failures, not with load [F1 F2]
        ? The limit is too low for the load; then the count follows the number of connections [F1 F2]
        - What is open, by type, the most frequent first
          $ ls -l /proc/13674/fd | sed -n 's/.* -> //p' | sed 's/:\[[0-9]*\]//' | sort | uniq -c | sort -rn | head -20
        - Its connections by state; many in CLOSE-WAIT mean that the peer hung up and this process does not close them
          $ ss -tanp | grep 'pid=13674,' | awk '{print $1}' | sort | uniq -c
        - To gain time: a higher limit, without a restart
          $ prlimit --pid 13674 --nofile=4096:4096
        - Recent log output
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
    "#]]
    .assert_eq(&fixture::judged(&file));
}

#[test]
fn the_cause_follows_the_limit() {
    let near = |limit| near_limit(FdUse { open: limit, limit, scans: 2 }, &DetectLimits::default()).unwrap();
    for (limit, want, confidence) in
        [(65_536, "its limit of 65536", Confidence::Medium), (1024, "usual default", Confidence::Low)]
    {
        let file = fixture::case_of(&near(limit));
        let verdict = built_in(&file);
        assert!(verdict.probable_cause.contains(want), "{limit}: {}", verdict.probable_cause);
        assert_eq!(verdict.confidence, confidence, "{limit}");
    }
    // As an earlier version wrote it down: the limit is in the frozen file, or nowhere.
    for (limits, want, confidence) in [
        ("Max open files  65536  65536  files\n", "its limit of 65536", Confidence::Medium),
        ("Max open files  1024  65536  files\n", "usual default", Confidence::Low),
        ("", "RLIMIT_NOFILE", Confidence::Medium),
    ] {
        let mut file = fixture::case_of(&near(1024));
        file.facts.clear();
        file.evidence = vec![frozen("limits", limits)];
        let verdict = built_in(&file);
        assert!(verdict.probable_cause.contains(want), "{limits:?}: {}", verdict.probable_cause);
        assert_eq!(verdict.confidence, confidence, "{limits:?}");
    }
}
