//! Secrets that are known by the word before them: `--password hunter2`, and the flags of programs that take a
//! secret under a name nobody would guess, as `mysql -phunter2` and `curl -u user:hunter2`.

use std::ops::Range;

use super::names::{self, Strength};
use super::pairs::is_plain;
use super::{Spans, marker};

/// How a program's flag carries its secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In the same word: `-pSECRET`.
    Attached,
    /// In the next word, or in the same.
    Next,
    /// As [`Form::Next`], as `user:SECRET`.
    AfterColon,
}

/// Programs that share a habit.
struct Program {
    names: &'static [&'static str],
    flags: &'static [&'static str],
    form: Form,
}

const PROGRAMS: [Program; 7] = [
    Program {
        names: &[
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mysqlimport",
            "mysqlsh",
            "mariadb",
            "mariadb-dump",
            "7z",
            "7za",
        ],
        flags: &["-p"],
        form: Form::Attached,
    },
    Program {
        names: &["sshpass", "mongo", "mongosh", "mongodump", "mongorestore", "login"],
        flags: &["-p"],
        form: Form::Next,
    },
    Program { names: &["redis-cli"], flags: &["-a"], form: Form::Next },
    Program { names: &["zip", "unzip", "sqlcmd", "bcp"], flags: &["-P"], form: Form::Next },
    Program {
        names: &["ldapsearch", "ldapmodify", "ldapadd", "ldapdelete"],
        flags: &["-w"],
        form: Form::Next,
    },
    Program { names: &["curl"], flags: &["--user", "--proxy-user", "-u", "-U"], form: Form::AfterColon },
    Program { names: &["ab"], flags: &["-A", "-P"], form: Form::AfterColon },
];

/// What the words so far say of the next one.
#[derive(Default)]
pub(super) struct Command {
    program: Option<&'static Program>,
    /// The word before is a flag, and its value is a secret of this kind.
    pending: Option<Pending>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    Value(Strength),
    AfterColon,
}

impl Command {
    /// The secret part of the next word. `whole`: the word is one argument, so its value ends where it ends.
    pub(super) fn secret_in(&mut self, word: &str, whole: bool) -> Option<Range<usize>> {
        let pending = self.pending.take();
        if let Some(span) = pending.and_then(|pending| value(word, pending)) {
            return Some(span);
        }
        if matches!(word, "|" | "||" | "&&" | ";") {
            self.program = None;
        }
        if let Some(span) = self.program.and_then(|program| self.of_program(program, word)) {
            return Some(span);
        }
        let base = word.rsplit('/').next().unwrap_or(word);
        if let Some(program) = PROGRAMS.iter().find(|program| program.names.contains(&base)) {
            self.program = Some(program);
        }
        if whole && let Some((name, value)) = word.split_once('=') {
            let secret = is_name(name.trim_start_matches('-'))
                && match names::strength(name.trim_start_matches('-')) {
                    Some(Strength::Strong) => true,
                    Some(Strength::Weak) => !is_plain(value),
                    None => false,
                };
            return secret.then_some(name.len() + 1..word.len());
        }
        let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
        if is_name(name) {
            self.pending = self.pending.or(names::strength(name).map(Pending::Value));
        }
        None
    }

    fn of_program(&mut self, program: &Program, word: &str) -> Option<Range<usize>> {
        let flag = program.flags.iter().find(|flag| word.starts_with(**flag))?;
        let attached = &word[flag.len()..];
        if attached.is_empty() {
            self.pending = match program.form {
                Form::Attached => None,
                Form::Next => Some(Pending::Value(Strength::Strong)),
                Form::AfterColon => Some(Pending::AfterColon),
            };
            return None;
        }
        if flag.starts_with("--") {
            let value = attached.strip_prefix('=')?;
            return Some(word.len() - value.split_once(':')?.1.len()..word.len());
        }
        match program.form {
            Form::AfterColon => Some(word.len() - attached.split_once(':')?.1.len()..word.len()),
            Form::Attached | Form::Next => Some(flag.len()..word.len()),
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

fn value(word: &str, pending: Pending) -> Option<Range<usize>> {
    match pending {
        Pending::AfterColon => Some(word.len() - word.split_once(':')?.1.len()..word.len()),
        Pending::Value(_) if is_option(word) => None,
        Pending::Value(Strength::Weak) if is_plain(word) => None,
        Pending::Value(_) => Some(0..word.len()),
    }
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
        if let Some(length) = marker(rest) {
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
        at += marker(&text[at..]).unwrap_or(c.len_utf8());
    }
    at
}
