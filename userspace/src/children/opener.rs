//! The child that opens: it has the privilege to look at others' files, and may hang in them.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::link::{Link, Lost};
use super::message::{Ask, Delivery, Kept, Mapped, Name, OpenAnswer, OpenJob};
use crate::lookup::{MappedFile, Root, base, is_roots, mapped, of_process, open, read_mapped};
use crate::sandbox::renew_cpu;
use crate::stack::BuildId;

/// Where distributions put the debug information they strip from their files, by build-id.
const DEBUG_DIRECTORY: &str = "/usr/lib/debug/.build-id";
/// How much of a file goes into one message.
const PART_BYTES: u64 = 32 << 10;
/// Of a list of files as much as goes into one message; what one takes beside its name, at most.
const MAPPED_BYTES_MAX: usize = 120 << 10;
const MAPPED_BYTES_EACH: usize = 220;

/// Until the daemon is gone, or it has used up its time.
pub(super) fn work(daemon: &Link, cpu: Duration) {
    while let Ok((job, descriptor)) = daemon.receive::<OpenJob>(None) {
        let last = !renew_cpu(cpu);
        let done = match (job, descriptor) {
            (OpenJob::Files { root, names, kept, left_ms }, Some(socket)) => {
                let wanted = Wanted { root, names, kept };
                deliver(&Link::of(socket), wanted, Instant::now() + Duration::from_millis(left_ms));
                daemon.send(&OpenAnswer::Opened, None, None)
            }
            (OpenJob::Look { directory, program, owner }, _) => {
                let program = program.map(PathBuf::from);
                let found = of_process(&PathBuf::from(directory), program.as_deref(), owner);
                let answer = OpenAnswer::Looked {
                    has_root: found.has_root,
                    in_place: found.in_place,
                    owner: found.owner,
                    gives_rights: found.gives_rights,
                };
                daemon.send(&answer, None, None)
            }
            (OpenJob::Read { max }, Some(file)) => read(daemon, File::from(file), max),
            (OpenJob::First { root, names, max }, _) => first(daemon, &root, names, max),
            (OpenJob::Mapped { directory, host }, _) => {
                daemon.send(&OpenAnswer::Mapped(mapped_files(directory, host)), None, None)
            }
            (OpenJob::Copy { directory, host, name, stamp, max }, to) => {
                let (directory, host, name) =
                    (PathBuf::from(directory), PathBuf::from(host), PathBuf::from(name));
                let to = to.map(File::from);
                let copied = read_mapped(&directory, &host, (&name, stamp), to.as_ref(), max);
                daemon.send(&OpenAnswer::Copied(copied.map_err(|error| format!("{error:#}"))), None, None)
            }
            _ => return,
        };
        if done.is_err() || last {
            return;
        }
    }
}

/// Files that a stack needs.
struct Wanted {
    root: Root,
    names: Vec<Name>,
    kept: Vec<Kept>,
}

/// Every file of the names, then the debug information that is asked for, until nobody asks any more.
fn deliver(parser: &Link, wanted: Wanted, until: Instant) {
    let Wanted { root, names, kept } = wanted;
    let send = |delivery: Delivery, file: Option<&File>| {
        Instant::now() < until && parser.send(&delivery, file.map(|it| it.as_fd()), Some(until)).is_ok()
    };
    let base = base(&root).map_err(|error| error.to_string());
    let reached = base.as_ref().map(|_| ()).map_err(Clone::clone);
    // What was kept needs no root.
    if !send(Delivery::Root(if kept.is_empty() { reached } else { Ok(()) }), None) {
        return;
    }
    for (number, name) in names.into_iter().enumerate() {
        let path = PathBuf::from(name);
        let file = base.as_ref().map_err(Clone::clone);
        let file = file.and_then(|base| open(base, &path).map_err(|error| format!("{error:#}")));
        let copy = kept.iter().find(|it| it.number == number && file.is_err());
        let opened = copy.and_then(|it| Some((open_kept(&it.copy)?, it.changed)));
        let sent = match (opened, &file) {
            (Some((copy, changed)), _) => send(Delivery::Kept(number, changed), Some(&copy)),
            // Of a root that is gone there is one thing to say, not one of each file.
            (None, Err(_)) if base.is_err() && kept.is_empty() => break,
            (None, file) => send(
                Delivery::File(number, file.as_ref().map(|_| ()).map_err(Clone::clone)),
                file.as_ref().ok(),
            ),
        };
        if !sent {
            return;
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

/// A copy of our own, by its place in our own root.
fn open_kept(copy: &Name) -> Option<File> {
    base(&Root::Ours).and_then(|ours| open(&ours, &PathBuf::from(copy.clone()))).ok()
}

/// None where its root is the host's, or where it is gone.
fn mapped_files(directory: Name, host: Name) -> Vec<Mapped> {
    let files = mapped(&PathBuf::from(directory), &PathBuf::from(host)).unwrap_or_default();
    let mut room = MAPPED_BYTES_MAX;
    let files = files.into_iter().map(|MappedFile { path, start, is_program, stamp }| Mapped {
        name: path.as_path().into(),
        start,
        is_program,
        stamp,
    });
    let fits = |it: &Mapped| {
        // A name is twice as long in a message; the numbers beside it have their length.
        room = room.saturating_sub(2 * it.name.0.len() + MAPPED_BYTES_EACH);
        room > 0
    };
    files.take_while(fits).collect()
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
