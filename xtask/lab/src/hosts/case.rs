//! A case: what the guest runs, and what the daemon is to say of it. One small file each, in `cases/`; the path is the
//! name, and the file's name is what all that the case makes is called: `lab-exit.service` of `unit/exit`.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use serde::Deserialize;
use xtask::process;

use crate::model::{IncidentKind, Severity};

/// How the daemon is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// As the shipped unit.
    Unit,
    /// By hand, from a root shell.
    Root,
    /// In a container of the shipped image.
    Container,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Unit, Self::Root, Self::Container];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Root => "root",
            Self::Container => "container",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// `unit/exit`: from the file's path.
    #[serde(skip)]
    pub(super) name: String,
    /// What happens in it, for the report.
    pub(super) about: String,
    /// One of those that `--quick` runs.
    #[serde(default)]
    pub(super) quick: bool,
    /// For the guest's shell; `guest/prelude` says what it finds.
    pub(super) run: String,
    /// How long an incident may take, in the guest's seconds.
    #[serde(default = "default_patience_s")]
    pub(super) patience_s: u32,
    #[serde(default)]
    pub(super) expect: Expect,
}

/// What the daemon is to say. Without a kind: nothing at warning or above.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Expect {
    /// One incident of one of these kinds.
    pub(super) kinds: Vec<IncidentKind>,
    /// What may be said beside it of the same fault, as long as nobody is told twice.
    pub(super) also: Vec<IncidentKind>,
    /// The unit that it is about.
    pub(super) unit: Option<String>,
    /// The container's name.
    pub(super) container: Option<String>,
    /// At least.
    pub(super) severity: Severity,
    /// At most.
    pub(super) most: Severity,
    /// What its title, findings, facts and verdict have to say, in any case of letters; `a|b`: one of them.
    pub(super) says: Vec<String>,
    /// What they must not.
    pub(super) says_not: Vec<String>,
    /// How often somebody is told: never more.
    pub(super) alerts: usize,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            kinds: vec![],
            also: vec![],
            unit: None,
            container: None,
            severity: Severity::Warning,
            most: Severity::Critical,
            says: vec![],
            says_not: vec![],
            alerts: 1,
        }
    }
}

const fn default_patience_s() -> u32 {
    40
}

impl Case {
    fn parse(name: &str, text: &str) -> Result<Self> {
        let case: Self = toml::from_str(text).with_context(|| format!("case {name}"))?;
        let expect = &case.expect;
        ensure!(
            expect.kinds.is_empty() != (expect.unit.is_some() || expect.container.is_some()),
            "case {name}: a kind needs the unit or the container that it is about, and nothing else does"
        );
        ensure!(expect.severity <= expect.most, "case {name}: no severity is between these two");
        Ok(Self { name: name.to_owned(), ..case })
    }

    /// For tests: one that does nothing and expects this.
    #[cfg(test)]
    pub(super) fn sample(expect: &str) -> Self {
        let text = format!("about = 'a'\nrun = ''\n[expect]\n{expect}");
        Self::parse("unit/sample", &text).expect("it is a case")
    }

    /// `exit` of `unit/exit`.
    pub(super) fn slug(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// What all that it makes is called, so that an incident can be told to be its, however late.
    pub(super) fn token(&self) -> String {
        format!("lab-{}", self.slug())
    }

    pub(super) fn is_fault(&self) -> bool {
        !self.expect.kinds.is_empty()
    }
}

/// All of them, in the order in which they run: `noise/boot` judges what was said by then, and `noise/reboot` is the end, for
/// the host goes down in it, and what the next boot finds is judged.
pub(super) fn all() -> Result<Vec<Case>> {
    let mut paths = vec![];
    let folder = process::repository().join("xtask/lab/src/hosts/cases");
    for group in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        for file in fs::read_dir(group?.path())? {
            paths.push(file?.path());
        }
    }
    let mut cases: Vec<Case> = paths.iter().map(|path| read(&folder, path)).collect::<Result<_>>()?;
    let place = |case: &Case| match case.name.as_str() {
        "noise/boot" => 0,
        name if name.starts_with("unit/") => 1,
        name if name.starts_with("sender/") => 2,
        name if name.starts_with("container/") => 3,
        "noise/reboot" => 5,
        _ => 4,
    };
    cases.sort_by_key(|case| (place(case), case.name.clone()));
    Ok(cases)
}

fn read(folder: &Path, path: &Path) -> Result<Case> {
    let name = path.strip_prefix(folder)?.with_extension("");
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Case::parse(&name.to_string_lossy(), &text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_is_whole_and_its_name_its_own() {
        let cases = all().unwrap();
        assert_eq!(cases[0].name, "noise/boot");
        assert_eq!(cases.last().unwrap().name, "noise/reboot");
        let slugs: BTreeSet<&str> = cases.iter().map(Case::slug).collect();
        assert_eq!(slugs.len(), cases.len(), "two cases make things of the same name");
        for case in &cases {
            let expect = &case.expect;
            // But for a unit of the host's own, such as cron's.
            let own = expect.unit.iter().filter(|unit| unit.starts_with("lab-"));
            for name in own.chain(&expect.container) {
                assert!(name.contains(&case.token()), "{}: {name}", case.name);
            }
        }
        assert!(cases.iter().any(|case| case.quick && case.is_fault()));
    }

    #[test]
    fn a_case_that_says_too_little_or_too_much_is_refused() {
        let check = |text: &str, want: &str| {
            let error = format!("{:#}", Case::parse("unit/x", text).unwrap_err());
            assert!(error.contains(want), "{error}");
        };
        let head = "about = 'a'\nrun = ''\n";
        check(&format!("{head}[expect]\nkinds = ['crash']"), "a kind needs the unit");
        check(&format!("{head}[expect]\nunit = 'lab-x.service'"), "a kind needs the unit");
        check(&format!("{head}[expect]\nkinds = ['hiccup']"), "hiccup");
        check(&format!("{head}[expect]\nkind = ['crash']"), "kind");
        let severities = "kinds = ['crash']\nunit = 'u'\nseverity = 'critical'\nmost = 'info'";
        check(&format!("{head}[expect]\n{severities}"), "between");
        check("about = 'a'", "run");
        let quiet = Case::parse("unit/x", head).unwrap();
        assert!(!quiet.is_fault() && quiet.token() == "lab-x");
    }
}
