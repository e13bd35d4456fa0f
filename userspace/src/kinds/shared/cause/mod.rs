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
mod status;
#[cfg(test)]
mod tests;

use super::stack::facts::InstructionKind;
use super::{ending, stack};
use crate::kinds::case::{CaseFile, Finding};
use crate::languages::{self, Called, End, Said};
use crate::model::{Confidence, ExitCause, is_crash_signal};

/// Why a process ended.
pub struct Cause {
    /// Of a crash, what follows the name of the program in a sentence: `used a null pointer`. Of a status, the sentence
    /// that says what it means. Without its end.
    pub clause: String,
    /// How sure that is.
    pub confidence: Confidence,
    /// What else would fit; absent where nothing would.
    pub otherwise: Option<String>,
}

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

/// What the program's runtime said by ending it.
fn said(file: &CaseFile, finding: &Finding) -> Option<Said> {
    let (cause, _) = ending::cause(file, finding)?;
    let stack = stack::stated(file, finding);
    let functions = stack.map(stack::functions).unwrap_or_default();
    let calls: Vec<_> = functions
        .iter()
        .map(|it| Called { function: it.function.as_deref(), module: it.module, machinery: it.machinery })
        .collect();
    let at_trap = stack::instruction(file, finding).is_some_and(InstructionKind::ends_programs);
    languages::said(&End { process: &file.process, cause, calls: &calls, at_trap })
}
