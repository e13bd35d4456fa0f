//! The numbers in a case's frozen files. A file that is missing or reads strangely is `None`, never a guess.

use std::borrow::Cow;

use crate::cgroup::V1_UNLIMITED;
use crate::kinds::case::CaseFile;

/// The frozen files of a case.
pub struct Frozen<'a>(pub &'a CaseFile);

impl<'a> Frozen<'a> {
    /// The text of one file.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let file = self.0.evidence.iter().find(|file| file.name == name)?;
        Some(String::from_utf8_lossy(&file.body))
    }

    /// One field of `status`, such as `State` or `SigBlk`.
    pub fn status(&self, field: &str) -> Option<String> {
        let text = self.text("status")?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        Some(line.trim().to_owned())
    }

    /// A plain number in `status`, such as `Threads`.
    pub fn status_number(&self, field: &str) -> Option<u64> {
        self.status(field)?.parse().ok()
    }

    /// A size in `status`, which shows kB.
    pub fn status_bytes(&self, field: &str) -> Option<u64> {
        let kb: u64 = self.status(field)?.strip_suffix("kB")?.trim().parse().ok()?;
        kb.checked_mul(1024)
    }

    /// The largest resident set it had, or the present one.
    pub fn peak_rss(&self) -> Option<u64> {
        self.status_bytes("VmHWM").or_else(|| self.status_bytes("VmRSS"))
    }

    /// The soft limit of open files; `None` also where there is no limit.
    pub fn open_files_limit(&self) -> Option<u64> {
        let text = self.text("limits")?;
        let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// The memory limit of its cgroup, where it has one.
    pub fn memory_limit(&self) -> Option<u64> {
        self.number(&["cgroup.memory.max", "cgroup.memory.limit_in_bytes"])
            .filter(|limit| *limit < V1_UNLIMITED)
    }

    /// Whether its cgroup is known to have no limit of its own.
    pub fn is_unlimited(&self) -> bool {
        let max = self.text("cgroup.memory.max").is_some_and(|text| text.trim() == "max");
        max || self.number(&["cgroup.memory.limit_in_bytes"]).is_some_and(|limit| limit >= V1_UNLIMITED)
    }

    /// What its cgroup uses, caches included.
    pub fn memory_usage(&self) -> Option<u64> {
        self.number(&["cgroup.memory.current", "cgroup.memory.usage_in_bytes"])
    }

    /// How often the OOM killer struck in its cgroup.
    pub fn oom_kills(&self) -> Option<u64> {
        self.keyed("cgroup.memory.events", "oom_kill")
            .or_else(|| self.keyed("cgroup.memory.oom_control", "oom_kill"))
    }

    /// Page cache in its cgroup, which the kernel can take back.
    pub fn cgroup_cache(&self) -> Option<u64> {
        let file =
            self.keyed("cgroup.memory.stat", "file").or_else(|| self.keyed("cgroup.memory.stat", "cache"))?;
        // Counted among them, and not to be taken back without swap.
        Some(file.saturating_sub(self.cgroup_shared().unwrap_or(0)))
    }

    /// Shared memory and files on tmpfs in its cgroup.
    pub fn cgroup_shared(&self) -> Option<u64> {
        self.keyed("cgroup.memory.stat", "shmem")
    }

    /// Whether nothing in its cgroup is killed when memory runs out there (v1 only).
    pub fn is_oom_killer_off(&self) -> bool {
        self.keyed("cgroup.memory.oom_control", "oom_kill_disable") == Some(1)
    }

    /// Which version of cgroups the frozen files come from.
    pub fn is_cgroup_v2(&self) -> Option<bool> {
        let has = |names: &[&str]| self.0.evidence.iter().any(|file| names.contains(&file.name.as_str()));
        if has(&["cgroup.memory.max", "cgroup.memory.current", "cgroup.memory.events"]) {
            return Some(true);
        }
        has(&["cgroup.memory.limit_in_bytes", "cgroup.memory.usage_in_bytes"]).then_some(false)
    }

    fn number(&self, names: &[&str]) -> Option<u64> {
        names.iter().find_map(|name| self.text(name)?.trim().parse().ok())
    }

    fn keyed(&self, file: &str, key: &str) -> Option<u64> {
        let text = self.text(file)?;
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
    }
}
