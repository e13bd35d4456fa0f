//! For cargo-fuzz: a receiver's answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("receiver", bytes));
