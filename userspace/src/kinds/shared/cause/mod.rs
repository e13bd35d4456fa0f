//! Why a process ended, as far as the facts prove it. One judgement for every kind that tells of an end: a crash, an
//! abnormal exit and the loop that such ends make name the same cause. Nothing here contradicts a fact that stands
//! beside it: what the kernel's word on a signal rules out is not offered.
//!
//! | what proves it | how sure | what else would have to be seen for more |
//! |---|---|---|
//! | functions on the stack that run for one reason alone (`languages.toml`) | high | |
//! | an option by which the runtime ends so, with its status or signal | medium | its standard error |
//! | the runtime's library on the stack of what ended itself | medium | its standard error, or its own report |
//! | what raised the signal, where that leaves one cause (`crash.rs`) | high | |
//! | what raised the signal, where it leaves several | medium | the functions on the stack, a core dump |
//! | who sent the signal, and what that is for (`killed.rs`) | medium, high | what the sender logged |
//! | a status with one meaning by convention (`status.rs`) | medium | its standard error |
//! | any other status | low: nothing proves why | its last log lines |

mod crash;
pub mod killed;
mod proof;
mod status;
#[cfg(test)]
mod tests;

use crate::kinds::case::{CaseFile, Finding};
use crate::model::{ExitCause, is_crash_signal};

pub use proof::Cause;

/// Why the process of a finding crashed by this signal, where nobody sent it.
pub fn of_crash(file: &CaseFile, finding: &Finding, signal: u8) -> Cause {
    crash::cause(file, finding, signal)
}

/// Why the process of a finding ended with this status.
pub fn of_status(file: &CaseFile, finding: &Finding, status: u8) -> Cause {
    status::cause(file, finding, status)
}

/// Whether this signal ends what does something wrong.
pub const fn is_crash(cause: ExitCause) -> Option<u8> {
    match cause {
        ExitCause::Signal(signal) if is_crash_signal(signal) => Some(signal),
        _ => None,
    }
}
