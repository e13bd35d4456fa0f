//! The daemon as the shipped unit has systemd run it: the same incidents, and the same stacks, as started by root.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::daemon::{Daemon, Setup};
use crate::requires::{no_kernel_events, skip_if};

/// Crashes two calls below `main`.
const SOURCE: &str = "int *volatile nowhere = (int *)8;\n\
    void inner(void) { *nowhere = 1; }\n\
    void outer(void) { inner(); }\n\
    int main(void) { outer(); return 0; }\n";

fn no_setpriv() -> Option<&'static str> {
    (!Path::new("/usr/bin/setpriv").exists()).then_some("there is no setpriv")
}

fn compile(folder: &Path, name: &str, flags: &[&str]) {
    fs::write(folder.join("program.c"), SOURCE).unwrap();
    let mut command = Command::new("cc");
    command.args(["-g", "-O0", "-o", name, "program.c"]).args(flags).current_dir(folder);
    assert!(command.status().unwrap().success());
}

/// The stack without what differs from one process to the next.
fn comparable(stack: &str) -> Vec<String> {
    let frames = stack.lines().filter(|line| line.starts_with('#') && !line.contains("libc.so"));
    let no_addresses = |word: &&str| !word.starts_with("0x");
    frames.map(|line| line.split(' ').filter(no_addresses).collect::<Vec<_>>().join(" ")).collect()
}

async fn stack_by(daemon: &Daemon, program: &Path, name: &str) -> (Vec<String>, Value) {
    assert!(!Command::new(program).status().unwrap().success());
    let stack = daemon.stack_of(name).await;
    assert!(!stack.contains("can't be used"), "{stack}");
    (comparable(&stack), daemon.wait_for_incident("crash", name).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_have_the_same_stacks_as_by_root() {
    skip_if!(no_kernel_events());
    skip_if!(no_setpriv());
    let (data, folder) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    let by_root = tempfile::tempdir().unwrap();
    let unit = Setup::new(data.path()).by_unit().start();
    let root = Setup::new(by_root.path()).start();
    // Of a dynamic one lines would be a matter of time: most of the work is the C library's own debug information.
    for (number, (flags, lines)) in
        [(&["-g0"][..], false), (&["-static"], true), (&["-static-pie"], true)].into_iter().enumerate()
    {
        let name = format!("unit{}x{number}", std::process::id());
        compile(folder.path(), &name, flags);
        let (under_unit, incident) = stack_by(&unit, &folder.path().join(&name), &name).await;
        let as_root = comparable(&root.stack_of(&name).await);
        let other = root.wait_for_incident("crash", &name).await;
        assert!(under_unit.len() > 3 && under_unit[0].contains("inner"), "{under_unit:?}");
        assert!(under_unit[2].contains("main"), "{under_unit:?}");
        assert_eq!(under_unit[2].contains("program.c:4"), lines, "{under_unit:?}");
        assert_eq!(under_unit, as_root);
        for field in ["title", "severity", "fingerprint", "process", "findings"] {
            assert_eq!(incident[field], other[field], "{field}");
        }
    }
    let status = unit.get("/api/v1/status").await.unwrap();
    assert!(!status.to_string().contains("os error 38"), "{status}");
}
