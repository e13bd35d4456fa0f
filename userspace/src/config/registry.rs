//! Every setting that any part of the configuration declares.

use std::path::PathBuf;
use std::sync::LazyLock;

use super::declare::{Part, Reader, Section as _, flags, optional, settings};
use super::setting::{Setting, group};
use super::{Config, LogSettings, parse};

settings! {
    /// All that is declared anywhere.
    #[expect(dead_code, reason = "the file's name is wanted before all others: the layers read it themselves")]
    pub(super) struct Root {
        in flags(group::SERVER, "") => {
            /// Configuration file; without it, /etc/ai-debugger.toml is read if it exists.
            config_file: Option<PathBuf> = optional("FILE", parse::path).adjust(|it| {
                it.rename("config");
                it.in_file = false;
            });
            /// What the daemon needs.
            pub(super) config: Config = Part;
            /// What the log needs.
            pub(super) logging: LogSettings = Part;
        }
    }
}

/// Every setting there is, in the order of the help.
pub(crate) static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(declared);

/// The setting with this name.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

fn declared() -> Vec<Setting> {
    let mut reader = Reader::default();
    Root::read(&mut reader);
    reader.declared
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::removed::{Removed, removed};
    use crate::config::setting::Shape;

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
