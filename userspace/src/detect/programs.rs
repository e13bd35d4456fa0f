//! What kind of program something is, by its name: a shell, a command that is run for its answer, a program that
//! talks to the network for strangers. A name is the process's own choice; these only ever soften or sharpen what
//! other facts say.

use crate::model::ProcessInfo;

const SHELLS: [&str; 12] =
    ["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "rbash", "busybox"];

/// Interpreters that take the program to run as an argument.
const INTERPRETERS: [&str; 8] = ["python", "perl", "ruby", "node", "nodejs", "php", "java", "lua"];

/// Programs whose status 1 is an answer and no failure, as their manual pages say.
const ANSWERS: [&str; 22] = [
    "[",
    "test",
    "false",
    "grep",
    "egrep",
    "fgrep",
    "zgrep",
    "rg",
    "diff",
    "cmp",
    "expr",
    "which",
    "pgrep",
    "pidof",
    "getent",
    "mountpoint",
    "systemd-detect-virt",
    "bc",
    "let",
    "diff3",
    "modinfo",
    "tty",
];

/// Programs that people and scripts run for a result, again and again until they have it: clients and probes, the
/// tools of builds and tests, package managers. None of them is a service.
const COMMANDS: [&str; 128] = [
    "curl",
    "wget",
    "nc",
    "ncat",
    "netcat",
    "socat",
    "telnet",
    "ping",
    "ping6",
    "dig",
    "host",
    "nslookup",
    "ssh",
    "scp",
    "sftp",
    "rsync",
    "git",
    "psql",
    "pg_isready",
    "mysql",
    "mysqladmin",
    "redis-cli",
    "mongo",
    "mongosh",
    "kubectl",
    "docker",
    "podman",
    "crictl",
    "helm",
    "aws",
    "gcloud",
    "az",
    "systemctl",
    "journalctl",
    "ls",
    "cat",
    "stat",
    "find",
    "xargs",
    "sleep",
    "timeout",
    "time",
    "env",
    "head",
    "tail",
    "sed",
    "awk",
    "gawk",
    "mawk",
    "sort",
    "cp",
    "mv",
    "rm",
    "mkdir",
    "ln",
    "tar",
    "dd",
    "mount",
    "umount",
    "kill",
    "flock",
    "lsof",
    "ps",
    "watch",
    "parallel",
    "make",
    "gmake",
    "ninja",
    "cmake",
    "ctest",
    "cargo",
    "rustc",
    "cc",
    "gcc",
    "g++",
    "clang",
    "ld",
    "go",
    "npm",
    "npx",
    "yarn",
    "pnpm",
    "pip",
    "pip3",
    "pytest",
    "tox",
    "mvn",
    "gradle",
    "bazel",
    "apt",
    "apt-get",
    "dpkg",
    "rpm",
    "dnf",
    "yum",
    "unittest",
    // What compilers and builds start.
    "cc1",
    "cc1plus",
    "c++",
    "clang++",
    "collect2",
    "lto1",
    "as",
    "ar",
    "ld.bfd",
    "ld.gold",
    "ld.lld",
    "lld",
    "rust-lld",
    "mold",
    "rustdoc",
    "clippy-driver",
    "javac",
    "tsc",
    "esbuild",
    "webpack",
    "meson",
    "node-gyp",
    "uv",
    // What packs, copies and converts.
    "gzip",
    "bzip2",
    "xz",
    "zstd",
    "zip",
    "unzip",
    "sqlite3",
    "ffmpeg",
    "convert",
];

/// Programs that run tests, of which some want a program to crash.
const TEST_RUNNERS: [&str; 18] = [
    "pytest",
    "py.test",
    "unittest",
    "tox",
    "nose2",
    "ctest",
    "cargo-nextest",
    "jest",
    "mocha",
    "vitest",
    "phpunit",
    "rspec",
    "bats",
    "prove",
    "runtests",
    "lit",
    "kyua",
    "stress-ng",
];

/// Programs that run tests where they are told to.
const BUILDS: [&str; 14] = [
    "cargo", "go", "npm", "yarn", "pnpm", "make", "gmake", "ninja", "meson", "bazel", "mvn", "gradle",
    "dotnet", "node",
];

/// What they are told then.
const TO_TEST: [&str; 5] = ["test", "check", "nextest", "--test", "verify"];

/// Where a distribution keeps its commands.
const SYSTEM_FOLDERS: [&str; 4] = ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"];

/// Whether it runs as a shell: not a script with a name of its own, which is a program like any other.
pub(super) fn is_shell(process: &ProcessInfo) -> bool {
    SHELLS.contains(&base(&process.name))
        && process.exe.as_deref().is_none_or(|exe| SHELLS.contains(&base(exe)))
}

/// Whether a shell runs it: the shell itself, or a script whatever its name.
pub fn runs_shell(process: &ProcessInfo) -> bool {
    let first = process.argv.first().map(String::as_str);
    [Some(&*process.name), process.exe.as_deref(), first].into_iter().flatten().any(is_shell_name)
}

/// Whether this name is a shell's.
pub(super) fn is_shell_name(name: &str) -> bool {
    SHELLS.contains(&base(name).trim_start_matches('-'))
}

/// Whether its command line tells a shell to go round for ever. Who waits for a result leaves the loop: `until`,
/// `while !`, `for`, `break`.
pub(super) fn loops_for_ever(process: &ProcessInfo) -> bool {
    const LOOPS: [&str; 4] = ["while :", "while true", "while [ 1 ]", "while sleep "];
    const WAYS_OUT: [&str; 4] = ["break", "&& exit", "|| exit", "&& return"];
    let has = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
    runs_shell(process) && process.argv.iter().skip(1).any(|it| has(it, &LOOPS) && !has(it, &WAYS_OUT))
}

/// Whether a status of 1 is its way to say no.
pub(super) fn is_answer(process: &ProcessInfo) -> bool {
    ANSWERS.contains(&base(program(process)))
}

/// Whether it is run for its result, by hand or by a script.
pub(super) fn is_command(process: &ProcessInfo) -> bool {
    let name = base(program(process));
    ANSWERS.contains(&name) || COMMANDS.contains(&name)
}

/// Whether it runs tests: it reads how each of them ends, and tells its own reader.
pub fn is_test_runner(process: &ProcessInfo) -> bool {
    let name = base(program(process));
    let told = || process.argv.iter().skip(1).any(|it| TO_TEST.contains(&it.as_str()));
    TEST_RUNNERS.contains(&name)
        || process.argv.first().is_some_and(|first| BUILDS.contains(&base(first))) && told()
}

/// Whether it does little but start others: a shell, timeout(1) and their kin.
pub fn only_starts(process: &ProcessInfo) -> bool {
    const STARTERS: [&str; 8] = ["timeout", "env", "nice", "xargs", "time", "setsid", "stdbuf", "nohup"];
    is_shell(process) || STARTERS.contains(&base(program(process)))
}

/// Whether it is a program of somebody's own rather than one of the distribution's commands; an interpreter's script
/// is one, its `-c` line is not.
pub(super) fn is_own_program(process: &ProcessInfo) -> bool {
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
    let exe = base(process.exe.as_deref().unwrap_or(&process.name));
    let stem = exe.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.contains(&stem) || SHELLS.contains(&exe)
}

/// The last part of a path.
pub(super) fn base(path: &str) -> &str {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::super::ended::tests::process;
    use super::*;

    fn of(exe: &str, argv: &[&str]) -> ProcessInfo {
        let name = base(exe).chars().take(15).collect();
        ProcessInfo {
            name,
            exe: Some(exe.into()),
            argv: argv.iter().map(|&it| it.to_owned()).collect(),
            ..process()
        }
    }

    #[test]
    fn programs_are_named_by_what_they_run() {
        for (exe, argv, want, own, command) in [
            ("/usr/bin/python3.11", &["python3", "-u", "/srv/app.py", "x"][..], "/srv/app.py", true, false),
            ("/usr/bin/python3", &["python3", "-m", "pytest", "-q"], "pytest", true, true),
            ("/usr/bin/python3", &["python3", "-W", "ignore", "a.py"], "a.py", true, false),
            ("/usr/bin/python3", &["python3", "-c", "import os"], "/usr/bin/python3", false, false),
            ("/usr/bin/java", &["java", "-Xmx1g", "-cp", "x", "Main"], "Main", true, false),
            ("/usr/bin/java", &["java", "-jar", "/opt/a.jar"], "/opt/a.jar", true, false),
            ("/bin/sh", &["sh", "-c", "x"], "/bin/sh", false, false),
            ("/bin/sh", &["sh", "/srv/run.sh"], "/srv/run.sh", true, false),
            ("./server", &["./server"], "./server", true, false),
            ("/usr/bin/curl", &["curl", "-sf", "http://localhost"], "/usr/bin/curl", false, true),
            ("/usr/bin/[", &["[", "-f", "x", "]"], "/usr/bin/[", false, true),
            ("/opt/tools/grep", &["grep"], "/opt/tools/grep", true, true),
        ] {
            let it = of(exe, argv);
            assert_eq!(program(&it), want);
            assert_eq!((is_own_program(&it), is_command(&it)), (own, command), "{exe} {argv:?}");
        }
    }

    #[test]
    fn who_runs_tests() {
        for (exe, argv, want) in [
            ("/usr/bin/python3", &["python3", "-m", "unittest", "-q"][..], true),
            ("/usr/bin/python3", &["/usr/bin/python3", "/usr/bin/pytest"], true),
            ("/usr/bin/cargo", &["cargo", "test", "--lib"], true),
            ("/usr/bin/cargo", &["cargo", "run"], false),
            ("/usr/bin/make", &["make", "-j4", "check"], true),
            ("/usr/bin/make", &["make"], false),
            ("/usr/bin/python3", &["python3", "test"], false),
            ("/srv/server", &["server", "test"], false),
        ] {
            assert_eq!(is_test_runner(&of(exe, argv)), want, "{argv:?}");
            assert!(!only_starts(&of(exe, argv)), "{argv:?}");
        }
    }

    #[test]
    fn who_goes_round_for_ever() {
        for (exe, argv, want) in [
            ("/bin/sh", &["sh", "-c", "while :; do ./server; sleep 1; done"][..], true),
            ("/bin/bash", &["bash", "-c", "cd /srv && (while true; do ./server; done) & wait"], true),
            ("/bin/bash", &["bash", "-c", "while sleep 5; do ./server exit; done"], true),
            ("/bin/sh", &["sh", "-c", "while true; do ./ready && break; sleep 1; done"], false),
            ("/bin/sh", &["sh", "-c", "while :; do ./ready && exit 0; sleep 1; done"], false),
            ("/bin/sh", &["sh", "-c", "while ! ./ready; do sleep 1; done"], false),
            ("/bin/sh", &["sh", "-c", "until ./ready; do sleep 1; done"], false),
            ("/bin/sh", &["sh", "-c", "for i in 1 2 3; do ./flaky; done"], false),
            ("/bin/sh", &["sh", "while true"], true),
            ("/usr/bin/python3", &["python3", "-c", "while true"], false),
            ("/bin/sh", &["while true"], false),
        ] {
            assert_eq!(loops_for_ever(&of(exe, argv)), want, "{argv:?}");
        }
    }

    #[test]
    fn a_script_with_a_name_of_its_own_is_no_shell() {
        assert!(is_shell(&of("/bin/bash", &["bash"])));
        assert!(is_shell(&ProcessInfo { exe: None, ..of("/bin/sh", &[]) }));
        assert!(!is_shell(&ProcessInfo {
            name: "server.sh".into(),
            ..of("/bin/bash", &["sh", "server.sh"])
        }));
        assert!(!is_shell(&ProcessInfo { name: "bash".into(), ..of("/tmp/evil", &[]) }));
        assert!(is_shell_name("-bash") && !is_shell_name("bashful"));
    }
}
