//! For cargo-fuzz: lines of the kernel's log.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("kmsg", bytes));
