//! Paths, queries and bodies that somebody asks for over HTTP.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("http", bytes));
