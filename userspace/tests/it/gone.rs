//! Crashes in containers that are gone: their file systems can be taken away at any time, and what was kept of their
//! programs still gives functions, files and lines.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use crate::daemon::{Daemon, Setup};
use crate::requires::{no_kernel_events, skip_if};

/// Lives until it is told to go on, then crashes two calls below `main`.
const SOURCE: &str = "#include <stdio.h>\n\
    int *volatile nowhere = (int *)8;\n\
    void inner(void) { *nowhere = 1; }\n\
    void outer(void) { inner(); }\n\
    int main(void) { getchar(); outer(); return 0; }\n";
/// In a mount namespace of its own: a root directory on a file system of its own, in which the program runs; and right
/// after its end all of it is taken away. `$1`: the folder, `$2`: the program's name, `$3`: `chroot` or `pivot`.
const SCRIPT: &str = r#"
    set -e
    root="$1/root" name="$2"
    mount -t tmpfs tmpfs "$root"
    cp "$1/$name" "$root/$name"
    ldd "$root/$name" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$root${library%/*}" && cp -L "$library" "$root$library"
        # Files that no other container has: their copies are there once those of this one were made.
        printf %s "$name" >>"$root$library"
    done
    set +e
    if [ "$3" = pivot ]; then
        mkdir "$root/old"
        unshare -m --propagation private sh -c 'cd "$1" && pivot_root . old && exec "/$2"' sh "$root" "$name"
    else
        chroot "$root" "/$name"
    fi
    # As runtimes do: a moment of patience for who looks at a file just then.
    tries=0
    until umount "$root" 2>/dev/null || [ $tries = 40 ]; do tries=$((tries + 1)); sleep 0.05; done
    rmdir "$root" && echo unmounted
"#;

/// A file name that no other test has.
fn unique(number: usize) -> String {
    format!("gone{}x{number}", std::process::id())
}

fn compile(folder: &Path, name: &str, flags: &[&str]) {
    fs::write(folder.join("program.c"), SOURCE).unwrap();
    let mut command = Command::new("cc");
    command.args(["-g", "-O0", "-o", name, "program.c"]).args(flags).current_dir(folder);
    assert!(command.status().unwrap().success());
}

/// Lives in a container until its files are kept, and dies; `namespaces` are flags of unshare(1) beside that of mounts.
async fn live_and_die(daemon: &Daemon, data: &Path, name: &str, (flags, namespaces, way): Kind<'_>) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path();
    compile(folder, name, flags);
    let program = fs::read(folder.join(name)).unwrap();
    let libraries = libraries_of(&folder.join(name)).into_iter();
    let libraries = libraries.map(|it| [fs::read(it).unwrap(), name.as_bytes().to_vec()].concat());
    let files = std::iter::once(program).chain(libraries);
    let kept: Vec<PathBuf> = files.map(|it| data.join("kept").join(digest(&it))).collect();
    fs::create_dir(folder.join("root")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private"]).args(namespaces).args(["/bin/sh", "-c", SCRIPT, "sh"]);
    command.arg(folder).args([name, way]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut container = command.spawn().unwrap();
    let all_kept = async || kept.iter().all(|it| fs::exists(it).unwrap()).then_some(());
    daemon.wait_until("copy of the program and its libraries", all_kept).await;
    container.stdin.take().unwrap().write_all(b"\n").unwrap();
    let output = container.wait_with_output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), "unmounted", "{errors}");
    // Its root is removed, and with the folder what it was made from.
    assert!(!fs::exists(folder.join("root")).unwrap());
}

/// Flags for the compiler, flags for unshare(1), and the way to another root.
type Kind<'a> = (&'a [&'a str], &'a [&'a str], &'a str);

/// The libraries that a program loads.
fn libraries_of(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let libraries = text.split_whitespace().filter(|it| it.starts_with("/lib") || it.starts_with("/usr/lib"));
    libraries.map(PathBuf::from).collect()
}

fn digest(content: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(content))
}

fn kept(data: &Path) -> Vec<PathBuf> {
    fs::read_dir(data.join("kept")).unwrap().map(|it| it.unwrap().path()).collect()
}

/// Of a dynamic program lines are a matter of time: most of the work is the C library's own debug information.
async fn check(daemon: &Daemon, name: &str, lines: bool) {
    let incident = daemon.wait_for_incident("crash", name).await;
    let stack = daemon.stack_of(name).await;
    for frame in ["inner", "outer", "main"] {
        assert!(stack.contains(&format!(" in {frame} ")), "{frame}\n{stack}");
    }
    assert!(!stack.contains("can't be used") && !stack.contains("is gone"), "{stack}");
    assert!(!lines || stack.contains("program.c:3"), "{stack}");
    let cause = incident["verdict"]["probable_cause"].as_str().unwrap();
    assert!(cause.contains("It happened in inner"), "{cause}");
    assert!(cause.contains(", called from outer"), "{cause}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_crashed_in_a_container_that_is_gone_has_names() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    // No scan comes to help: what lives for a second has to be seen when it begins.
    let daemon = Setup::new(data.path()).variable("AI_DEBUGGER_SCAN_INTERVAL", "60s").start();
    let pids = &["--pid", "--fork", "--kill-child"][..];
    for (number, (flags, way, lines)) in [
        (&[][..], "chroot", false),
        (&["-static", "-no-pie"], "chroot", true),
        (&["-static-pie"], "pivot", true),
        (&[], "pivot", false),
    ]
    .into_iter()
    .enumerate()
    {
        let name = unique(number);
        live_and_die(&daemon, data.path(), &name, (flags, pids, way)).await;
        check(&daemon, &name, lines).await;
    }
    let copies = kept(data.path());
    // The programs, the C library and its loader; and what containers of tests beside this one run.
    assert!(copies.len() >= 6, "{copies:?}");
    // Copies are the daemon's own, and each is what its name says.
    for copy in copies {
        use std::os::unix::fs::PermissionsExt as _;
        if copy.ends_with("new") {
            continue;
        }
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600, "{copy:?}");
        assert_eq!(copy.file_name().unwrap().to_str(), Some(&*digest(&fs::read(&copy).unwrap())));
    }
}

/// In the host's pid namespace the kernel says of nobody that its root is another: a scan finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_has_a_root_of_its_own_has_names_once_a_scan_has_seen_it() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).scanning().start();
    let name = unique(100);
    live_and_die(&daemon, data.path(), &name, (&[], &[], "chroot")).await;
    check(&daemon, &name, false).await;
}
