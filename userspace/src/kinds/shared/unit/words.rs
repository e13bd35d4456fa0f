//! The sentences on units.

use super::facts::UnitFact;
use crate::observation::{RestartPolicy, UnitResult};

/// A fact as a sentence.
pub fn sentence(fact: &UnitFact) -> String {
    match fact {
        UnitFact::UnitOutcome { unit, result, restart, restarts, starts_it_again } => {
            let set = restart.map_or_else(String::new, |restart| format!(" (Restart={})", word(restart)));
            let again = match (starts_it_again, restart) {
                (true, _) => format!("; systemd starts it again{set}"),
                (false, Some(_)) => format!("; systemd does not start it again{set}"),
                (false, None) => String::new(),
            };
            let times = match restarts {
                0 => String::new(),
                times => format!("; restarts so far: {times}"),
            };
            format!("systemd's result for {} is `{}`{again}{times}", unit.shown(), result_word(*result))
        }
    }
}

/// As `systemctl show -p Result` spells it.
pub const fn result_word(result: UnitResult) -> &'static str {
    match result {
        UnitResult::Success => "success",
        UnitResult::Resources => "resources",
        UnitResult::Protocol => "protocol",
        UnitResult::Timeout => "timeout",
        UnitResult::ExitCode => "exit-code",
        UnitResult::Signal => "signal",
        UnitResult::CoreDump => "core-dump",
        UnitResult::Watchdog => "watchdog",
        UnitResult::StartLimitHit => "start-limit-hit",
        UnitResult::OomKill => "oom-kill",
        UnitResult::ExecCondition => "exec-condition",
        UnitResult::Other => "another one",
    }
}

const fn word(restart: RestartPolicy) -> &'static str {
    match restart {
        RestartPolicy::No => "no",
        RestartPolicy::Always => "always",
        RestartPolicy::OnSuccess => "on-success",
        RestartPolicy::OnFailure => "on-failure",
        RestartPolicy::OnAbnormal => "on-abnormal",
        RestartPolicy::OnWatchdog => "on-watchdog",
        RestartPolicy::OnAbort => "on-abort",
    }
}
