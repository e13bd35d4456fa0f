//! How many tokens a text costs, estimated on the safe side: no tokenizer is at hand, and a request over the limit
//! is refused as a whole (413).

/// Tokens are counted in thirds.
const THIRDS: usize = 3;

/// The estimate for one text. Words take a token for three letters (in English it is nearer to four), digits two
/// for three, marks and each byte outside ASCII one. So hex dumps and hostile Unicode are not underrated.
pub(crate) fn tokens(text: &str) -> usize {
    text.chars().map(thirds).sum::<usize>().div_ceil(THIRDS)
}

fn thirds(c: char) -> usize {
    match c {
        'a'..='z' | 'A'..='Z' | ' ' => 1,
        '0'..='9' => 2,
        c => THIRDS * c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_estimated_on_the_safe_side() {
        for (text, want) in [
            ("", 0),
            ("a", 1),
            ("the process ended", 6),
            ("VmRSS: 262144 kB", 8),
            ("{\"a\":1}", 6),
            ("7f3a00000000", 8),
            ("日本", 6),
            ("\u{1f525}", 4),
        ] {
            assert_eq!(tokens(text), want, "{text}");
        }
    }
}
