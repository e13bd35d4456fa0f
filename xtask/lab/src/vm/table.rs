//! Kernel × field as a table: aligned for a terminal, or Markdown; the reasons of what is absent below it.

use comfy_table::presets::NOTHING;

use super::cell::Cell;
use super::console::Report;
use super::fields::{FIELDS, judge};
use crate::report;

pub(super) struct Column {
    title: String,
    /// One for each of [`FIELDS`].
    cells: Vec<Cell>,
}

impl Column {
    pub(super) fn new(report: &Report) -> Self {
        let kernel = report.kernel.trim_end_matches("-cloud-amd64");
        Self {
            title: format!("{kernel}, cgroup {}", report.cgroups),
            cells: FIELDS.iter().map(|field| judge(field, report)).collect(),
        }
    }

    /// What is wrong, in words.
    pub(super) fn failures(&self) -> Vec<String> {
        let wrong = FIELDS.iter().zip(&self.cells).filter_map(|(field, cell)| match cell {
            Cell::Wrong(why) => Some(format!("{}: {}: {why}", self.title, field.name)),
            Cell::Present | Cell::Absent => None,
        });
        wrong.collect()
    }
}

pub(super) fn plain(columns: &[Column]) -> String {
    let (head, rows) = rows(columns);
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING).set_header(head).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    format!("{}\n{}", table.trim_fmt(), footnotes(columns))
}

pub(super) fn markdown(columns: &[Column]) -> String {
    let (head, rows) = rows(columns);
    format!("{}\n{}", report::table(&head, &rows), footnotes(columns))
}

/// The head and one row for each field.
fn rows(columns: &[Column]) -> (Vec<String>, Vec<Vec<String>>) {
    let head = std::iter::once("field".to_owned()).chain(columns.iter().map(|it| it.title.clone()));
    let notes = notes(columns);
    let fields = FIELDS.iter().enumerate().map(|(index, field)| {
        let cells = columns.iter().map(|column| match &column.cells[index] {
            Cell::Present => "present".to_owned(),
            Cell::Absent => match notes.iter().position(|note| *note == index) {
                Some(note) => format!("absent [{}]", note + 1),
                None => "absent".to_owned(),
            },
            Cell::Wrong(_) => "WRONG".to_owned(),
        });
        std::iter::once(field.name.to_owned()).chain(cells).collect()
    });
    (head.collect(), fields.collect())
}

/// The fields that are absent somewhere, and say why.
fn notes(columns: &[Column]) -> Vec<usize> {
    let absent = |index: &usize| columns.iter().any(|column| column.cells[*index] == Cell::Absent);
    (0..FIELDS.len()).filter(absent).filter(|index| FIELDS[*index].absent.is_some()).collect()
}

fn footnotes(columns: &[Column]) -> String {
    let reasons = notes(columns).into_iter().filter_map(|index| FIELDS[index].absent);
    (1..).zip(reasons).map(|(number, it)| format!("[{number}] {}\n", it.why)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{GOOD, changed};
    use super::*;

    fn column(console: &str) -> Column {
        Column::new(&Report::parse(console).unwrap())
    }

    /// However far apart they are.
    fn words(line: &str) -> String {
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_row_for_each_field_and_a_reason_for_what_is_absent() {
        let wrong = changed("\"core_dumped\":true", "\"core_dumped\":false").replace("6.1.0-50", "6.2.0-1");
        let columns = [column(GOOD), column(&wrong)];
        let markdown = markdown(&columns);
        let lines: Vec<String> = markdown.lines().map(words).collect();
        assert_eq!(lines[0], "| field | 6.1.0-50, cgroup v2 | 6.2.0-1, cgroup v2 |");
        assert!(lines[1].starts_with("|---") && lines[1].matches('|').count() == 4, "{markdown}");
        assert_eq!(lines[2], "| hooks attached | present | present |");
        let has = |line: &str| lines.iter().any(|it| it == line);
        assert!(has("| core flag | present | WRONG |"), "{markdown}");
        assert!(has("| peak RSS of a small process | absent [1] | absent [1] |"), "{markdown}");
        assert!(lines.last().unwrap().starts_with("[1] Before 6.16 "), "{markdown}");
        assert_eq!(lines.len(), 2 + FIELDS.len() + 2);

        let plain = plain(&columns);
        assert!(
            plain.contains("\ncore flag                                present              WRONG\n"),
            "{plain}"
        );
        assert_eq!(columns[0].failures(), Vec::<String>::new());
        assert_eq!(
            columns[1].failures(),
            ["6.2.0-1, cgroup v2: core flag: /exit/core_dumped of `segv` is false, not true"]
        );
    }
}
