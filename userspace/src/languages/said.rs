//! How a program ended, as the table is asked, and what the runtime said by that.

use serde::Deserialize;

use crate::model::{Confidence, ExitCause, ProcessInfo};

/// An end that a program brought on itself.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// The program.
    pub process: &'a ProcessInfo,
    /// How it ended.
    pub cause: ExitCause,
    /// Its stack, the innermost function first; empty where there is none.
    pub calls: &'a [Called<'a>],
    /// Whether the instruction at which it ended is there to end programs.
    pub at_trap: bool,
}

/// A function on the stack.
#[derive(Clone, Copy, Debug, Default)]
pub struct Called<'a> {
    /// Its name, where it has one.
    pub function: Option<&'a str>,
    /// The path of its file, where that is known.
    pub module: Option<&'a str>,
    /// Whether it is above the program's own: the machinery through which it ended.
    pub machinery: bool,
}

/// What a runtime says by ending a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// The name of the language.
    pub language: &'static str,
    /// Its runtime in a sentence.
    pub called: &'static str,
    /// Why it ended.
    pub reason: Reason,
    /// What proves it.
    pub proof: Proof,
    /// The reason in words, after the name of the program.
    pub cause: &'static str,
    /// What else would fit.
    pub otherwise: &'static str,
}

/// Why a runtime ends a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// There was no more memory for it, by a limit of the runtime's or the kernel's.
    OutOfMemory,
    /// An exception, a panic, an error that nothing in it handled.
    UncaughtError,
    /// A check of its own failed.
    Assertion,
    /// There was no more room on its stack.
    StackOverflow,
    /// Something took too long.
    Timeout,
    /// What it had allocated was written over, or freed twice.
    HeapCorrupted,
    /// What it had on the stack was written over.
    StackCorrupted,
    /// It was about to go beyond a buffer.
    BufferOverrun,
    /// It was started in a way in which it cannot run.
    Usage,
    /// The runtime found a fault in itself, or in native code.
    InternalError,
}

/// What proves a reason, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// A status that anything may end with.
    Status,
    /// A status that hardly anything else ends with.
    DistinctStatus,
    /// The runtime's library is on the stack of a program that ended itself.
    Library,
    /// An option that makes the runtime end it in just this way.
    Flag,
    /// Functions on the stack that run for this reason alone.
    Frames,
}

impl Proof {
    /// How sure a cause is that rests on it.
    pub const fn confidence(self) -> Confidence {
        match self {
            Self::Status => Confidence::Low,
            Self::DistinctStatus | Self::Library | Self::Flag => Confidence::Medium,
            Self::Frames => Confidence::High,
        }
    }
}
