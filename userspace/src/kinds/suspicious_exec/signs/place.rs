//! Programs, and what interpreters and the dynamic linker run, in folders where everybody may write.

use super::sign::{PERSONS, Sign, is_below};
use crate::config::ExecLimits;
use crate::kinds::case::Statement;
use crate::kinds::suspicious_exec::executed::{EXEC, Executed};
use crate::kinds::suspicious_exec::facts::ExecFact;
use crate::kinds::suspicious_exec::operands::{self, Operands, in_shared_memory, is_loader};
use crate::model::Severity;
use crate::programs::{Roles, is_shell_name, roles_of};

/// The account that owns nothing (`overflowuid`, kernel include/linux/highuid.h).
const NOBODY: u32 = 65_534;

/// The place a program was run from.
pub(in crate::kinds::suspicious_exec) struct Place {
    pub(in crate::kinds::suspicious_exec) sign: Sign,
    /// Whether anything makes it worse. By itself it is no reason to suspect anybody.
    pub(in crate::kinds::suspicious_exec) has_signs: bool,
    /// Whether what makes it worse is the place itself, and no program belongs there.
    pub(in crate::kinds::suspicious_exec) is_hiding: bool,
}

/// The place it was run from, with what makes that worse.
pub(in crate::kinds::suspicious_exec) fn place(
    executed: &Executed<'_>,
    limits: &ExecLimits,
) -> Option<Place> {
    let it = executed.process;
    let folder = |path: &str| limits.exec_folders.iter().find(|root| path.starts_with(root.as_str()));
    let looked = executed.look.map(|look| look.exe.clone());
    let (path, is_operand) = [(it.exe.clone(), false), (looked, false), (operand(executed), true)]
        .into_iter()
        .find_map(|(path, is_operand)| Some((path.filter(|path| folder(path).is_some())?, is_operand)))?;
    let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
    let root = folder(path)?.as_str();
    let shared = in_shared_memory(path.as_bytes());
    let is_hiding = shared || is_hidden(&path.as_bytes()[root.len()..]);
    let service = executed.network_parent();
    // A program that only listens may be one that runs jobs, whose scripts are in /tmp.
    let served = service.is_some() || executed.is_below_known_service();
    if !(matters(executed, shared, is_hiding) || served) || is_below(executed, Roles::PACKAGE_MANAGER) {
        return None;
    }
    let owner = executed.look.and_then(|look| look.owner).filter(|owner| *owner != 0 && !is_operand);
    let signs = [
        owner.filter(|_| it.uid == Some(0)).map(|uid| ExecFact::ExecFileOwner { uid }),
        is_hidden(&path.as_bytes()[root.len()..]).then_some(ExecFact::ExecNameHidden {}),
        shared.then_some(ExecFact::ExecFromSharedMemory {}),
        service.map(|name| ExecFact::ExecByNetworkService { service: name.into() }),
    ];
    let folder = root.trim_end_matches('/').into();
    let mut facts = vec![Statement::new(EXEC, ExecFact::ExecFromOpenFolder { folder })];
    facts.extend(signs.into_iter().flatten().map(|sign| Statement::new("monitor:process", sign)));
    let has_signs = facts.len() > 1 || served;
    facts.extend(is_operand.then(|| Statement::new(EXEC, ExecFact::ExecRunsFile { path: path.into() })));
    let quiet = !has_signs || is_below(executed, Roles::BUILDER);
    let severity = if quiet { Severity::Info } else { Severity::Warning };
    let sign = Sign { severity, facts, site: "place, with signs".to_owned(), is_of_service: false };
    Some(Place { sign, has_signs, is_hiding })
}

/// Whether it matters that a program of this user runs from there, whoever started it. People may keep what they like
/// there; the accounts of services run what is installed.
fn matters(executed: &Executed<'_>, shared: bool, is_hiding: bool) -> bool {
    match executed.process.uid {
        Some(0) => true,
        Some(uid) if uid < PERSONS || uid == NOBODY => is_hiding,
        Some(_) => shared && executed.look.is_some_and(|look| !look.has_terminal && !look.is_logged_in),
        None => false,
    }
}

/// What an interpreter or the dynamic linker runs.
fn operand(executed: &Executed<'_>) -> Option<String> {
    let it = executed.process;
    let exe = it.exe.as_deref().unwrap_or_default();
    let runs = is_shell_name(&it.name)
        || roles_of(&it.name).contains(Roles::INTERPRETER)
        || roles_of(exe).intersects(Roles::INTERPRETER | Roles::SHELL)
        || is_loader(exe.as_bytes());
    let argv = it.argv.join("\0");
    let Operands::First(path) = operands::of(argv.as_bytes()) else { return None };
    let path = std::str::from_utf8(path).ok().filter(|_| runs)?;
    if path.starts_with('/') {
        return Some(path.to_owned());
    }
    let folder = executed.look?.folder.as_deref()?;
    Some(format!("{folder}{}", path.strip_prefix("./").unwrap_or(path)))
}

/// A hidden file, or below a hidden folder; not Rust's and AppImage's temporary folders.
pub(in crate::kinds::suspicious_exec) fn is_hidden(path: &[u8]) -> bool {
    let is_temporary = |part: &[u8]| part.starts_with(b".tmp") || part.starts_with(b".mount_");
    let is_dots = |part: &[u8]| part == b"." || part == b"..";
    path.split(|byte| *byte == b'/')
        .any(|part| part.starts_with(b".") && !is_temporary(part) && !is_dots(part))
}
