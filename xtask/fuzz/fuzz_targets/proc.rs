//! For cargo-fuzz: files of /proc and of cgroups.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("proc", bytes));
