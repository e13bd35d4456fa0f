//! What the benchmark says at its end: tables, and each figure beside its bar; as Markdown and as JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use comfy_table::presets::ASCII_MARKDOWN;
use serde::Serialize;
use serde_json::{Map, Value};

/// What a part of the benchmark found.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) tables: Vec<Table>,
    pub(crate) figures: Vec<Figure>,
    /// Every single measurement, by name, for the JSON.
    pub(crate) data: Map<String, Value>,
}

impl Findings {
    pub(crate) fn add(&mut self, other: Self) {
        self.tables.extend(other.tables);
        self.figures.extend(other.figures);
        self.data.extend(other.data);
    }
}

#[derive(Serialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, header: &[&str]) -> Self {
        let header = header.iter().map(|it| (*it).to_owned()).collect();
        Self { title: title.into(), header, rows: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n{}", self.title, table(&self.header, &self.rows));
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        text
    }
}

/// A figure to reach.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) measured: f64,
    pub(crate) unit: &'static str,
    #[serde(flatten)]
    pub(crate) bar: Bar,
}

/// When it is reached.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    pub(crate) fn at_most(
        name: impl Into<String>,
        measured: f64,
        unit: &'static str,
        bar: impl Into<f64>,
    ) -> Self {
        Self { name: name.into(), measured, unit, bar: Bar::AtMost(bar.into()) }
    }

    pub(crate) fn at_least(
        name: impl Into<String>,
        measured: f64,
        unit: &'static str,
        bar: impl Into<f64>,
    ) -> Self {
        Self { name: name.into(), measured, unit, bar: Bar::AtLeast(bar.into()) }
    }

    /// What could not be measured is not reached.
    pub(crate) fn is_met(&self) -> bool {
        match self.bar {
            Bar::AtMost(bar) => self.measured <= bar,
            Bar::AtLeast(bar) => self.measured >= bar,
        }
    }

    fn row(&self) -> Vec<String> {
        let bar = match self.bar {
            Bar::AtMost(bar) => format!("≤ {}", number(bar)),
            Bar::AtLeast(bar) => format!("≥ {}", number(bar)),
        };
        let measured = format!("{} {}", number(self.measured), self.unit);
        let met = if self.is_met() { "met" } else { "**not met**" };
        vec![self.name.clone(), measured.trim_end().to_owned(), bar, met.to_owned()]
    }
}

/// Prints all of it, and writes it as JSON where that is wanted.
pub(crate) fn show(environment: &[String], findings: &Findings, to: Option<&Path>) -> Result<()> {
    println!("{}", markdown(environment, findings));
    if let Some(path) = to {
        let text = serde_json::to_string_pretty(&json(environment, findings))?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The end of a run that is judged: shows all of it, and fails where a bar is missed.
pub(crate) fn conclude(environment: &[String], findings: &Findings, to: Option<&Path>) -> Result<ExitCode> {
    show(environment, findings, to)?;
    let met = findings.figures.iter().all(Figure::is_met);
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether a case is one of those that were asked for by parts of their names: all of them where none was.
pub(crate) fn is_asked_for(case: &str, names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|name| case.contains(name.as_str()))
}

/// All of it as Markdown: the figures first.
fn markdown(environment: &[String], findings: &Findings) -> String {
    let mut text = String::new();
    for line in environment {
        let _ = writeln!(text, "- {line}");
    }
    if !findings.figures.is_empty() {
        text.push_str("\n### The figures to reach\n\n");
        let header = ["figure", "measured", "bar", ""].map(str::to_owned);
        text += &table(&header, &findings.figures.iter().map(Figure::row).collect::<Vec<_>>());
    }
    for table in &findings.tables {
        text.push('\n');
        text.push_str(&table.markdown());
    }
    text
}

/// All of it for programs.
fn json(environment: &[String], findings: &Findings) -> Value {
    let figures = findings.figures.iter().map(|figure| {
        let mut value = serde_json::to_value(figure).unwrap_or_default();
        if let Value::Object(object) = &mut value {
            object.insert("met".to_owned(), figure.is_met().into());
        }
        value
    });
    serde_json::json!({
        "environment": environment,
        "figures": figures.collect::<Vec<_>>(),
        "tables": findings.tables,
        "data": findings.data,
    })
}

/// Three digits that say something; whole where it is large; a dash for what was not measured.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size.is_nan() => "–".to_owned(),
        size if size >= 1000.0 => grouped(value),
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Whole, with a comma between thousands.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A Markdown table whose columns line up in a terminal, too.
pub(crate) fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header).add_rows(rows);
    format!("{table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_say_no_more_than_was_measured() {
        let check = |value: f64, want: &str| assert_eq!(number(value), want);
        check(0.0, "0");
        check(1.284, "1.28");
        check(-0.5, "-0.50");
        check(19.96, "20.0");
        check(250.0, "250");
        check(123.4, "123");
        check(20_000.0, "20,000");
        check(1_234_567.8, "1,234,568");
        check(-40_000.0, "-40,000");
        check(f64::NAN, "–");
    }

    #[test]
    fn a_bar_is_met_or_not_and_never_by_what_was_not_measured() {
        for (figure, met) in [
            (Figure::at_most("a", 1.5, "µs", 1.5), true),
            (Figure::at_most("a", 1.51, "µs", 1.5), false),
            (Figure::at_least("a", 100.0, "%", 100.0), true),
            (Figure::at_least("a", 99.99, "%", 100.0), false),
            (Figure::at_most("a", f64::NAN, "µs", 1.5), false),
            (Figure::at_least("a", f64::NAN, "%", 100.0), false),
        ] {
            assert_eq!(figure.is_met(), met, "{figure:?}");
        }
    }

    #[test]
    fn the_report_is_a_table_for_people_and_json_for_programs() {
        let mut table = Table::new("Storm", &["monitor", "µs"]);
        table.row(["execsnoop".to_owned(), "33".to_owned()]);
        table.notes.push("extrace: not installed".to_owned());
        let findings = Findings {
            tables: vec![table],
            figures: vec![
                Figure::at_most("cost", 1.25, "µs", 1.5),
                Figure::at_least("seen", 99.5, "%", 100.0),
            ],
            data: Map::from_iter([("storm".to_owned(), Value::from(vec![1, 2]))]),
        };
        let environment = ["kernel 6".to_owned()];
        let want = "\
- kernel 6

### The figures to reach

| figure | measured | bar    |             |
|--------|----------|--------|-------------|
| cost   | 1.25 µs  | ≤ 1.50 | met         |
| seen   | 99.5 %   | ≥ 100  | **not met** |

### Storm

| monitor   | µs |
|-----------|----|
| execsnoop | 33 |

extrace: not installed
";
        assert_eq!(markdown(&environment, &findings), want);
        let json = json(&environment, &findings);
        assert_eq!(json["figures"][0]["met"], true);
        assert_eq!(json["figures"][1]["at_least"], 100.0);
        assert_eq!(json["tables"][0]["rows"][0][1], "33");
        assert_eq!(json["data"]["storm"][1], 2);
    }
}
