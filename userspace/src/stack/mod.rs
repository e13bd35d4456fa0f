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
mod frame;
mod image;
mod images;
mod load_map;
mod notes;
mod open;
mod site;
mod snapshot;
mod symboliser;
mod symbols;
mod unwind;
mod worker;

#[cfg(test)]
mod tests;

pub use capture::{BuildId, Capture, CapturedFrame, LoadedModule, Register, Registers, Root};
pub use frame::{FoundBy, Frame, Stack};
pub use symboliser::{DEADLINE, Symboliser, TurnedAway};
