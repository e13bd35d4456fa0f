//! Who is looked at closer, on a /proc made of files, and what the limits turn away.

use super::*;

struct Proc {
    root: tempfile::TempDir,
    host: Host,
}

impl Proc {
    fn new() -> Self {
        let host = Host::sample();
        Self { root: tempfile::tempdir().unwrap(), host }
    }

    /// A process with these threads, each with its state; the first is the leader.
    fn process(&self, pid: u32, states: &str) -> SeenProcess {
        for (tid, state) in (pid..).zip(states.chars()) {
            let task = self.root.path().join(format!("{pid}/task/{tid}"));
            fs::create_dir_all(&task).unwrap();
            // Each field is its own number, but for the count of threads.
            let value = |field| if field == 20 { states.len() } else { field };
            let fields: Vec<_> = (4..=52).map(|field| value(field).to_string()).collect();
            let stat = format!("{tid} (x) {state} {}", fields.join(" "));
            fs::write(task.join("stat"), &stat).unwrap();
            let status = "voluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t2\n";
            fs::write(task.join("status"), status).unwrap();
            fs::write(task.join("wchan"), "nfs_wait").unwrap();
            fs::write(task.join("stack"), "[<0>] nfs_wait+0x1/0x2\n[<0>] nfs_read+0x1/0x2\n").unwrap();
            if tid == pid {
                fs::write(self.root.path().join(format!("{pid}/stat")), stat).unwrap();
            }
        }
        crate::scan::measure(self.root.path(), pid, &self.host).unwrap()
    }

    /// One scan that sees these processes: the threads looked at, and how many processes were turned away.
    fn walk(&self, suspects: &mut Suspects, seen: &[SeenProcess]) -> (Vec<u32>, u64) {
        let places = Places { proc_root: self.root.path(), hierarchy: &Hierarchy::None, host: &self.host };
        suspects.begin("/proc".as_ref());
        let looks = seen.iter().filter_map(|seen| suspects.look(places, seen));
        let tids = looks.flat_map(|look| look.threads).map(|thread| thread.tid).collect();
        (tids, suspects.finish())
    }
}

#[test]
fn waiting_threads_are_found_wherever_they_are() {
    let proc = Proc::new();
    let mut suspects = Suspects::default();
    for (pid, states, want) in [
        (10, "D", &[10][..]),
        (20, "S", &[]),
        (30, "SSDS", &[32]),
        (40, "DSDR", &[40, 42]),
        (50, "R", &[]),
        (60, "Z", &[]),
    ] {
        let seen = proc.process(pid, states);
        assert_eq!(proc.walk(&mut suspects, &[seen]), (want.to_vec(), 0), "{states}");
    }
    let kernel_thread = SeenProcess { kernel_thread: true, ..proc.process(70, "D") };
    let reused = SeenProcess { key: ProcessKey { pid: 80, start_ticks: 21 }, ..proc.process(80, "D") };
    let own = SeenProcess {
        key: ProcessKey { pid: std::process::id(), start_ticks: 22 },
        ..proc.process(std::process::id(), "D")
    };
    assert_eq!(proc.walk(&mut suspects, &[kernel_thread, reused, own]), (vec![], 0));
}

#[test]
fn a_waiting_thread_comes_with_what_it_waits_for() {
    let proc = Proc::new();
    let places = Places { proc_root: proc.root.path(), hierarchy: &Hierarchy::None, host: &proc.host };
    let mut suspects = Suspects::default();
    suspects.begin("/proc".as_ref());
    let look = suspects.look(places, &proc.process(10, "D")).unwrap();
    let thread = &look.threads[0];
    assert_eq!((thread.voluntary_switches, thread.involuntary_switches), (Some(7), Some(2)));
    assert_eq!(thread.wchan.as_deref(), Some("nfs_wait"));
    assert_eq!(thread.stack, ["nfs_wait".into(), "nfs_read".into()]);
    assert_eq!((thread.syscall, thread.io, look.frozen), (None, None, false), "not there: not known");
}

#[test]
fn running_threads_of_busy_processes_are_looked_at() {
    let proc = Proc::new();
    let mut suspects = Suspects::default();
    let idle = proc.process(10, "R");
    let mut busy = proc.process(20, "SRR");
    assert_eq!(
        proc.walk(&mut suspects, &[idle.clone(), busy.clone()]),
        (vec![], 0),
        "no past to compare with"
    );
    busy.cpu_ticks += 1_000_000;
    assert_eq!(proc.walk(&mut suspects, &[idle, busy]), (vec![21, 22], 0));
}

#[test]
fn the_limits_of_a_walk() {
    let proc = Proc::new();
    let mut suspects = Suspects::default();
    let waiting: Vec<_> =
        (0..u32::try_from(PROCESSES).unwrap() + 3).map(|i| proc.process(10 + i, "D")).collect();
    let (tids, turned_away) = proc.walk(&mut suspects, &waiting);
    assert_eq!((tids.len(), turned_away), (PROCESSES, 3));

    // Each has a waiting thread and takes more than a third of the room for routine looks: the third has to wait for
    // the next scan, which begins with it.
    let states = format!("S{}D", "S".repeat(ROUTINE_THREADS * 2 / 5 - 2));
    let last = u32::try_from(states.len()).unwrap() - 1;
    let crowds = [10_000, 20_000, 30_000].map(|pid| proc.process(pid, &states));
    let mut suspects = Suspects::default();
    assert_eq!(proc.walk(&mut suspects, &crowds).0, [10_000 + last, 20_000 + last]);
    let all = [10_000 + last, 20_000 + last, 30_000 + last];
    assert_eq!(proc.walk(&mut suspects, &crowds).0, all, "those that wait are looked at all the same");
}
