//! What is known of a setting: how it is spelled as flag, variable and key of the file, and what the help says.
//! Nothing is declared here: the list is gathered from the fields of the configuration's structs, see `registry.rs`.

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

/// The flag of a setting with this name.
pub(super) fn flag_of(name: &str) -> String {
    name.replace(['_', '.'], "-")
}

/// The variable of a setting with this name, of this program's own or one that others named.
pub(super) fn variable_of(name: &str, own: bool) -> String {
    format!("{}{}", if own { ENV_PREFIX } else { "" }, name.replace('.', "_").to_uppercase())
}
