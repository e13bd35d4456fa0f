//! The table: what the data file must be, what names are known by, and what a site adds.

use super::*;

/// Names in lower case, as they stand in the data file.
fn roles(names: &str) -> Roles {
    names.split_whitespace().map(|name| Roles::named(name).unwrap()).collect()
}

fn own(role: &str, names: &[&str]) -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([(role.to_owned(), names.iter().map(|&name| name.to_owned()).collect())])
}

fn built_in() -> ProgramTable {
    ProgramTable::parse(include_str!("programs.toml")).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_data_file_is_valid() {
    assert!(built_in().len() > 250);
    for (broken, want) in [
        ("[[group]]\nroles = [\"shell\"]\nnames = \"bash sh\"", None),
        ("[[group]]\nroles = [\"shell\"]\nnames = \"sh bash\"", Some("sorted")),
        ("[[group]]\nroles = [\"shell\"]\nnames = \"sh sh\"", Some("sh is there twice")),
        (
            "[[group]]\nroles = [\"shell\"]\nnames = \"sh\"\n[[group]]\nroles = [\"init\"]\nnames = \"sh\"",
            Some("sh is there twice"),
        ),
        ("[[group]]\nroles = [\"kernel_thread\"]\nnames = \"irq/ irq/\"", Some("irq/ is there twice")),
        ("[[group]]\nroles = [\"shells\"]\nnames = \"sh\"", Some("`shells` is no role of programs")),
        ("[[group]]\nroles = []\nnames = \"sh\"", Some("no role")),
        ("[[group]]\nroles = [\"shell\"]\nnames = \" \"", Some("no name")),
        ("[[group]]\nroles = [\"shell\"]\nname = \"sh\"", Some("unknown field")),
        ("", Some("missing field")),
    ] {
        let error = ProgramTable::parse(broken).err();
        match want {
            Some(want) => assert!(error.as_ref().is_some_and(|it| it.contains(want)), "{broken}: {error:?}"),
            None => assert_eq!(error, None, "{broken}"),
        }
    }
}

#[test]
fn a_program_has_all_its_roles() {
    for (name, want) in [
        ("bash", "shell"),
        ("busybox", "shell init"),
        ("node", "interpreter test_capable"),
        ("grep", "answer search"),
        ("redis-cli", "command setter"),
        ("timeout", "command starter relay"),
        ("cargo", "command builder test_capable"),
        ("pytest", "command builder test_runner"),
        ("dnf", "command package_manager"),
        ("systemd", "init supervisor socket_starter"),
        ("tini", "init supervisor relay"),
        ("conmon", "container_runtime supervisor relay"),
        ("podman", "container_runtime command"),
        ("buildkitd", "container_runtime sandbox"),
        ("nginx", "network_service"),
        ("sshd", "socket_starter"),
        ("pm2", "supervisor"),
        ("[", "answer"),
    ] {
        assert_eq!(roles_of(name), roles(want), "{name}");
    }
}

#[test]
fn what_builds_installs_tests_or_starts_is_run_for_its_result() {
    let all = include_str!("programs.toml").split(|c: char| c.is_whitespace() || c == '"');
    let tools = Roles::BUILDER | Roles::PACKAGE_MANAGER | Roles::TEST_RUNNER | Roles::STARTER;
    let tools: Vec<_> = all.filter(|name| named(name, tools).is_some()).collect();
    assert!(tools.len() > 50, "{tools:?}");
    for name in tools {
        assert!(roles_of(name).contains(Roles::COMMAND), "{name}");
    }
}

#[test]
fn names_are_paths_or_cut_and_may_have_a_version() {
    for (name, want) in [
        ("/usr/bin/cargo", "command builder test_capable"),
        ("/usr/bin/bash (deleted)", "shell"),
        ("../x/sh", "shell"),
        ("python3.11", "interpreter"),
        ("/usr/bin/php8.2", "interpreter"),
        ("php-fpm8.2", "network_service"),
        ("pip3.11", "builder"),
        ("pip3", "command builder"),
        // `comm` keeps 15 bytes.
        ("containerd-shim", "container_runtime supervisor relay"),
        ("containerd-shim-runc-v2", "container_runtime supervisor relay"),
        ("dpkg-preconfigu", "command package_manager"),
        ("systemd-detect-", "answer"),
    ] {
        assert_eq!(roles_of(name), roles(want), "{name}");
    }
}

#[test]
fn near_misses_have_no_role() {
    for name in [
        "",
        "/",
        "sh/",
        " (deleted)",
        "3.11",
        "---",
        // Begin or end like known names.
        "bashful",
        "mybash",
        "cargo-cult",
        "systemd-journal",
        "systemd-detect",
        "systemd-detect-v",
        "containerd-shi",
        "initramfs",
        "[[",
        // A version on what has none: a test of somebody's own is no test(1).
        "test2",
        "bash5",
        "host-1",
        "time.2",
        // Hostile.
        "Bash",
        "ba\0sh",
        "bash\n",
        "bash ",
        "\u{202e}hsab",
        "b\u{430}sh",
        "bash\x1b[0m",
        "-bash",
        "kworker/0:1",
    ] {
        assert_eq!(roles_of(name), Roles::empty(), "{name:?}");
    }
    assert_eq!(roles_of("tini2"), Roles::INIT, "its other roles have no versions");
    assert_eq!(roles_of(&"/".repeat(100_000)), Roles::empty());
    assert_eq!(roles_of(&"1".repeat(100_000)), Roles::empty());
    assert_eq!(named("/usr/bin/grep", Roles::SEARCH), None, "a path");
    assert_eq!(named("grep", Roles::SETTER), None);
    assert_eq!(named("grep", Roles::SEARCH | Roles::SETTER), Some("grep"));
}

#[test]
fn kernel_threads_are_known_by_the_beginning_of_their_names() {
    for (name, want) in [
        ("kworker/u8:2-events", true),
        ("kthreadd", true),
        ("kswapd0", true),
        ("scsi_eh_1", true),
        ("irq/9-acpi", true),
        ("jbd2/sda1-8", true),
        ("ext4-rsv-conver", true),
        ("", false),
        ("k", false),
        ("kworker", false),
        ("kthreadd2x", false),
        ("kswapdaemon", false),
        ("irq", false),
        ("Kthreadd", false),
    ] {
        assert_eq!(is_kernel_thread(name.as_bytes()), want, "{name}");
    }
    assert!(!is_kernel_thread(b"\xffkworker/"));
}

#[test]
fn a_site_adds_programs_by_their_very_names() {
    let with = |role: &str, names: &[&str]| built_in().extended(&own(role, names));
    let table = with("builder", &["ci-agent", "a-runner-with-a-long-name", "bash"]).unwrap();
    for (name, want) in [
        ("/opt/ci-agent", "builder"),
        ("ci-agent2", ""),
        ("ci-agent-1", ""),
        ("ci-agen", ""),
        ("a-runner-with-a", "builder"),
        ("a-runner-with-a-", ""),
        ("bash", "shell builder"),
        ("cargo", "command builder test_capable"),
        ("python3.11", "interpreter"),
    ] {
        assert_eq!(table.roles_of(name), roles(want), "{name}");
    }
    let table = with("kernel_thread", &["nvmet-wq/"]).unwrap();
    assert!(table.is_kernel_thread(b"nvmet-wq/1") && table.is_kernel_thread(b"kworker/0:1"));
    for bad in ["", "/opt/x", "a b", "a\0", &"x".repeat(256)] {
        assert_eq!(with("shell", &[bad]).err(), Some(ExtendError::NoName(bad.into())), "{bad:?}");
    }
    let error = with("supervisors", &["x"]).unwrap_err().to_string();
    assert!(error.starts_with("`supervisors` is no role of programs; give one of shell, "), "{error}");
    assert!(error.contains(", supervisor, ") && error.ends_with(", setter"), "{error}");
}

#[test]
fn what_a_site_adds_is_known_everywhere_and_added_once() {
    let unknown = "programs-test-runner";
    assert_eq!(extend(&own("supervisors", &[])).unwrap_err(), Roles::named("supervisors").unwrap_err());
    assert_eq!(extend(&own("supervisor", &[])), Ok(()), "none may be added any time");
    assert_eq!(roles_of(unknown), Roles::empty());
    assert_eq!(extend(&own("supervisor", &[unknown])), Ok(()));
    assert_eq!(roles_of(unknown), Roles::SUPERVISOR);
    assert_eq!(extend(&own("supervisor", &["another"])), Err(ExtendError::Twice));
    assert_eq!((roles_of("another"), roles_of("sh")), (Roles::empty(), Roles::SHELL));
}
