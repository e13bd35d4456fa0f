//! The paths in one file's code, read from its tokens: those inside macros count, words in comments and strings do
//! not, nor what is compiled for tests only.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A module's path from the crate's root; empty for the root itself.
pub(super) type Module = Vec<String>;

/// A path in the code.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) line: usize,
    /// From the crate's root where it is anchored, else as it is written.
    pub(super) path: Module,
    /// Whether it begins with `crate`, `self` or `super`: others may name crates, types and variables as well.
    pub(super) anchored: bool,
    /// The module it stands in.
    pub(super) home: Module,
    /// The name that a `use` gives it there.
    pub(super) binding: Option<String>,
    /// Whether that is a `pub use`.
    pub(super) passes_on: bool,
}

/// What one file has.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) references: Vec<Reference>,
    /// Modules that are compiled for tests only.
    pub(super) tests: Vec<Module>,
}

/// What kind of statement a path stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ImportPlace {
    Code,
    Use,
    PublicUse,
}

impl Scan {
    /// `None`: this is no Rust.
    pub(super) fn read(text: &str, home: &Module) -> Option<Self> {
        let mut scan = Self::default();
        scan.tokens(text.parse().ok()?, home);
        Some(scan)
    }

    fn tokens(&mut self, tokens: TokenStream, home: &Module) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.step(&tokens, at, home);
        }
    }

    /// Takes in what begins here; where the next begins.
    fn step(&mut self, tokens: &[TokenTree], at: usize, home: &Module) -> usize {
        if is_test_only(tokens, at) {
            return self.skip_item(tokens, at + 2, home);
        }
        match &tokens[at] {
            // Not the inside of `pub(in crate::x)`.
            TokenTree::Ident(word) if word == "pub" => {
                let next = at + 1 + usize::from(group(tokens.get(at + 1), Delimiter::Parenthesis).is_some());
                if is_word(tokens.get(next), "use") {
                    return self.path(tokens, next + 1, home, ImportPlace::PublicUse);
                }
                next
            }
            TokenTree::Ident(word) if word == "use" => self.path(tokens, at + 1, home, ImportPlace::Use),
            TokenTree::Ident(word) if word == "mod" => match (tokens.get(at + 1), tokens.get(at + 2)) {
                (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) => {
                    self.tokens(body.stream(), &[&**home, &[name.to_string()]].concat());
                    at + 3
                }
                _ => at + 1,
            },
            TokenTree::Ident(_) => self.path(tokens, at, home, ImportPlace::Code),
            TokenTree::Group(inside) => {
                self.tokens(inside.stream(), home);
                at + 1
            }
            _ => at + 1,
        }
    }

    /// Past the item after `#[cfg(test)]`, with more attributes before it.
    fn skip_item(&mut self, tokens: &[TokenTree], start: usize, home: &Module) -> usize {
        let mut at = start;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(word) if word == "mod" => {
                    if let Some(TokenTree::Ident(name)) = tokens.get(at + 1) {
                        self.tests.push([&**home, &[name.to_string()]].concat());
                    }
                }
                TokenTree::Punct(end) if end.as_char() == ';' => return at + 1,
                // A struct expression cannot stand here: the body of a function, module, impl or type; or a `use`.
                TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => {
                    let semicolon =
                        matches!(tokens.get(at + 1), Some(TokenTree::Punct(it)) if it.as_char() == ';');
                    return at + 1 + usize::from(semicolon);
                }
                _ => {}
            }
            at += 1;
        }
        at
    }

    /// A path that begins with this word, if it is one.
    fn path(&mut self, tokens: &[TokenTree], at: usize, home: &Module, place: ImportPlace) -> usize {
        let Some(TokenTree::Ident(first)) = tokens.get(at) else { return at + 1 };
        if goes_on(tokens, at) {
            return at + 1;
        }
        let (mut path, anchored) = match first.to_string().as_str() {
            "crate" => (vec![], true),
            "self" => (home.clone(), true),
            "super" => (home[..home.len().saturating_sub(1)].to_vec(), true),
            word => (vec![word.to_owned()], false),
        };
        let mut next = at + 1;
        if !is_path_separator(tokens, next) {
            return next;
        }
        while let (true, Some(TokenTree::Ident(word))) =
            (is_path_separator(tokens, next), tokens.get(next + 2))
        {
            if anchored && word == "super" {
                path.pop();
            } else {
                path.push(word.to_string());
            }
            next += 3;
        }
        let (line, in_use) = (first.span().start().line, place != ImportPlace::Code);
        let mut add = |path: Module, binding: Option<String>| {
            let binding = binding.filter(|_| in_use);
            let passes_on = place == ImportPlace::PublicUse;
            self.references.push(Reference { line, path, anchored, home: home.clone(), binding, passes_on });
        };
        match group(tokens.get(next + 2), Delimiter::Brace).filter(|_| is_path_separator(tokens, next)) {
            Some(branches) => {
                spread(branches, &path).into_iter().for_each(|(path, binding)| add(path, binding));
                next + 3
            }
            None => {
                let alias = match tokens.get(next + 1) {
                    Some(TokenTree::Ident(alias)) if in_use && is_word(tokens.get(next), "as") => {
                        Some(alias.to_string())
                    }
                    _ => path.last().cloned(),
                };
                add(path, alias);
                next
            }
        }
    }
}

/// The paths of a `use` with braces, each from `prefix` on, with the name it gets.
fn spread(branches: &Group, prefix: &Module) -> Vec<(Module, Option<String>)> {
    let mut paths = vec![];
    let (mut path, mut alias, mut renamed) = (prefix.clone(), None, false);
    for token in branches.stream() {
        match token {
            TokenTree::Punct(it) if it.as_char() == ',' => {
                let path = std::mem::replace(&mut path, prefix.clone());
                let binding = alias.take().or_else(|| path.last().cloned());
                paths.push((path, binding));
                renamed = false;
            }
            TokenTree::Ident(word) if word == "as" => renamed = true,
            TokenTree::Ident(word) if renamed => alias = Some(word.to_string()),
            TokenTree::Ident(word) if word != "self" => path.push(word.to_string()),
            TokenTree::Group(inner) => {
                paths.extend(spread(&inner, &path));
                path.clone_from(prefix);
            }
            _ => {}
        }
    }
    if path != *prefix {
        let binding = alias.or_else(|| path.last().cloned());
        paths.push((path, binding));
    }
    paths
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(it)) if it == word)
}

/// Whether the word is the rest of a path or of a method call.
fn goes_on(tokens: &[TokenTree], at: usize) -> bool {
    let dot = |back: usize| match at.checked_sub(back).map(|at| &tokens[at]) {
        Some(TokenTree::Punct(it)) => it.as_char() == '.',
        _ => false,
    };
    (at >= 2 && is_path_separator(tokens, at - 2)) || (dot(1) && !dot(2))
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(it)) if it.as_char() == ':');
    colon(at) && colon(at + 1)
}

fn is_test_only(tokens: &[TokenTree], at: usize) -> bool {
    let hash = matches!(&tokens[at], TokenTree::Punct(it) if it.as_char() == '#');
    let attribute = group(tokens.get(at + 1), Delimiter::Bracket).map(|it| it.stream().to_string());
    hash && attribute.is_some_and(|it| it.replace(' ', "") == "cfg(test)")
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(it)) if it.delimiter() == delimiter => Some(it),
        _ => None,
    }
}
