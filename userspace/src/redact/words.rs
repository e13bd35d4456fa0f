//! Secrets that are known by the words before them: `--password hunter2`, and the habits of programs that take a
//! secret under a name nobody would guess (`programs`) or none at all (`operands`).

use std::ops::Range;

use super::names::{self, Strength};
use super::operands::Operands;
use super::pairs::{is_file, is_plain};
use super::pattern::{Spans, marker};
use super::programs::{self, Form};

/// What the words so far say of the next one.
#[derive(Default)]
pub(super) struct Command {
    /// The program's name, where it has habits of its own.
    program: Option<&'static str>,
    operands: Operands,
    /// The word before is a flag, and its value is a secret of this kind.
    pending: Option<PendingValue>,
    /// Whether there was a word before this one.
    begun: bool,
    /// Whether a flag named a user: then what comes after `-p` is no port.
    names_user: bool,
    /// The word before is a flag that names a user.
    user_next: bool,
    /// Whether a program is read whose `--user` is a user and a group.
    runs_others: bool,
    /// The word before names a secret, in whatever way: plain hex after it is one.
    named: bool,
    /// `env` is read, whose `-u` names a variable; and the word before was that flag.
    unsets: bool,
    unset_next: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PendingValue {
    Value(Strength),
    /// The value begins after this character.
    After(char),
    /// The word before is a bare name, not a flag; in free text it may just be a word.
    Bare,
}

impl Command {
    /// The secret part of the next word. `whole`: the word is one argument, so its value ends where it ends.
    pub(super) fn secret_in(&mut self, word: &str, whole: bool) -> Option<Range<usize>> {
        let first = !std::mem::replace(&mut self.begun, true);
        let pending = self.pending.take();
        if word.is_empty() {
            // `--password "" SECRET`: what comes next may still be it.
            self.pending = pending;
            return None;
        }
        if let Some(span) = pending.and_then(|pending| value(word, pending, whole)) {
            return Some(span);
        }
        let named = std::mem::replace(&mut self.named, names_secret(word));
        if named && is_long_hex(word) {
            return Some(0..word.trim_end_matches(['.', ',', ';', ')']).len());
        }
        if matches!(word, "|" | "||" | "&&" | ";") {
            *self = Self { begun: true, ..Self::default() };
        }
        if let Some(span) = self.with_user(word) {
            return Some(span);
        }
        if self.program.is_some_and(|program| programs::is_open(program, word)) {
            self.named = false;
            return None;
        }
        if let Some(span) = self.program.and_then(|program| self.of_program(program, word)) {
            return Some(span);
        }
        if let Some(span) = self.operands.secret_in(word) {
            return Some(span);
        }
        let base = word.rsplit('/').next().unwrap_or(word);
        self.program = programs::known(base).or(self.program);
        self.runs_others |= programs::runs_others(base);
        self.unsets |= base == "env";
        self.operands.begin(base);
        if whole && let Some((name, value)) = word.split_once('=') {
            let secret = is_name(name.trim_start_matches('-'))
                && match names::strength(name.trim_start_matches('-')) {
                    Some(Strength::Strong) => true,
                    Some(Strength::Weak) => !is_plain(value),
                    None => false,
                };
            return secret.then_some(name.len() + 1..word.len());
        }
        let Some(name) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            let bare = !first && self.pending.is_none() && self.is_bare_name(word, whole);
            self.pending = self.pending.or(bare.then_some(PendingValue::Bare));
            return None;
        };
        // `--no-session` takes no value.
        if is_name(name) && !name.starts_with("no-") {
            self.pending = self.pending.or(names::strength(name).map(PendingValue::Value));
        }
        None
    }

    /// What many programs share: `-u NAME -p SECRET`, `--user NAME:SECRET`. Of what runs others as a user, the second
    /// is a group.
    fn with_user(&mut self, word: &str) -> Option<Range<usize>> {
        const FLAGS: [&str; 9] = [
            "-u",
            "--user",
            "--username",
            "--login",
            "--userpass",
            "--basic-auth",
            "--creds",
            "--auth-user",
            "--http-user",
        ];
        if self.unsets && (std::mem::replace(&mut self.unset_next, word == "-u") || self.unset_next) {
            return None;
        }
        // Its program begins.
        self.unsets &= word.starts_with('-') || word.contains('=');
        let (flag, value) = word.split_once('=').map_or((word, None), |(flag, value)| (flag, Some(value)));
        let is_flag = FLAGS.contains(&flag);
        if std::mem::replace(&mut self.user_next, is_flag && value.is_none()) && !is_option(word) {
            self.names_user = true;
            return self.pair(word, 0);
        }
        if let Some(value) = value.filter(|_| is_flag) {
            self.names_user = true;
            return self.pair(value, word.len() - value.len());
        }
        if word == "-p" && self.names_user && self.program.is_none() {
            self.pending = Some(PendingValue::Value(Strength::Weak));
        }
        None
    }

    /// The secret of `user:SECRET`, which begins at `from` of its word.
    fn pair(&self, pair: &str, from: usize) -> Option<Range<usize>> {
        let (user, secret) = pair.split_once(':')?;
        let group = self.runs_others || user == secret || is_plain(secret) || user.contains('/');
        (!group && !secret.is_empty()).then_some(from + user.len() + 1..from + pair.len())
    }

    /// Whether a word without a dash names a secret that comes next, as in `nmcli … password hunter2`.
    fn is_bare_name(&self, word: &str, whole: bool) -> bool {
        const ALONE: [&str; 7] =
            ["password", "passwd", "passphrase", "requirepass", "masterauth", "psk", "pass"];
        let compound = word.contains(['_', '.']) || word.contains("Token") || word.contains("Password");
        let last = word.rsplit('.').next().unwrap_or(word);
        let named = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        let by_place = self.operands.is_known() && !programs::sets_by_name(self.program);
        if programs::searches(self.program) || by_place || !named {
            false
        } else if ALONE.contains(&last) {
            whole || last != word || programs::sets_by_name(self.program)
        } else {
            compound && !is_file(word) && names::strength(word) == Some(Strength::Strong)
        }
    }

    fn of_program(&mut self, program: &str, word: &str) -> Option<Range<usize>> {
        let (flag, form) = programs::flag(program, word)?;
        let attached = &word[flag.len()..];
        if attached.is_empty() {
            self.pending = match form {
                Form::Attached => None,
                Form::Next | Form::Alone => Some(PendingValue::Value(Strength::Strong)),
                Form::After(mark) => Some(PendingValue::After(mark)),
            };
            return None;
        }
        let attached = if flag.starts_with("--") { attached.strip_prefix('=')? } else { attached };
        let from = word.len() - attached.len();
        match form {
            Form::After(mark) => Some(from + attached.find(mark)? + mark.len_utf8()..word.len()),
            Form::Attached | Form::Next | Form::Alone => Some(from..word.len()),
        }
    }
}

/// Secrets known by the word before them, in text whose words must be found first.
pub(super) fn in_text(text: &str) -> Spans {
    let mut command = Command::default();
    let mut spans = Spans::new();
    let mut at = 0;
    while let Some((word, next)) = next_word(text, at, command.pending.is_some()) {
        at = next;
        let from = word.start;
        if let Some(span) = command.secret_in(&text[word], false) {
            spans.push(span.start + from..span.end + from);
        }
    }
    spans
}

fn value(word: &str, pending: PendingValue, whole: bool) -> Option<Range<usize>> {
    match pending {
        PendingValue::After(mark) => Some(word.find(mark)? + mark.len_utf8()..word.len()),
        PendingValue::Value(_) | PendingValue::Bare if is_option(word) => None,
        PendingValue::Value(Strength::Weak) if is_plain(word) => None,
        PendingValue::Bare if is_plain(word) || is_file(word) || !(whole || looks_made(word)) => None,
        PendingValue::Value(_) | PendingValue::Bare => Some(0..word.len()),
    }
}

/// Whether a word is none of a language: in prose, `session_token expired` tells no secret.
fn looks_made(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',', ':', ';', ')']);
    let letters = word.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\''));
    !letters && !word.contains(['=', ':', '/']) && word.chars().count() > 3
}

/// Whether a word names a secret: `token`, `api_key:`, `--license-key`.
fn names_secret(word: &str) -> bool {
    let name = word.trim_start_matches('-').trim_end_matches([':', '=']);
    is_name(name) && name.len() <= 64 && names::strength(name).is_some()
}

/// Hex as keys have it: 32 digits or more.
fn is_long_hex(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',', ';', ')']);
    word.len() >= 32 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether the word is an option itself: the flag before it had no value.
fn is_option(word: &str) -> bool {
    let Some(name) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else { return false };
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    name.chars().all(|c| c.is_ascii_alphabetic() || c == '-') && name.len() < 32
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The next word from `at`, and where to go on. With `quoted`, what stands in quotes is one word.
fn next_word(text: &str, mut at: usize, quoted: bool) -> Option<(Range<usize>, usize)> {
    loop {
        let rest = &text[at..];
        let c = rest.chars().next()?;
        if c == '['
            && let Some(length) = marker(rest)
        {
            return Some((at..at + length, at + length));
        }
        if matches!(c, '"' | '\'' | '`') {
            let inside = at + 1;
            let close = text[inside..].find(c).map(|close| inside + close);
            let end = if quoted { close.unwrap_or(text.len()) } else { word_end(text, inside) };
            if end > inside {
                // The quote that closes this word opens nothing.
                return Some((inside..end, if Some(end) == close { end + 1 } else { end }));
            }
            at = inside;
        } else if c.is_whitespace() || matches!(c, '\0' | ',' | '[' | ']' | '(' | ')' | '{' | '}' | '\\') {
            at += c.len_utf8();
        } else {
            let end = word_end(text, at);
            return Some((at..end, end));
        }
    }
}

fn word_end(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() || matches!(c, '\0' | '"' | '\'' | '`' | '\\') {
            break;
        }
        // A mask has blanks in it and is part of its word all the same.
        let mask = if c == '[' { marker(&text[at..]) } else { None };
        at += mask.unwrap_or(c.len_utf8());
    }
    at
}
