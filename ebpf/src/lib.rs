//! The wire contract: the only types the kernel side and the userspace side share. `no_std`, no dependencies.
//!
//! Integers, never bools or enums: whatever the other side writes is a valid value. Sizes and offsets are
//! asserted, because both sides read the same bytes.

#![no_std]

pub mod counters;
pub mod event;
pub mod formats;
pub mod layout;
