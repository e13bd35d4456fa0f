//! A cause, and what the program's runtime says of it.

use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::stack::facts::InstructionKind;
use crate::kinds::shared::{ending, stack};
use crate::languages::{self, Called, End, Said};
use crate::model::Confidence;

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

/// What the program's runtime said by ending it.
pub(super) fn said(file: &CaseFile, finding: &Finding) -> Option<Said> {
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
