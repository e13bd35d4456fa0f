//! For cargo-fuzz: a record of a ring.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("ring", bytes));
