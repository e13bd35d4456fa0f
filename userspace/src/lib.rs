//! ai-debugger: what just died or is going wrong on this host, why, and what to do, with proof.
//!
//! The data goes one way; each module is one stage and knows only the ones before it:
//!
//! ```text
//! kernel ─▶ probes ─┐
//!                   ├─Observation─▶ monitor ─Case─▶ queue ─▶ incidents ─▶ analyst ─▶ alerts
//! /proc ──▶ scan ───┘      (process table, detect, evidence)   (SQLite)   (rules | model)  (Slack)
//! ```

pub mod analyst;
pub mod config;
pub mod health;
pub mod host;
pub mod incidents;
pub mod metrics;
pub mod model;
pub mod monitor;
pub mod outbound;
pub mod redact;
pub mod text;
