//! What is known of a setting: how it is spelled as flag, variable and key of the file, and what the help says.
//! Nothing is declared here: the list is gathered from the fields of the configuration's structs, see `declare.rs`.

use std::sync::LazyLock;

use super::declare::declared;

/// What this program's own variables begin with.
pub(super) const ENV_PREFIX: &str = "AI_DEBUGGER_";

/// How a setting's value looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Exactly one value.
    Value,
    /// Any number: a repeated flag, commas in the variable, an array in the file.
    List,
    /// On or off; the bare flag means on.
    Switch,
}

/// The headings under which `--help` shows settings.
pub(super) mod group {
    pub(in super::super) const SERVER: &str = "Server";
    pub(in super::super) const WATCHING: &str = "Watching";
    pub(in super::super) const MODEL: &str = "Language model";
    pub(in super::super) const ALERTS: &str = "Alerts";
    pub(in super::super) const INCIDENTS: &str = "Incidents";
    pub(in super::super) const LOGGING: &str = "Logging";
    pub(in super::super) const DETECT: &str = "Detection limits";
}

#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Its key in the file and its name in this program.
    pub(crate) name: String,
    /// Its flag without the dashes; `None`: not on the command line, where every user of the host could read it.
    pub(crate) flag: Option<String>,
    /// Its variables; the first one that is set counts.
    pub(crate) env: Vec<String>,
    /// How its value looks.
    pub(crate) shape: Shape,
    /// What the help shows as its value.
    pub(crate) placeholder: &'static str,
    /// The value when nothing is set; empty: none.
    pub(crate) default: &'static str,
    /// One line of help.
    pub(crate) help: String,
    /// The heading under which the help shows it.
    pub(crate) group: &'static str,
    /// Whether the value must never be shown.
    pub(crate) secret: bool,
    /// Whether the file may have it.
    pub(crate) in_file: bool,
    /// It is not a setting of its own, but the way to give this one, a secret, in a file.
    pub(crate) file_of: Option<String>,
}

impl Setting {
    /// Gives it another name than its field's, for a setting with a flag.
    pub(super) fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        self.flag = Some(flag_of(name));
        self.env = vec![variable_of(name, true)];
    }

    /// How people know it: by its flag where it has one.
    pub(crate) fn shown(&self) -> String {
        self.flag.as_ref().map_or_else(|| self.env[0].clone(), |flag| format!("--{flag}"))
    }
}

/// Every setting there is, in the order of the help.
pub(crate) static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(declared);

/// The setting with this name.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The flag of a setting with this name.
pub(super) fn flag_of(name: &str) -> String {
    name.replace(['_', '.'], "-")
}

/// The variable of a setting with this name, of this program's own or one that others named.
pub(super) fn variable_of(name: &str, own: bool) -> String {
    format!("{}{}", if own { ENV_PREFIX } else { "" }, name.replace('.', "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::removed::{Removed, removed};

    /// More than this nobody reads, let alone reasons about.
    const MOST_SETTINGS: usize = 50;
    /// Words of this program's authors, not of its operators.
    const JARGON: [&str; 6] = ["walk", "sink", "grave", "folded", "rose", "fell"];

    #[test]
    fn there_are_few_and_none_is_there_twice() {
        // A secret and the file to read it from are one setting in two spellings.
        let own = SETTINGS.iter().filter(|setting| setting.file_of.is_none()).count();
        // The help gives each flag and each variable without a flag an entry.
        let entries = SETTINGS.iter().filter(|it| it.flag.is_some() || it.file_of.is_none()).count();
        assert!((30..=MOST_SETTINGS).contains(&own) && entries <= MOST_SETTINGS, "{own}, {entries}");
        let mut seen = BTreeSet::new();
        for setting in SETTINGS.iter() {
            let flag = setting.flag.iter().map(|flag| format!("--{flag}"));
            let key = std::iter::once(format!("{} =", setting.name));
            for spelling in flag.chain(key).chain(setting.env.iter().cloned()) {
                assert!(!seen.contains(&spelling), "{spelling} is there twice");
                seen.insert(spelling);
            }
        }
    }

    #[test]
    fn every_help_says_something_in_an_operators_words() {
        for Setting { name, help, .. } in SETTINGS.iter() {
            let words: Vec<_> =
                help.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty()).collect();
            assert!(words.len() >= 4, "{name}: {help}");
            let jargon = |word: &&&str| JARGON.iter().any(|it| word.to_lowercase().starts_with(it));
            assert_eq!(words.iter().find(jargon), None, "{name}: {help}");
            let bare = !help.ends_with('.') && help.trim() == help && !help.contains("  ");
            assert!(bare && help.starts_with(char::is_uppercase), "{name}: {help:?}");
        }
    }

    #[test]
    fn the_readme_names_every_setting_with_its_default() {
        let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
        let (_, table) = readme.split_once("| flag | variable | default |").unwrap();
        for setting in SETTINGS.iter().filter(|it| it.file_of.is_none()) {
            let spelled = format!("`{}`", setting.shown());
            let row = table.lines().find(|line| line.starts_with("| ") && line.contains(&spelled));
            let row = row.unwrap_or_else(|| panic!("no row of README.md names {spelled}"));
            let default = if setting.shape == Shape::Switch { "off" } else { setting.default };
            assert!(row.contains(default), "{spelled} is {default} by default: {row}");
        }
        for name in removed().map(Removed::flag) {
            assert!(
                !readme.contains(&format!("--{name}")),
                "README.md names --{name}, which is no setting any more"
            );
        }
    }

    #[test]
    fn spellings_follow_from_the_name() {
        let spelled = |name| find(name).map(|it| (it.flag.as_deref(), it.env[0].as_str()));
        for (name, flag, variable) in [
            ("listen", Some("listen"), "AI_DEBUGGER_LISTEN"),
            ("key_file", Some("key-file"), "AI_DEBUGGER_KEY_FILE"),
            ("detect.fd_percent", Some("detect-fd-percent"), "AI_DEBUGGER_DETECT_FD_PERCENT"),
            // A repeated flag names one host at a time.
            ("allowed_hosts", Some("allowed-host"), "AI_DEBUGGER_ALLOWED_HOSTS"),
            ("groq_api_key_file", None, "GROQ_API_KEY_FILE"),
            ("slack_channel", None, "SLACK_CHANNEL"),
        ] {
            assert_eq!(spelled(name), Some((flag, variable)), "{name}");
        }
        for Removed { name } in removed() {
            assert!(find(name).is_none(), "{name} is a setting and none any more");
        }
        assert_eq!(find("log_level").map(|it| it.env.len()), Some(2), "RUST_LOG is known as well");
    }
}
