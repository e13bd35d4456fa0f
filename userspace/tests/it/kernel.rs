//! What the kernel side delivers, read as the daemon reads it, without the daemon around it.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ai_debugger::health::Health;
use ai_debugger::host::Host;
use ai_debugger::metrics::Metrics;
use ai_debugger::observation::{FatalSignal, KernelExit, KernelProcess, Observation, PeakRss};
use ai_debugger::probes::{self, ProbeOptions};
use tokio::sync::mpsc;

use crate::faults::{Fault, Limited};
use crate::requires::{no_kernel_events, skip_if};

/// Attached probes and what they sent.
pub(crate) struct ProbeWatch {
    pub(crate) probes: probes::Probes,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) batches: mpsc::Receiver<Vec<Observation>>,
}

impl ProbeWatch {
    pub(crate) async fn start(options: ProbeOptions, room: usize) -> Self {
        let (sender, batches) = mpsc::channel(room);
        let metrics = Metrics::new();
        let host = Host::read(Path::new("/proc"));
        let probes = probes::start(options, host, sender, Arc::clone(&metrics), &Health::default()).await;
        Self { probes: probes.expect("the hooks can be attached"), metrics, batches }
    }

    /// Detaches and returns everything that was seen.
    pub(crate) async fn finish(mut self) -> (Vec<Observation>, Arc<Metrics>) {
        let stopping = tokio::spawn(self.probes.stop());
        let mut seen = Vec::new();
        while let Some(batch) = self.batches.recv().await {
            seen.extend(batch);
        }
        stopping.await.unwrap();
        (seen, self.metrics)
    }
}

pub(crate) const ROOMY: ProbeOptions = ProbeOptions {
    grave_bytes: 1 << 20,
    common_bytes: 16 << 20,
    crash_bytes: 1 << 20,
    log: false,
    btf: None,
    proc_root: None,
};

fn execs(seen: &[Observation]) -> HashMap<u32, &KernelProcess> {
    let execs = seen.iter().filter_map(|it| match it {
        Observation::Exec(process) => Some((process.key.pid, process)),
        _ => None,
    });
    execs.collect()
}

fn exits(seen: &[Observation], pid: u32) -> Vec<&KernelExit> {
    let exits = seen.iter().filter_map(|it| match it {
        Observation::Exit(exit) if exit.process.key.pid == pid => Some(exit),
        _ => None,
    });
    exits.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_processes_of_under_a_millisecond_are_seen_with_argv_both_ways() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let fault = Fault::new();
    let ran = tokio::task::spawn_blocking(move || {
        let run = |number: usize| {
            let began = Instant::now();
            let tag = format!("tag-{number}");
            let ended = fault.run(&["quick", &(number % 256).to_string(), &tag]);
            assert_eq!(ended.status.code(), Some(i32::try_from(number % 256).unwrap()));
            (ended.pid, tag, fault.path.clone(), began.elapsed())
        };
        (0..1000).map(run).collect::<Vec<_>>()
    })
    .await
    .unwrap();
    let (seen, _) = watch.finish().await;
    let execs = execs(&seen);
    for (number, (pid, tag, path, _)) in ran.iter().enumerate() {
        let mut argv = Vec::new();
        for argument in [path.to_str().unwrap(), "quick", &(number % 256).to_string(), tag] {
            argv.extend_from_slice(argument.as_bytes());
            argv.push(0);
        }
        let exec = execs.get(pid).unwrap_or_else(|| panic!("no exec of {tag}"));
        assert_eq!(&*exec.argv, argv, "argv at exec of {tag}");
        assert_eq!(exec.exe.as_deref(), Some(path.as_os_str().as_encoded_bytes()));
        let exits = exits(&seen, *pid);
        assert_eq!(exits.len(), 1, "exits of {tag}");
        assert_eq!(exits[0].exit_code, Some(u32::try_from(number % 256).unwrap() << 8));
        assert_eq!(exits[0].process.key, exec.key);
        // Before 6.16 the memory is gone at exit, and argv is the exec's.
        if !exits[0].process.argv.is_empty() {
            assert_eq!(&*exits[0].process.argv, argv, "argv at exit of {tag}");
        }
    }
    let mut lives: Vec<_> = ran
        .iter()
        .map(|(pid, ..)| exits(&seen, *pid)[0])
        .map(|exit| exit.process.at.saturating_sub(exit.process.started))
        .collect();
    lives.sort();
    println!("median life {:?}, shortest {:?}", lives[lives.len() / 2], lives[0]);
    assert!(lives[0] < Duration::from_millis(1), "no process lived under a millisecond: {:?}", lives[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_ends_first_is_one_exit_at_the_groups_real_end() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let fault = Fault::new();
    let ended = tokio::task::spawn_blocking(move || fault.run(&["leader-first", "7"])).await.unwrap();
    let (seen, _) = watch.finish().await;
    let exits = exits(&seen, ended.pid);
    assert_eq!(exits.len(), 1);
    assert_eq!(ended.status.code(), Some(7));
    assert_eq!(exits[0].exit_code, Some(7 << 8), "the group's code, not the leader's");
    let lived = exits[0].process.at.saturating_sub(exits[0].process.started);
    assert!(lived >= Duration::from_millis(300), "reported when the leader ended, after {lived:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn causes_and_usage_are_what_wait_says() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let fault = Fault::new();
    let ran = tokio::task::spawn_blocking(move || {
        [
            ("quick", "0", 0u32),
            ("quick", "255", 255 << 8),
            ("segv", "", 11),
            ("abort", "", 6),
            ("handled-segv", "", 0),
        ]
        .map(|(mode, number, code)| (fault.run(&[mode, number]).pid, code, mode))
    })
    .await
    .unwrap();
    let (seen, _) = watch.finish().await;
    for (pid, code, mode) in ran {
        let exit = exits(&seen, pid)[0];
        // The core bit depends on this machine's core_pattern and limits.
        assert_eq!(exit.exit_code.map(|it| it & !0x80), Some(code), "{mode}");
        assert!(!exit.oom_killed, "{mode}");
        // Absent where the life was too short for the scheduler to account for; never zero.
        assert!(exit.cpu_ns.is_none_or(|ns| ns > 0 && ns < 5_000_000_000), "{mode}: {:?}", exit.cpu_ns);
        assert_eq!(exit.process.parent.pid, std::process::id(), "{mode}");
        assert!(!exit.process.kernel_thread);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_is_that_of_the_program_and_not_of_what_was_there_before_its_exec() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    // This process is far larger than the helper, and the helper's first moments share its memory.
    let ballast = vec![1_u8; 64 << 20];
    let fault = Fault::new();
    let ran =
        tokio::task::spawn_blocking(move || (fault.run(&["burn", "20"]).pid, fault.run(&["quick", "0"]).pid));
    let (burned, quick) = ran.await.unwrap();
    drop(ballast);
    let (seen, _) = watch.finish().await;
    let burned = exits(&seen, burned)[0];
    assert!(burned.cpu_ns.is_some_and(|ns| ns > 50_000_000), "{:?}", burned.cpu_ns);
    if let Some(PeakRss::OfImage(pages)) = burned.process.peak_rss {
        assert!(pages > (20 << 20) / 4096 && pages < (40 << 20) / 4096, "{pages} pages");
    }
    if let Some(PeakRss::OfImage(pages)) = exits(&seen, quick)[0].process.peak_rss {
        assert!(pages > 0 && pages < (8 << 20) / 4096, "{pages} pages");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_argv_is_cut_and_says_so() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let long = "x".repeat(10_000);
    let fault = Fault::new();
    let ended = tokio::task::spawn_blocking(move || fault.run(&["quick", "0", &long])).await.unwrap();
    let (seen, _) = watch.finish().await;
    let exec = execs(&seen)[&ended.pid];
    assert_eq!((exec.argv.len(), exec.argv_cut), (4095, true));
    assert!(exec.argv.ends_with(b"xxxx"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_arguments_that_are_not_utf_8_come_through() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let hostile = [OsStr::from_bytes(b"\xff\xfe\x1b[31m"), OsStr::from_bytes(b"$(reboot)\n")];
    let pid = tokio::task::spawn_blocking(move || {
        let mut child = Command::new("/bin/true").args(hostile).spawn().unwrap();
        child.wait().unwrap();
        child.id()
    })
    .await
    .unwrap();
    let (seen, _) = watch.finish().await;
    assert_eq!(&*execs(&seen)[&pid].argv, b"/bin/true\0\xff\xfe\x1b[31m\0$(reboot)\n\0");
}

fn crashes(seen: &[Observation], pid: u32) -> Vec<&FatalSignal> {
    let crashes = seen.iter().filter_map(|it| match it {
        Observation::Signal(crash) if crash.key.pid == pid => Some(&**crash),
        _ => None,
    });
    crashes.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_is_captured_with_registers_stack_and_load_map() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let fault = Fault::new();
    let ran = tokio::task::spawn_blocking(move || {
        let dynamic = Command::new("/bin/sh").args(["-c", "kill -SEGV $$"]).status().unwrap();
        assert!(!dynamic.success());
        let victim = fault.start(&["sleep"]);
        victim.kill(rustix::process::Signal::SEGV);
        [("segv", fault.run(&["segv"])), ("abort", fault.run(&["abort"])), ("killed", victim.wait())]
            .map(|(what, ended)| (what, ended.pid))
            .into_iter()
            .chain([("handled", fault.run(&["handled-segv"]).pid)])
            .collect::<HashMap<_, _>>()
    })
    .await
    .unwrap();
    let (seen, metrics) = watch.finish().await;
    assert_eq!(metrics.coverage.lost_total(), 0);

    let [segv] = crashes(&seen, ran["segv"])[..] else { panic!("one crash") };
    // SEGV_MAPERR at the address that fault.c writes to (sigaction(2)).
    assert_eq!((segv.signal, segv.code, segv.fault_address), (11, Some(1), Some(8)));
    assert_eq!((segv.sender.key.pid, segv.tid), (ran["segv"], ran["segv"]));
    let capture = segv.capture.as_ref().unwrap();
    let registers = capture.registers.unwrap();
    let (ip, sp) = (registers[16], registers[19]);
    assert!(ip > 0x1000 && sp > 0x1000, "{ip:#x} {sp:#x}");
    assert!(capture.stack.len() > 500, "{} bytes of stack", capture.stack.len());
    assert!(!capture.frames.is_empty());
    assert_eq!(capture.modules, [], "a static program has no load map");

    let [abort] = crashes(&seen, ran["abort"])[..] else { panic!("one crash") };
    assert_eq!((abort.signal, abort.fault_address), (6, None));
    // SI_TKILL: raise(3) is a tgkill to itself.
    assert_eq!((abort.code, abort.sender.key.pid), (Some(-6), ran["abort"]));
    assert!(abort.capture.is_some());

    let [killed] = crashes(&seen, ran["killed"])[..] else { panic!("one signal") };
    assert_eq!((killed.signal, killed.code, killed.sender.key.pid), (11, Some(0), std::process::id()));
    assert_eq!(killed.capture, None, "its stack is not the sender's");
    assert_eq!(crashes(&seen, ran["handled"]), [] as [&FatalSignal; 0], "it has a handler");
    // Each comes before the end it leads to.
    for what in ["segv", "abort", "killed"] {
        assert!(crashes(&seen, ran[what])[0].at <= exits(&seen, ran[what])[0].process.at);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_load_map_of_a_dynamic_program_is_read_from_its_own_memory() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let pid = tokio::task::spawn_blocking(|| {
        // A shell that kills itself: the signal comes from its own context.
        let mut child = Command::new("/bin/sh").args(["-c", "kill -SEGV $$"]).spawn().unwrap();
        child.wait().unwrap();
        child.id()
    })
    .await
    .unwrap();
    let (seen, _) = watch.finish().await;
    let capture = crashes(&seen, pid)[0].capture.as_ref().unwrap();
    let names: Vec<_> = capture.modules.iter().map(|(_, name)| String::from_utf8_lossy(name)).collect();
    assert_eq!(names[0], "", "the executable comes first");
    assert!(names.iter().any(|name| name.contains("libc.so")), "{names:?}");
    assert!(capture.vdso.is_some() && capture.entry.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_are_counted_as_they_were_when_the_end_began() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let fault = Fault::new();
    let ran = tokio::task::spawn_blocking(move || {
        [("threads", "7", 8), ("quick", "0", 1)]
            .map(|(mode, number, want)| (fault.run(&[mode, number]).pid, want))
    });
    let ran = ran.await.unwrap();
    let (seen, _) = watch.finish().await;
    for (pid, want) in ran {
        assert_eq!(exits(&seen, pid)[0].threads, Some(want));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_may_matter_tells_its_cgroup_also_when_that_is_gone() {
    skip_if!(no_kernel_events());
    let limited = Limited::new(64 << 20);
    skip_if!(limited.as_ref().err());
    let limited = limited.unwrap();
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let (fault, path) = (Fault::new(), limited.path.clone());
    let ran = tokio::task::spawn_blocking(move || {
        let join = |args: &[&str]| fault.start_command(limited.command(&fault, args)).wait().pid;
        let ran = [join(&["segv"]), join(&["quick", "3"]), join(&["quick", "0"]), fault.run(&["segv"]).pid];
        drop(limited);
        ran
    });
    let ran = ran.await.unwrap();
    let (seen, _) = watch.finish().await;
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = ai_debugger::cgroup::of_process(&own);
    for (pid, want) in ran.into_iter().zip([Some(path.as_str()), Some(&path), None, own]) {
        let exit = exits(&seen, pid)[0];
        assert_eq!(exit.cgroup.as_deref(), want, "{:?}", exit.exit_code);
    }
}
