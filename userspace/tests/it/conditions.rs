//! What only the scans of /proc can see: zombies, descriptors, memory close to its limit.

use crate::daemon::Setup;
use crate::faults::{Fault, Limited};
use crate::requires::{no_kernel_events, report_skip, skip_if};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_that_does_not_reap_is_named() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).scanning().variable("AI_DEBUGGER_DETECT_ZOMBIE_AGE", "1s").start();
    let (many, few) = (Fault::new(), Fault::new());
    let _few = few.start(&["zombies", "9"]);
    let parent = many.start(&["zombies", "10"]);
    let incident = daemon.wait_for_incident("zombie_pileup", &many.name).await;
    assert_eq!(incident["process"]["pid"], parent.pid());
    assert!(daemon.incidents_of(&few.name).await.is_empty(), "nine are not a pile-up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_close_to_its_descriptor_limit_is_named() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).scanning().start();
    let (hungry, modest) = (Fault::new(), Fault::new());
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1024);
    skip_if!(
        (limit > 65_536).then(|| format!("the limit of {limit} descriptors is too high to come close to"))
    );
    let _modest = modest.start(&["open-many", &(limit / 2).to_string()]);
    let process = hungry.start(&["open-many", &limit.to_string()]);
    let incident = daemon.wait_for_incident("fd_exhaustion", &hungry.name).await;
    assert_eq!(incident["process"]["pid"], process.pid());
    assert!(daemon.incidents_of(&modest.name).await.is_empty(), "half of the limit is enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cgroup_close_to_its_memory_limit_is_named_with_its_largest_process() {
    skip_if!(no_kernel_events());
    let limited = match Limited::new(64 << 20) {
        Ok(limited) => limited,
        Err(reason) => return report_skip("a_cgroup_close_to_its_memory_limit_is_named", &reason),
    };
    let data = tempfile::tempdir().unwrap();
    let daemon =
        Setup::new(data.path()).scanning().variable("AI_DEBUGGER_DETECT_MEMORY_PERCENT", "60").start();
    let fault = Fault::new();
    let command = limited.command(&fault, &["hold", "48"]);
    let process = fault.start_command(command);
    let incident = daemon.wait_for_incident("memory_pressure", &fault.name).await;
    assert_eq!(incident["process"]["pid"], process.pid());
    assert_eq!(incident["process"]["cgroup"], limited.path);
    assert!(incident["facts"].to_string().contains("64.0 MiB"), "{}", incident["facts"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_hangs_is_named_with_what_it_waits_for() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).scanning().variable("AI_DEBUGGER_DETECT_HUNG_AFTER", "1s").start();
    let (hung, asleep) = (Fault::new(), Fault::new());
    let _asleep = asleep.start(&["sleep"]);
    let process = hung.start(&["hung-thread"]);
    let incident = daemon.wait_for_incident("hung_task", &hung.name).await;
    assert_eq!(incident["process"]["pid"], process.pid());
    let facts = incident["facts"].to_string();
    assert!(facts.contains("vfork()") && facts.contains("its thread"), "{facts}");
    let cause = incident["verdict"]["probable_cause"].to_string();
    assert!(cause.contains("vfork(2)"), "{cause}");
    assert!(daemon.incidents_of(&asleep.name).await.is_empty(), "an idle process is not hung");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_spins_is_named_and_one_that_works_is_not() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).scanning().variable("AI_DEBUGGER_DETECT_SPIN_WINDOW", "1s").start();
    let (spins, works) = (Fault::new(), Fault::new());
    let _works = works.start(&["spin-and-write"]);
    let process = spins.start(&["spin"]);
    let incident = daemon.wait_for_incident("cpu_spin", &spins.name).await;
    assert_eq!(incident["process"]["pid"], process.pid());
    assert!(incident["facts"].to_string().contains("in user mode"), "{}", incident["facts"]);
    assert!(daemon.incidents_of(&works.name).await.is_empty(), "it writes what it computes");
}
