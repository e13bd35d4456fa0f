//! A program file with its unwinding rules and debug information, as a crash brings it.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("unwind", bytes));
