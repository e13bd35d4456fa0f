//! ai-debugger: what just died or is going wrong on this host, why, and what to do, with proof.
//!
//! The data goes one way; each module is one stage and knows only the ones before it:
//!
//! ```text
//! kernel ─▶ probes ─┐
//!                   ├─Observation─▶ monitor ─Case─▶ queue ─▶ incidents ─▶ analyst ─▶ alerts
//! /proc ──▶ scan ───┘      (process table, kinds, evidence)   (SQLite)   (rules | model)  (Slack)
//! ```

pub mod alerts;
pub mod analyst;
pub mod cgroup;
pub mod children;
pub mod cli;
pub mod config;
pub mod coverage;
mod daemon;
pub mod evidence;
pub mod health;
pub mod host;
pub mod http;
pub mod kinds;
pub mod kmsg;
pub mod llm;
pub mod logging;
pub mod lookup;
pub mod metrics;
pub mod model;
pub mod monitor;
pub mod observation;
pub mod outbound;
pub mod probes;
pub mod programs;
pub mod queue;
pub mod recorder;
pub mod redact;
pub mod render;
pub mod sandbox;
pub mod scan;
pub mod stack;
pub mod state;
pub mod store;
pub mod text;

pub use daemon::run;
