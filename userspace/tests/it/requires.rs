//! What a test needs of the machine, and how it says that it was skipped.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Why kernel events cannot be had here; `None` where they can.
pub(crate) fn no_kernel_events() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("kernel events need root".to_owned());
    }
    let states = ai_debugger::probes::try_attach(std::path::Path::new(ai_debugger::probes::BTF));
    let missing = states.into_iter().find(|(_, state)| !state.is_attached());
    missing.map(|(hook, state)| format!("{hook} cannot be attached: {}", state.reason().unwrap_or_default()))
}

/// Tells `cargo xtask test`, and whoever reads the output.
pub(crate) fn report_skip(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: {reason}");
    println!("{line}");
    if let Ok(path) = std::env::var("AI_DEBUGGER_SKIP_LOG")
        && let Ok(mut log) = OpenOptions::new().append(true).create(true).open(path)
    {
        // One write, so that lines of parallel tests do not mix.
        log.write_all(format!("{line}\n").as_bytes()).expect("the skip log can be written");
    }
}

/// Ends the test here where `$unmet` is `Some(reason)`.
macro_rules! skip_if {
    ($unmet:expr) => {
        if let Some(reason) = $unmet {
            $crate::requires::report_skip(
                std::thread::current().name().unwrap_or("a test"),
                &reason.to_string(),
            );
            return;
        }
    };
}
pub(crate) use skip_if;
