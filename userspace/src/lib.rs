//! ai-debugger: what just died or is going wrong on this host, why, and what to do about it, with evidence.
//!
//! The data goes one way; each module is one stage and knows only the ones before it. The README has the same picture,
//! and says what each module is for:
//!
//! ```text
//! kernel ─────▶ probes ─┐
//! kernel log ─▶ kmsg ───┼─Observation─▶ monitor ─Case─▶ queue ─▶ recorder ─▶ store ─▶ alerts ─▶ Slack, webhook,
//! /proc ──────▶ scan ───┤               │ state         │         │           │ SQLite            Alertmanager
//! D-Bus ────▶ systemd ──┘               │ kinds         │         ▼           │
//!                                       │ evidence      └──────▶ analyst      ├─▶ render ─▶ sentences
//!                                       │                         │ rules     │
//!                                       │                         │ llm       ▼
//!                                       └──live processes────────────────▶ http, cli
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
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod health;
pub mod heap;
pub mod host;
pub mod http;
pub mod kept;
pub mod kinds;
pub mod kmsg;
pub mod languages;
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
pub mod runtimes;
pub mod sandbox;
pub mod scan;
pub mod stack;
pub mod state;
pub mod store;
pub mod systemd;
pub mod text;

pub use daemon::{Begun, Bound, Listener, Origin, Reached, Ready};
