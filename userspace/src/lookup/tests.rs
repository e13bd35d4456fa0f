//! Names that lead astray, and what may not be opened.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::mknodat;

use super::*;

#[test]
fn only_regular_files_are_opened_and_nothing_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("file"), "x").unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    symlink("file", path("link")).unwrap();
    symlink("../././file", path("folder/up")).unwrap();
    symlink("/dev/zero", path("zero")).unwrap();
    symlink("loop", path("loop")).unwrap();
    mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let ours = base(&Root::Ours).unwrap();
    for (name, fits) in [
        ("file", true),
        ("link", true),
        ("folder/up", true),
        ("folder/../link", true),
        ("folder/.//../file", true),
        ("zero", false),
        ("loop", false),
        ("fifo", false),
        ("folder", false),
        ("none", false),
        ("file/..", false),
        ("file/x", false),
        ("none/../file", false),
        ("", false),
    ] {
        assert_eq!(open(&ours, &path(name)).is_ok(), fits, "{name}");
    }
    assert!(open(&ours, Path::new("Cargo.toml")).is_err(), "a relative name");
    assert!(open(&ours, Path::new("/proc/self/exe")).is_err(), "a magic link");
    assert!(open(&ours, Path::new(&"/..".repeat(1000))).is_err(), "a long way round");
    assert_eq!(find(&ours, Path::new("/.."), LastLink::Followed).unwrap().kind, FileType::Directory);
}

#[test]
fn names_are_resolved_inside_the_root() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("lib.so"), "x").unwrap();
    symlink("/lib.so", directory.path().join("absolute")).unwrap();
    symlink("../../../../../etc/passwd", directory.path().join("upwards")).unwrap();
    let way = directory.path().to_owned();
    let inside = base(&Root::Host(vec!["/nonexistent".into(), way.clone()])).unwrap();
    let another = |ways| Root::Another { ways, host: "/".into() };
    let unseen = Root::Another { ways: vec!["/usr/..".into()], host: "/nonexistent".into() };
    assert!(base(&unseen).is_err(), "ours is not another");
    assert!(base(&another(vec![])).is_err() && base(&another(vec!["/usr/..".into()])).is_err());
    assert!(base(&another(vec!["/".into(), way])).unwrap().is(&inside));
    for (name, fits) in [
        ("/lib.so", true),
        ("/absolute", true),
        ("/../../../../../../lib.so", true),
        ("/upwards", false),
        ("/etc/passwd", false),
    ] {
        assert_eq!(open(&inside, Path::new(name)).is_ok(), fits, "{name}");
    }
}

#[test]
fn what_others_can_write_is_not_roots() {
    use std::os::unix::fs::PermissionsExt as _;

    let file = tempfile::NamedTempFile::new().unwrap();
    for (mode, want) in [(0o644, true), (0o664, false), (0o646, false)] {
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(is_roots(file.as_file()), want && rustix::process::geteuid().is_root(), "{mode:o}");
    }
}

/// As systemd's RestrictSUIDSGID= does, kernels before 5.6, and other filters that do not know it.
#[test]
fn no_newer_way_to_open_files_is_needed() {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

    let calls = [(i64::from(syscalls::Sysno::openat2.id()), vec![])];
    for error in [rustix::io::Errno::NOSYS, rustix::io::Errno::PERM] {
        let refused = SeccompAction::Errno(error.raw_os_error().unsigned_abs());
        let filter =
            SeccompFilter::new(calls.clone().into(), SeccompAction::Allow, refused, TargetArch::x86_64);
        let program: BpfProgram = filter.unwrap().try_into().unwrap();
        let thread = std::thread::spawn(move || {
            apply_filter(&program).unwrap();
            let flags = rustix::fs::ResolveFlags::BENEATH;
            let newer = rustix::fs::openat2(CWD, "src", OFlags::PATH, Mode::empty(), flags);
            assert_eq!(newer.unwrap_err(), error, "the filter is in force");
            only_regular_files_are_opened_and_nothing_blocks();
            names_are_resolved_inside_the_root();
        });
        thread.join().unwrap();
    }
}
