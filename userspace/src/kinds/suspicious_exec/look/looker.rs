//! One look at one process: reads of links and small files under /proc; at files, which may hang who looks, by a helper.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::above::{self, Above};
use super::remote::{self, Input, Shell};
use crate::children::Toucher;
use crate::evidence::start_ticks;
use crate::kinds::suspicious_exec::executed::Look;
use crate::kinds::suspicious_exec::wanted::Wanted;
use crate::lookup::{OfProcess, of_process};
use crate::model::ProcessKey;

/// Most bytes read of an environment: what matters stands in it by itself, and few are longer.
const ENVIRONMENT_MAX: u64 = 64 << 10;
/// Longest wait for one: the kernel takes the target's memory lock for it, as for argv.
const PATIENCE: Duration = Duration::from_millis(100);
/// What has the dynamic linker load a library before all others (ld.so(8)).
const PRELOADS: [&[u8]; 2] = [b"LD_PRELOAD=", b"LD_AUDIT="];

/// Who looks, and where.
pub(super) struct Looker {
    proc_root: PathBuf,
    toucher: Option<Arc<Toucher>>,
    /// Folders where everybody may write.
    folders: Vec<String>,
}

/// A look, and whether another may find more.
pub(super) struct Seen {
    pub(super) look: Look,
    pub(super) unsettled: bool,
}

impl Looker {
    pub(super) fn new(proc_root: PathBuf, toucher: Option<Arc<Toucher>>, folders: Vec<String>) -> Self {
        Self { proc_root, toucher, folders }
    }

    pub(super) fn look(&self, key: ProcessKey, wanted: Wanted) -> Option<Seen> {
        let directory = self.proc_root.join(key.pid.to_string());
        let exe = fs::read_link(directory.join("exe")).ok()?.to_string_lossy().into_owned();
        let gone = exe.strip_suffix(" (deleted)");
        let files = if gone.is_some() || wanted.exe_later {
            self.files(&directory, gone.map(Path::new))
        } else {
            OfProcess { has_root: true, ..OfProcess::default() }
        };
        // Where nobody can be asked whether there is another file by now, there may be.
        let is_deleted = gone.is_some() && files.in_place == Some(false);
        // Of a process that has ended meanwhile, nothing is in place: a zombie has no root (proc_pid_root(5)).
        if is_deleted && !files.has_root {
            return None;
        }
        let owner = files.owner.filter(|_| wanted.exe_later || is_deleted);
        let gives_rights = files.gives_rights && wanted.exe_later;
        let mut look = Look { exe, is_deleted, owner, gives_rights, ..Look::default() };
        let unsettled = self.surroundings(&directory, key.pid, wanted, &mut look);
        (start_ticks(&directory) == Some(key.start_ticks)).then_some(Seen { look, unsettled })
    }

    /// What surrounds the process, as far as it matters; whether another look may find more.
    fn surroundings(&self, directory: &Path, pid: u32, wanted: Wanted, look: &mut Look) -> bool {
        let Some(stat) = above::stat(directory) else { return false };
        look.has_terminal = stat.has_terminal;
        look.is_logged_in = is_logged_in(directory);
        look.has_rights = wanted.rights && has_rights(directory);
        if wanted.folder {
            let folder = fs::read_link(directory.join("cwd")).ok();
            look.folder = folder.map(|it| format!("{}/", it.to_string_lossy())).filter(|it| self.is_open(it));
        }
        look.preload = wanted.preload.then(|| self.preload(directory, stat.ppid)).flatten();
        let matters = wanted.stdin
            || look.is_deleted
            || look.has_rights
            || look.gives_rights
            || look.folder.is_some()
            || look.preload.is_some()
            || wanted.posing
            || self.is_open(&look.exe)
            || look.exe.starts_with("/memfd:")
            || wanted.exe_later;
        let above = if matters { above::above(&self.proc_root, stat.ppid) } else { Vec::new() };
        look.service = above::service(&above);
        look.shells_above = remote::shells_above(directory, &above);
        wanted.stdin && reads(directory, (pid, stat.ppid), &above, wanted, look)
    }

    fn is_open(&self, path: &str) -> bool {
        self.folders.iter().any(|root| path.starts_with(root.as_str()))
    }

    /// Its program's owner, and whether there is a file at the path that /proc gave for one without a name.
    fn files(&self, directory: &Path, gone: Option<&Path>) -> OfProcess {
        match &self.toucher {
            Some(toucher) => toucher.look(directory, gone, true).unwrap_or_default(),
            None => of_process(directory, gone, true),
        }
    }

    /// What it was told to load from a folder where everybody may write, unless its parent was told the same.
    fn preload(&self, directory: &Path, ppid: u32) -> Option<String> {
        let found = self.preloaded(directory)?;
        let parent = self.proc_root.join(ppid.to_string());
        (self.preloaded(&parent).as_ref() != Some(&found)).then_some(found)
    }

    /// Nothing where there is no helper: a process that is stuck would hold up who reads.
    fn preloaded(&self, directory: &Path) -> Option<String> {
        let file = File::open(directory.join("environ")).ok()?;
        let environment = self.toucher.as_ref()?.read(file, ENVIRONMENT_MAX, PATIENCE)?;
        preloaded_in(&environment).find(|path| self.is_open(path))
    }
}

fn reads(
    directory: &Path,
    (pid, ppid): (u32, u32),
    above: &[Above],
    wanted: Wanted,
    look: &mut Look,
) -> bool {
    let shell = Shell { directory, pid, ppid, above, is_interactive: wanted.interactive };
    let Input { stdin, remote, unsettled } = remote::input(&shell);
    (look.stdin, look.remote) = (stdin, remote);
    unsettled
}

/// The libraries that an environment names, separated by blanks or colons.
fn preloaded_in(environment: &[u8]) -> impl Iterator<Item = String> {
    let variables = environment.split(|byte| *byte == 0);
    let values = variables.filter_map(|it| PRELOADS.iter().find_map(|name| it.strip_prefix(*name)));
    values
        .flat_map(|value| value.split(|byte| matches!(byte, b' ' | b':')))
        .map(|path| String::from_utf8_lossy(path).into_owned())
}

/// Whether it acts as root though it is another user's.
fn has_rights(directory: &Path) -> bool {
    fs::read_to_string(directory.join("status")).is_ok_and(|status| has_rights_in(&status))
}

/// Whether a person's login started it: the number of who logged in stays with all that it starts.
fn is_logged_in(directory: &Path) -> bool {
    let text = fs::read_to_string(directory.join("loginuid")).unwrap_or_default();
    text.trim().parse::<u32>().is_ok_and(|uid| uid != u32::MAX)
}

/// `Uid:` real, effective, saved, file system.
fn has_rights_in(status: &str) -> bool {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    let mut ids = ids.split_whitespace();
    matches!((ids.next(), ids.next()), (Some(real), Some("0")) if real != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_that_are_not_the_users_own() {
        for (line, want) in [
            ("Uid:\t33\t0\t0\t0", true),
            ("Uid:\t0\t0\t0\t0", false),
            ("Uid:\t33\t33\t33\t33", false),
            ("Uid:\t0\t33\t0\t33", false),
            ("", false),
        ] {
            assert_eq!(has_rights_in(&format!("Name:\tx\n{line}\nGid:\t0\t0\t0\t0\n")), want, "{line}");
        }
    }

    #[test]
    fn what_an_environment_has_loaded() {
        for (environment, want) in [
            (&b"A=1\0LD_PRELOAD=/tmp/x.so\0"[..], &["/tmp/x.so"][..]),
            (
                b"LD_PRELOAD=/usr/lib/a.so /dev/shm/b.so:/c.so\0B=\0",
                &["/usr/lib/a.so", "/dev/shm/b.so", "/c.so"],
            ),
            (b"XLD_PRELOAD=/tmp/x.so\0NOTE=LD_PRELOAD=/tmp/x\0", &[]),
            (b"LD_AUDIT=/tmp/a.so", &["/tmp/a.so"]),
            (b"", &[]),
        ] {
            assert_eq!(preloaded_in(environment).collect::<Vec<_>>(), want);
        }
    }
}
