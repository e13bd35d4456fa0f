//! Crashes of programs that were started by a name that means nothing without a directory: the kernel says which file
//! was mapped.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::daemon::{Daemon, Setup};
use crate::requires::{no_kernel_events, skip_if};

/// Waits for a line, then crashes two calls below `main`.
const SOURCE: &str = "#include <stdio.h>\n\
    int *volatile nowhere = (int *)8;\n\
    void inner(void) { *nowhere = 1; }\n\
    void outer(void) { inner(); }\n\
    int main(void) { puts(\"ready\"); fflush(stdout); getchar(); outer(); return 0; }\n";

/// A file name that no other test has.
fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("rel{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The program as `name` in this folder.
fn compile(folder: &Path, name: &str, flags: &[&str]) {
    fs::write(folder.join("program.c"), SOURCE).unwrap();
    let status = Command::new("cc")
        // Static: reading the C library's own debug information would be most of the work.
        .args(["-g", "-static", "-o", name, "program.c"])
        .args(flags)
        .current_dir(folder)
        .status();
    assert!(status.unwrap().success());
}

/// Starts it and waits until it waits.
fn ready(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

/// Lets it crash; its stack.
async fn crashed(daemon: &Daemon, mut child: Child, name: &str) -> String {
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    child.wait().unwrap();
    let incident = daemon.wait_for_incident("crash", name).await;
    let frozen = format!("/api/v1/incidents/{}/evidence", incident["id"].as_str().unwrap());
    let Some(Value::String(stack)) = daemon.get(&format!("{frozen}/stack.txt")).await else {
        panic!("no stack of {incident}")
    };
    // The same as values: in the fact, and whole in the evidence.
    let stated = incident["facts"].as_array().unwrap().iter().find(|it| it["data"]["type"] == "crash_stack");
    let stated = &stated.unwrap_or_else(|| panic!("{incident}"))["data"];
    assert_eq!(stated["depth"], stack.lines().filter(|line| line.starts_with('#')).count(), "{incident}");
    let whole = match daemon.get(&format!("{frozen}/stack.json")).await {
        Some(Value::String(text)) => serde_json::from_str(&text).unwrap(),
        other => other.unwrap(),
    };
    assert_eq!(whole["frames"][0]["function"], stated["frames"][0]["function"], "{incident}");
    stack
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_started_by_a_relative_path_has_the_whole_chain() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    // By a path below the folder it was started in; by an entry of PATH; from another folder than its parent's.
    let (here, by_path, above) = (unique(), unique(), unique());
    for name in [&here, &by_path, &above] {
        compile(folder.path(), name, &["-O0"]);
    }
    fs::rename(folder.path().join(&by_path), folder.path().join("bin").join(&by_path)).unwrap();
    let mut direct = Command::new(format!("./{here}"));
    let mut searched = Command::new("/bin/sh");
    searched.args(["-c", &format!("PATH=bin; {by_path}; true")]);
    let mut upwards = Command::new(format!("../{above}"));
    for (command, within) in [(&mut direct, ""), (&mut searched, ""), (&mut upwards, "bin")] {
        command.current_dir(folder.path().join(within));
    }
    for (command, name) in [(direct, &here), (searched, &by_path), (upwards, &above)] {
        let stack = crashed(&daemon, ready(command), name).await;
        let lines: Vec<_> = stack.lines().filter_map(|line| Some(line.split_once(" in ")?.1)).collect();
        for (line, (function, number)) in lines.iter().zip([("inner", 3), ("outer", 4), ("main", 5)]) {
            let (want, at) = (format!("{function} at "), format!("program.c:{number} "));
            assert!(line.starts_with(&want) && line.contains(&at), "{name}\n{stack}");
        }
        assert!(lines.len() >= 3, "{name}\n{stack}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_file_of_the_same_name_gives_no_names() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let [own, parents] = [(); 2].map(|()| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    for replaced in [false, true] {
        let name = unique();
        compile(own.path(), &name, &["-O0"]);
        compile(parents.path(), &name, &["-O1"]);
        // The parent stays where the other file is.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"(cd "$1" && exec "./$2"); true"#, "sh"]).arg(own.path()).arg(&name);
        command.current_dir(parents.path());
        let child = ready(command);
        // Older than what the clocks of file systems tell apart: it is known that the file came later.
        std::thread::sleep(Duration::from_millis(100));
        fs::remove_file(own.path().join(&name)).unwrap();
        if replaced {
            fs::copy(parents.path().join(&name), own.path().join(&name)).unwrap();
        }
        let stack = crashed(&daemon, child, &name).await;
        assert!(stack.starts_with("#0"), "where it crashed is known\n{stack}");
        assert!(!stack.contains("program.c") && !stack.contains(" in inner"), "{stack}");
    }
}
