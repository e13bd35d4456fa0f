//! What attackers wrote at length is parsed, and what may hang is touched, by children of the daemon: the same binary,
//! started by it as `ai-debugger symbolise`, without privilege (the `sandbox`), one at a time for a job, killed at its
//! deadline and started anew.
//!
//! ```text
//!              capture                          ┌───────────┐ stack
//! Symboliser ──────────────────────────────────▶│  parser   │──────▶ Symboliser
//!      │       names, root      ┌────────┐      └───────────┘
//!      └───────────────────────▶│ opener │ open files ▲
//!                               └────────┘────────────┘
//! ```
//!
//! The daemon itself never has a descriptor of such a file: to close one on a file system that hangs would hang it.
//! A child that does not even die of SIGKILL, as one that waits for a FUSE server, is left behind and counted.

mod check;
mod child;
mod copier;
mod entry;
mod lane;
mod link;
mod message;
mod nursery;
mod opener;
mod pace;
mod parser;
mod share;
mod symboliser;
mod toucher;
mod waiting;

pub use check::{Confined, check};
pub use copier::Copier;
pub use entry::{COMMAND, run};
pub use nursery::Nursery;
pub use share::Share;
pub use symboliser::Symboliser;
pub use toucher::Toucher;
