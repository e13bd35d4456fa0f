//! What ends of real programs prove: a stack without room, traps.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::daemon::{Daemon, Setup};
use crate::faults::helpers;
use crate::requires::{no_kernel_events, skip_if};

/// Each turn of the recursion calls the other function; `odd` begins with it.
const SOURCE: &str = "#include <string.h>\n\
    int odd(int), even(int);\n\
    __attribute__((noinline)) int odd(int n) { volatile char b[96]; b[0] = n; return even(n + 1) + b[0]; }\n\
    __attribute__((noinline)) int even(int n) { volatile char b[208]; b[0] = n; return odd(n + 1) + b[0]; }\n\
    __attribute__((noinline)) void check(int n) { if (n) __builtin_trap(); }\n\
    __attribute__((noinline)) void stop(void) { __asm__ volatile(\"int3\"); }\n\
    int main(int argc, char **argv) {\n\
    if (!strcmp(argv[1], \"odd\")) return odd(1);\n\
    if (!strcmp(argv[1], \"even\")) return even(1);\n\
    if (!strcmp(argv[1], \"trap\")) check(argc);\n\
    if (!strcmp(argv[1], \"int3\")) stop();\n\
    return 0; }\n";

fn cc(folder: &Path, args: &[&str]) {
    let status = Command::new("cc").args(args).current_dir(folder).status();
    assert!(status.expect("a C compiler, `cc`, is there").success(), "{args:?}");
}

/// Runs it until it crashes.
fn run(program: &Path, args: &[&str]) {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.current_dir(helpers()).status().unwrap();
    assert!(!status.success(), "{program:?} {args:?}");
}

/// The program of this test alone.
fn compile(folder: &Path) -> (PathBuf, String) {
    let name = format!("cse{}", std::process::id());
    fs::write(folder.join("program.c"), SOURCE).unwrap();
    cc(folder, &["-g", "-O1", "-fno-optimize-sibling-calls", "-o", &name, "program.c"]);
    (folder.join(&name), name)
}

/// The crashes of this program by this signal, once there are so many occurrences.
async fn crashes(daemon: &Daemon, name: &str, signal: &str, occurrences: u64) -> Vec<Value> {
    daemon
        .wait_until(&format!("{occurrences} crashes of {name} by {signal}"), async || {
            let by_signal = |it: &Value| {
                let summary = it["verdict"]["summary"].as_str().unwrap_or_default();
                it["kind"] == "crash" && summary.contains(signal)
            };
            let all: Vec<_> = daemon.incidents_of(name).await.into_iter().filter(by_signal).collect();
            let count: u64 = all.iter().filter_map(|it| it["count"].as_u64()).sum();
            (count >= occurrences).then_some(all)
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_without_room_and_traps_are_told_as_what_they_are() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let folder = tempfile::tempdir_in(helpers()).unwrap();
    let (program, name) = compile(folder.path());
    for mode in ["odd", "even", "odd"] {
        run(&program, &[mode]);
    }
    let found = crashes(&daemon, &name, "SIGSEGV", 3).await;
    assert_eq!(found.len(), 1, "one recursion: {found:#?}");
    let cause = found[0]["verdict"]["probable_cause"].as_str().unwrap();
    assert!(cause.contains("ran out of stack space") && cause.contains("even, odd"), "{cause}");
    assert_eq!(found[0]["verdict"]["confidence"], "high");
    for (mode, signal, want) in
        [("trap", "SIGILL", "`ud2` or its kin"), ("int3", "SIGTRAP", "`int3` or its kin")]
    {
        run(&program, &[mode]);
        let found = crashes(&daemon, &name, signal, 1).await;
        let cause = found[0]["verdict"]["probable_cause"].as_str().unwrap();
        assert!(cause.contains(want) && !cause.contains("at 0x0"), "{cause}");
    }
    let looping = daemon.wait_for_incident("crash_loop", &name).await;
    let cause = looping["verdict"]["probable_cause"].as_str().unwrap();
    assert!(cause.contains("The last time it ran"), "the loop has the cause of its last end: {cause}");
}
