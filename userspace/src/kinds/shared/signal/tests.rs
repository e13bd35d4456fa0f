//! What a signal is told by, and who sent it.

use expect_test::expect;

use super::*;
use crate::kinds::fixture;
use crate::model::{Ancestor, Login, SignalSender};
use crate::observation::StackCapture;
use crate::render;

fn crash(number: u8, code: Option<i32>, fault_address: Option<u64>, sender: u32) -> FatalSignal {
    let mut it = FatalSignal { fault_address, ..FatalSignal::sample(number, code, sender) };
    it.sender.comm = b"gdb\x1b"[..].into();
    it
}

#[test]
fn codes_are_told_in_words() {
    for (signal, code, address, sender, want) in [
        (
            11,
            Some(1),
            Some(8),
            42,
            Some("address 0x8, where nothing is mapped (SEGV_MAPERR): a null pointer"),
        ),
        (11, Some(2), Some(0x7000), 42, Some("forbidden access to address 0x7000")),
        (11, Some(0x80), Some(0), 42, Some("general protection")),
        (6, Some(-6), None, 42, Some("abort(3)")),
        (8, Some(1), Some(0x401_000), 42, Some("division by zero at 0x401000")),
        (11, Some(0), None, 7, Some("SIGSEGV was sent to it by gdb\u{fffd} (pid 7)")),
        (11, None, None, 42, None),
        (24, Some(1), None, 42, None),
    ] {
        let facts = facts(&crash(signal, code, address, sender), None);
        match want {
            Some(want) => assert!(render::fact(&facts[0].data).contains(want), "{facts:?}"),
            None => assert_eq!(facts, []),
        }
    }
}

#[test]
fn only_another_process_sends_on_purpose() {
    for (code, sender, want) in [
        (Some(0), 7, true),
        (Some(-6), 7, true),
        (Some(-6), 42, false),
        (Some(0), 42, false),
        (Some(1), 42, false),
        // The kernel signals another process of its own accord, a tracer's child for one.
        (Some(0x80), 7, false),
        (None, 7, false),
    ] {
        assert_eq!(is_sent(&crash(11, code, None, sender)), want, "{code:?} {sender}");
    }
}

#[test]
fn each_statement_has_a_value_and_a_sentence() {
    let raised = |signal, reason, address| SignalFact::SignalRaised { signal, reason, address }.into();
    let sender = SignalSender {
        pid: 7,
        name: "gdb\x1b[31m".into(),
        argv: vec!["gdb".into(), "-p".into(), "42\n".into(), "--password".into(), "hunter2".into()],
        uid: 1001,
        user: Some("alice".into()),
        login: Some(Login { uid: 1000, user: Some("bob\x1b".into()), session: Some(3) }),
        unit: Some("ssh.service".into()),
        container_id: Some("ab".repeat(32)),
        ancestors: vec![Ancestor { pid: 6, name: "bash\n".into() }, Ancestor { pid: 5, name: "sshd".into() }],
        ..SignalSender::default()
    };
    let by = Sender::from(&sender);
    let plain = || Sender { name: "gdb".into(), pid: 7, uid: Some(0), ..Sender::default() };
    let sent = |way| SignalFact::SignalSent { signal: 9, by: plain(), way };
    let followed = |way| SignalFact::SignalFollowed { signal: 9, of: plain(), way }.into();
    fixture::check_statements(
        &[
            SignalFact::SignalSent { signal: 11, by, way: Some(SignalWay::Kill) }.into(),
            sent(None).into(),
            sent(Some(SignalWay::CgroupKill)).into(),
            sent(Some(SignalWay::Queue)).into(),
            followed(SignalWay::ParentDeath),
            followed(SignalWay::NamespaceEnd),
            followed(SignalWay::TracerEnd),
            SignalFact::SignalAgain { signal: 11 }.into(),
            SignalFact::OtherThread { tid: 43 }.into(),
            raised(6, SignalReason::Abort, None),
            raised(11, SignalReason::NullPointer, Some(8)),
            raised(11, SignalReason::NothingMapped, Some(0x7ffc_0ff8)),
            raised(11, SignalReason::BeyondStack, Some(0x7ffc_0ff8)),
            raised(11, SignalReason::ForbiddenAccess, Some(0x7000)),
            raised(11, SignalReason::ImpossibleAddress, None),
            raised(7, SignalReason::MisalignedAddress, Some(0x7001)),
            raised(7, SignalReason::BeyondFile, Some(0x7000)),
            raised(7, SignalReason::HardwareMemoryError, Some(0x7000)),
            raised(4, SignalReason::UnknownInstruction, Some(0x401_000)),
            raised(8, SignalReason::DivisionByZero, Some(0x401_000)),
            raised(8, SignalReason::IntegerOverflow, Some(0x401_000)),
            raised(8, SignalReason::ArithmeticFault, Some(0x401_000)),
            raised(5, SignalReason::Trap, Some(0x401_000)),
            raised(5, SignalReason::Trap, None),
            raised(31, SignalReason::ForbiddenSystemCall, None),
            raised(15, SignalReason::Itself, None),
            raised(6, SignalReason::Timer, None),
            raised(24, SignalReason::CpuLimit, None),
            raised(25, SignalReason::FileSizeLimit, None),
            raised(1, SignalReason::Terminal, None),
            raised(9, SignalReason::Kernel, None),
        ],
        &expect![[r#"
            {"type":"signal_sent","signal":11,"by":{"name":"gdb\u001b[31m","pid":7,"command":"gdb -p 42\n --password [redacted 7 chars]","uid":1001,"user":"alice","login_uid":1000,"login_user":"bob\u001b","session":3,"unit":"ssh.service","container_id":"abababababababababababababababababababababababababababababababab","above":[{"name":"bash\n","pid":6},{"name":"sshd","pid":5}]},"way":"kill"}
              SIGSEGV was sent to it by gdb�[31m (pid 7), run by bob� in session 3, as alice (uid 1001), in ssh.service, in container abababababab, started below bash  (pid 6), sshd (pid 5); its command line: gdb -p 42  --password [redacted 7 chars]
            {"type":"signal_sent","signal":9,"by":{"name":"gdb","pid":7,"uid":0}}
              SIGKILL was sent to it by gdb (pid 7), as uid 0
            {"type":"signal_sent","signal":9,"by":{"name":"gdb","pid":7,"uid":0},"way":"cgroup_kill"}
              SIGKILL was sent to it by gdb (pid 7), as uid 0 (through cgroup.kill)
            {"type":"signal_sent","signal":9,"by":{"name":"gdb","pid":7,"uid":0},"way":"queue"}
              SIGKILL was sent to it by gdb (pid 7), as uid 0 (by sigqueue(3))
            {"type":"signal_followed","signal":9,"of":{"name":"gdb","pid":7,"uid":0},"way":"parent_death"}
              SIGKILL was sent to it by the kernel because its parent gdb (pid 7) had ended
            {"type":"signal_followed","signal":9,"of":{"name":"gdb","pid":7,"uid":0},"way":"namespace_end"}
              SIGKILL was sent to it by the kernel because gdb (pid 7), the first process of its pid namespace, had ended
            {"type":"signal_followed","signal":9,"of":{"name":"gdb","pid":7,"uid":0},"way":"tracer_end"}
              SIGKILL was sent to it by the kernel because gdb (pid 7), which traced it, had ended
            {"type":"signal_again","signal":11}
              its own handler of SIGSEGV ran first and then sent the signal again: this is the first one
            {"type":"other_thread","tid":43}
              thread 43 crashed, not the main thread
            {"type":"signal_raised","signal":6,"reason":"abort","address":null}
              SIGABRT was raised by the program itself: abort(3), an assertion or a panic
            {"type":"signal_raised","signal":11,"reason":"null_pointer","address":8}
              SIGSEGV was raised by an access to address 0x8, where nothing is mapped (SEGV_MAPERR): a null pointer, or a field of one
            {"type":"signal_raised","signal":11,"reason":"nothing_mapped","address":2147225592}
              SIGSEGV was raised by an access to address 0x7ffc0ff8, where nothing is mapped (SEGV_MAPERR)
            {"type":"signal_raised","signal":11,"reason":"beyond_stack","address":2147225592}
              SIGSEGV was raised by an access to address 0x7ffc0ff8, beside the stack pointer: its stack had no more room
            {"type":"signal_raised","signal":11,"reason":"forbidden_access","address":28672}
              SIGSEGV was raised by a forbidden access to address 0x7000 (SEGV_ACCERR)
            {"type":"signal_raised","signal":11,"reason":"impossible_address","address":null}
              SIGSEGV was raised by an access to an address that cannot exist (general protection)
            {"type":"signal_raised","signal":7,"reason":"misaligned_address","address":28673}
              SIGBUS was raised by a misaligned access to address 0x7001 (BUS_ADRALN)
            {"type":"signal_raised","signal":7,"reason":"beyond_file","address":28672}
              SIGBUS was raised by an access to address 0x7000, beyond the end of a mapped file (BUS_ADRERR)
            {"type":"signal_raised","signal":7,"reason":"hardware_memory_error","address":28672}
              SIGBUS was raised by a hardware memory error at address 0x7000
            {"type":"signal_raised","signal":4,"reason":"unknown_instruction","address":4198400}
              SIGILL was raised by an instruction at 0x401000 that the CPU refused
            {"type":"signal_raised","signal":8,"reason":"division_by_zero","address":4198400}
              SIGFPE was raised by an integer division by zero at 0x401000 (FPE_INTDIV)
            {"type":"signal_raised","signal":8,"reason":"integer_overflow","address":4198400}
              SIGFPE was raised by an integer overflow at 0x401000 (FPE_INTOVF)
            {"type":"signal_raised","signal":8,"reason":"arithmetic_fault","address":4198400}
              SIGFPE was raised by an arithmetic fault at 0x401000
            {"type":"signal_raised","signal":5,"reason":"trap","address":4198400}
              SIGTRAP was raised by a trap or breakpoint at 0x401000
            {"type":"signal_raised","signal":5,"reason":"trap","address":null}
              SIGTRAP was raised by a trap or breakpoint at an unknown address
            {"type":"signal_raised","signal":31,"reason":"forbidden_system_call","address":null}
              SIGSYS was raised by a system call that its seccomp filter forbids
            {"type":"signal_raised","signal":15,"reason":"itself","address":null}
              SIGTERM was raised by the process itself (kill(2) or raise(3))
            {"type":"signal_raised","signal":6,"reason":"timer","address":null}
              SIGABRT was raised by a timer of its own that expired
            {"type":"signal_raised","signal":24,"reason":"cpu_limit","address":null}
              SIGXCPU was raised by the kernel: its CPU time had reached RLIMIT_CPU
            {"type":"signal_raised","signal":25,"reason":"file_size_limit","address":null}
              SIGXFSZ was raised by the kernel: it wrote a file beyond RLIMIT_FSIZE
            {"type":"signal_raised","signal":1,"reason":"terminal","address":null}
              SIGHUP was raised by its terminal: a key was pressed, or the terminal hung up
            {"type":"signal_raised","signal":9,"reason":"kernel","address":null}
              SIGKILL was raised by the kernel, for an unknown reason
        "#]],
    );
}

/// With what the kernel captured: the stack pointer, where the copy of the stack begins, and whether there is one.
fn captured(mut signal: FatalSignal, sp: u64, stack_start: u64, readable: bool) -> FatalSignal {
    let mut registers = [0; 21];
    (registers[SP], registers[IP]) = (sp, 0x40_1001);
    let stack = if readable { vec![0; 64].into() } else { Box::default() };
    signal.capture =
        Some(StackCapture { registers: Some(registers), stack_start, stack, ..StackCapture::default() });
    signal
}

#[test]
fn a_stack_without_room_is_told_by_an_access_beside_its_pointer() {
    const END: u64 = 0x7ffc_0000_1000;
    let overflow = |code, address, sp, start, readable| {
        let signal = captured(crash(11, Some(code), Some(address), 42), sp, start, readable);
        let fact = facts(&signal, None).remove(0).data;
        matches!(fact.as_signal(), Some(SignalFact::SignalRaised { reason: SignalReason::BeyondStack, .. }))
    };
    for (what, code, address, sp, start, readable, want) in [
        ("a push at the very end", 1, END - 8, END, END, true, true),
        ("a call near the end", 1, END - 8, END + 0x10, END + 0x10, true, true),
        ("a thread's guard page", 2, END - 8, END, END, true, true),
        ("a frame that lies in the guard", 1, END - 0x200, END - 0x300, END, true, true),
        ("a large frame, nothing readable", 1, END - 0x5008, END - 0x5000, END - 0x5000, false, true),
        ("a wild pointer, a good stack", 1, 0xdead_0000, END + 0x800, END + 0x800, true, false),
        ("a wild pointer far below it", 1, END - 0x20_0000, END, END, true, false),
        ("a wild pointer above it", 1, END + 0x20_0000, END + 8, END + 8, true, false),
        ("the same page, forbidden", 2, END + 0x10, END + 0x800, END + 0x800, true, false),
        ("a null pointer", 1, 8, END, END, true, false),
        ("an address that cannot be", 0x80, 0, END, END, true, false),
    ] {
        assert_eq!(overflow(code, address, sp, start, readable), want, "{what}");
    }
    assert!(!is_beyond_stack(&crash(11, Some(1), Some(END - 8), 42), END - 8), "nothing was captured");
}

#[test]
fn a_breakpoint_is_where_the_cpu_was_and_never_at_0() {
    let raised = |signal: &FatalSignal| match facts(signal, None).remove(0).data.as_signal() {
        Some(SignalFact::SignalRaised { address, .. }) => *address,
        other => panic!("{other:?}"),
    };
    let int3 = |address| crash(5, Some(0x80), address, 42);
    assert_eq!(raised(&captured(int3(Some(0)), 0x1000, 0x1000, true)), Some(0x40_1000));
    assert_eq!(raised(&captured(int3(None), 0x1000, 0x1000, true)), Some(0x40_1000));
    assert_eq!(raised(&captured(int3(Some(0x7000)), 0x1000, 0x1000, true)), Some(0x7000));
    assert_eq!(raised(&int3(Some(0))), None, "no registers");
    assert_eq!(raised(&crash(4, Some(2), Some(0x40_1000), 42)), Some(0x40_1000));
    let illegal = |address| captured(crash(4, Some(0x80), address, 42), 0x1000, 0x1000, true);
    assert_eq!(raised(&illegal(Some(0))), Some(0x40_1001), "the CPU is at it");
}
