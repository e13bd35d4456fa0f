//! For cargo-fuzz: an ELF file of a process that crashed.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("unwind", bytes));
