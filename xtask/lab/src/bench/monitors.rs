//! The other monitors, as Debian packages them, and how each one's lines say what it saw.

use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::process;

use super::load::NOOP;
use crate::running::guarded;

/// What one line reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Exec,
    Exit,
}

pub(super) struct OtherMonitor {
    pub(super) name: &'static str,
    /// The name of Debian's package.
    pub(super) package: &'static str,
    args: &'static [&'static str],
    /// What its lines report.
    pub(super) kinds: &'static [Kind],
    kind: fn(&str) -> Option<Kind>,
}

const BOTH: &[Kind] = &[Kind::Exec, Kind::Exit];
const TWO_TRACEPOINTS: &str = r#"
    tracepoint:sched:sched_process_exec { printf("exec %d %s\n", pid, comm); }
    tracepoint:sched:sched_process_exit /pid == tid/ { printf("exit %d %s\n", pid, comm); }"#;

/// The monitors to compare with.
pub(super) const ALL: [OtherMonitor; 5] = [
    OtherMonitor {
        name: "execsnoop",
        package: "libbpf-tools",
        args: &[],
        kinds: &[Kind::Exec],
        kind: |_| Some(Kind::Exec),
    },
    OtherMonitor {
        name: "exitsnoop",
        package: "libbpf-tools",
        args: &[],
        kinds: &[Kind::Exit],
        kind: |_| Some(Kind::Exit),
    },
    OtherMonitor {
        name: "bpftrace",
        package: "bpftrace",
        args: &["-e", TWO_TRACEPOINTS],
        kinds: BOTH,
        kind: by_word,
    },
    OtherMonitor {
        name: "forkstat",
        package: "forkstat",
        args: &["-e", "exec,exit"],
        kinds: BOTH,
        kind: by_word,
    },
    OtherMonitor {
        name: "extrace",
        package: "extrace",
        args: &[],
        kinds: &[Kind::Exec],
        kind: |_| Some(Kind::Exec),
    },
];

/// What a peer's output says of a storm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MonitorSaw {
    pub(super) execs: u64,
    pub(super) exits: u64,
    /// Lines with the processes' argument in them.
    pub(super) with_argv: u64,
}

impl OtherMonitor {
    /// The program; `None` where it is not installed.
    pub(super) fn find(&self) -> Option<PathBuf> {
        let sbin = Path::new("/usr/sbin").join(self.name);
        process::find_in_path(self.name).or_else(|| Some(sbin).filter(|it| process::is_program(it)))
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = guarded(program);
        command.args(self.args);
        command
    }

    /// Counts the lines about the storm's processes.
    pub(super) fn seen(&self, output: &str, mark: &str) -> MonitorSaw {
        let mut seen = MonitorSaw::default();
        // exitsnoop and the kernel cut names at 15 bytes, which this one is below.
        for line in output.lines().filter(|line| line.contains(NOOP)) {
            match (self.kind)(line) {
                Some(Kind::Exec) => seen.execs += 1,
                Some(Kind::Exit) => seen.exits += 1,
                None => continue,
            }
            seen.with_argv += u64::from(line.contains(mark));
        }
        seen
    }
}

fn by_word(line: &str) -> Option<Kind> {
    line.split_whitespace().take(2).find_map(|word| match word {
        "exec" => Some(Kind::Exec),
        "exit" => Some(Kind::Exit),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_each_peer() {
        let check = |name: &str, output: &str, execs: u64, exits: u64, with_argv: u64| {
            let peer = ALL.iter().find(|it| it.name == name).unwrap();
            assert_eq!(peer.seen(output, "mark7"), MonitorSaw { execs, exits, with_argv }, "{name}");
        };
        let execsnoop = "PCOMM            PID    PPID   RET ARGS\n\
                         bench-noop       9      8        0 /b/bench-noop mark7\n\
                         true             9      8        0 /bin/true mark7\n";
        check("execsnoop", execsnoop, 1, 0, 1);
        let exitsnoop = "PCOMM            PID     PPID    TID     AGE(s)  EXIT_CODE\n\
                         bench-noop       12886   12444   12886   0.00    0\n";
        check("exitsnoop", exitsnoop, 0, 1, 0);
        check("bpftrace", "exec 5 bench-noop\nexit 5 bench-noop\nexit 6 sh\n", 1, 1, 0);
        let forkstat = "Time     Event   PID Info   Duration Process\n\
                        01:49:00 exec  13035                 /b/bench-noop mark7\n\
                        01:49:00 exit  13035      0   0.002s /b/bench-noop mark7\n\
                        01:49:00 exit  13036      0 unknown <unknown>\n";
        check("forkstat", forkstat, 1, 1, 2);
        check("extrace", "  13373 /b/bench-noop mark7\n13050 mkdir -p\n", 1, 0, 1);
    }
}
