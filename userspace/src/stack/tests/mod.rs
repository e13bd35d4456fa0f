//! Real crashes, really captured: a C program crashes under a tracer that reads what the kernel could read,
//! and is gone before its stack is made.

mod crashes;
mod files;
mod hostile;

use std::cell::RefCell;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Root;
use super::image::Image;
use super::*;
use crate::lookup;

/// Long enough for a machine shared with others.
const PATIENCE: Duration = Duration::from_secs(120);

/// A crashing program, compiled one way.
pub(super) struct Program {
    pub(super) path: PathBuf,
}

impl Program {
    pub(super) fn compile(flags: &[&str]) -> Self {
        Self { path: compiled("crash", flags) }
    }

    /// What could be captured of the last of its fatal signals.
    pub(super) fn crash(&self, mode: &str) -> Capture {
        let output = Command::new(compiled("capture", &["-O1"])).arg(&self.path).arg(mode).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let last = text.rsplit("crash ").next().filter(|_| text.contains("crash ")).expect("it crashed");
        capture_of(last, &self.path)
    }
}

/// Compiled with the C compiler that the build needs anyway; once for each source and set of flags.
fn compiled(name: &str, flags: &[&str]) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stack/testdata").join(format!("{name}.c"));
    let directory = std::env::current_exe().unwrap().with_file_name(format!("stack-tests{}", flags.concat()));
    let path = directory.join(name);
    let changed = |path: &Path| std::fs::metadata(path).and_then(|it| it.modified()).ok();
    if changed(&path) <= changed(&source) {
        std::fs::create_dir_all(&directory).unwrap();
        let mut command = Command::new("cc");
        command.args([
            "-Wno-nonnull",
            "-Wno-infinite-recursion",
            "-Wno-use-after-free",
            "-fno-stack-protector",
        ]);
        let status = command.arg("-o").arg(&path).arg(&source).args(flags).arg("-pthread").status();
        assert!(status.expect("a C compiler, `cc`").success(), "{name}.c does not compile with {flags:?}");
        // Whatever the umask: others run it, too.
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    path
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap()
}

/// The tracer's words as the kernel's.
fn capture_of(text: &str, executable: &Path) -> Capture {
    let mut capture = Capture { executable: Some(executable.to_owned()), ..Capture::default() };
    let maps: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("map ")).collect();
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "regs" => {
                let values: Vec<_> = rest.split(' ').map(hex).collect();
                let mut registers = Registers::new(values[0], values[8]);
                values[1..]
                    .iter()
                    .enumerate()
                    .for_each(|(number, value)| registers.set_numbered(number, Some(*value)));
                capture.registers = Some(registers);
            }
            "top" => capture.top_of_stack = Some(hex(rest)),
            "stack" => {
                let (address, bytes) = rest.split_once(' ').unwrap();
                capture.stack_address = Some(hex(address));
                capture.stack = data_encoding::HEXLOWER.decode(bytes.as_bytes()).unwrap();
            }
            "frame" => capture.frames.push(captured_frame(hex(rest), &maps)),
            "entry" => capture.entry = Some(hex(rest)),
            "vdso" => capture.vdso = Some(hex(rest)),
            "module" => {
                let (bias, name) = rest.split_once(' ').unwrap();
                capture.modules.push(LoadedModule {
                    bias: hex(bias),
                    path: Some(name.into()),
                    build_id: None,
                });
            }
            _ => {}
        }
    }
    capture
}

/// As the kernel's: by the file that is mapped there.
fn captured_frame(address: u64, maps: &[&str]) -> CapturedFrame {
    let in_file = maps.iter().find_map(|line| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let offset = hex(words.nth(1)?);
        let path = words.nth(2).filter(|it| it.starts_with('/'))?;
        let inside = (hex(start)..hex(end)).contains(&address);
        let build_id = inside.then(|| Image::read(&File::open(path).ok()?).ok()?.build_id).flatten()?;
        Some(CapturedFrame::File { build_id, offset: address - hex(start) + offset })
    });
    in_file.unwrap_or(CapturedFrame::Address(address))
}

/// What files may take in a test.
const BYTES: u64 = 160 << 20;

/// All of the work in this process: opening, unwinding, naming.
pub(super) struct Symboliser(RefCell<Unwinder>);

impl Symboliser {
    pub(super) fn new() -> Self {
        Self(RefCell::new(Unwinder::new()))
    }

    pub(super) fn stack(&self, capture: &Capture, time: Duration) -> Stack {
        let effort = Effort { deadline: Instant::now() + time, bytes: BYTES, frugal: false };
        self.with(capture, &effort)
    }

    pub(super) fn with(&self, capture: &Capture, effort: &Effort) -> Stack {
        self.0.borrow_mut().stack(capture, &Opened(lookup::base(&capture.root)), effort)
    }
}

/// Opens a file when it is wanted.
struct Opened(anyhow::Result<lookup::Base>);

impl Files for Opened {
    fn root(&self) -> Result<(), String> {
        self.0.as_ref().map(|_| ()).map_err(ToString::to_string)
    }

    fn open(&self, path: &Path) -> Result<FoundFile, String> {
        let base = self.0.as_ref().map_err(ToString::to_string)?;
        let file = lookup::open(base, path).map_err(|error| format!("{error:#}"))?;
        Ok(FoundFile { file, kept: None })
    }

    fn debug(&self, _: &BuildId) -> Option<File> {
        None
    }
}

#[expect(clippy::needless_pass_by_value, reason = "most callers make one for it")]
pub(super) fn stack_of(capture: Capture) -> Stack {
    thread_local! {
        // One for each test: what it remembers of libc makes them quick.
        static SYMBOLISER: Symboliser = Symboliser::new();
    }
    // The way to the process that does it is a part of it.
    let travelled: Capture =
        serde_json::to_string(&capture).and_then(|text| serde_json::from_str(&text)).unwrap();
    SYMBOLISER.with(|it| it.stack(&travelled, PATIENCE))
}

/// Function names, `?` where there is none; libc's as its manual has them.
pub(super) fn functions(stack: &Stack) -> Vec<&str> {
    let names = stack.frames.iter().map(|frame| frame.function.as_deref().unwrap_or("?"));
    names.map(|it| it.strip_prefix("__GI_").unwrap_or(it)).collect()
}
