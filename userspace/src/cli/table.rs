//! Aligned tables. Every cell is cleaned; what does not fit the terminal is cut in the last column.

use crate::text;

/// Most columns a cell other than the last takes.
const CELL_MAX: usize = 32;
/// The last column keeps at least this much, however narrow the terminal.
const LAST_MIN: usize = 12;

/// On which side a column is flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A table of text: rows of N cells under headings.
pub(super) struct TextTable<const N: usize> {
    headings: [(&'static str, Side); N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> TextTable<N> {
    pub(super) const fn new(headings: [(&'static str, Side); N]) -> Self {
        Self { headings, rows: Vec::new() }
    }

    /// Adds a row; the cells may be hostile.
    pub(super) fn push(&mut self, cells: [String; N]) {
        let mut column = 0;
        self.rows.push(cells.map(|cell| {
            column += 1;
            let clean = text::printable(&cell);
            if column < N { fit(&clean, CELL_MAX) } else { clean }
        }));
    }

    /// One line a row, at most `columns` wide when that is given.
    pub(super) fn render(&self, columns: Option<usize>) -> String {
        let headings = self.headings.map(|(name, _)| name.to_owned());
        let lines = || std::iter::once(&headings).chain(&self.rows);
        let mut widths = [0; N];
        for (column, widest) in widths.iter_mut().enumerate() {
            *widest = lines().map(|row| width(&row[column])).max().unwrap_or(0);
        }
        let before_last: usize = widths[..N - 1].iter().map(|width| width + 2).sum();
        let room = columns.map(|columns| columns.saturating_sub(before_last).max(LAST_MIN));
        let mut out = String::new();
        for row in lines() {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths[column].saturating_sub(width(cell)));
                match (column + 1 == N, self.headings[column].1) {
                    (true, _) => line.push_str(&room.map_or_else(|| cell.clone(), |room| fit(cell, room))),
                    (false, Side::Left) => line.push_str(&format!("{cell}{pad}  ")),
                    (false, Side::Right) => line.push_str(&format!("{pad}{cell}  ")),
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// Terminal columns of a text.
fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Near enough for names: East Asian wide and emoji blocks take two columns, combining marks none.
fn char_width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// The text within so many columns, an ellipsis where it was cut.
fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.chars().take_while(|c| {
        used += char_width(*c);
        used <= columns
    });
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn table() -> TextTable<3> {
        let mut table = TextTable::new([("PID", Side::Right), ("NAME", Side::Left), ("ARGV", Side::Left)]);
        table.push(["1".into(), "init".into(), "/sbin/init".into()]);
        table.push(["4194304".into(), "\x1b]0;owned\x07\x1b[2J".into(), "evil\nrow  \x1b[1A".into()]);
        table.push(["77".into(), "日本語".into(), "a\u{202e}b".repeat(20)]);
        table.push(["78".into(), "n".repeat(40), String::new()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_hostile_names_harmless() {
        expect![[r#"
                PID  NAME                              ARGV
                  1  init                              /sbin/init
            4194304  �]0;owned��[2J                    evil row  �[1A
                 77  日本語                            abababababababababababababababababababab
                 78  nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…
        "#]]
        .assert_eq(&table().render(None));
    }

    #[test]
    fn a_terminal_gets_lines_that_fit() {
        expect![[r#"
                PID  NAME                              ARGV
                  1  init                              /sbin/init
            4194304  �]0;owned��[2J                    evil row  �[1A
                 77  日本語                            abababababababab…
                 78  nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…
        "#]]
        .assert_eq(&table().render(Some(60)));
        for columns in [0, 1, 20, 60, 200] {
            for line in table().render(Some(columns)).lines() {
                assert!(width(line) <= columns.max(9 + CELL_MAX + 2 + LAST_MIN), "{line}");
            }
        }
    }

    #[test]
    fn cutting_counts_columns_not_characters() {
        for (text, columns, want) in [
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("abc", 2, "a…"),
            ("e\u{301}", 1, "e\u{301}"),
        ] {
            assert_eq!(fit(text, columns), want);
        }
    }
}
