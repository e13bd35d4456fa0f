//! A configuration file: any bytes are a configuration, or an error that says where.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ai_debugger::fuzzing::run("config", bytes));
