//! The child that opens: it has the privilege to look at others' files, and may hang in them.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::link::{Link, Lost};
use super::message::{Ask, Delivery, Name, OpenAnswer, OpenJob};
use crate::lookup::{Root, base, is_roots, of_process, open};
use crate::sandbox::renew_cpu;
use crate::stack::BuildId;

/// Where distributions put the debug information they strip from their files, by build-id.
const DEBUG_DIRECTORY: &str = "/usr/lib/debug/.build-id";
/// How much of a file goes into one message.
const PART_BYTES: u64 = 32 << 10;

/// Until the daemon is gone, or it has used up its time.
pub(super) fn work(daemon: &Link, cpu: Duration) {
    while let Ok((job, descriptor)) = daemon.receive::<OpenJob>(None) {
        let last = !renew_cpu(cpu);
        let done = match (job, descriptor) {
            (OpenJob::Files { root, names, left_ms }, Some(socket)) => {
                deliver(&Link::of(socket), &root, names, Instant::now() + Duration::from_millis(left_ms));
                daemon.send(&OpenAnswer::Opened, None, None)
            }
            (OpenJob::Look { directory, program, owner }, _) => {
                let program = program.map(PathBuf::from);
                let found = of_process(&PathBuf::from(directory), program.as_deref(), owner);
                let answer = OpenAnswer::Looked {
                    has_root: found.has_root,
                    in_place: found.in_place,
                    owner: found.owner,
                };
                daemon.send(&answer, None, None)
            }
            (OpenJob::Read { max }, Some(file)) => read(daemon, File::from(file), max),
            (OpenJob::First { root, names, max }, _) => first(daemon, &root, names, max),
            _ => return,
        };
        if done.is_err() || last {
            return;
        }
    }
}

/// Every file of the names, then the debug information that is asked for, until nobody asks any more.
fn deliver(parser: &Link, root: &Root, names: Vec<Name>, until: Instant) {
    let send = |delivery: Delivery, file: Option<&File>| {
        parser.send(&delivery, file.map(|it| it.as_fd()), Some(until)).is_ok()
    };
    let base = base(root).map_err(|error| error.to_string());
    if !send(Delivery::Root(base.as_ref().map(|_| ()).map_err(Clone::clone)), None) {
        return;
    }
    if let Ok(base) = base {
        for (number, name) in names.into_iter().enumerate() {
            let file = open(&base, &PathBuf::from(name));
            let said = file.as_ref().map(|_| ()).map_err(|error| format!("{error:#}"));
            if Instant::now() >= until || !send(Delivery::File(number, said), file.as_ref().ok()) {
                return;
            }
        }
    }
    if !send(Delivery::All, None) {
        return;
    }
    while let Ok((Ask(build_id), _)) = parser.receive(Some(until)) {
        if !send(Delivery::Debug, debug(&build_id).as_ref()) {
            return;
        }
    }
}

/// From our own root, and only what nobody but root can have put there.
fn debug(build_id: &BuildId) -> Option<File> {
    let id = build_id.to_string();
    let (folder, file) = id.split_at_checked(2)?;
    let path = Path::new(DEBUG_DIRECTORY).join(folder).join(format!("{file}.debug"));
    base(&Root::Ours).and_then(|ours| open(&ours, &path)).ok().filter(is_roots)
}

/// The first that only root of the host can write, which is what its runtimes wrote.
fn first(daemon: &Link, root: &Root, names: Vec<Name>, max: u64) -> Result<(), Lost> {
    let base = base(root).ok();
    let found =
        base.as_ref().and_then(|base| crate::lookup::first(base, names.into_iter().map(PathBuf::from)));
    daemon.send(&OpenAnswer::Found(found.as_ref().map(|it| it.0)), None, None)?;
    found.map_or(Ok(()), |(_, file)| read(daemon, file, max))
}

/// The parts of a file, and an empty one at its end, whatever the end is.
fn read(daemon: &Link, file: File, max: u64) -> Result<(), Lost> {
    let mut file = file.take(max);
    loop {
        let mut part = Vec::new();
        // Gone half-way: what was read is still true.
        (&mut file).take(PART_BYTES).read_to_end(&mut part).ok();
        let end = part.is_empty();
        daemon.send(&OpenAnswer::Part(Name(part)), None, None)?;
        if end {
            return Ok(());
        }
    }
}
