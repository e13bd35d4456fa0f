//! What a request below `/proc/` may name. Decided on the path as it came, before anybody decodes anything:
//! a pid, and at most one name from a list. No text of the client's reaches the file system.

use crate::http::error::Error;
use crate::text;

/// Files that are served: small, plain, and cheap for the process they tell of.
/// `maps` and `auxv` show addresses, to whoever holds the key: crashes can't be read without them.
/// `smaps_rollup` is here and `smaps` is not: it too walks the page tables, but lets go of the process's memory
/// lock when the process wants it (kernel fs/proc/task_mmu.c since 5.10), and it is a dozen lines.
const SERVED: [&str; 43] = [
    "arch_status",
    "autogroup",
    "auxv",
    "cgroup",
    "cmdline",
    "comm",
    "coredump_filter",
    "cpu_resctrl_groups",
    "cpuset",
    "environ",
    "gid_map",
    "io",
    "ksm_merging_pages",
    "ksm_stat",
    "latency",
    "limits",
    "loginuid",
    "maps",
    "mountinfo",
    "mounts",
    "mountstats",
    "oom_adj",
    "oom_score",
    "oom_score_adj",
    "patch_state",
    "personality",
    "projid_map",
    "sched",
    "schedstat",
    "seccomp_cache",
    "sessionid",
    "setgroups",
    "smaps_rollup",
    "stack",
    "stat",
    "statm",
    "status",
    "syscall",
    "timens_offsets",
    "timers",
    "timerslack_ns",
    "uid_map",
    "wchan",
];

const LINK: &str = "it is a link that leads out of /proc";
const DIRECTORY: &str = "it is a directory, and what is below it is not served";
const COSTLY: &str = "it stops the process while its page tables are walked; smaps_rollup has the sums";

/// Names that exist and are never opened, with the reason.
const REFUSED: [(&str, &str); 17] = [
    ("attr", DIRECTORY),
    ("clear_refs", "it is meant for writing"),
    ("cwd", LINK),
    ("exe", LINK),
    ("fd", DIRECTORY),
    ("fdinfo", DIRECTORY),
    ("kcore", "it is the kernel's memory"),
    ("kmsg", "reading it blocks, and consumes the log"),
    ("map_files", DIRECTORY),
    ("mem", "it is the memory of the process"),
    ("net", DIRECTORY),
    ("ns", DIRECTORY),
    ("numa_maps", COSTLY),
    ("pagemap", "it is the physical layout of the memory of the process"),
    ("root", LINK),
    ("smaps", COSTLY),
    ("task", DIRECTORY),
];

/// What a path below `/proc/` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcTarget {
    /// The directory of a process: its list of files.
    Process(u32),
    /// One file in it, by its name on the list.
    File(u32, &'static str),
}

impl ProcTarget {
    /// Reads a path, not decoded, without its leading `/proc/`.
    pub(super) fn parse(raw: &str) -> Result<Self, Error> {
        if raw.contains(['%', '\\']) {
            return Err(Error::bad_request("paths below /proc need no percent escapes"));
        }
        if raw.split('/').any(|it| matches!(it, "" | "." | "..")) {
            return Err(Error::bad_request(
                "the path has an empty part or a dot part; /proc/PID/FILE has neither",
            ));
        }
        let (pid, below) = match raw.split_once('/') {
            Some((pid, below)) => (pid, Some(below)),
            None => (raw, None),
        };
        let pid = parse_pid(pid).ok_or_else(|| not_a_pid(pid))?;
        let Some(below) = below else { return Ok(Self::Process(pid)) };
        let name = below.split('/').next().unwrap_or(below);
        if let Some((name, reason)) = REFUSED.iter().find(|(it, _)| *it == name) {
            return Err(Error::forbidden(format!("/proc/{pid}/{name} is never served: {reason}")));
        }
        match SERVED.iter().find(|it| **it == below) {
            Some(name) => Ok(Self::File(pid, name)),
            None => Err(Error::not_found(format!("process {pid} has no file of this name"))),
        }
    }
}

/// A pid: 1 to 10 digits, not 0, and no more than the kernel's type holds.
pub(in crate::http) fn parse_pid(text: &str) -> Option<u32> {
    let digits = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|pid| *pid > 0)
}

/// The refusal of what is no pid.
pub(in crate::http) fn not_a_pid(given: &str) -> Error {
    let given = text::truncate(&text::printable(given), 40);
    Error::bad_request(format!("`{given}` is not a pid; a pid is a number from 1, of at most 10 digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(raw: &str) -> u16 {
        ProcTarget::parse(raw).map_or_else(|error| error.status.as_u16(), |_| 200)
    }

    #[test]
    fn a_pid_and_one_name_from_the_list() {
        assert_eq!(ProcTarget::parse("1"), Ok(ProcTarget::Process(1)));
        assert_eq!(ProcTarget::parse("0000000042"), Ok(ProcTarget::Process(42)));
        assert_eq!(ProcTarget::parse("4294967295"), Ok(ProcTarget::Process(u32::MAX)));
        assert_eq!(ProcTarget::parse("1/status"), Ok(ProcTarget::File(1, "status")));
        for name in SERVED {
            assert_eq!(ProcTarget::parse(&format!("7/{name}")), Ok(ProcTarget::File(7, name)));
        }
    }

    #[test]
    fn what_is_no_pid_is_a_bad_request() {
        for raw in [
            "self",
            "thread-self",
            "self/status",
            "thread-self/status",
            "version",
            "kmsg",
            "kcore",
            "sys",
            "0",
            "00",
            "-1",
            "+1",
            "1 ",
            "1a",
            "0x1",
            "4294967296",
            "9999999999",
            "99999999999",
            "00000000001",
            "1-2",
            "١",
            "０",
            "1\u{0}",
        ] {
            assert_eq!(status(raw), 400, "{raw:?}");
            assert_eq!(status(&format!("{raw}/status")), 400, "{raw:?}/status");
        }
    }

    #[test]
    fn empty_and_dot_parts_and_escapes_are_bad_requests_wherever_they_are() {
        for raw in [
            "",
            "/",
            "/version",
            "/kmsg",
            "/kallsyms",
            "//",
            "1/",
            "1//",
            "1//status",
            "1/status/",
            "..",
            ".",
            "../etc/passwd",
            "1/..",
            "1/.",
            "1/../2/status",
            "1/../../etc/shadow",
            "1/root/../mem",
            "1/./status",
            "%2e%2e/version",
            "1/%2e%2e/2/status",
            "1/%2E%2E",
            "1%2fstatus",
            "1%2Fmem",
            "1/root%2fetc%2fshadow",
            "1/%73tatus",
            "%31/status",
            "1/status%00",
            "1/status%",
            "1\\status",
            "1/..\\..\\etc",
        ] {
            assert_eq!(status(raw), 400, "{raw:?}");
        }
    }

    #[test]
    fn what_exists_but_is_not_served_is_forbidden_with_the_reason() {
        for (name, reason) in REFUSED {
            let error = ProcTarget::parse(&format!("1/{name}")).unwrap_err();
            assert_eq!(error.status, 403, "{name}");
            assert!(error.message.ends_with(reason), "{}", error.message);
            assert!(!SERVED.contains(&name), "{name}");
        }
        for raw in [
            "1/fd/0",
            "1/fdinfo/0",
            "1/root/etc/shadow",
            "1/cwd/.ssh",
            "1/task/1/mem",
            "1/map_files/0-1",
            "1/ns/net",
            "1/net/tcp",
            "1/attr/current",
            "1/exe/x",
            "1/mem/x",
        ] {
            assert_eq!(status(raw), 403, "{raw:?}");
        }
    }

    #[test]
    fn what_nobody_knows_is_not_found() {
        for raw in
            ["1/nothing", "1/Status", "1/status/x", "1/status.bak", "1/cmdline ", "1/proc", "1/1", "1/…"]
        {
            assert_eq!(status(raw), 404, "{raw:?}");
        }
    }
}
