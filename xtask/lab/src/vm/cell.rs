//! What a comparison comes to: one cell of the table.

use std::ops::RangeInclusive;

use serde_json::Value;

/// Whether a kernel's field is there and right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// There, and what it must be.
    Present,
    /// Not there, and not said to be: an absent value is never 0.
    Absent,
    /// There, and something else. Why.
    Wrong(String),
}

impl Cell {
    /// Wrong where one is, else absent where one is.
    pub(super) fn all(cells: impl IntoIterator<Item = Self>) -> Self {
        let (mut absent, mut wrong) = (false, vec![]);
        for cell in cells {
            match cell {
                Self::Present => {}
                Self::Absent => absent = true,
                Self::Wrong(why) if wrong.contains(&why) => {}
                Self::Wrong(why) => wrong.push(why),
            }
        }
        match (wrong.is_empty(), absent) {
            (false, _) => Self::Wrong(wrong.join("; ")),
            (true, true) => Self::Absent,
            (true, false) => Self::Present,
        }
    }

    pub(super) fn when(holds: bool, why_not: impl FnOnce() -> String) -> Self {
        if holds { Self::Present } else { Self::Wrong(why_not()) }
    }

    /// Where the value may be missing for a reason that lies in the process, not in the kernel.
    pub(super) fn or_absent(self) -> Self {
        if self == Self::Absent { Self::Present } else { self }
    }
}

/// The value must be this one.
pub(super) fn equal(what: &str, got: &Value, want: &Value) -> Cell {
    match got {
        Value::Null => Cell::Absent,
        got => Cell::when(got == want, || format!("{what} is {got}, not {want}")),
    }
}

/// The number must lie in the range.
pub(super) fn within(what: &str, got: &Value, want: &RangeInclusive<u64>) -> Cell {
    match got {
        Value::Null => Cell::Absent,
        got => Cell::when(got.as_u64().is_some_and(|got| want.contains(&got)), || {
            format!("{what} is {got}, not within {} to {}", want.start(), want.end())
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(why: &str) -> Cell {
        Cell::Wrong(why.to_owned())
    }

    #[test]
    fn the_worst_of_several() {
        let check = |cells: &[Cell], want: Cell| assert_eq!(Cell::all(cells.to_vec()), want);
        check(&[], Cell::Present);
        check(&[Cell::Present, Cell::Present], Cell::Present);
        check(&[Cell::Present, Cell::Absent], Cell::Absent);
        check(&[wrong("a"), Cell::Absent, wrong("b"), Cell::Present, wrong("a")], wrong("a; b"));
        assert_eq!(Cell::Absent.or_absent(), Cell::Present);
        assert_eq!(wrong("a").or_absent(), wrong("a"));
    }

    #[test]
    fn values() {
        assert_eq!(equal("pid", &json!(1), &json!(1)), Cell::Present);
        assert_eq!(equal("pid", &json!(null), &json!(1)), Cell::Absent);
        assert_eq!(equal("pid", &json!("1"), &json!(1)), wrong("pid is \"1\", not 1"));
        assert_eq!(within("age", &json!(5), &(5..=5)), Cell::Present);
        assert_eq!(within("age", &json!(null), &(5..=5)), Cell::Absent);
        assert_eq!(within("age", &json!(6), &(1..=5)), wrong("age is 6, not within 1 to 5"));
        assert_eq!(within("age", &json!(-1), &(1..=5)), wrong("age is -1, not within 1 to 5"));
    }
}
