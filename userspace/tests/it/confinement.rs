//! What the daemon gives up once it has begun, and that everything works without it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use ai_debugger::sandbox::{Step, as_admin, confine_daemon};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::thread::CapabilitySet;

use crate::daemon::{Daemon, Setup};
use crate::faults::Fault;
use crate::requires::{no_kernel_events, skip_if};

/// Anybody but root, and nobody of this machine.
const STRANGER: u32 = 61_234;
const IN_FORCE: CapabilitySet =
    CapabilitySet::SYS_PTRACE.union(CapabilitySet::DAC_READ_SEARCH).union(CapabilitySet::BPF);
const FOR_HELPERS: CapabilitySet =
    CapabilitySet::SETUID.union(CapabilitySet::SETGID).union(CapabilitySet::KILL);

fn not_root() -> Option<&'static str> {
    (!rustix::process::geteuid().is_root()).then_some("only root has privilege to give up")
}

/// The fields of a `status`.
fn status(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

fn set(fields: &BTreeMap<String, String>, name: &str) -> CapabilitySet {
    CapabilitySet::from_bits_retain(u64::from_str_radix(&fields[name], 16).unwrap())
}

/// Every thread there is, by what the kernel says of it.
fn check_threads(daemon: &Daemon) -> usize {
    let mut threads = 0;
    for task in fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap() {
        let fields = status(&task.unwrap().path().join("status"));
        // One that has just ended.
        let Some(name) = fields.get("Name") else { continue };
        let more = if name == "helpers" { FOR_HELPERS } else { CapabilitySet::empty() };
        let (in_force, kept) = (set(&fields, "CapEff"), set(&fields, "CapPrm"));
        assert_eq!(in_force, IN_FORCE | more, "{name}");
        assert_eq!(kept, IN_FORCE | more | CapabilitySet::SYS_ADMIN, "{name}");
        assert_eq!((&*fields["NoNewPrivs"], &*fields["Seccomp"]), ("1", "2"), "{name}");
        threads += 1;
    }
    threads
}

fn step<'a>(steps: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    steps
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == name)
        .unwrap_or_else(|| panic!("{name}: {steps}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_thread_has_only_what_it_goes_on_needing_and_all_of_it_works() {
    skip_if!(not_root());
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).scanning().start();
    check_threads(&daemon);

    // Another user's process: its memory, its descriptors and the kernel's stack of it.
    let fault = Fault::new();
    let mut sleeping = Command::new("/bin/sleep");
    std::os::unix::process::CommandExt::uid(&mut sleeping, STRANGER);
    sleeping.arg("1000").env_clear().env("SHOWN", "yes").stdin(Stdio::null()).stdout(Stdio::null());
    let sleeping = fault.start_command(sleeping);
    let pid = sleeping.pid();
    let seen = daemon
        .wait_until("the stranger's process", async || daemon.get(&format!("/api/v1/processes/{pid}")).await)
        .await;
    assert_eq!(seen["uid"], STRANGER);
    assert!(seen["exe"].as_str().is_some_and(|it| it.contains("sleep") || it.contains("busybox")), "{seen}");
    assert!(seen["fds"].as_u64().is_some_and(|it| it >= 3), "{seen}");
    for (file, want) in [("environ", "SHOWN="), ("maps", "[stack]"), ("stack", "sleep"), ("io", "rchar")] {
        let text = daemon.get(&format!("/proc/{pid}/{file}")).await.expect(file);
        assert!(text.as_str().is_some_and(|it| it.contains(want)), "{file}: {text}");
    }

    // A crash, whose stack the helpers make, who start and end as nobody; and with them every thread has worked.
    fault.run(&["segv"]);
    assert!(daemon.stack_of(&fault.name).await.contains("main"));
    assert!(check_threads(&daemon) > 8, "they have all been started");

    let status = daemon.get("/api/v1/status").await.unwrap();
    let steps = &status["confinement"];
    for name in ["all_threads", "capabilities", "no_new_privs", "system_calls"] {
        assert_eq!(step(steps, name)["in_force"], true, "{steps}");
    }
    let kept = step(steps, "capabilities")["detail"].as_str().unwrap();
    assert!(kept.contains("CAP_SYS_PTRACE") && kept.contains("CAP_SETUID only in the thread"), "{kept}");
    // It is said, not hidden, that root's files are root's.
    let files = step(steps, "files");
    assert_eq!(files["in_force"], false);
    assert!(files["reason"].as_str().unwrap().contains("landlock would hide"), "{files}");
    assert_eq!(step(&status["helpers"]["opener"], "user")["in_force"], true);
    assert!(daemon.terminate().success());
}

/// Done by a thread of this test, for which it is the same: all of it is a thread's own.
fn confined<T: Send>(data_dir: &Path, work: impl FnOnce(Vec<Step>) -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let (mut steps, no_helpers) = confine_daemon(data_dir);
            no_helpers.now(&mut steps);
            work(steps)
        });
        thread.join().unwrap()
    })
}

#[test]
fn what_is_given_up_cannot_be_done_any_more() {
    skip_if!(not_root());
    let (data, foreign) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let theirs = foreign.path().join("theirs");
    fs::write(&theirs, "theirs").unwrap();
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&theirs, Some(STRANGER), Some(STRANGER)).unwrap();
    fs::set_permissions(foreign.path(), fs::Permissions::from_mode(0o700)).unwrap();
    chown(foreign.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    let sleeping = Fault::new().start(&["sleep"]);
    let kernel_stack = format!("/proc/{}/stack", sleeping.pid());
    confined(data.path(), |steps| {
        for step in &steps {
            // This process has other threads, and its files are root's.
            let want = !["all_threads", "files"].contains(&step.name.as_str());
            assert_eq!(step.in_force, want, "{step:?}");
        }
        // Outside of the data folder: another user's file can be read, and neither written nor joined.
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
        let denied = |result: std::io::Result<()>| result.unwrap_err().raw_os_error();
        let (eacces, eperm) = (Some(Errno::ACCESS.raw_os_error()), Some(Errno::PERM.raw_os_error()));
        assert_eq!(denied(fs::write(&theirs, "ours")), eacces);
        assert_eq!(denied(fs::write(foreign.path().join("new"), "ours")), eacces);
        assert_eq!(denied(chown(data.path(), Some(STRANGER), None)), eperm);
        fs::write(data.path().join("ours"), "ours").unwrap();

        // System calls.
        let none = MountFlags::empty();
        assert_eq!(mount("tmpfs", data.path(), "tmpfs", none, None), Err(Errno::PERM));
        assert_eq!(rustix::process::chroot(data.path()), Err(Errno::PERM));
        assert_eq!(rustix::system::sethostname(b"x"), Err(Errno::PERM));
        let fifo = rustix::fs::FileType::Fifo;
        assert_eq!(rustix::fs::mknodat(CWD, data.path().join("fifo"), fifo, Mode::RUSR, 0), Err(Errno::PERM));
        let raw =
            rustix::net::socket(rustix::net::AddressFamily::NETLINK, rustix::net::SocketType::RAW, None);
        assert_eq!(raw.err(), Some(Errno::PERM));
        assert_eq!(
            ai_debugger::probes::try_attach(Path::new(ai_debugger::probes::BTF))
                .iter()
                .find(|it| it.1.is_attached()),
            None
        );
        let output = Command::new("/usr/bin/unshare").args(["--user", "/bin/true"]).output();
        assert!(!output.unwrap().status.success(), "no program it starts gets a namespace");
        let output = Command::new("/bin/cat").arg("/proc/self/status").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("NoNewPrivs:\t1") && text.contains("Seccomp:\t2"), "{text}");

        // A kernel stack, only in the moment for it.
        let stack = || {
            let file = rustix::fs::open(&kernel_stack, OFlags::RDONLY, Mode::empty()).unwrap();
            rustix::io::read(&file, &mut [0_u8; 64][..]).map(|read| read > 0)
        };
        assert_eq!(stack(), Err(Errno::ACCESS));
        let file = as_admin(|| rustix::fs::open(&kernel_stack, OFlags::RDONLY, Mode::empty())).unwrap();
        assert!(rustix::io::read(&file, &mut [0_u8; 64][..]).unwrap() > 0);
        assert_eq!(stack(), Err(Errno::ACCESS), "put down again");
    });
    assert_eq!(
        set(&status(Path::new("/proc/thread-self/status")), "CapEff"),
        everything(),
        "this thread's stay"
    );
}

fn everything() -> CapabilitySet {
    rustix::thread::capabilities(None).unwrap().permitted
}

#[test]
fn a_folder_of_another_user_is_still_written_and_it_is_said() {
    skip_if!(not_root());
    let data = tempfile::tempdir().unwrap();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o700)).unwrap();
    chown(data.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    confined(data.path(), |steps| {
        fs::write(data.path().join("ours"), "ours").unwrap();
        let step = steps.iter().find(|it| it.name == "capabilities").unwrap();
        assert!(step.detail.as_deref().unwrap().contains("CAP_DAC_OVERRIDE"), "{step:?}");
    });
}

#[test]
fn doctor_says_what_is_in_force() {
    skip_if!(not_root());
    let output = Command::new(env!("CARGO_BIN_EXE_ai-debugger"))
        .args(["doctor", "--no-llm"])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for (name, what) in
        [("daemon", "no_new_privs, system_calls"), ("parser", "capabilities"), ("opener", "system_calls")]
    {
        let line = text.lines().find(|it| it.contains(&format!("confinement of the {name} — in force: ")));
        assert!(line.is_some_and(|it| it.starts_with("ok ") && it.contains(what)), "{name}: {text}");
    }
}
