//! Programs whose debug information was made to fell who reads it: the helper that does falls, and the daemon does not
//! so much as grow. Each really crashes, and its stack says what became of its names.

use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::{Daemon, Setup};
use crate::requires::{no_kernel_events, skip_if};

/// Where the program is loaded, and where its code is.
const BASE: u64 = 0x40_0000;
const CODE_AT: u64 = 0x1000;
/// `mov eax, [8]`: the crash.
const CODE: [u8; 7] = [0x8b, 0x04, 0x25, 0x08, 0, 0, 0];
const CODE_BYTES: u64 = 16;
/// How much more memory the daemon may have used at its peak.
const GROWTH_MAX: u64 = 24 << 20;
const ROUNDS: usize = 3;

/// What is wrong with the debug information.
#[derive(Clone, Copy, Debug)]
enum Trap {
    /// Seven million empty units: each costs a reader more than it costs the file.
    Units,
    /// A line table of sixty million rows of one byte.
    Lines,
    /// So many functions inlined into each other: read by recursion.
    Nesting(usize),
}

/// As they were found; and deeper than any stack.
const TRAPS: [(Trap, char); 4] =
    [(Trap::Units, 'u'), (Trap::Lines, 'l'), (Trap::Nesting(10_000), 'n'), (Trap::Nesting(1_000_000), 'd')];

/// A section: its name, its kind, its bytes and the section it belongs to.
struct Section(&'static str, u32, Vec<u8>, u32);

/// A program that crashes at once in the function `boom`.
fn write_program(path: &Path, trap: Trap) {
    const PROGBITS: u32 = 1;
    let mut symbols = vec![0; 24];
    // boom: global, a function, in some section.
    symbols.extend([&1u32.to_le_bytes()[..], &[0x12, 0], &1u16.to_le_bytes()].concat());
    symbols.extend([(BASE + CODE_AT).to_le_bytes(), CODE_BYTES.to_le_bytes()].concat());
    let mut sections = vec![
        Section("", 0, vec![], 0),
        Section(".symtab", 2, symbols, 2),
        Section(".strtab", 3, b"\0boom\0".to_vec(), 0),
    ];
    let (abbreviations, info, lines) = debug(trap);
    for (name, bytes) in [(".debug_abbrev", abbreviations), (".debug_info", info), (".debug_line", lines)] {
        sections.push(Section(name, PROGBITS, bytes, 0));
    }
    let mut names = vec![];
    let at: Vec<_> = sections
        .iter()
        .map(|it| {
            let at = names.len();
            names.extend(it.0.bytes().chain([0]));
            at
        })
        .collect();
    let own_name = names.len();
    names.extend(b".shstrtab\0");
    let mut file = BufWriter::new(File::create(path).unwrap());
    let bodies: u64 = sections.iter().map(|it| it.2.len() as u64).sum();
    let headers_at = CODE_AT + CODE_BYTES + bodies + names.len() as u64;
    let count = u16::try_from(sections.len() + 1).unwrap();
    let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    head.extend([2u16, 62].iter().flat_map(|it| it.to_le_bytes()));
    head.extend(1u32.to_le_bytes());
    head.extend([BASE + CODE_AT, 64, headers_at].iter().flat_map(|it| it.to_le_bytes()));
    head.extend(0u32.to_le_bytes());
    head.extend([64u16, 56, 1, 64, count, count - 1].iter().flat_map(|it| it.to_le_bytes()));
    // One segment: what is read and run.
    head.extend([1u32, 5].iter().flat_map(|it| it.to_le_bytes()));
    let end = CODE_AT + CODE_BYTES;
    head.extend([0, BASE, BASE, end, end, 0x1000].iter().flat_map(|it: &u64| it.to_le_bytes()));
    head.resize(usize::try_from(CODE_AT).unwrap(), 0);
    head.extend(CODE);
    head.resize(usize::try_from(end).unwrap(), 0x90);
    file.write_all(&head).unwrap();
    let mut offset = end;
    let mut headers = vec![];
    let mut header = |name: usize, kind: u32, offset: u64, length: usize, link: u32| {
        let entry: u64 = if kind == 2 { 24 } else { 0 };
        headers.extend([u32::try_from(name).unwrap(), kind].iter().flat_map(|it| it.to_le_bytes()));
        headers.extend([0, 0, offset, length as u64].iter().flat_map(|it: &u64| it.to_le_bytes()));
        headers.extend([link, u32::from(kind == 2)].iter().flat_map(|it| it.to_le_bytes()));
        headers.extend([1, entry].iter().flat_map(|it: &u64| it.to_le_bytes()));
    };
    for (section, name) in sections.iter().zip(at) {
        file.write_all(&section.2).unwrap();
        header(name, section.1, offset, section.2.len(), section.3);
        offset += section.2.len() as u64;
    }
    header(own_name, 3, offset, names.len(), 0);
    file.write_all(&names).unwrap();
    file.write_all(&headers).unwrap();
    file.into_inner().unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// `.debug_abbrev`, `.debug_info` and `.debug_line` of DWARF 4.
fn debug(trap: Trap) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let unit = |body: &[u8]| {
        let mut unit = u32::try_from(body.len() + 7).unwrap().to_le_bytes().to_vec();
        unit.extend([4, 0, 0, 0, 0, 0, 8]);
        unit.extend(body);
        unit
    };
    let range = [(BASE + CODE_AT).to_le_bytes(), CODE_BYTES.to_le_bytes()].concat();
    match trap {
        Trap::Units => (vec![0], unit(&[0]).repeat(7_000_000), vec![]),
        Trap::Lines => {
            let abbreviations = [&UNIT[..], &[0]].concat();
            (abbreviations, unit(&[&[1][..], &range, &[0; 4]].concat()), lines(60_000_000))
        }
        Trap::Nesting(depth) => {
            // DW_TAG_subprogram with a name; DW_TAG_inlined_subroutine of another; both with a range and children.
            let function = [2, 0x2e, 1, 0x03, 8, 0x11, 1, 0x12, 7, 0, 0];
            let inlined = [3, 0x1d, 1, 0x31, 0x13, 0x11, 1, 0x12, 7, 0, 0, 0];
            let abbreviations = [&UNIT[..], &function, &inlined].concat();
            let function_at = 11 + 1 + 16 + 4;
            let mut body = [&[1][..], &range, &[0; 4], &[2], b"boom\0", &range].concat();
            for _ in 0..depth {
                body.push(3);
                body.extend(u32::to_le_bytes(function_at));
                body.extend(&range);
            }
            body.resize(body.len() + depth + 2, 0);
            (abbreviations, unit(&body), lines(10))
        }
    }
}

/// The abbreviation of a unit with children, a range and lines (DW_AT_low_pc, DW_AT_high_pc, DW_AT_stmt_list).
const UNIT: [u8; 11] = [1, 0x11, 1, 0x11, 1, 0x12, 7, 0x10, 0x17, 0, 0];

/// A line table of so many rows of one byte, none of which moves on.
fn lines(rows: usize) -> Vec<u8> {
    let mut program = vec![0, 9, 2];
    program.extend((BASE + CODE_AT).to_le_bytes());
    program.resize(program.len() + rows, 18);
    program.extend([2, 16, 0, 1, 1]);
    let mut head = vec![1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0];
    head.extend(b"boom.c\0\0\0\0\0");
    let mut lines = u32::try_from(2 + 4 + head.len() + program.len()).unwrap().to_le_bytes().to_vec();
    lines.extend([4, 0]);
    lines.extend(u32::try_from(head.len()).unwrap().to_le_bytes());
    lines.extend(head);
    lines.extend(program);
    lines
}

fn peak_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// The crashes of each trap, and after each an honest one: how long the stack of that took, at most.
async fn attack(daemon: &Daemon, folder: &Path, rounds: usize) -> Duration {
    let own = std::process::id() % 100_000;
    let honest = folder.join("honest.c");
    fs::write(&honest, "void inner(void) { *(int *volatile)8 = 1; }\nint main(void) { inner(); }\n").unwrap();
    let mut slowest = Duration::ZERO;
    for (trap, letter) in TRAPS {
        for round in 0..rounds {
            let name = format!("trap{letter}{own}r{round}");
            let path = folder.join(&name);
            write_program(&path, trap);
            let honest_name = format!("fine{letter}{own}r{round}");
            let program = folder.join(&honest_name);
            let mut build = Command::new("cc");
            build.args(["-g", "-O0", "-static", "-o"]).arg(&program).arg(&honest);
            assert!(build.status().unwrap().success());
            // Root's own, too: it may be a container's root.
            let mut command = Command::new(&path);
            if round > 0 {
                command.uid(4242).gid(4242);
            }
            assert!(!command.status().unwrap().success());
            // The honest one does not wait until the other's stack is there.
            let begun = Instant::now();
            assert!(!Command::new(&program).status().unwrap().success());
            let text = daemon.stack_of(&honest_name).await;
            slowest = slowest.max(begun.elapsed());
            assert!(text.contains(" in inner at "), "after {trap:?}\n{text}");
            let text = daemon.stack_of(&name).await;
            assert!(text.starts_with("#0") && text.contains("boom"), "{trap:?}\n{text}");
            // Empty units have no line to tell: who reads them to their end has nothing to say.
            let answered = matches!(trap, Trap::Units)
                || text.contains("boom at boom.c")
                || text.contains("debug information");
            assert!(answered, "no reason is said: {trap:?}\n{text}");
            fs::remove_file(&path).unwrap();
            fs::remove_file(&program).unwrap();
        }
    }
    slowest
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// How the jobs of helpers ended.
async fn outcomes(daemon: &Daemon) -> String {
    let Some(Value::String(text)) = daemon.get("/metrics").await else { panic!("no metrics") };
    let lines = text.lines().filter_map(|line| line.strip_prefix("ai_debugger_helper_jobs_total"));
    lines.collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debug_information_made_to_fell_its_reader_fells_a_helper_at_most() {
    skip_if!(no_kernel_events());
    let (data, folder) = (tempfile::tempdir().unwrap(), folder());
    let daemon = Setup::new(data.path()).start();
    let before = peak_bytes(daemon.pid());
    attack(&daemon, folder.path(), ROUNDS).await;
    let grown = peak_bytes(daemon.pid()).saturating_sub(before);
    let outcomes = outcomes(&daemon).await;
    assert!(grown <= GROWTH_MAX, "{grown} bytes");
    assert!(outcomes.contains("outcome=\"signal\""), "nobody fell: {outcomes}");
    // A helper that falls is no fault of the host's.
    for name in ["ai-debugger", "exe"] {
        // Those of other daemons on this host are none of ours.
        let ours = daemon.incidents_of(name).await;
        assert!(ours.iter().all(|it| it["process"]["ppid"] != daemon.pid()), "{ours:?}");
    }
    // Every step of their confinement is in force where the kernel has it.
    let status = daemon.get("/api/v1/status").await.unwrap();
    for helper in ["parser", "opener"] {
        let steps = status["helpers"][helper].as_array().unwrap_or_else(|| panic!("{status}"));
        let missing: Vec<_> =
            steps.iter().filter(|it| it["in_force"] != true && it["name"] != "files").collect();
        assert!(steps.len() >= 6 && missing.is_empty(), "{helper}: {missing:?}");
    }
}

/// The figures of the bar: `cargo test --release --test it -- --ignored --nocapture twenty_times`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; with --release it shows the figures to reach"]
async fn twenty_times_in_a_cgroup_of_128_mib() {
    const LIMIT_BYTES: u64 = 128 << 20;
    const DAEMON_BYTES_MAX: u64 = 64 << 20;
    const STACK_WITHIN: Duration = Duration::from_secs(2);
    skip_if!(no_kernel_events());
    let (data, folder) = (tempfile::tempdir().unwrap(), folder());
    let cgroup = Cgroup::limited(LIMIT_BYTES);
    let daemon = Setup::new(data.path()).cgroup(&cgroup.0).start();
    let slowest = attack(&daemon, folder.path(), 20).await;
    let peak = peak_bytes(daemon.pid());
    println!("the daemon's peak: {} KiB; the next honest crash's stack within {slowest:?}", peak / 1024);
    println!("jobs of helpers: {}", outcomes(&daemon).await);
    assert!(peak <= DAEMON_BYTES_MAX && slowest <= STACK_WITHIN);
    assert!(daemon.terminate().success());
}

/// A memory cgroup of its own, on either version.
struct Cgroup(PathBuf);

impl Cgroup {
    fn limited(bytes: u64) -> Self {
        let v1 = Path::new("/sys/fs/cgroup/memory");
        let (root, file) = if v1.is_dir() {
            (v1, "memory.limit_in_bytes")
        } else {
            (Path::new("/sys/fs/cgroup"), "memory.max")
        };
        let cgroup = Self(root.join(format!("ai-debugger-hostile-{}", std::process::id())));
        fs::create_dir(&cgroup.0).unwrap();
        fs::write(cgroup.0.join(file), bytes.to_string()).unwrap();
        cgroup
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Its last processes may still be on their way out.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
