//! For cargo-fuzz: a configuration file.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("config", bytes));
