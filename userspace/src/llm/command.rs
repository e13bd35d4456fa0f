//! Whether a command that a model proposes only looks. Whoever is on call pastes it as root at three in the night,
//! and the model has read what an attacker may have written: what is not known to be harmless is dropped. Known are
//! programs with their options, one by one, in [`programs`]; the rest of a shell's language is not spoken.

mod programs;

use programs::{Operands, Program};

/// No command of this kind needs to be longer.
const MAX_COMMAND_CHARS: usize = 300;

/// The command, if it only looks.
pub(crate) fn checked(command: &str) -> Option<String> {
    let command = command.trim().trim_matches('`').trim();
    let command = command.strip_prefix("$ ").unwrap_or(command);
    let fits = command.chars().count() <= MAX_COMMAND_CHARS && crate::text::printable(command) == command;
    if !fits || command.contains("://") {
        return None;
    }
    pipeline(command)?.iter().all(|words| looks(words)).then(|| command.to_owned())
}

/// Whether one program of a pipeline only looks.
fn looks(words: &[String]) -> bool {
    let words = if words.first().is_some_and(|word| word == "sudo") { &words[1..] } else { words };
    let Some((name, arguments)) = words.split_first() else { return false };
    let Some(program) = programs::find(name) else { return false };
    let Some(read) = Arguments::read(program, arguments) else { return false };
    let needed = program.needs.is_none_or(|flag| read.flags.contains(flag));
    needed && read.is_verb_allowed(program) && read.are_operands_allowed(program)
}

/// A program's arguments, all of whose options are known.
struct Arguments<'a> {
    flags: String,
    operands: Vec<&'a str>,
    /// Everything that may name a file, operands included.
    values: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    /// `None`: an option is not on the program's list. After `--` options are looked for all the same, as not every
    /// program stops there.
    fn read(program: &Program, arguments: &'a [String]) -> Option<Self> {
        let mut read = Self { flags: String::new(), operands: Vec::new(), values: Vec::new() };
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let wants_value = if word == "-" || word == "--" {
                false
            } else if program.whole_words && word.starts_with('-') {
                program.long.split(' ').any(|it| it == word).then_some(false)?
            } else if let Some(long) = word.strip_prefix("--") {
                read.long(program, long)?
            } else if let Some(cluster) = word.strip_prefix('-') {
                read.cluster(program, cluster)?
            } else {
                read.operands.push(word);
                read.values.push(word);
                false
            };
            if wants_value {
                read.values.push(words.next().filter(|value| is_value(value))?);
            }
        }
        Some(read)
    }

    /// Whether the option `--name` or `--name=value` takes the next word. Cut-short names are not known.
    fn long(&mut self, program: &Program, option: &'a str) -> Option<bool> {
        let (name, value) = option.split_once('=').map_or((option, None), |(name, it)| (name, Some(it)));
        let known = program.long.split(' ').find(|it| it.trim_end_matches(['=', '?']) == name)?;
        self.values.extend(value);
        let takes = known.ends_with(['=', '?']);
        (takes || value.is_none()).then(|| known.ends_with('=') && value.is_none())
    }

    /// As [`Self::long`], for `-abc`, `-n5` and `-5`.
    fn cluster(&mut self, program: &Program, cluster: &'a str) -> Option<bool> {
        if cluster.bytes().all(|b| b.is_ascii_digit()) {
            return Some(false);
        }
        for (at, c) in cluster.char_indices() {
            let attached = &cluster[at + c.len_utf8()..];
            if program.valued.contains(c) {
                self.values.extend((!attached.is_empty()).then_some(attached));
                return Some(attached.is_empty());
            }
            if program.optional.contains(c) {
                self.values.push(attached);
                return Some(false);
            }
            if !program.flags.contains(c) {
                return None;
            }
            self.flags.push(c);
        }
        Some(false)
    }

    fn is_verb_allowed(&self, program: &Program) -> bool {
        let begins = |verb: &str| {
            let words: Vec<&str> = verb.split(' ').collect();
            self.operands.starts_with(&words)
        };
        program.verbs.is_empty() || program.verbs.split('|').any(begins)
    }

    fn are_operands_allowed(&self, program: &Program) -> bool {
        let fits = |word: &&str| match program.operands {
            Operands::None => false,
            Operands::Numbers => word.bytes().all(|b| b.is_ascii_digit()),
            Operands::Names => !word.contains('='),
            Operands::Any => true,
        };
        // binutils reads more options from @FILE; lsof has options that begin with a plus, some of which write.
        let odd = |word: &&str| word.starts_with('@') || (word.starts_with('+') && *word != "+L1");
        let operands_fit = self.operands.iter().all(fits) && !self.operands.iter().any(odd);
        operands_fit && (!program.opens || !self.values.iter().any(|value| acts_when_read(value)))
    }
}

/// Whether the word can only be a value: words with a dash could be taken for options.
fn is_value(word: &str) -> bool {
    word.strip_prefix('-').is_none_or(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether opening and reading the file does something: devices (/dev/watchdog restarts the host), pipes that belong
/// to somebody else, logs that are gone once read.
fn acts_when_read(value: &str) -> bool {
    value.split(['=', ',', ':', ' ']).any(|path| {
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let inside = |directory: &str| parts.iter().rev().skip(1).any(|part| *part == directory);
        let drains = |part: &&str| matches!(*part, "kmsg" | "trace_pipe" | "mem" | "kcore" | "pagemap");
        let climbs = parts.contains(&"..");
        path.contains('/') && (climbs || ["dev", "fd", "map_files"].into_iter().any(inside))
            || (path.contains('/') && parts.iter().any(drains))
    })
}

/// The words of each program of a pipeline; `None` for everything else a shell can do, patterns of files included.
fn pipeline(command: &str) -> Option<Vec<Vec<String>>> {
    let mut pipeline = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut rest = command;
    while let Some(c) = rest.chars().next() {
        if word.is_none()
            && let Some(after) = without_stderr(rest)
        {
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\'' | '"' => {
                let (inside, after) = rest.split_once(c)?;
                if c == '"' && inside.contains(['$', '`', '\\', '!']) {
                    return None;
                }
                word.get_or_insert_default().push_str(inside);
                rest = after;
            }
            '|' | ' ' => {
                pipeline.last_mut()?.extend(word.take());
                if c == '|' {
                    pipeline.push(Vec::new());
                }
            }
            c if c.is_alphanumeric() || "_-./:=,+@%".contains(c) => word.get_or_insert_default().push(c),
            _ => return None,
        }
    }
    pipeline.last_mut()?.extend(word);
    Some(pipeline)
}

/// What follows `2>/dev/null` or `2>&1`, as a word of its own: the only redirections that write nothing.
fn without_stderr(rest: &str) -> Option<&str> {
    let after = rest.strip_prefix("2>/dev/null").or_else(|| rest.strip_prefix("2>&1"))?;
    (after.is_empty() || after.starts_with([' ', '|'])).then_some(after)
}

#[cfg(test)]
mod tests;
