//! Reads on a fixture, and their bounds.

use std::fs;
use std::sync::mpsc;

use super::*;

fn stat(name: &str, start_ticks: u64) -> String {
    format!("42 ({name}) S 1 {}{start_ticks} 1 2 3\n", "0 ".repeat(17))
}

fn fixture() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("42")).unwrap();
    fs::write(root.path().join("42/stat"), stat("a", 7)).unwrap();
    fs::write(root.path().join("42/comm"), "a\n").unwrap();
    root
}

#[test]
fn the_start_time_is_found_behind_any_name() {
    let root = fixture();
    for name in ["a", "a b", "a) S 1 2 3", "(((", ")", ") R 1 ) (", ""] {
        fs::write(root.path().join("42/stat"), stat(name, 204_626)).unwrap();
        assert_eq!(ProcessFolder::open(root.path(), 42).unwrap().start_ticks, 204_626, "{name}");
    }
    for broken in ["", "42 (a) S 1", "42 (a"] {
        fs::write(root.path().join("42/stat"), broken).unwrap();
        assert!(matches!(file(root.path(), 42, "comm", None), Err(Refusal::Gone)), "{broken:?}");
    }
}

#[test]
fn a_pid_that_was_reused_is_gone() {
    let root = fixture();
    let process = ProcessFolder::open(root.path(), 42).unwrap();
    assert_eq!(process.file("comm", 9, None).unwrap().body, b"a\n");
    fs::write(root.path().join("42/stat"), stat("a", 8)).unwrap();
    assert_eq!(process.file("comm", 9, None), Err(Refusal::Gone));
    fs::remove_file(root.path().join("42/stat")).unwrap();
    assert_eq!(process.file("comm", 9, None), Err(Refusal::Gone));
}

#[test]
fn the_directory_that_was_opened_is_the_one_that_is_read() {
    let root = fixture();
    let process = ProcessFolder::open(root.path(), 42).unwrap();
    fs::rename(root.path().join("42"), root.path().join("43")).unwrap();
    fs::create_dir(root.path().join("42")).unwrap();
    fs::write(root.path().join("42/stat"), stat("a", 7)).unwrap();
    fs::write(root.path().join("42/comm"), "other\n").unwrap();
    assert_eq!(process.file("comm", 9, None).unwrap().body, b"a\n");
}

#[test]
fn reads_are_capped() {
    let root = fixture();
    let process = ProcessFolder::open(root.path(), 42).unwrap();
    for (max, body, truncated) in
        [(3, b"a\n".as_slice(), false), (2, b"a\n", false), (1, b"a", true), (0, b"", true)]
    {
        assert_eq!(process.file("comm", max, None), Ok(Content { body: body.into(), truncated }), "{max}");
    }
}

#[test]
fn no_link_is_followed_and_no_pipe_waited_for() {
    let root = fixture();
    let at = |name: &str| root.path().join("42").join(name);
    std::os::unix::fs::symlink("/etc/passwd", at("maps")).unwrap();
    std::os::unix::fs::symlink("comm", at("limits")).unwrap();
    std::os::unix::fs::symlink("/proc/self/root", at("cgroup")).unwrap();
    for name in ["maps", "limits", "cgroup"] {
        assert_eq!(file(root.path(), 42, name, None), Err(Refusal::NotPlain), "{name}");
    }
    rustix::fs::mknodat(CWD, at("stack"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert_eq!(file(root.path(), 42, "stack", None).unwrap().body, b"");
}

#[tokio::test(start_paused = true)]
async fn reads_that_hang_are_given_up_and_their_number_is_bounded() {
    let metrics = Metrics::new();
    let proc = Arc::new(Proc::new("/nonexistent".into(), Arc::clone(&metrics)));
    let mut hold = Vec::new();
    let mut hang = || {
        let (release, released) = mpsc::channel::<()>();
        hold.push(release);
        let proc = Arc::clone(&proc);
        tokio::spawn(async move {
            proc.read(move |_| released.recv().is_err()).await.map_err(|it| it.status.as_u16())
        })
    };
    let hanging: Vec<_> = (0..MAX_READS).map(|_| hang()).collect();
    while proc.reads.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let beyond = hang();
    tokio::task::yield_now().await;
    tokio::time::advance(READ_DEADLINE).await;
    for each in hanging {
        assert_eq!(each.await.unwrap(), Err(504));
    }
    assert_eq!(beyond.await.unwrap(), Err(503));
    assert_eq!(metrics.turned_away.get_or_create(&LimitLabel { limit: "http_proc_reads" }).get(), 1);
    // The requests are gone, the reads are not: there is room only when they end.
    assert_eq!(proc.reads.available_permits(), 0);
    drop(hold);
    assert_eq!(proc.read(Path::to_owned).await, Ok("/nonexistent".into()));
}
