//! The table of programs, made of the data file and a site's own names.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use serde::Deserialize;

use super::roles::{ExtendError, Roles, VERSIONED};

/// Bytes of a name that the kernel keeps (`TASK_COMM_LEN` less its NUL, include/linux/sched.h).
const COMM_BYTES: usize = 15;
/// Longest name of a file (`NAME_MAX`, include/uapi/linux/limits.h): nothing longer is hashed.
const NAME_BYTES: usize = 255;

/// What the data file holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    group: Vec<Group>,
}

/// Programs with the same roles.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    roles: Vec<String>,
    /// The names of the group, separated by blanks.
    names: String,
}

/// What is known of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct KnownProgram {
    roles: Roles,
    /// Those of them that hold for a name with a version, too.
    versioned: Roles,
}

#[derive(Clone, Debug)]
pub(super) struct ProgramTable {
    known: HashMap<String, KnownProgram, RandomState>,
    /// How kernel threads' names begin.
    kernel_threads: Vec<String>,
}

impl ProgramTable {
    /// The table of the data file alone, or what is wrong with the file.
    pub(super) fn parse(data: &str) -> Result<Self, String> {
        let data: Data = toml::from_str(data).map_err(|error| error.to_string())?;
        let mut it = Self { known: HashMap::default(), kernel_threads: Vec::new() };
        for Group { roles, names } in data.group {
            let mut all = Roles::empty();
            for role in roles {
                all |= Roles::named(&role).map_err(|error| error.to_string())?;
            }
            let names: Vec<_> = names.split_whitespace().collect();
            if all.is_empty() || names.is_empty() || !names.is_sorted() {
                return Err(format!("{all:?}: no role, no name, or names that are not sorted"));
            }
            for name in names {
                if it.known.contains_key(name) || it.kernel_threads.iter().any(|known| known == name) {
                    return Err(format!("{name} is there twice"));
                }
                it.add(name, all, all & VERSIONED);
            }
        }
        it.cut_names();
        Ok(it)
    }

    /// The table with a site's own programs, by role. Those are known by just these names, without a version.
    pub(super) fn extended(mut self, own: &BTreeMap<String, Vec<String>>) -> Result<Self, ExtendError> {
        for (role, names) in own {
            let role = Roles::named(role)?;
            for name in names {
                check_name(name, role)?;
                self.add(name, role, Roles::empty());
            }
        }
        self.cut_names();
        Ok(self)
    }

    fn add(&mut self, name: &str, roles: Roles, versioned: Roles) {
        if roles.contains(Roles::KERNEL_THREAD) {
            self.kernel_threads.push(name.to_owned());
        } else {
            let known = self.known.entry(name.to_owned()).or_default();
            known.roles |= roles;
            known.versioned |= versioned;
        }
    }

    /// A long name is known as the kernel cuts it for `comm`, too.
    fn cut_names(&mut self) {
        let long = self.known.iter().filter_map(|(name, known)| {
            let cut = name.get(..COMM_BYTES).filter(|_| name.len() > COMM_BYTES)?;
            Some((cut.to_owned(), *known))
        });
        for (cut, known) in long.collect::<Vec<_>>() {
            self.add(&cut, known.roles, known.versioned);
        }
    }

    /// The roles of a program by its file's path or its name. Without allocating: it is asked for each exec.
    pub(super) fn roles_of(&self, name: &str) -> Roles {
        let base = base(name);
        let of = |name: &str| self.get(name).map(|(_, known)| *known).unwrap_or_default();
        let stem = base.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | ':'));
        let of_stem = if stem.len() < base.len() { of(stem).versioned } else { Roles::empty() };
        of(base).roles | of_stem
    }

    /// The name as the table holds it, where the program has one of these roles.
    pub(super) fn named(&self, name: &str, roles: Roles) -> Option<&str> {
        let (name, known) = self.get(name)?;
        known.roles.intersects(roles).then_some(name)
    }

    fn get(&self, name: &str) -> Option<(&str, &KnownProgram)> {
        let (name, known) = if name.len() > NAME_BYTES { None } else { self.known.get_key_value(name) }?;
        Some((name, known))
    }

    /// Whether only kernel threads have this name.
    pub(super) fn is_kernel_thread(&self, name: &[u8]) -> bool {
        // The first byte rules nearly every name out: this is asked for each exec.
        self.kernel_threads.iter().filter(|known| known.as_bytes().first() == name.first()).any(|known| {
            name.strip_prefix(known.as_bytes()).is_some_and(|rest| {
                rest.is_empty() || known.ends_with(['/', '_']) || rest.iter().all(u8::is_ascii_digit)
            })
        })
    }

    /// How many names there are, those that the kernel cuts included.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len() + self.kernel_threads.len()
    }
}

/// A program's file name: no path, which the start of a kernel thread's name may look like.
pub(super) fn check_name(name: &str, role: Roles) -> Result<(), ExtendError> {
    let path = name.contains('/') && role != Roles::KERNEL_THREAD;
    if name.is_empty() || name.len() > NAME_BYTES || path || name.contains(['\0', ' ']) {
        return Err(ExtendError::NoName(name.to_owned()));
    }
    Ok(())
}

/// The last part of a path.
pub(crate) fn base(path: &str) -> &str {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    // By bytes: names are short, and this is asked for each exec.
    path.bytes().rposition(|byte| byte == b'/').map_or(path, |slash| &path[slash + 1..])
}
