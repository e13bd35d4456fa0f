//! Programs that take a secret under a flag whose name nobody would guess, as `mysql -phunter2` and
//! `curl -u user:hunter2`.

use std::collections::HashSet;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

use crate::programs::{self, Roles};

/// How a program's flag carries its secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In the same word: `-pSECRET`.
    Attached,
    /// In the next word, or in the same.
    Next,
    /// In the next word; the same word with more in it is another flag.
    Alone,
    /// As [`Form::Next`], as `user:SECRET` with this character between.
    After(char),
}

/// Programs that share a habit.
struct Habit {
    names: &'static [&'static str],
    flags: &'static [&'static str],
    form: Form,
}

const fn habit(names: &'static [&'static str], flags: &'static [&'static str], form: Form) -> Habit {
    Habit { names, flags, form }
}

const HABITS: &[Habit] = &[
    habit(
        &[
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mysqlimport",
            "mysqlsh",
            "mariadb",
            "mariadb-dump",
            "mariadb-admin",
        ],
        &["-p"],
        Form::Attached,
    ),
    habit(&["7z", "7za", "7zz", "rar", "unrar"], &["-p", "-hp"], Form::Attached),
    habit(&["xfreerdp", "xfreerdp3", "wlfreerdp", "sdl-freerdp"], &["/p:", "/gp:", "/pth:"], Form::Attached),
    habit(
        &[
            "sshpass",
            "mongo",
            "mongosh",
            "mongodump",
            "mongorestore",
            "mongoexport",
            "login",
            "rdesktop",
            "cqlsh",
            "twine",
        ],
        &["-p"],
        Form::Next,
    ),
    habit(
        &["evil-winrm", "crackmapexec", "nxc", "netexec", "hydra", "useradd", "usermod"],
        &["-p"],
        Form::Alone,
    ),
    habit(&["redis-cli"], &["-a", "--pass"], Form::Next),
    habit(
        &["zip", "unzip", "sqlcmd", "bcp", "tsql", "ipmitool", "mosquitto_pub", "mosquitto_sub"],
        &["-P"],
        Form::Next,
    ),
    habit(
        &["ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldapwhoami", "ldapcompare", "ldappasswd"],
        &["-w"],
        Form::Next,
    ),
    habit(&["ldappasswd"], &["-s", "-a"], Form::Next),
    habit(&["openssl"], &["-k", "-K", "-pass", "-passin", "-passout", "-hmac"], Form::Alone),
    habit(&["ssh-keygen"], &["-N", "-P"], Form::Alone),
    habit(
        &[
            "snmpwalk",
            "snmpget",
            "snmpgetnext",
            "snmpset",
            "snmpbulkwalk",
            "snmpbulkget",
            "snmptrap",
            "snmptable",
        ],
        &["-c", "-A", "-X"],
        Form::Next,
    ),
    habit(&["curl"], &["--user", "--proxy-user", "-u", "-U"], Form::After(':')),
    habit(&["http", "https", "xh"], &["-a", "--auth"], Form::After(':')),
    habit(&["kubectl", "oc"], &["--from-literal"], Form::After('=')),
    habit(&["ab"], &["-A", "-P"], Form::After(':')),
    habit(&["lftp"], &["-u", "--user"], Form::After(',')),
    habit(
        &["smbclient", "smbget", "rpcclient", "net", "smbcacls", "smbpasswd"],
        &["-U", "--user"],
        Form::After('%'),
    ),
];

/// Flags whose names say secret and whose values are none: files, buses, fingerprints.
const OPEN: &[(&[&str], &[&str])] = &[
    (&["curl"], &["--key", "--proxy-key", "--mail-auth"]),
    (&["gdbus", "dbus-send", "dbus-monitor", "busctl", "perf"], &["--session"]),
    (&["gpg-wks-server"], &["--install-key"]),
    (&["openssl"], &["-inkey"]),
];

/// Whether what comes after this flag of the program is no secret, whatever its name says.
pub(super) fn is_open(program: &str, flag: &str) -> bool {
    OPEN.iter().any(|(names, flags)| names.contains(&program) && flags.contains(&flag))
}

/// The name as a known one, if it is a program's with habits. By hash: this is asked for each word of a text.
pub(super) fn known(name: &str) -> Option<&'static str> {
    static NAMES: LazyLock<HashSet<&str, RandomState>> = LazyLock::new(|| {
        let names = HABITS.iter().map(|habit| habit.names).chain(OPEN.iter().map(|(names, _)| *names));
        names.flatten().copied().collect()
    });
    let habit = NAMES.get(name).copied();
    habit.or_else(|| programs::named(name, Roles::SETTER | Roles::SEARCH))
}

/// The flag that the word begins with, and how it carries its secret; the longest that fits.
pub(super) fn flag(program: &str, word: &str) -> Option<(&'static str, Form)> {
    let habits = HABITS.iter().filter(|habit| habit.names.contains(&program));
    let flags = habits.flat_map(|habit| habit.flags.iter().map(|flag| (*flag, habit.form)));
    let fits = |(flag, form): &(&str, Form)| {
        if *form == Form::Alone { word == *flag } else { word.starts_with(flag) }
    };
    flags.filter(fits).max_by_key(|(flag, _)| flag.len())
}

/// Whether it runs others as a user and a group, as `docker run --user app:staff` does.
pub(super) fn runs_others(name: &str) -> bool {
    const ROLES: Roles = Roles::CONTAINER_RUNTIME;
    programs::named(name, ROLES).is_some()
        || matches!(
            name,
            "docker" | "podman" | "nerdctl" | "setpriv" | "chroot" | "gosu" | "su-exec" | "kubectl" | "rsync"
        )
}

pub(super) fn sets_by_name(program: Option<&str>) -> bool {
    program.is_some_and(|program| programs::named(program, Roles::SETTER).is_some())
}

pub(super) fn searches(program: Option<&str>) -> bool {
    program.is_some_and(|program| programs::named(program, Roles::SEARCH).is_some())
}
