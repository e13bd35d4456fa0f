//! Masking: twice is the same as once, and no planted secret stays.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("mask", bytes));
