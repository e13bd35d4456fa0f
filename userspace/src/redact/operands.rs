//! Secrets that are known by their place alone: `vault login SECRET`, `htpasswd -b FILE USER SECRET`.

use std::ops::Range;

/// Operands remembered: no rule looks further.
const MAX_BEGINNING: usize = 2;

/// Where a program has its secrets.
struct OperandRule {
    program: &'static str,
    /// A letter that must be among the short options.
    flag: Option<char>,
    /// What the operands begin with.
    verbs: &'static [&'static str],
    secret: Secret,
}

/// Which operands are secret.
#[derive(Clone, Copy)]
enum Secret {
    /// This one, counted from 0.
    At(usize),
    /// The value of each `name=value` from this one on.
    Values(usize),
    /// In each, what stands between the first slash and the last at sign, or the end: `scott/tiger@db`.
    Logon,
}

const fn rule(program: &'static str, verbs: &'static [&'static str], secret: Secret) -> OperandRule {
    OperandRule { program, flag: None, verbs, secret }
}

const RULES: &[OperandRule] = &[
    rule("vault", &["login"], Secret::At(1)),
    rule("vault", &["unwrap"], Secret::At(1)),
    rule("vault", &["operator", "unseal"], Secret::At(2)),
    rule("vault", &["kv", "put"], Secret::Values(2)),
    rule("vault", &["kv", "patch"], Secret::Values(2)),
    rule("vault", &["write"], Secret::Values(2)),
    rule("rclone", &["obscure"], Secret::At(1)),
    rule("rabbitmqctl", &["add_user"], Secret::At(2)),
    rule("rabbitmqctl", &["change_password"], Secret::At(2)),
    rule("rabbitmqctl", &["authenticate_user"], Secret::At(2)),
    rule("mc", &["alias", "set"], Secret::At(5)),
    rule("wpa_passphrase", &[], Secret::At(1)),
    rule("radtest", &[], Secret::At(1)),
    rule("sqlplus", &[], Secret::Logon),
    rule("sql", &[], Secret::Logon),
    rule("rman", &[], Secret::Logon),
    rule("expdp", &[], Secret::Logon),
    rule("impdp", &[], Secret::Logon),
    rule("sqlldr", &[], Secret::Logon),
    // -n prints to the terminal and takes no file; -C takes a number.
    OperandRule { program: "htpasswd", flag: Some('n'), verbs: &[], secret: Secret::At(1) },
    OperandRule { program: "htpasswd", flag: Some('b'), verbs: &[], secret: Secret::At(2) },
];

/// The operands of a program so far.
#[derive(Default)]
pub(super) struct Operands {
    program: Option<&'static str>,
    beginning: Vec<String>,
    count: usize,
    flags: Vec<char>,
    /// The word before was an option that takes this word.
    skip: bool,
}

impl Operands {
    /// A word that may be a program's name.
    pub(super) fn begin(&mut self, name: &str) {
        if self.program.is_none()
            && let Some(rule) = RULES.iter().find(|rule| rule.program == name)
        {
            *self = Self { program: Some(rule.program), ..Self::default() };
        }
    }

    /// Whether a program is read whose secrets are known by their place.
    pub(super) const fn is_known(&self) -> bool {
        self.program.is_some()
    }

    /// The secret part of the next word.
    pub(super) fn secret_in(&mut self, word: &str) -> Option<Range<usize>> {
        let program = self.program?;
        if std::mem::take(&mut self.skip) {
            return None;
        }
        if let Some(flags) = word.strip_prefix('-').filter(|flags| !flags.is_empty()) {
            let fresh: Vec<char> = flags.chars().take(8).filter(|flag| !self.flags.contains(flag)).collect();
            self.flags.extend(fresh.into_iter().filter(char::is_ascii_alphanumeric));
            self.skip = program == "htpasswd" && flags.ends_with('C');
            return None;
        }
        let at = self.count;
        self.count += 1;
        let fits = |rule: &&OperandRule| {
            rule.program == program
                && rule.flag.is_none_or(|flag| self.flags.contains(&flag))
                && rule.verbs.len() <= self.beginning.len()
                && rule.verbs.iter().zip(&self.beginning).all(|(verb, word)| verb == word)
        };
        let found = RULES.iter().find(fits).and_then(|rule| match rule.secret {
            Secret::At(place) => (place == at).then_some(0..word.len()),
            Secret::Values(from) if at >= from => word.find('=').map(|equals| equals + 1..word.len()),
            Secret::Values(_) => None,
            Secret::Logon => logon(word),
        });
        if self.beginning.len() < MAX_BEGINNING {
            self.beginning.push(word.chars().take(32).collect());
        }
        found
    }
}

/// The password in `user/password@database`; not of `/nolog`, `/ as sysdba` or a path.
fn logon(word: &str) -> Option<Range<usize>> {
    let (user, rest) = word.split_once('/').filter(|(user, _)| !user.is_empty())?;
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '#' | '"' | '[' | ']');
    if !user.chars().all(name) || rest.starts_with('/') {
        return None;
    }
    let end = rest.rfind('@').unwrap_or(rest.len());
    (end > 0 && !rest[..end].ends_with(".sql")).then_some(user.len() + 1..user.len() + 1 + end)
}
