//! Processes and what they are taken for.

use super::*;

fn of(exe: &str, argv: &[&str]) -> ProcessInfo {
    ProcessInfo {
        pid: 42,
        start_ticks: 100,
        ppid: 7,
        name: base(exe).chars().take(15).collect(),
        exe: Some(exe.into()),
        argv: argv.iter().map(|&it| it.to_owned()).collect(),
        uid: Some(1000),
        cgroup: None,
        container_id: None,
        unit: None,
        pod_uid: None,
        container: None,
    }
}

#[test]
fn programs_are_named_by_what_they_run() {
    for (exe, argv, want, own, command) in [
        ("/usr/bin/python3.11", &["python3", "-u", "/srv/app.py", "x"][..], "/srv/app.py", true, false),
        ("/usr/bin/python3", &["python3", "-m", "pytest", "-q"], "pytest", true, true),
        ("/usr/bin/python3", &["python3", "-W", "ignore", "a.py"], "a.py", true, false),
        ("/usr/bin/python3", &["python3", "-c", "import os"], "/usr/bin/python3", false, false),
        ("/usr/bin/java", &["java", "-Xmx1g", "-cp", "x", "Main"], "Main", true, false),
        ("/usr/bin/java", &["java", "-jar", "/opt/a.jar"], "/opt/a.jar", true, false),
        ("/bin/sh", &["sh", "-c", "x"], "/bin/sh", false, false),
        ("/bin/sh", &["sh", "/srv/run.sh"], "/srv/run.sh", true, false),
        ("./server", &["./server"], "./server", true, false),
        ("/usr/bin/curl", &["curl", "-sf", "http://localhost"], "/usr/bin/curl", false, true),
        ("/usr/bin/[", &["[", "-f", "x", "]"], "/usr/bin/[", false, true),
        ("/opt/tools/grep", &["grep"], "/opt/tools/grep", true, true),
    ] {
        let it = of(exe, argv);
        assert_eq!(program(&it), want);
        assert_eq!((is_own_program(&it), is_command(&it)), (own, command), "{exe} {argv:?}");
    }
}

#[test]
fn who_runs_tests() {
    for (exe, argv, want) in [
        ("/usr/bin/python3", &["python3", "-m", "unittest", "-q"][..], true),
        ("/usr/bin/python3", &["/usr/bin/python3", "/usr/bin/pytest"], true),
        ("/usr/bin/cargo", &["cargo", "test", "--lib"], true),
        ("/usr/bin/cargo", &["cargo", "run"], false),
        ("/usr/bin/make", &["make", "-j4", "check"], true),
        ("/usr/bin/make", &["make"], false),
        ("/usr/bin/python3", &["python3", "test"], false),
        ("/srv/server", &["server", "test"], false),
    ] {
        assert_eq!(is_test_runner(&of(exe, argv)), want, "{argv:?}");
        assert!(!only_starts(&of(exe, argv)), "{argv:?}");
    }
}

#[test]
fn who_goes_round_for_ever() {
    for (exe, argv, want) in [
        ("/bin/sh", &["sh", "-c", "while :; do ./server; sleep 1; done"][..], true),
        ("/bin/bash", &["bash", "-c", "cd /srv && (while true; do ./server; done) & wait"], true),
        ("/bin/bash", &["bash", "-c", "while sleep 5; do ./server exit; done"], true),
        ("/bin/sh", &["sh", "-c", "while true; do ./ready && break; sleep 1; done"], false),
        ("/bin/sh", &["sh", "-c", "while :; do ./ready && exit 0; sleep 1; done"], false),
        ("/bin/sh", &["sh", "-c", "while ! ./ready; do sleep 1; done"], false),
        ("/bin/sh", &["sh", "-c", "until ./ready; do sleep 1; done"], false),
        ("/bin/sh", &["sh", "-c", "for i in 1 2 3; do ./flaky; done"], false),
        ("/bin/sh", &["sh", "while true"], true),
        ("/usr/bin/python3", &["python3", "-c", "while true"], false),
        ("/bin/sh", &["while true"], false),
    ] {
        assert_eq!(loops_for_ever(&of(exe, argv)), want, "{argv:?}");
    }
}

#[test]
fn a_script_with_a_name_of_its_own_is_no_shell() {
    assert!(is_shell(&of("/bin/bash", &["bash"])));
    assert!(is_shell(&ProcessInfo { exe: None, ..of("/bin/sh", &[]) }));
    assert!(!is_shell(&ProcessInfo { name: "server.sh".into(), ..of("/bin/bash", &["sh", "server.sh"]) }));
    assert!(!is_shell(&ProcessInfo { name: "bash".into(), ..of("/tmp/evil", &[]) }));
    assert!(is_shell_name("-bash") && !is_shell_name("bashful"));
}
