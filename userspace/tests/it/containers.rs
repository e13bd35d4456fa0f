//! Crashes in a container: a pid namespace and a root directory of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ai_debugger::children::{Nursery, Share, Toucher};
use ai_debugger::health::Health;
use ai_debugger::metrics::Metrics;
use ai_debugger::monitor;
use prometheus_client::metrics::counter::Counter;

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

/// Waits for what is behind `--`, as conmon does.
const CONMON: &str = "#include <string.h>\n#include <sys/wait.h>\n#include <unistd.h>\n\
    int main(int argc, char **argv) {\n\
        int at = 1;\n\
        while (at < argc && strcmp(argv[at], \"--\") != 0) at++;\n\
        if (fork() == 0) { execv(argv[at + 1], argv + at + 1); _exit(127); }\n\
        wait(0);\n\
        sleep(3);\n\
        return 0; }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_called_what_its_runtime_calls_it() {
    skip_if!(no_kernel_events());
    let id = format!("{:064x}", u64::from(std::process::id()) + (1 << 60));
    let limited = match Limited::named(64 << 20, &format!("libpod-{id}.scope")) {
        Ok(limited) => limited,
        Err(reason) => return report_skip("a_container_is_called_what_its_runtime_calls_it", &reason),
    };
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(folder.path().join("conmon.c"), CONMON).unwrap();
    let conmon = folder.path().join("conmon");
    let compiled = Command::new("cc").arg("-o").arg(&conmon).arg(folder.path().join("conmon.c")).status();
    assert!(compiled.unwrap().success());
    let fault = Fault::new();
    let mut command = Command::new(&conmon);
    command.args(["-c", &id, "-n", "web-\u{1b}[2J1", "-b", "/nonexistent", "--"]);
    let inside = limited.command(&fault, &["segv"]);
    command.arg(inside.get_program()).args(inside.get_args());
    command.current_dir(folder.path());
    let _container = fault.start_command(command);
    let incident = daemon.wait_for_incident("crash", &fault.name).await;
    assert_eq!(incident["process"]["container_id"], id.as_str());
    assert_eq!(incident["process"]["container"]["runtime"], "podman", "{incident}");
    let title = incident["title"].as_str().unwrap();
    assert!(title.ends_with(" in container web-\u{fffd}[2J1"), "{title}");
    let facts = incident["facts"].as_array().unwrap();
    let fact = facts.iter().find(|it| it["data"]["type"] == "container").unwrap();
    assert_eq!(fact["source"], "runtime:podman");
}

/// By a helper, as the daemon has it read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_runtime_wrote_is_read_by_a_helper_if_it_is_roots() {
    skip_if!((!rustix::process::geteuid().is_root()).then_some("files have to be root's"));
    let (host, proc_root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(proc_root.path().join("1")).unwrap();
    symlink(host.path(), proc_root.path().join("1/root")).unwrap();
    let metrics = Metrics::new();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_ai-debugger"));
    let nursery = Nursery::new(program, Arc::clone(&metrics), Health::default());
    let toucher = Toucher::new(&nursery, Share::of(None));
    let write = |id: &str, image: &str| {
        let folder = host.path().join("var/lib/docker/containers").join(id);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("config.v2.json");
        let padding = "x".repeat(100_000);
        let config = format!(r#"{{"Name":"/web","Config":{{"Image":"{image}"}},"Padding":"{padding}"}}"#);
        fs::write(&path, config).unwrap();
        path
    };
    let (good, open_to_all, huge) = ("a".repeat(64), "b".repeat(64), "c".repeat(64));
    write(&good, "nginx:1.25");
    fs::set_permissions(write(&open_to_all, "evil"), std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .unwrap();
    fs::OpenOptions::new().append(true).open(write(&huge, "x")).unwrap().set_len(1 << 30).unwrap();
    let mut containers = monitor::containers(proc_root.path(), Some(&toucher), Counter::default());
    let mut image = async |id: &str| {
        let of = |path: &str| Some(path.trim_start_matches("/docker/").to_owned());
        let container = containers.of(&format!("/docker/{id}").into(), [7, 1], of).unwrap();
        container.settled(Duration::from_secs(120)).await.and_then(|it| it.image)
    };
    assert_eq!(image(&good).await.as_deref(), Some("nginx:1.25"));
    assert_eq!(image(&open_to_all).await, None);
    assert_eq!(image(&huge).await, None);
}
