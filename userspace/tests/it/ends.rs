//! Ends that matter and ends that do not: services, loops that a program of one's own keeps up, and what a busy,
//! healthy host does all day.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::daemon::{Daemon, Setup};
use crate::faults::{Fault, Running};
use crate::requires::{no_kernel_events, skip_if};

/// The helper under another name, as a supervisor's.
fn named(fault: &Fault, name: &str) -> PathBuf {
    let path = fault.path.with_file_name(name);
    fs::hard_link(&fault.path, &path).unwrap();
    path
}

fn python(script: &str, arguments: &[&Path]) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.arg("-c").arg(script).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn shell(script: &str, arguments: &[&Path]) -> Command {
    let mut command = Command::new("/bin/bash");
    command.args(["-c", script, "bash"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// After this incident is there, everything that ended before has been judged.
async fn settled(daemon: &Daemon) {
    let marker = Fault::new();
    marker.run(&["segv"]);
    daemon.wait_for_incident("crash", &marker.name).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervised_process_that_fails_is_named_and_one_that_was_told_to_stop_is_not() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let (failing, stopped, alone) = (Fault::new(), Fault::new(), Fault::new());
    let supervisor = named(&failing, "runsv");
    for (fault, status) in [(&failing, "3"), (&stopped, "143")] {
        let mut command = Command::new(&supervisor);
        command.args(["run", "0"]).arg(&fault.path).args(["quick", status]);
        assert!(command.status().unwrap().success());
    }
    alone.run(&["quick", "3"]);
    let incident = daemon.wait_for_incident("abnormal_exit", &failing.name).await;
    assert_eq!(incident["severity"], "warning");
    let facts = incident["facts"].to_string();
    assert!(facts.contains("exit status 3") && facts.contains("it is supervised: runsv"), "{facts}");
    assert!(incident["verdict"]["next_steps"].as_array().unwrap().len() >= 2);
    settled(&daemon).await;
    assert!(daemon.incidents_of(&stopped.name).await.is_empty(), "it obeyed SIGTERM");
    assert!(daemon.incidents_of(&alone.name).await.is_empty(), "a command that failed");
}

/// A supervisor hears of what it runs by what lies in between, such as timeout(1): that is never the subject.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_passes_an_end_on_is_never_the_subject() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let (failing, slow) = (Fault::new(), Fault::new());
    let (supervisor, relay) = (named(&failing, "runsv"), named(&failing, "nsenter"));
    let mut command = Command::new(&supervisor);
    command.args(["run", "0"]).args([&relay, Path::new("pass")]).arg(&failing.path).args(["quick", "3"]);
    assert!(command.status().unwrap().success());
    let mut command = Command::new(&supervisor);
    command
        .args(["run", "0"])
        .args(["/usr/bin/timeout", "-s", "KILL", "0.3"])
        .arg(&slow.path)
        .args(["live", "60000"]);
    assert!(command.status().unwrap().success());
    for (fault, severity, by, ended) in [
        (&failing, "warning", "nsenter", "exit status 3"),
        (&slow, "info", "timeout", "SIGKILL was sent to it by timeout"),
    ] {
        let incident = daemon.wait_for_incident("abnormal_exit", &fault.name).await;
        let facts = incident["facts"].to_string();
        assert_eq!(incident["process"]["name"], fault.name, "{facts}");
        assert_eq!(incident["severity"], severity, "{facts}");
        assert!(facts.contains(ended), "{facts}");
        let passes =
            |it: &&serde_json::Value| it["data"]["type"] == "passed_on" && it["data"]["by"]["name"] == by;
        assert!(incident["facts"].as_array().unwrap().iter().any(|it| passes(&it)), "{facts}");
    }
    settled(&daemon).await;
    for name in ["nsenter", "timeout"] {
        let all = daemon.incidents_of(name).await;
        let argv = |it: &serde_json::Value| it["process"]["argv"].to_string();
        let ours = all.iter().filter(|it| argv(it).contains(&failing.name) || argv(it).contains(&slow.name));
        assert_eq!(ours.count(), 0, "{all:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_fails_is_named_once_it_is_old_enough() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).variable("AI_DEBUGGER_DETECT_ABNORMAL_EXIT_AGE", "1s").start();
    let (old, young) = (Fault::new(), Fault::new());
    old.run(&["daemon", "1200"]);
    young.run(&["daemon", "0"]);
    let incident = daemon.wait_for_incident("abnormal_exit", &old.name).await;
    assert!(incident["facts"].to_string().contains("it is a daemon"), "{}", incident["facts"]);
    assert_eq!(incident["process"]["ppid"], 1);
    assert!(daemon.incidents_of(&young.name).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loops_that_a_program_of_ones_own_keeps_up_are_named() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let [by_python, by_shell, by_hand, doomed] = [(); 4].map(|()| Fault::new());
    let keeper = "import subprocess, sys, time\nwhile True:\n subprocess.run([sys.argv[1], 'live', '520'])\n time.sleep(0.2)";
    let python = Running(python(keeper, &[&by_python.path]).spawn().unwrap());
    let looping = r#"while true; do "$1" live 520 "--pid=$BASHPID"; done"#;
    let shell_loop = Running(shell(looping, &[&by_shell.path]).spawn().unwrap());
    let trying = looping.replace("while true", "for i in $(seq 100)");
    let tries = Running(shell(&trying, &[&by_hand.path]).spawn().unwrap());
    let paced = keeper.replace("'live', '520'", "'quick', '4'").replace("0.2", "0.3");
    let at_once = Running(crate::ends::python(&paced, &[&doomed.path]).spawn().unwrap());
    for (fault, starter, parent, severity) in [
        (&by_python, &python, "python3", "warning"),
        // It was told to go round for ever.
        (&by_shell, &shell_loop, "bash", "warning"),
        // A person's loop, for all that is known.
        (&by_hand, &tries, "bash", "info"),
        (&doomed, &at_once, "python3", "warning"),
    ] {
        let incident = daemon.wait_for_incident("crash_loop", &fault.name).await;
        assert_eq!(incident["severity"], severity);
        let facts = incident["facts"].to_string();
        let started = format!("{parent} (pid {}) has started it with the same arguments", starter.pid());
        assert!(facts.contains(&started), "{facts}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_commands_of_loops_builds_and_tests_are_quiet() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let (tested, recovering, many) = (Fault::new(), Fault::new(), Fault::new());
    let scripts: [(&str, &Fault); 5] = [
        // A loop of failing commands; a wait for something that does not come.
        (
            "for i in $(seq 110); do false; grep -q x /dev/null; ls /nonexistent; test -f /nonexistent; done",
            &tested,
        ),
        ("for i in $(seq 20); do cat /nonexistent && break; sleep 0.05; done", &tested),
        (r#"i=0; until [ $i = 13 ] || "$1" quick 1; do i=$((i + 1)); sleep 0.26; done"#, &tested),
        // A test suite: the same program with ever different arguments, back to back.
        (r#"for i in $(seq 110); do "$1" quick 1 case-$i; "$1" quick 1 again; done"#, &many),
        // What succeeds now and then is no loop.
        (
            r#"for i in $(seq 40); do "$1" quick 1; "$1" quick 1; "$1" quick 0; sleep 0.02; "$1" quick 0; done"#,
            &recovering,
        ),
    ];
    let shells = scripts
        .map(|(script, fault)| Running(shell(&format!("{script}; true"), &[&fault.path]).spawn().unwrap()));
    let mut parents: Vec<u32> = shells.iter().map(Running::pid).collect();
    parents.push(std::process::id());
    for shell in shells {
        assert!(shell.wait().status.success());
    }
    let makefile = "all: a b c d e f g h\na b c d e f g h:\n\t@exit 1\n";
    fs::write(data.path().join("Makefile"), makefile).unwrap();
    let make =
        |_| Command::new("make").args(["-k", "-s", "-C"]).arg(data.path()).stderr(Stdio::null()).status();
    if make(0).is_ok() {
        (0..8).for_each(|turn| drop(make(turn)));
    }
    settled(&daemon).await;
    let list = daemon.get("/api/v1/incidents?limit=500").await.unwrap();
    // Others on the host have failing commands, too.
    let ours = |it: &&serde_json::Value| {
        let name = it["process"]["name"].as_str().unwrap_or_default();
        let parent = it["process"]["ppid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        [&tested, &recovering, &many].iter().any(|fault| name == fault.name)
            || parent.is_some_and(|parent| parents.contains(&parent))
                && ["false", "grep", "ls", "test", "cat", "make"].contains(&name)
    };
    let wrong: Vec<_> =
        list["incidents"].as_array().unwrap().iter().filter(ours).map(|it| &it["title"]).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
