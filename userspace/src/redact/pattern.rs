//! What the searches share: ranges of a text, patterns, and how a mask looks.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use regex_automata::Input;
use regex_automata::meta::{Cache, Config, Regex};
use regex_automata::util::captures::Captures;
use regex_automata::util::iter::Searcher;

/// The byte ranges of a text that are secret.
pub(super) type Spans = Vec<Range<usize>>;

/// Where the groups of a match are, the whole of it first.
pub(super) struct Groups(Vec<Option<Range<usize>>>);

impl Groups {
    fn of(captures: &Captures) -> Self {
        Self(captures.iter().map(|it| it.map(|span| span.range())).collect())
    }

    pub(super) fn get(&self, group: usize) -> Option<Range<usize>> {
        self.0.get(group).cloned().flatten()
    }
}

/// A pattern, and the memory that its searches need: up to a megabyte each. `regex` keeps one for nearly each thread that
/// has ever searched, and any of a dozen may; here it is given back to all of them.
pub(super) struct Pattern {
    regex: Regex,
    caches: Mutex<Vec<Cache>>,
}

/// Caches kept: more threads seldom search at once, and who finds none makes one.
const CACHES: usize = 2;
/// What a lazy automaton may grow to until it begins anew.
const AUTOMATON_BYTES: usize = 512 << 10;

/// A pattern that is part of the program.
pub(super) fn compile(pattern: &str) -> Pattern {
    let config = Config::new().hybrid_cache_capacity(AUTOMATON_BYTES);
    let regex = Regex::builder().configure(config).build(pattern);
    let regex = regex.expect("the patterns are constants and every one is used in the tests");
    Pattern { regex, caches: Mutex::default() }
}

impl Pattern {
    /// All matches.
    pub(super) fn find_all(&self, text: &str) -> Spans {
        self.with_cache(|cache| {
            let mut searcher = Searcher::new(Input::new(text));
            let next = || searcher.advance(|input| Ok(self.regex.search_with(cache, input)));
            std::iter::from_fn(next).map(|found| found.range()).collect()
        })
    }

    /// The first match.
    pub(super) fn find(&self, text: &str) -> Option<Range<usize>> {
        self.with_cache(|cache| self.regex.search_with(cache, &Input::new(text)).map(|found| found.range()))
    }

    /// The groups of the first match from here on; what is before counts as context.
    pub(super) fn captures_at(&self, text: &str, at: usize) -> Option<Groups> {
        self.with_cache(|cache| self.captures(cache, &Input::new(text).range(at..)))
    }

    /// The groups of all matches.
    pub(super) fn captures_all(&self, text: &str) -> Vec<Groups> {
        self.with_cache(|cache| {
            let mut searcher = Searcher::new(Input::new(text));
            let (mut all, mut captures) = (Vec::new(), self.regex.create_captures());
            let mut next = || {
                searcher.advance(|input| {
                    self.regex.search_captures_with(cache, input, &mut captures);
                    Ok(captures.get_match())
                })?;
                Some(Groups::of(&captures))
            };
            while let Some(found) = next() {
                all.push(found);
            }
            all
        })
    }

    fn captures(&self, cache: &mut Cache, input: &Input<'_>) -> Option<Groups> {
        let mut captures = self.regex.create_captures();
        self.regex.search_captures_with(cache, input, &mut captures);
        captures.is_match().then(|| Groups::of(&captures))
    }

    fn with_cache<T>(&self, search: impl FnOnce(&mut Cache) -> T) -> T {
        let caches = || self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = caches().pop();
        let mut cache = kept.unwrap_or_else(|| self.regex.create_cache());
        let found = search(&mut cache);
        let mut caches = caches();
        if caches.len() < CACHES {
            caches.push(cache);
        }
        found
    }
}

/// The length of the mask that `text` begins with, if it does.
pub(super) fn marker(text: &str) -> Option<usize> {
    let number = text.strip_prefix("[redacted ")?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits > 0 && number[digits..].starts_with(" chars]");
    whole.then_some("[redacted ".len() + digits + " chars]".len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_those_of_regex() {
        for (pattern, text) in [
            (r"a(b)?", "ab a aab"),
            (r"", "aé"),
            (r"(?-u:\b)k[0-9]{2,}", "k11 xk22 k3 k333"),
            (r"^x(y*)", "xyyx"),
            (r"é+", "aéé é"),
        ] {
            let (ours, theirs) = (compile(pattern), regex::Regex::new(pattern).unwrap());
            let all: Spans = theirs.find_iter(text).map(|it| it.range()).collect();
            assert_eq!(ours.find_all(text), all, "{pattern}");
            assert_eq!(ours.find(text), all.first().cloned(), "{pattern}");
            let groups =
                |it: regex::Captures<'_>| -> Vec<_> { it.iter().map(|it| it.map(|it| it.range())).collect() };
            let captured: Vec<_> = theirs.captures_iter(text).map(groups).collect();
            let got: Vec<_> = ours.captures_all(text).into_iter().map(|it| it.0).collect();
            assert_eq!(got, captured, "{pattern}");
            let at = text.char_indices().nth(1).map_or(0, |it| it.0);
            assert_eq!(
                ours.captures_at(text, at).map(|it| it.0),
                theirs.captures_at(text, at).map(groups),
                "{pattern}"
            );
        }
    }

    #[test]
    fn few_caches_are_kept_whoever_searches() {
        let pattern = compile("x+");
        for _ in 0..20 {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| assert_eq!(pattern.find("axxb"), Some(1..3)));
                }
            });
        }
        assert!(pattern.caches.lock().unwrap().len() <= CACHES);
    }
}
