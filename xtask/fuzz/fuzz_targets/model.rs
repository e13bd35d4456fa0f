//! For cargo-fuzz: a model's answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("model", bytes));
