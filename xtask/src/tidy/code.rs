//! Rust text reduced to its code: comments and the insides of string and character literals become blanks, so
//! that a rule never trips over a word in a sentence.

/// Same lines, same columns (counted in characters), without what is not code.
pub(super) fn only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skipped(&chars, at).unwrap_or(at);
        for &c in &chars[at..end] {
            code.push(if c == '\n' { '\n' } else { ' ' });
        }
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            at = end;
        }
    }
    code
}

/// Where the comment or literal that starts here ends; none where code goes on.
fn skipped(chars: &[char], at: usize) -> Option<usize> {
    match (chars[at], chars.get(at + 1)) {
        ('/', Some('/')) => Some(find(chars, at, |rest| rest[0] == '\n').unwrap_or(chars.len())),
        ('/', Some('*')) => Some(block_comment(chars, at)),
        ('"', _) => Some(quoted(chars, at, '"')),
        ('\'', Some('\\')) => Some(quoted(chars, at, '\'')),
        // 'x' is a literal; 'x without a closing quote is a lifetime.
        ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => Some(at + 3),
        ('r', Some('"' | '#')) if at == 0 || !continues_word(chars[at - 1]) => raw(chars, at),
        // The r of br"…" and cr"…".
        ('r', Some('"' | '#')) if ['b', 'c'].contains(&chars[at - 1]) => raw(chars, at),
        _ => None,
    }
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn raw(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|&&c| c == '#').count();
    let open = start + 1 + hashes;
    // Without the quote it is a raw identifier such as r#type.
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes =
        |rest: &[char]| rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|&c| c == '#');
    Some(find(chars, open + 1, closes).map_or(chars.len(), |quote| quote + 1 + hashes))
}

fn find(chars: &[char], from: usize, here: impl Fn(&[char]) -> bool) -> Option<usize> {
    (from..chars.len()).find(|&at| here(&chars[at..]))
}

/// Whether an identifier goes on with this character.
pub(super) fn continues_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Whether the code has this word, not as a part of a longer one.
pub(super) fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let free = |c: Option<char>| !c.is_some_and(continues_word);
        free(code[..at].chars().next_back()) && free(code[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank() {
        let check = |text: &str, expected: &str| assert_eq!(only(text), expected, "{text}");
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check(r#"f("x \" y", z)"#, "f(        , z)");
        check("f('\"', 'a, '\\'', b)", "f(   , 'a,     , b)");
        check("r\"\\\" + 1", "     + 1");
        check("br##\"a\"# b\"## + 1", "b             + 1");
        check("r#type + var\"\"", "r#type + var  ");
        check("\"two\nlines\" end", "    \n       end");
        check("/* open", "       ");
        check("\"open", "     ");
    }

    #[test]
    fn words() {
        let check = |code: &str, expected: bool| assert_eq!(has_word(code, "unsafe"), expected, "{code}");
        check("unsafe { x }", true);
        check("#[unsafe(no_mangle)]", true);
        check("unsafe_op_in_unsafe_fn", false);
        check("#![forbid(unsafe_code)] unsafe{", true);
        check("", false);
    }
}
