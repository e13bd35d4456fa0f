//! What the table holds, and what runtimes say.

use super::*;
use crate::model::{Confidence, ExitCause, ProcessInfo};

fn built_in() -> LanguageTable {
    LanguageTable::parse(include_str!("languages.toml")).unwrap()
}

fn process(argv: &[&str]) -> ProcessInfo {
    ProcessInfo {
        pid: 42,
        start_ticks: 100,
        ppid: 7,
        name: argv[0].rsplit('/').next().unwrap().chars().take(15).collect(),
        exe: None,
        argv: argv.iter().map(|&it| it.to_owned()).collect(),
        uid: None,
        cgroup: None,
        container_id: None,
        unit: None,
        pod_uid: None,
        container: None,
    }
}

/// What is said by this end: language and reason, and how sure that is. A function may have its module before a `!`;
/// those before `|` are the machinery.
fn check(argv: &[&str], cause: ExitCause, stack: &[&str], want: Option<(&str, Reason, Confidence)>) {
    let process = process(argv);
    let own = stack.iter().position(|it| *it == "|");
    let called = |(at, text): (usize, &&'static str)| {
        let (module, function) =
            text.split_once('!').map_or((None, *text), |(module, it)| (Some(module), it));
        Called { function: Some(function), module, machinery: own.is_some_and(|own| at < own) }
    };
    let stack: Vec<&'static str> =
        stack.iter().map(|it| &*Box::leak((*it).to_owned().into_boxed_str())).collect();
    let calls: Vec<_> = stack.iter().enumerate().filter(|(_, it)| **it != "|").map(called).collect();
    let said = said(&End { process: &process, cause, calls: &calls, at_trap: false });
    let got = said.map(|it| (it.language, it.reason, it.proof.confidence()));
    assert_eq!(got, want, "{argv:?} {cause:?} {stack:?}");
}

#[test]
fn runtimes_say_why_by_their_functions() {
    use Reason::*;
    let signal = |signal, argv: &[&str], stack: &[&str], language, reason| {
        check(argv, ExitCause::Signal(signal), stack, Some((language, reason, Confidence::High)));
    };
    let abort = |argv: &[&str], stack: &[&str], language, reason| signal(6, argv, stack, language, reason);
    let app = &["./app"][..];
    // As they were seen in real ends.
    abort(
        &["node", "x.js"],
        &[
            "abort",
            "node::OOMErrorHandler(char const*, v8::OOMDetails const&)",
            "v8::Utils::ReportOOMFailure(x)",
        ],
        "node",
        OutOfMemory,
    );
    signal(5, &["/usr/bin/node18"], &["v8::internal::V8::FatalProcessOutOfMemory(x)"], "node", OutOfMemory);
    abort(
        &["java", "-Xmx20m"],
        &[
            "abort",
            "os::abort(bool, void*, void const*)",
            "VMError::report_and_die(int)",
            "report_java_out_of_memory(char const*)",
        ],
        "jvm",
        OutOfMemory,
    );
    abort(
        &["java"],
        &["abort", "os::abort(bool)", "VMError::report_and_die(x)", "crash_handler(x)"],
        "jvm",
        InternalError,
    );
    abort(app, &["runtime.raise", "runtime.fatalpanic", "runtime.gopanic", "main.boom"], "go", UncaughtError);
    abort(app, &["runtime.raise", "runtime.gopanic", "runtime.sigpanic", "main.nilp"], "go", UncaughtError);
    abort(
        app,
        &["runtime.crash", "runtime.throw", "runtime.newstack", "runtime.morestack"],
        "go",
        StackOverflow,
    );
    abort(
        app,
        &["runtime.crash", "runtime.throw", "runtime.sysMapOS", "runtime.mallocgc"],
        "go",
        OutOfMemory,
    );
    abort(app, &["abort", "core::panicking::panic_bounds_check", "app::idx"], "rust", UncaughtError);
    abort(
        app,
        &["abort", "std::alloc::rust_oom::{closure#0}", "alloc::alloc::handle_alloc_error"],
        "rust",
        OutOfMemory,
    );
    abort(
        app,
        &["std::sys::pal::unix::stack_overflow::imp::signal_handler", "app::rec"],
        "rust",
        StackOverflow,
    );
    abort(app, &["abort", "std::terminate()", "__cxa_throw", "thrower()"], "c++", UncaughtError);
    abort(
        app,
        &["abort", "std::terminate()", "__cxa_throw", "operator new(unsigned long)", "big()"],
        "c++",
        OutOfMemory,
    );
    abort(app, &["abort", "std::terminate()", "std::thread::~thread()", "main"], "c++", Assertion);
    abort(app, &["abort", "__cxa_pure_virtual", "main"], "c++", Assertion);
    abort(app, &["abort", "__assert_fail_base", "__assert_fail", "checkit"], "libc", Assertion);
    abort(app, &["abort", "__libc_message", "malloc_printerr", "_int_free", "twice"], "libc", HeapCorrupted);
    abort(app, &["abort", "cfree", "|", "twice"], "libc", HeapCorrupted);
    abort(app, &["abort", "__fortify_fail", "__stack_chk_fail", "smash"], "libc", StackCorrupted);
    abort(app, &["abort", "__fortify_fail", "__chk_fail", "copy"], "libc", BufferOverrun);
    abort(&["ruby", "x.rb"], &["abort", "die", "rb_bug_for_fatal_signal", "sigsegv"], "ruby", InternalError);
    abort(
        &["python3.11"],
        &["abort", "fatal_error_exit", "_Py_FatalErrorFunc", "bad"],
        "cpython",
        InternalError,
    );
    abort(&["beam.smp"], &["abort", "erts_exit", "erts_alloc_enomem", "erts_alloc"], "erlang", OutOfMemory);
    signal(11, &["php-fpm8.2"], &["zend_mm_panic", "_efree"], "php", HeapCorrupted);
    signal(5, &["gedit"], &["g_logv", "g_log", "main"], "glib", Assertion);
}

#[test]
fn what_others_call_or_name_so_says_nothing() {
    let app = &["./app"][..];
    let (abort, segv) = (ExitCause::Signal(6), ExitCause::Signal(11));
    for (cause, stack) in [
        (abort, &["abort", "die", "main"][..]),
        // Its own function frees, and is not called by the C library.
        (abort, &["abort", "|", "free", "main"]),
        (abort, &["abort", "|", "give_up", "main"]),
        (segv, &["strlen", "parse", "main"]),
        (segv, &["free", "|", "drop_it"]),
        (ExitCause::Signal(15), &["runtime.gopanic"]),
        (ExitCause::Status(0), &[]),
        (ExitCause::Status(42), &[]),
        (ExitCause::Unknown, &[]),
    ] {
        check(app, cause, stack, None);
    }
    check(&["cat", "java"], ExitCause::Status(3), &[], None);
    check(&["./app", "-XX:+ExitOnOutOfMemoryError"], ExitCause::Status(3), &[], None);
    check(&["java", "-jar", "a.jar"], ExitCause::Signal(6), &[], None);
}

#[test]
fn a_status_alone_is_never_sure() {
    use Reason::*;
    let status = |argv: &[&str], status, want| check(argv, ExitCause::Status(status), &[], want);
    let told = |language, reason, confidence| Some((language, reason, confidence));
    status(
        &["/usr/bin/java", "-XX:+ExitOnOutOfMemoryError"],
        3,
        told("jvm", OutOfMemory, Confidence::Medium),
    );
    status(&["java", "-jar", "x.jar"], 3, told("jvm", OutOfMemory, Confidence::Low));
    status(&["java", "-jar", "x.jar"], 1, told("jvm", UncaughtError, Confidence::Low));
    status(&["node", "x.js"], 1, told("node", UncaughtError, Confidence::Low));
    status(&["node", "x.js"], 9, told("node", Usage, Confidence::Low));
    status(&["python3.11", "x.py"], 1, told("cpython", UncaughtError, Confidence::Low));
    status(&["php-fpm8.2"], 255, told("php", UncaughtError, Confidence::Low));
    status(&["./app"], 101, told("rust", UncaughtError, Confidence::Medium));
    status(&["python3", "x.py"], 101, None);
    status(&["./app"], 2, None);
    status(&["dotnet", "x.dll"], 150, told("dotnet", Usage, Confidence::Medium));
    check(
        &["java", "-XX:+CrashOnOutOfMemoryError"],
        ExitCause::Signal(6),
        &["abort", "?"],
        told("jvm", OutOfMemory, Confidence::Medium),
    );
    check(
        &["./app"],
        ExitCause::Signal(6),
        &["abort", "/opt/app/libcoreclr.so!PROCAbort"],
        told("dotnet", UncaughtError, Confidence::Medium),
    );
}

#[test]
fn a_site_says_what_its_programs_are_written_in() {
    let own = |language: &str, names: &[&str]| {
        BTreeMap::from([(language.to_owned(), names.iter().map(|&it| it.to_owned()).collect())])
    };
    let table: &'static LanguageTable =
        Box::leak(Box::new(built_in().extended(&own("go", &["ledger", "python3"])).unwrap()));
    let of = |argv: &[&str], status| {
        let process = process(argv);
        table.said(&End { process: &process, cause: ExitCause::Status(status), calls: &[], at_trap: false })
    };
    let said = of(&["/opt/ledger"], 2).unwrap();
    assert_eq!((said.language, said.proof), ("go", Proof::Status));
    assert_eq!(of(&["/opt/ledger2"], 2), None);
    assert_eq!(of(&["/opt/ledger"], 101), None, "it is not Rust's");
    for (language, name, ok) in
        [("go", "a", true), ("Go", "a", false), ("go", "/a", false), ("go", "", false), ("", "a", false)]
    {
        assert_eq!(check_one(language, name), ok, "{language} {name}");
    }
    let error = built_in().extended(&own("cobol\x1b", &["x"])).unwrap_err().to_string();
    assert!(
        error.starts_with("`cobol\\u{1b}` is no language that is known; give one of jvm, node, "),
        "{error}"
    );
    assert_eq!(extend(&BTreeMap::new()), Ok(()), "none may be added any time");
    assert!(extend(&own("cobol", &[])).is_err());
}

fn check_one(language: &str, name: &str) -> bool {
    super::check(language, name).is_ok()
}

#[test]
fn a_row_that_claims_more_than_it_proves_is_refused() {
    let refused = |row: &str| {
        let text = format!(
            "[[language]]\nname='x'\ncalled='x'\nprograms='x'\n[[language.says]]\nreason='assertion'\notherwise='y'\n{row}"
        );
        LanguageTable::parse(&text).unwrap_err()
    };
    for (row, why) in [
        ("cause='x'", "either statuses or signals"),
        ("cause='x'\nstatuses=[1]\nsignals=[6]\nmodules=true", "either statuses or signals"),
        ("cause='x'\nsignals=[6]", "a signal alone"),
        ("cause='x'\nstatuses=[1]\nframes=['f']", "a status has no stack"),
        ("cause='panicked'\nstatuses=[1]", "may be so"),
        ("cause='x'\nstatuses=[1]\nstack=['f']", "unknown field"),
    ] {
        let error = refused(row);
        assert!(error.contains(why), "{row}: {error}");
    }
}

#[test]
fn machinery_and_libraries_are_known() {
    for (function, want) in [
        ("runtime.gopanic", true),
        ("main.main", false),
        ("runtimes.start", false),
        ("os::abort(bool, void*, void const*)", true),
        ("os::abortive()", false),
        ("std::panicking::panic_fmt", true),
        ("app::process::abort", true),
        ("die", false),
        ("free_list", false),
        ("free", true),
    ] {
        assert_eq!(is_machinery(function), want, "{function}");
    }
    for (module, want) in [
        ("libc.so.6", true),
        ("ld-musl-x86_64.so.1", true),
        ("libjvm.so", true),
        ("libstdc++.so.6", true),
        ("libcurl.so.4", false),
        ("app", false),
    ] {
        assert_eq!(is_plumbing(module), want, "{module}");
    }
}
