//! Bytes that lie: whatever is captured and whatever is on disk, there is an answer in time, and no frame
//! that can't be true.

use std::fs;

use rustix::time::{ClockId, clock_gettime};

use super::*;

/// As a real run has it. Measured as CPU time, which others on the machine do not take: of all threads, for the worker's
/// own is not told apart from those of tests beside this one.
const DEADLINE: Duration = Duration::from_secs(3);
/// What takes too long does so each time; what tests beside this one take at the same moment, they take once.
const TRIES: usize = 4;

/// xorshift64*: the same bytes each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("it only grows from 0")
}

fn answers(symboliser: &Symboliser, capture: Capture, what: &str) -> Stack {
    let beside = u32::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    let mut tries = std::iter::repeat_n(capture, TRIES).map(|capture| {
        let begun = cpu_time();
        (symboliser.stack(&capture, PATIENCE), cpu_time() - begun)
    });
    let (stack, _) = tries
        .find(|(_, worked)| *worked < 2 * DEADLINE * beside)
        .unwrap_or_else(|| panic!("{what}: it took too long {TRIES} times"));
    assert!(stack.frames.len() <= 200 && stack.notes.len() <= 24, "{what}\n{stack}");
    stack
}

#[test]
fn little_or_nothing_captured_is_said() {
    let symboliser = Symboliser::new();
    assert_eq!(answers(&symboliser, Capture::default(), "nothing").frames, []);
    let full = Program::compile(&["-O0"]).crash("segv");
    type Without = (&'static str, fn(&mut Capture), &'static [&'static str]);
    let ways: [Without; 7] = [
        ("no registers", |it| it.registers = None, &["write_nowhere", "middle", "outer", "main"]),
        (
            "no stack",
            |it| (it.stack, it.top_of_stack) = (vec![], None),
            &["write_nowhere", "middle", "outer", "main"],
        ),
        ("no walk", |it| it.frames.clear(), &["write_nowhere", "middle", "outer", "main"]),
        (
            "registers alone",
            |it| (it.frames, it.stack, it.top_of_stack) = (vec![], vec![], None),
            &["write_nowhere"],
        ),
        ("no load map", |it| it.modules.clear(), &["write_nowhere", "middle", "outer", "main"]),
        ("no executable", |it| it.executable = None, &["?"]),
        ("a relative name", |it| it.executable = Some("./crash".into()), &["?"]),
    ];
    for (what, take, want) in ways {
        let mut capture = full.clone();
        take(&mut capture);
        let stack = answers(&symboliser, capture, what);
        assert!(functions(&stack).starts_with(want), "{what}\n{stack}");
        let whole = what == "no walk";
        assert_eq!(stack.notes.is_empty(), whole, "{what}\n{stack}");
    }
}

#[test]
fn a_lying_load_map_gives_no_lies() {
    let symboliser = Symboliser::new();
    let full = Program::compile(&["-O2"]).crash("segv");
    let own = full.modules[0].bias;
    type Lie = (&'static str, fn(&mut Capture, u64));
    let ways: [Lie; 4] = [
        ("two claim it", |it, own| {
            let path = it.executable.clone();
            it.modules.push(LoadedModule { bias: own, path, build_id: None });
        }),
        ("all at one place", |it, own| it.modules.iter_mut().for_each(|module| module.bias = own)),
        ("moved", |it, own| it.modules[0].bias = own ^ 0x1000),
        ("at the end of the world", |it, _| it.modules.iter_mut().for_each(|module| module.bias = u64::MAX)),
    ];
    for (what, lie) in ways {
        let mut capture = full.clone();
        lie(&mut capture, own);
        let stack = answers(&symboliser, capture, what);
        let wrong = |it: &&str| {
            !["?", "write_nowhere", "middle", "outer", "main"].contains(it) && !it.contains("start")
        };
        assert_eq!(functions(&stack).into_iter().find(wrong), None, "{what}\n{stack}");
    }
    let mut crowd = full;
    crowd.modules = (0..10_000)
        .map(|n| LoadedModule { bias: n << 20, path: Some("/bin/sh".into()), build_id: None })
        .collect();
    answers(&symboliser, crowd, "a crowd");
}

#[test]
fn random_stacks_and_registers_end() {
    let symboliser = Symboliser::new();
    let full = Program::compile(&["-O2"]).crash("abort");
    let real = full.registers.clone().unwrap();
    let mut noise = Noise(42);
    for round in 0..200 {
        let mut capture = full.clone();
        let mut registers = Registers::new(real.ip, real.sp());
        for number in 0..16 {
            let value = [real.sp().wrapping_add(noise.next() % 16_384), noise.next(), real.ip, u64::MAX, 0]
                [noise.below(5)];
            registers.set_numbered(number, Some(value));
        }
        registers.ip =
            [real.ip, real.ip.wrapping_add(noise.next() % 65_536), noise.next(), u64::MAX, 0][noise.below(5)];
        capture.registers = Some(registers);
        let length = noise.below(20_000);
        capture.stack = noise.bytes(length);
        // Here and there a real code address, so that the chain goes on.
        for _ in 0..noise.below(100) {
            let at = noise.below(length + 1) & !7;
            let address = real.ip.wrapping_add(noise.next() % 200_000).to_le_bytes();
            if let Some(room) = capture.stack.get_mut(at..at + 8) {
                room.copy_from_slice(&address);
            }
        }
        capture.stack_address = [None, Some(u64::MAX - 64), Some(0), capture.stack_address][noise.below(4)];
        answers(&symboliser, capture, &format!("round {round}"));
    }
}

#[test]
fn damaged_files_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("crash");
    let program = Program::compile(&["-g", "-O2"]);
    let whole = fs::read(&program.path).unwrap();
    let symboliser = Symboliser::new();
    let mut capture = program.crash("segv");
    capture.executable = Some(path.clone());
    fs::write(&path, &whole).unwrap();
    assert_eq!(answers(&symboliser, capture.clone(), "whole").site().as_deref(), Some("crash!write_nowhere"));
    for length in (0..whole.len()).step_by(whole.len() / 60).chain(0..70) {
        fs::write(&path, &whole[..length]).unwrap();
        answers(&symboliser, capture.clone(), &format!("cut to {length}"));
    }
    let mut noise = Noise(7);
    for round in 0..150 {
        let mut bytes = whole.clone();
        // Headers, or anywhere, or the section headers at the end.
        let (from, room) = [(0, 1024), (0, bytes.len()), (bytes.len() - 2600, 2600)][round % 3];
        for _ in 0..=noise.below(40) {
            let value = [0, 0xff, 0x7f, noise.bytes(1)[0]][noise.below(4)];
            bytes[from + noise.below(room)] = value;
        }
        fs::write(&path, &bytes).unwrap();
        answers(&symboliser, capture.clone(), &format!("damaged in round {round}"));
    }
}

/// Such a count makes the parser overflow in a build with checks, and read beyond the table in one without.
#[test]
fn a_file_that_makes_a_parser_fail_is_survived() {
    const INDEX: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("crash");
    let program = Program::compile(&["-O2"]);
    let whole = fs::read(&program.path).unwrap();
    let mut damaged = whole.clone();
    let index = whole.windows(INDEX.len()).position(|it| it == INDEX).expect("the linker makes an index");
    // The count of entries has eight bytes now: its high half is the first entry's address, a negative one.
    damaged[index + 2] = 0x04;
    let mut capture = program.crash("segv");
    capture.executable = Some(path.clone());
    let symboliser = Symboliser::new();
    fs::write(&path, &damaged).unwrap();
    let stack = answers(&symboliser, capture.clone(), "damaged");
    assert!(!stack.frames.is_empty(), "{stack}");
    fs::write(&path, &whole).unwrap();
    assert!(functions(&answers(&symboliser, capture, "whole")).starts_with(&["write_nowhere", "middle"]));
}

#[test]
fn the_deadline_holds() {
    let symboliser = Symboliser::new();
    let capture = Program::compile(&["-g", "-O2"]).crash("abort");
    let stack = symboliser.stack(&capture, Duration::ZERO);
    assert!(stack.notes.iter().any(|it| it.contains("out of time")), "{stack}");
}
