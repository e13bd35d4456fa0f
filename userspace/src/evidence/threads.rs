//! What the threads of a process do, as evidence: state, kernel function and name of each, and the kernel stacks of
//! those that wait in state D.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::file::{FILE_MAX, read};
use crate::model::EvidenceFile;
use crate::text;

/// Most threads listed with state and wait channel.
const LISTED: usize = 256;
/// Most kernel stacks kept.
const STACKS: usize = 4;

struct Thread {
    tid: u32,
    state: char,
    comm: String,
    wchan: String,
}

/// The list and the stacks of the process in `directory`; nothing of one with a single thread, whose own files say
/// it all.
pub(super) fn of_process(directory: &Path) -> Vec<EvidenceFile> {
    let tids = fs::read_dir(directory.join("task")).into_iter().flatten().flatten();
    let mut tids: Vec<u32> = tids.filter_map(|it| it.file_name().to_str()?.parse().ok()).collect();
    if tids.len() < 2 {
        return Vec::new();
    }
    tids.sort_unstable();
    let mut threads: Vec<_> = tids.iter().take(LISTED).filter_map(|tid| thread(directory, *tid)).collect();
    threads.sort_by_key(|it| ("DR".find(it.state).unwrap_or(2), it.tid));
    let stacks = threads.iter().filter(|it| it.state == 'D').take(STACKS).filter_map(|thread| {
        let path = directory.join("task").join(thread.tid.to_string()).join("stack");
        read(&path, format!("stack.{}", thread.tid), "proc:task/stack".to_owned()).ok()
    });
    let mut files = vec![list(&threads, tids.len() > LISTED)];
    files.extend(stacks.filter(|it| !it.body.is_empty()));
    files
}

fn thread(directory: &Path, tid: u32) -> Option<Thread> {
    let task = directory.join("task").join(tid.to_string());
    let stat = fs::read(task.join("stat")).ok()?;
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let state = stat[after_name..].iter().find(|byte| !byte.is_ascii_whitespace())?;
    let comm = fs::read(task.join("comm")).ok()?;
    let wchan = fs::read_to_string(task.join("wchan")).unwrap_or_default();
    Some(Thread {
        tid,
        state: char::from(*state),
        comm: text::printable(String::from_utf8_lossy(&comm).trim_end_matches('\n')),
        wchan: if wchan.is_empty() { "0".to_owned() } else { text::printable(&wchan) },
    })
}

fn list(threads: &[Thread], cut: bool) -> EvidenceFile {
    let line = |it: &Thread| format!("{} {} {} {}\n", it.tid, it.state, it.wchan, it.comm);
    let mut body = threads.iter().map(line).collect::<String>().into_bytes();
    let truncated = cut || body.len() > FILE_MAX;
    body.truncate(FILE_MAX);
    EvidenceFile {
        name: "threads".to_owned(),
        source: "proc:task".to_owned(),
        taken_at: Timestamp::now(),
        body,
        truncated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_threads_come_first_with_their_stacks() {
        let root = tempfile::tempdir().unwrap();
        let task = |tid: &str, state: char, comm: &str, wchan: &str| {
            let directory = root.path().join("task").join(tid);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("stat"), format!("{tid} (x) S) {state} 1 2")).unwrap();
            fs::write(directory.join("comm"), format!("{comm}\n")).unwrap();
            fs::write(directory.join("wchan"), wchan).unwrap();
            fs::write(directory.join("stack"), format!("[<0>] {wchan}+0x1/0x2\n")).unwrap();
        };
        task("5", 'S', "main", "futex_wait");
        assert!(of_process(root.path()).is_empty(), "one thread");
        task("6", 'D', "io\n7 D x", "nfs_wait");
        task("7", 'R', "busy", "0");
        let files = of_process(root.path());
        let names: Vec<_> = files.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["threads", "stack.6"]);
        let want = "6 D nfs_wait io 7 D x\n7 R 0 busy\n5 S futex_wait main\n";
        assert_eq!(String::from_utf8_lossy(&files[0].body), want);
    }
}
