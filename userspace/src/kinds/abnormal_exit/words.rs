//! The sentences of this room.

use super::facts::{AbnormalExitFact, ServiceRole};
use super::stop;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::ending::{self, facts::EndFact};
use crate::kinds::words::{duration_ms, who};
use crate::text;

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let name = text::printable(&file.process.name);
    if let Some((unit, restart, after_ms)) = stop::stated(file, finding) {
        let after = duration_ms(after_ms);
        return format!(
            "{name} was to {} with {}, and needed SIGKILL after {after}.",
            stop::asked(restart),
            unit.shown()
        );
    }
    let role = file.cited(finding).find_map(|fact| match fact.data.as_abnormal_exit()? {
        AbnormalExitFact::Service { role, .. } => Some(*role),
        AbnormalExitFact::KilledByUnknown {} | AbnormalExitFact::StoppedByKill { .. } => None,
    });
    let what = match role {
        Some(ServiceRole::Supervised) => "a supervised process",
        Some(ServiceRole::FirstOfContainer) => "a container's first process",
        Some(ServiceRole::Daemon) => "a daemon",
        Some(ServiceRole::Unattended) => "a long-lived process",
        None => "a service",
    };
    let how = ending::stated(file, finding).find_map(|fact| match fact {
        EndFact::Ended { cause, core_dumped, age_ms } => {
            Some(format!("by {} after {}", ending::words::cause(*cause, *core_dumped), duration_ms(*age_ms)))
        }
        _ => None,
    });
    format!("{name}, {what}, ended {}.", how.unwrap_or_else(|| "abnormally".to_owned()))
}

/// A fact as a sentence.
pub fn sentence(fact: &AbnormalExitFact) -> String {
    match fact {
        AbnormalExitFact::Service { role, parent } => match role {
            ServiceRole::Supervised => format!("it is supervised: {} started it", who(parent)),
            ServiceRole::FirstOfContainer => {
                "it is its container's main process: pid 1 in the container".to_owned()
            }
            ServiceRole::Daemon => {
                "it is a daemon: the process that started it is gone, it has no terminal, and nothing else \
                 reads its exit status"
                    .to_owned()
            }
            ServiceRole::Unattended => {
                format!("it had no terminal and was mostly idle; {} reads its exit status", who(parent))
            }
        },
        AbnormalExitFact::KilledByUnknown {} => {
            "SIGKILL, but not from the OOM killer: signal->oom_mm was not set; the sender is not known"
                .to_owned()
        }
        AbnormalExitFact::StoppedByKill { unit, restart, after_ms } => format!(
            "systemd was to {} {}, and sent SIGKILL as it had not ended by itself: {} after the stop began",
            stop::asked(*restart),
            unit.shown(),
            duration_ms(*after_ms)
        ),
    }
}
