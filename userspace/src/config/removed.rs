//! Settings of earlier versions. Who still has one is told what became of it, and the daemon starts all the same:
//! a number that nobody has to choose any more is no reason to leave a host unwatched.

use super::setting::{flag_of, variable_of};

/// What is now the same for everybody, see the fields of the structs of limits; and three that became something else.
const NAMES: &str = "alert_quiet_start incident_clear incident_reopen detect.zombie_count detect.memory_scans \
    detect.available_percent detect.stall_percent detect.fd_scans detect.crash_loop_respawns \
    detect.crash_loop_life detect.growth_history detect.growth_horizon detect.growth_critical detect.memory_growth_bytes \
    detect.memory_growth_percent detect.fd_growth detect.fd_growth_percent detect.thread_growth \
    detect.thread_growth_percent detect.thread_percent detect.fork_percent detect.fork_scans \
    detect.fork_growth detect.fork_time_to_limit detect.fork_count detect.fork_window detect.exec_fresh \
    detect.ended_keep detect.ring_grave_bytes detect.ring_crash_bytes detect.ring_common_bytes \
    detect.exec_quiet_below ebpf_log llm_prompt_tokens";

/// A setting that is none any more.
#[derive(Clone, Copy)]
pub(crate) struct Removed {
    /// Its name when it was one.
    pub(crate) name: &'static str,
}

pub(crate) fn removed() -> impl Iterator<Item = Removed> {
    NAMES.split_whitespace().map(|name| Removed { name })
}

impl Removed {
    /// Its flag, without the dashes.
    pub(crate) fn flag(self) -> String {
        flag_of(self.name)
    }

    pub(super) fn variable(self) -> String {
        variable_of(self.name, true)
    }

    /// What to say to who still has it.
    pub(super) fn warning(self, origin: &str) -> String {
        let instead = match self.name {
            "ebpf_log" => "use --log-level debug, or info,ai_debugger_probes=debug for these lines alone",
            "llm_prompt_tokens" => "a prompt has to fit into --llm-tokens-per-minute, so lower that instead",
            "detect.exec_quiet_below" => "give such a program the role builder with --program NAME=builder",
            _ => "its value is fixed now, so remove it",
        };
        format!("{origin} is no longer a setting and is ignored: {instead}")
    }
}
