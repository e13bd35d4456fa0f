//! The stack of a thread that crashed, after its process is gone: from what the kernel captured (registers,
//! the top of the stack, the load map, its own walk) and the files on disk, to functions and lines.
//!
//! ```text
//! Capture ─▶ modules (files, opened with care, checked by build-id) ─▶ unwind (CFI) ─▶ symbols ─▶ Stack
//! ```
//!
//! Nothing here is trusted: neither the captured bytes nor the files a process named. What can't be proven is
//! left out, and `Stack::notes` says why.

mod calls;
mod capture;
mod cfi;
mod contents;
mod cycle;
mod effort;
mod files;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz;
mod image;
mod images;
mod instruction;
mod kept;
mod load_map;
mod notes;
mod site;
mod snapshot;
mod symbols;
mod unwind;
mod unwinder;
mod wire;

#[cfg(test)]
mod tests;

pub use crate::lookup::Root;
pub use capture::{BuildId, Capture, CapturedFrame, KeptFile, LoadedModule, Register, Registers};
pub use cycle::Cycle;
pub use effort::Effort;
pub use files::{FILE_BYTES_MAX, Files, FoundFile, wanted};
pub use frame::{FoundBy, Frame, Stack};
#[cfg(any(test, feature = "fuzzing"))]
pub use fuzz::fuzz;
pub use instruction::Instruction;
pub use kept::stand_ins;
pub use site::undecorated;
pub use unwind::bare;
pub use unwinder::Unwinder;

/// A load map is the process's own memory: it may claim anything. Each module is an open file for a while.
pub const MODULES_MAX: usize = 256;
