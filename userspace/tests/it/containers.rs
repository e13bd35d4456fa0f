//! Crashes in a container: a pid namespace and a root directory of its own.

use std::fs;
use std::process::Command;

use crate::daemon::Setup;
use crate::faults::{Fault, Limited};
use crate::requires::{no_kernel_events, report_skip, skip_if};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_a_container_is_named_by_the_containers_files() {
    skip_if!(no_kernel_events());
    let limited = match Limited::new(64 << 20) {
        Ok(limited) => limited,
        Err(reason) => {
            return report_skip("a_crash_in_a_container_is_named_by_the_containers_files", &reason);
        }
    };
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let fault = Fault::new();
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let inside = format!("/{}", fault.name);
    fs::copy(&fault.path, root.path().join(&fault.name)).unwrap();
    assert!(!fs::exists(&inside).unwrap(), "the host has no such file");
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "chroot"]).arg(root.path());
    command.args([&inside, "spawn", "segv"]);
    let _container = fault.start_command(limited.joined(&command));
    let incident = daemon.wait_for_incident("crash", &fault.name).await;
    assert_eq!(incident["process"]["exe"], inside.as_str());
    assert!(incident["facts"].to_string().contains("its stack was main"), "{}", incident["facts"]);
}
