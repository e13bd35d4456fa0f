//! For cargo-fuzz: text to be masked.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("mask", bytes));
