//! Each way to crash, compiled each way, against the chain of functions that the source says.

use super::*;

/// Below main are libc's own frames; how many have names depends on how libc was stripped.
fn check(flags: &[&str], mode: &str, want: &[&str]) -> Stack {
    let program = Program::compile(flags);
    let stack = stack_of(program.crash(mode));
    let functions = functions(&stack);
    let begin = functions.iter().position(|it| Some(it) == want.first()).unwrap_or(usize::MAX);
    let held = functions.get(begin..).is_some_and(|it| it.starts_with(want));
    assert!(held, "{flags:?} {mode}: {want:?} is not in\n{stack}");
    stack
}

const WAYS: [&[&str]; 9] = [
    &["-g", "-O0"],
    &["-g", "-O2"],
    &["-g", "-O2", "-fomit-frame-pointer"],
    &["-g", "-O2", "-fno-omit-frame-pointer"],
    &["-g", "-O2", "-no-pie", "-fomit-frame-pointer"],
    &["-g", "-O2", "-static"],
    &["-g", "-O2", "-static-pie"],
    &["-g", "-O2", "-static", "-no-pie", "-fomit-frame-pointer"],
    &["-g", "-O2", "-static", "-no-pie", "-fno-omit-frame-pointer"],
];

#[test]
fn a_wild_write_names_every_caller_and_its_line() {
    for flags in WAYS {
        let stack = check(flags, "segv", &["write_nowhere", "middle", "outer", "main"]);
        let source = include_str!("../testdata/crash.c");
        let line = source.lines().position(|it| it.contains("the line of the crash")).unwrap() + 1;
        let leaf = &stack.frames[0];
        assert_eq!(leaf.line.map(|it| it as usize), Some(line), "{flags:?}\n{stack}");
        assert!(leaf.file.as_deref().unwrap().ends_with("testdata/crash.c"));
        assert_eq!(leaf.found_by, FoundBy::Registers);
        assert!(stack.frames[1..].iter().all(|it| it.found_by == FoundBy::Cfi), "{stack:?}");
        assert!(stack.notes.is_empty(), "{flags:?}: the chain is whole\n{stack}");
        assert_eq!(stack.site().as_deref(), Some("crash!write_nowhere"));
    }
}

#[test]
fn an_abort_through_libc_leads_back_to_main() {
    for flags in WAYS {
        for (mode, chain) in [
            ("abort", &["abort", "die", "give_up", "main"][..]),
            ("assert", &["__assert_fail", "check", "main"]),
        ] {
            let stack = check(flags, mode, chain);
            let own = chain.iter().find(|it| ["die", "check"].contains(it)).unwrap();
            assert_eq!(stack.site(), Some(format!("crash!{own}")), "{flags:?}\n{stack}");
            assert!(stack.notes.is_empty(), "{flags:?}\n{stack}");
        }
    }
}

#[test]
fn heap_corruption_is_laid_at_the_callers_door() {
    for flags in [&["-O2"][..], &["-O2", "-static"]] {
        let stack = check(flags, "free-twice", &["free_twice", "main"]);
        assert_eq!(stack.site().as_deref(), Some("crash!free_twice"), "{stack}");
    }
}

#[test]
fn a_call_to_nowhere_names_who_called() {
    for flags in WAYS {
        for (mode, caller) in [("null-call", "call_null"), ("garbage-call", "call_garbage")] {
            let stack = check(flags, mode, &["?", caller, "main"]);
            assert_eq!(stack.frames[0].module, None);
            assert_eq!(stack.frames[1].found_by, FoundBy::ReturnAddress, "{stack:?}");
            assert_eq!(stack.site(), Some(format!("crash!{caller}")));
        }
    }
}

#[test]
fn endless_recursion_is_named_and_cut() {
    for flags in [&["-O0"][..], &["-O1", "-fomit-frame-pointer"]] {
        let stack = check(flags, "recurse", &["recurse"; 20]);
        assert_eq!(stack.site().as_deref(), Some("crash!recurse"));
        assert!(stack.notes.iter().any(|it| it.contains("the stack ends")), "{stack}");
    }
}

#[test]
fn a_smashed_stack_gives_no_false_frames() {
    for flags in [&["-O0"][..], &["-O2"], &["-O2", "-fno-omit-frame-pointer"]] {
        let stack = stack_of(Program::compile(flags).crash("smash"));
        // The crash is at the return to 0x41414141: who returned there is no longer on the stack.
        assert_eq!(stack.frames[0].address, Some(0x4141_4141), "{stack}");
        assert_eq!(stack.frames.len(), 1, "{flags:?}\n{stack}");
        assert!(stack.notes.iter().any(|it| it.contains("not code of a known module")), "{stack}");
        assert_eq!(stack.site(), None);
    }
}

#[test]
fn a_crash_inside_a_library_leads_out_of_it() {
    for flags in [&["-O2"][..], &["-O2", "-no-pie"]] {
        let stack = check(flags, "length", &["ask_length", "main"]);
        assert!(stack.frames[0].module.as_deref().unwrap().ends_with("libc.so.6"), "{stack}");
        check(flags, "time", &["ask_time", "main"]);
    }
}

#[test]
fn a_thread_ends_where_it_began() {
    for flags in [&["-O2"][..], &["-O2", "-static"]] {
        let stack = check(flags, "thread", &["write_nowhere", "middle", "outer", "work"]);
        assert!(!functions(&stack).contains(&"main"), "{stack}");
        assert!(stack.notes.is_empty(), "{stack}");
    }
}

#[test]
fn a_handler_that_aborts_leads_to_what_it_handled() {
    for flags in [&["-O2"][..], &["-O0"], &["-O2", "-static"]] {
        let stack = check(flags, "handled", &["abort", "die", "report_and_abort"]);
        let functions = functions(&stack);
        let fault =
            functions.iter().position(|it| *it == "write_nowhere").unwrap_or_else(|| panic!("{stack}"));
        assert_eq!(
            functions[fault..fault + 5],
            ["write_nowhere", "middle", "outer", "handled", "main"],
            "{stack}"
        );
    }
}

#[test]
fn a_handler_on_a_stack_of_its_own_names_at_least_the_fault() {
    let stack = check(&["-O2"], "handled-elsewhere", &["abort", "die", "report_and_abort"]);
    assert!(functions(&stack).contains(&"write_nowhere"), "{stack}");
    assert!(stack.notes.iter().any(|it| it.contains("not on the captured stack")), "{stack}");
}

#[test]
fn frames_found_by_other_registers_are_found() {
    for flags in [&["-O1", "-fomit-frame-pointer"][..], &["-O2"], &["-O0"]] {
        check(flags, "aligned", &["write_nowhere", "middle", "outer", "aligned", "main"]);
    }
}

#[test]
fn without_rules_frame_pointers_serve() {
    let without =
        &["-O1", "-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];
    let stack = check(without, "segv", &["write_nowhere", "middle", "outer", "main"]);
    assert_eq!(stack.frames[1].found_by, FoundBy::FramePointer, "{stack:?}");
    check(without, "abort", &["abort", "die", "give_up", "main"]);
}

#[test]
fn rules_for_debuggers_serve_where_there_are_no_others() {
    let flags =
        &["-g", "-O2", "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];
    let stack = check(flags, "segv", &["write_nowhere", "middle", "outer", "main"]);
    assert!(stack.frames[1..].iter().all(|it| it.found_by == FoundBy::Cfi), "{stack:?}");
}

#[test]
fn inlined_functions_are_shown_where_they_were_written() {
    let program = Program::compile(&["-g", "-O2", "-DREAL="]);
    let stack = stack_of(program.crash("segv"));
    let own: Vec<_> = functions(&stack).into_iter().take_while(|it| *it != "main").collect();
    assert_eq!(own, ["write_nowhere", "middle", "outer"], "{stack}");
    assert!(stack.frames[0].inlined && !stack.frames[own.len()].inlined, "{stack:?}");
    assert_eq!(stack.site().as_deref(), Some("crash!write_nowhere"));
}

/// Printed, not judged: `cargo test stack -- --nocapture how_long`.
#[test]
fn how_long_an_abort_takes() {
    let program = Program::compile(&["-g", "-O2"]);
    let capture = program.crash("abort");
    let symboliser = Symboliser::new();
    let mut stack = Stack::default();
    for temperature in ["cold", "warm", "warm"] {
        let begun = Instant::now();
        stack = symboliser.stack(&capture, PATIENCE);
        println!("{temperature}: {:?} for {} frames", begun.elapsed(), stack.frames.len());
    }
    println!("{stack}");
    assert_eq!(stack.top_symbol(), Some("die"));
}

/// As Go's compiler makes them: static, fixed, with frame pointers, without a C library, without unwinding rules and
/// build-id, of which the kernel says only addresses; and the same with rules for debuggers alone.
#[test]
fn a_program_without_anything_of_others_in_it_has_its_whole_chain() {
    let bare = ["-g", "-O1", "-static", "-no-pie", "-nostdlib", "-ffreestanding", "-Wl,--build-id=none"];
    let no_rules = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];
    for (frame_pointer, found_by) in
        [("-fno-omit-frame-pointer", None), ("-fomit-frame-pointer", Some(FoundBy::Cfi))]
    {
        let flags: Vec<_> = bare.into_iter().chain(no_rules).chain([frame_pointer]).collect();
        let program = Program { path: compiled("bare", &flags) };
        let capture = program.crash("");
        assert!(capture.modules.is_empty(), "nobody loaded it: {capture:?}");
        assert!(capture.frames.iter().all(|it| matches!(it, CapturedFrame::Address(_))), "{capture:?}");
        let stack = stack_of(capture);
        assert_eq!(functions(&stack), ["write_nowhere", "middle", "outer", "_start"], "{flags:?}\n{stack}");
        assert!(stack.frames[0].file.as_deref().unwrap().ends_with("testdata/bare.c"), "{stack}");
        assert!(stack.frames.iter().all(|it| it.line.is_some()), "{stack}");
        assert!(found_by.is_none_or(|by| stack.frames[1].found_by == by), "{stack:?}");
        assert_eq!(stack.site().as_deref(), Some("bare!write_nowhere"));
    }
}

/// Go's sigpanic, to which no call led: the instruction that faulted is its return address.
#[test]
fn a_handler_that_is_called_as_if_by_the_fault_leads_to_it() {
    let flags = [
        "-O1",
        "-static",
        "-no-pie",
        "-nostdlib",
        "-ffreestanding",
        "-fno-asynchronous-unwind-tables",
        "-fno-omit-frame-pointer",
    ];
    let stack = stack_of(Program { path: compiled("injected", &flags) }.crash(""));
    assert_eq!(functions(&stack), ["injected", "faulty", "outer", "_start"], "{stack}");
}

/// musl's list has the executable by the name by which it was called.
#[test]
fn an_executable_is_known_by_the_name_by_which_it_was_called() {
    for flags in [&["-g", "-O2"][..], &["-g", "-O2", "-no-pie"]] {
        let mut capture = Program::compile(flags).crash("segv");
        let want = stack_of(capture.clone());
        capture.modules[0].path = Some("./crash".into());
        assert_eq!(functions(&stack_of(capture)), functions(&want), "{flags:?}");
        assert!(functions(&want).starts_with(&["write_nowhere"]), "{want}");
    }
}

#[test]
fn a_load_map_that_was_cut_says_so() {
    let mut capture = Program::compile(&["-g", "-O2"]).crash("segv");
    let noted =
        |capture: &Capture| stack_of(capture.clone()).notes.iter().any(|it| it.contains("could be captured"));
    assert!(!noted(&capture));
    capture.modules_cut = true;
    assert!(noted(&capture));
}

/// What the kernel saw has its file's name still, and nothing that is not so is said of who called.
#[test]
fn a_fixed_program_that_is_gone_is_named() {
    let (directory, program) = files::copied(&["-O2", "-static", "-fno-omit-frame-pointer"]);
    let capture = program.crash("segv");
    drop(directory);
    let stack = stack_of(capture);
    let leaf = &stack.frames[0];
    assert!(leaf.module.as_deref().is_some_and(|it| it.ends_with("/crash")), "{stack}");
    assert!(leaf.offset.is_some() && leaf.function.is_none(), "{stack}");
}
