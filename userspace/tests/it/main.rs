//! Integration tests: the real binary, real kernel events, real HTTP peers on loopback. A test that this
//! machine does not allow says so, with the reason, and passes; `cargo xtask test` lists them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alerts;
mod break_ins;
mod causes;
mod cli;
mod conditions;
mod confinement;
mod containers;
mod crash_paths;
mod daemon;
mod disk;
mod ends;
mod execs;
mod fallback;
mod faults;
mod gone;
mod growth;
mod hostile_files;
mod http;
mod hung_files;
mod kernel;
mod losses;
mod no_llm;
mod oom;
mod peers;
mod requires;
mod secrets;
mod senders;
mod signals;
mod stand_in;
mod supervised;
mod under_unit;
mod unit;
mod units;
mod unprivileged;
