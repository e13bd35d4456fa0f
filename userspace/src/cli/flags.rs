//! The flags of settings and their help, made from what the configuration declares, so that flags, variables and keys
//! of the file cannot drift apart.

use std::collections::BTreeMap;

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::config::{SETTINGS, Setting, Shape, Sources, removed};

/// All of them for this command.
pub(super) fn with_settings(command: Command) -> Command {
    let flags = SETTINGS.iter().filter_map(flag);
    // Understood so that whoever still gives them can be told what became of them.
    let removed = removed()
        .map(|it| Arg::new(it.name).long(it.flag()).num_args(0..=1).default_missing_value("").hide(true));
    command.args(flags).args(removed).after_help(variables_only())
}

/// What the flags say, over this process's environment.
pub(super) fn sources(matches: &ArgMatches) -> Sources {
    let mut flags = BTreeMap::new();
    let names = SETTINGS.iter().map(|it| it.name.as_str()).chain(removed().map(|it| it.name));
    for name in names {
        if let Ok(Some(values)) = matches.try_get_many::<String>(name) {
            flags.insert(name, values.cloned().collect());
        }
    }
    Sources::of_process(flags)
}

/// A setting's flag: always text here, understood and checked together with the other layers.
pub(super) fn flag(setting: &'static Setting) -> Option<Arg> {
    let arg = Arg::new(setting.name.as_str())
        .long(setting.flag.as_deref()?)
        .value_name(setting.placeholder)
        .help(help(setting))
        .help_heading(setting.group);
    Some(match setting.shape {
        Shape::Value => arg.action(ArgAction::Set),
        Shape::List => arg.action(ArgAction::Append),
        Shape::Switch => {
            arg.action(ArgAction::Set).num_args(0..=1).require_equals(true).default_missing_value("true")
        }
    })
}

fn help(setting: &Setting) -> String {
    format!("{} [env: {}]{}", setting.help, setting.env[0], default(setting))
}

fn default(setting: &Setting) -> String {
    let shown = !setting.default.is_empty() && setting.shape != Shape::Switch;
    if shown { format!(" [default: {}]", setting.default) } else { String::new() }
}

/// What is not on the command line, where every user of the host could read it.
fn variables_only() -> StyledStr {
    let mut text = "Only as environment variables or in the configuration file:\n".to_owned();
    for setting in SETTINGS.iter().filter(|setting| setting.flag.is_none() && setting.file_of.is_none()) {
        let file = if setting.secret { "[_FILE]" } else { "" };
        text.push_str(&format!(
            "  {}{file}\n          {}{}\n",
            setting.env[0],
            setting.help,
            default(setting)
        ));
    }
    text.push_str(
        "\n…_FILE names a file to read the secret from. The configuration file is TOML; its keys are the \
         flags with _ instead of -; those of --detect-… go into the section [detect].",
    );
    text.into()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::args::{Action, command, parse};
    use super::*;

    fn check(line: &str) -> Option<Action> {
        let args = line.split_whitespace().map(OsString::from);
        parse(std::iter::once("ai-debugger".into()).chain(args)).ok()
    }

    #[test]
    fn flags_reach_the_settings() {
        let line = "run --listen [::1]:0 --allowed-host a --allowed-host b --no-llm --show-secrets=false --detect-fd-percent 50";
        let Some(Action::Run(sources)) = check(line) else { panic!("not understood") };
        let want = [
            ("allowed_hosts", &["a", "b"][..]),
            ("detect.fd_percent", &["50"]),
            ("listen", &["[::1]:0"]),
            ("no_llm", &["true"]),
            ("show_secrets", &["false"]),
        ];
        let got: Vec<_> = sources.flags.iter().map(|(name, values)| (*name, values.clone())).collect();
        assert_eq!(got, want.map(|(name, values)| (name, values.iter().map(|v| (*v).to_owned()).collect())));
    }

    #[test]
    fn flags_of_removed_settings_are_understood_and_not_shown() {
        let line = "run --detect-fd-scans 3 --ebpf-log --detect-ring-common-bytes=4MiB --listen [::1]:0";
        let Some(Action::Run(sources)) = check(line) else { panic!("not understood") };
        let names: Vec<_> = sources.flags.keys().copied().collect();
        assert_eq!(names, ["detect.fd_scans", "detect.ring_common_bytes", "ebpf_log", "listen"]);
        let help = command().find_subcommand_mut("run").unwrap().render_long_help().to_string();
        assert!(!help.contains("fd-scans") && !help.contains("ebpf-log"), "{help}");
    }

    #[test]
    fn help_names_every_setting_and_its_variable() {
        let help = command().find_subcommand_mut("run").unwrap().render_long_help().to_string();
        for Setting { name, flag, env, file_of, .. } in SETTINGS.iter() {
            let twin = flag.is_none() && file_of.is_some();
            let variable = if twin { env[0].replace("_FILE", "[_FILE]") } else { env[0].clone() };
            assert!(help.contains(&variable), "{variable}");
            assert!(flag.as_ref().is_none_or(|flag| help.contains(flag)), "{name}");
        }
    }
}
