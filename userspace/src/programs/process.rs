//! What a process runs, judged by its names and arguments: whether it is a shell, runs tests, is run for its result.

use super::{Roles, base, named, roles_of};
use crate::model::ProcessInfo;

/// What a program is told that then runs tests.
const TO_TEST: [&str; 5] = ["test", "check", "nextest", "--test", "verify"];

/// Where a distribution keeps its commands.
const SYSTEM_FOLDERS: [&str; 4] = ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"];

/// Whether it runs as a shell: not a script with a name of its own, which is a program like any other.
pub(crate) fn is_shell(process: &ProcessInfo) -> bool {
    let shell = |name: &str| roles_of(name).contains(Roles::SHELL);
    shell(&process.name) && process.exe.as_deref().is_none_or(shell)
}

/// Whether a shell runs it: the shell itself, or a script whatever its name.
pub fn runs_shell(process: &ProcessInfo) -> bool {
    let first = process.argv.first().map(String::as_str);
    [Some(&*process.name), process.exe.as_deref(), first].into_iter().flatten().any(is_shell_name)
}

/// Whether this name is a shell's.
pub(crate) fn is_shell_name(name: &str) -> bool {
    named(base(name).trim_start_matches('-'), Roles::SHELL).is_some()
}

/// Whether its command line tells a shell to go round for ever. Who waits for a result leaves the loop: `until`,
/// `while !`, `for`, `break`.
pub(crate) fn loops_for_ever(process: &ProcessInfo) -> bool {
    const LOOPS: [&str; 4] = ["while :", "while true", "while [ 1 ]", "while sleep "];
    const WAYS_OUT: [&str; 4] = ["break", "&& exit", "|| exit", "&& return"];
    let has = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
    runs_shell(process) && process.argv.iter().skip(1).any(|it| has(it, &LOOPS) && !has(it, &WAYS_OUT))
}

/// Whether a status of 1 is its way to say no.
pub(crate) fn is_answer(process: &ProcessInfo) -> bool {
    roles_of(program(process)).contains(Roles::ANSWER)
}

/// Whether it is run for its result, by hand or by a script.
pub(crate) fn is_command(process: &ProcessInfo) -> bool {
    roles_of(program(process)).intersects(Roles::ANSWER | Roles::COMMAND)
}

/// Whether it runs tests: it reads how each of them ends, and tells its own reader.
pub fn is_test_runner(process: &ProcessInfo) -> bool {
    let told = || process.argv.iter().skip(1).any(|it| TO_TEST.contains(&it.as_str()));
    let can = |first: &String| roles_of(first).contains(Roles::TEST_CAPABLE);
    roles_of(program(process)).contains(Roles::TEST_RUNNER) || process.argv.first().is_some_and(can) && told()
}

/// Whether it does little but start others: a shell, timeout(1) and their kin.
pub fn only_starts(process: &ProcessInfo) -> bool {
    is_shell(process) || roles_of(program(process)).contains(Roles::STARTER)
}

/// Whether it is a program of somebody's own rather than one of the distribution's commands; an interpreter's script
/// is one, its `-c` line is not.
pub(crate) fn is_own_program(process: &ProcessInfo) -> bool {
    match script(process) {
        Some(script) => !script.starts_with('-'),
        None if is_interpreter(process) => false,
        None => process.exe.as_deref().is_some_and(|exe| {
            !SYSTEM_FOLDERS.iter().any(|folder| exe.starts_with(folder)) && exe.contains('/')
        }),
    }
}

/// What names the program best: the script of an interpreter, the executable, or the process's own name.
pub fn program(process: &ProcessInfo) -> &str {
    let script = script(process).filter(|script| !script.starts_with('-'));
    script.or(process.exe.as_deref()).unwrap_or(&process.name)
}

/// The interpreter's script or module: its first argument that is no option; the option where that is the program
/// itself (`-c`, `-e`).
pub fn script(process: &ProcessInfo) -> Option<&str> {
    if !is_interpreter(process) {
        return None;
    }
    let mut arguments = process.argv.iter().skip(1).map(String::as_str);
    while let Some(argument) = arguments.next() {
        match argument {
            "-m" | "-jar" => return arguments.next(),
            "-c" | "-e" | "-r" | "-lc" | "-ec" => return Some("-c"),
            // Options of these interpreters that take a value.
            "-W" | "-X" | "-I" | "-cp" | "-classpath" | "-O" | "-o" => drop(arguments.next()),
            option if option.starts_with(['-', '+']) => {}
            script => return Some(script),
        }
    }
    None
}

fn is_interpreter(process: &ProcessInfo) -> bool {
    let first = process.argv.first().map(|first| first.trim_start_matches('-'));
    let exe = process.exe.as_deref().or(first).unwrap_or(&process.name);
    roles_of(exe).intersects(Roles::INTERPRETER | Roles::SHELL)
}

#[cfg(test)]
mod tests;
