//! Files that are stripped, replaced, gone, in another root, or a trap.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::SystemTime;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

const OPTIMISED: &[&str] = &["-O2", "-fomit-frame-pointer"];

/// A program of its own, so that it can be changed.
pub(super) fn copied(flags: &[&str]) -> (tempfile::TempDir, Program) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("crash");
    // By another process: one of ours that forks meanwhile would keep it from being executed.
    let status = Command::new("cp").arg(&Program::compile(flags).path).arg(&path).status().unwrap();
    assert!(status.success());
    (directory, Program { path })
}

fn nameless(stack: &Stack) -> bool {
    stack
        .frames
        .iter()
        .filter(|it| it.module.as_deref().is_some_and(|it| it.ends_with("crash")))
        .all(|it| it.function.is_none())
}

#[test]
fn a_stripped_program_gives_offsets_and_the_same_chain() {
    for flags in [&["-O2", "-s"][..], &["-O2", "-s", "-static"]] {
        let whole: Vec<_> = flags.iter().copied().filter(|it| *it != "-s").collect();
        let (stripped, named) = (Program::compile(flags), Program::compile(&whole));
        for mode in ["segv", "null-call"] {
            let stack = stack_of(stripped.crash(mode));
            let chain = |stack: &Stack| stack.frames.iter().map(|it| it.offset).collect::<Vec<_>>();
            assert_eq!(chain(&stack), chain(&stack_of(named.crash(mode))), "{stack}");
            assert!(nameless(&stack) && stack.notes.is_empty(), "{stack}");
            let top = stack.frames.iter().find(|it| it.module.is_some()).unwrap();
            let want = format!("{}+{:#x}", top.build_id.as_ref().unwrap(), top.offset.unwrap());
            assert_eq!(stack.site(), Some(want));
        }
    }
    // What is exported keeps its name without any other symbols.
    let stack = stack_of(Program::compile(&["-O2", "-s", "-rdynamic"]).crash("segv"));
    assert_eq!(functions(&stack)[..4], ["write_nowhere", "middle", "outer", "main"], "{stack}");
}

/// Who reads it may die of it, so it is no matter whose it is; who has died of it before leaves it alone.
#[test]
fn debug_information_is_read_whoever_can_write_it_or_left_alone() {
    for (flags, mode, frugal) in [
        (&["-g", "-O2", "-DREAL="][..], 0o755, false),
        (&["-g", "-O2", "-DREAL="], 0o777, false),
        (&["-g", "-gz", "-O2", "-DREAL="], 0o777, false),
        (&["-g", "-O2", "-DREAL="], 0o755, true),
    ] {
        let (_directory, program) = copied(flags);
        fs::set_permissions(&program.path, Permissions::from_mode(mode)).unwrap();
        let effort = Effort { deadline: Instant::now() + PATIENCE, bytes: BYTES, frugal };
        let stack = Symboliser::new().with(&program.crash("segv"), &effort);
        let leaf = &stack.frames[0];
        assert_eq!((leaf.inlined, leaf.line.is_some()), (!frugal, !frugal), "{flags:?} {mode:o}\n{stack}");
        assert!(functions(&stack).contains(&"main"), "{stack}");
        assert_eq!(stack.notes.iter().any(|it| it.contains("is left alone")), frugal, "{stack}");
    }
}

#[test]
fn a_replaced_program_gives_no_names() {
    let other = Program::compile(&["-O1", "-fno-omit-frame-pointer"]);
    for (flags, mode) in
        [(OPTIMISED, "segv"), (&["-O0"], "segv"), (&["-O0"], "abort"), (OPTIMISED, "null-call")]
    {
        let (_directory, program) = copied(flags);
        let mut capture = program.crash(mode);
        capture.started_at = Some(SystemTime::now());
        fs::remove_file(&program.path).unwrap();
        fs::copy(&other.path, &program.path).unwrap();
        let stack = stack_of(capture.clone());
        assert!(nameless(&stack), "{mode}\n{stack}");
        assert!(
            stack.notes.iter().any(|it| it.contains("was replaced after it was loaded")),
            "{mode}\n{stack}"
        );
        if mode == "segv" {
            let CapturedFrame::File { build_id, offset } = &capture.frames[0] else { panic!("{capture:?}") };
            let leaf = &stack.frames[0];
            assert_eq!((&leaf.build_id, leaf.offset), (&Some(build_id.to_string()), Some(*offset)));
            // Its build-id alone tells too.
            capture.started_at = None;
            assert!(nameless(&stack_of(capture)), "{mode}");
        }
    }
}

#[test]
fn a_program_changed_since_it_started_is_believed_if_its_build_id_is() {
    let (_directory, program) = copied(OPTIMISED);
    let mut capture = program.crash("segv");
    capture.started_at = Some(SystemTime::UNIX_EPOCH);
    // The kernel saw the program's build-id, not libc's.
    let stack = stack_of(capture.clone());
    assert_eq!(functions(&stack)[..4], ["write_nowhere", "middle", "outer", "main"], "{stack}");
    assert!(stack.frames[4..].iter().all(|it| it.function.is_none()), "{stack}");
    capture.frames.clear();
    assert!(nameless(&stack_of(capture)));
}

#[test]
fn a_deleted_program_leaves_what_the_kernel_saw() {
    let (directory, program) = copied(&["-O0"]);
    let capture = program.crash("segv");
    drop(directory);
    let stack = stack_of(capture.clone());
    let CapturedFrame::File { build_id, .. } = &capture.frames[0] else { panic!("{capture:?}") };
    assert!(stack.frames.len() >= 4, "the kernel's walk goes on\n{stack}");
    assert!(stack.frames[..4].iter().all(|it| it.build_id == Some(build_id.to_string())), "{stack}");
    assert!(stack.frames[0].module.as_deref().is_some_and(|it| it.ends_with("crash")), "{stack}");
    assert!(nameless(&stack) && stack.notes.iter().any(|it| it.contains("can't be used")), "{stack}");
}

#[test]
fn names_in_the_load_map_are_of_the_processs_root() {
    let (directory, program) = copied(OPTIMISED);
    let mut capture = program.crash("segv");
    capture.executable = Some("/crash".into());
    assert!(nameless(&stack_of(capture.clone())));
    capture.root = Root::Another { ways: vec![directory.path().to_owned()], host: "/".into() };
    let stack = stack_of(capture);
    assert_eq!(functions(&stack)[..4], ["write_nowhere", "middle", "outer", "main"], "{stack}");
    assert!(stack.notes.iter().any(|it| it.contains("libc.so.6 can't be used")), "{stack}");
}

#[test]
fn the_file_that_was_mapped_stands_in_for_a_name_that_leads_to_no_program() {
    let (directory, program) = copied(OPTIMISED);
    let script = directory.path().join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let other = Program::compile(&["-O1", "-fno-omit-frame-pointer"]);
    let capture = program.crash("segv");
    for (executable, mapped, named) in [
        (None, Some(&program.path), true),
        (Some(&script), Some(&program.path), true),
        (None, None, false),
        // Of the same name, and with another build-id.
        (None, Some(&other.path), false),
    ] {
        let (executable, mapped) = (executable.cloned(), mapped.cloned());
        let stack = stack_of(Capture { executable, mapped, ..capture.clone() });
        let functions = functions(&stack);
        assert_eq!(functions.starts_with(&["write_nowhere", "middle", "outer", "main"]), named, "{stack}");
        assert!(named || nameless(&stack), "{stack}");
    }
}

#[test]
fn files_of_the_same_names_are_not_taken_for_those_of_a_root_that_is_gone() {
    let mut capture = Program::compile(OPTIMISED).crash("segv");
    capture.root = Root::Another { ways: vec!["/proc/0/root".into()], host: "/".into() };
    let stack = stack_of(capture);
    assert!(nameless(&stack) && !stack.frames.is_empty(), "{stack}");
    assert!(stack.notes.iter().any(|it| it.contains("root directory") && it.contains("is gone")), "{stack}");
}

#[test]
fn traps_on_disk_are_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    symlink("/dev/zero", path("zero")).unwrap();
    fs::write(path("text"), "#!/bin/sh\n").unwrap();
    File::create(path("empty")).unwrap();
    File::create(path("huge")).unwrap().set_len(10 << 30).unwrap();
    let mut capture = Program::compile(OPTIMISED).crash("segv");
    for name in ["fifo", "zero", "text", "empty", "huge", ".", "none"] {
        capture.executable = Some(path(name));
        let bias = capture.modules[0].bias;
        capture.modules.push(LoadedModule { bias: bias ^ 0x1000, path: Some(path(name)), build_id: None });
        let begun = Instant::now();
        let stack = stack_of(capture.clone());
        assert!(begun.elapsed() < PATIENCE && stack.frames.len() == 1, "{name}\n{stack}");
        assert!(
            stack.notes.iter().any(|it| it.contains(&format!("/{name} can't be used"))),
            "{name}\n{stack}"
        );
    }
}

#[test]
fn what_was_kept_stands_in_for_files_of_a_root_that_is_gone() {
    use std::os::unix::fs::MetadataExt as _;

    for flags in [OPTIMISED, &["-g", "-O2", "-static"][..]] {
        let (directory, program) = copied(flags);
        let mut capture = program.crash("segv");
        capture.root = Root::Another { ways: vec!["/proc/0/root".into()], host: "/".into() };
        capture.started_at = Some(SystemTime::now());
        let copies = tempfile::tempdir().unwrap();
        let keep = |path: &Path, start, is_program| {
            let copy = copies.path().join(path.file_name().unwrap());
            fs::copy(path, &copy).unwrap();
            let it = fs::metadata(path).unwrap();
            let changed = (it.ctime(), it.ctime_nsec());
            KeptFile { path: path.to_owned(), start, is_program, copy, changed }
        };
        let mut kept = vec![keep(&program.path, None, true)];
        for module in capture.modules.iter().filter(|it| it.path.as_ref().is_some_and(|it| it.is_file())) {
            let path = module.path.clone().unwrap();
            // By where it was: in the container it had another name behind its link.
            let of_container =
                KeptFile { path: "/elsewhere".into(), ..keep(&path, Some(module.bias), false) };
            kept.push(of_container);
        }
        drop(directory);
        let stack = stack_of_kept(&Capture { kept: kept.clone(), ..capture.clone() });
        assert_eq!(functions(&stack)[..4], ["write_nowhere", "middle", "outer", "main"], "{stack}");
        assert!(stack.notes.is_empty(), "{stack}");
        // One that was changed after the process had begun need not be what it ran, as one on disk.
        for file in &mut kept {
            file.changed.0 += 3600;
        }
        capture.frames.clear();
        let stack = stack_of_kept(&Capture { kept, ..capture });
        assert!(nameless(&stack) && stack.notes.iter().any(|it| it.contains("was replaced")), "{stack}");
    }
}

/// With the copies in place of files, as who opens them has it.
fn stack_of_kept(capture: &Capture) -> Stack {
    struct Copies<'c>(&'c Capture);

    impl Files for Copies<'_> {
        fn root(&self) -> Result<(), String> {
            Ok(())
        }

        fn open(&self, path: &Path) -> Result<FoundFile, String> {
            let names = wanted(self.0);
            let copy = stand_ins(self.0).into_iter().find(|(number, _)| names[*number] == path);
            let copy = copy.ok_or("it is gone")?.1;
            Ok(FoundFile { file: File::open(&copy.copy).unwrap(), kept: Some(copy.changed) })
        }

        fn debug(&self, _: &BuildId) -> Option<File> {
            None
        }
    }

    let effort = Effort { deadline: Instant::now() + PATIENCE, bytes: BYTES, frugal: false };
    Unwinder::new().stack(capture, &Copies(capture), &effort)
}
