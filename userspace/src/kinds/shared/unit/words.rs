//! The sentences on units.

use super::facts::{Outcome, Restart, UnitFact};

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
pub const fn result_word(result: Outcome) -> &'static str {
    match result {
        Outcome::Success => "success",
        Outcome::Resources => "resources",
        Outcome::Protocol => "protocol",
        Outcome::Timeout => "timeout",
        Outcome::ExitCode => "exit-code",
        Outcome::Signal => "signal",
        Outcome::CoreDump => "core-dump",
        Outcome::Watchdog => "watchdog",
        Outcome::StartLimitHit => "start-limit-hit",
        Outcome::OomKill => "oom-kill",
        Outcome::ExecCondition => "exec-condition",
        Outcome::Other => "another one",
    }
}

const fn word(restart: Restart) -> &'static str {
    match restart {
        Restart::No => "no",
        Restart::Always => "always",
        Restart::OnSuccess => "on-success",
        Restart::OnFailure => "on-failure",
        Restart::OnAbnormal => "on-abnormal",
        Restart::OnWatchdog => "on-watchdog",
        Restart::OnAbort => "on-abort",
    }
}
