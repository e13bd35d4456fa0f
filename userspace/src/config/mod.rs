//! The configuration, complete and checked. Each setting is declared once, as a field of a struct here or in a
//! submodule; how that is done is in `declare`. [`load`] puts flags, environment, file and defaults together: it only
//! reads, and reports every error at once. [`LoadedConfig::prepare`] makes what is missing on disk.

mod client_key;
mod declare;
mod detect;
mod exec;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz;
mod given;
mod growth;
mod key;
mod layers;
mod life;
mod listen;
mod llm;
mod load;
mod log;
mod parse;
mod price;
mod problem;
mod programs;
mod receivers;
mod registry;
mod removed;
mod secret;
mod setting;
mod sources;
#[cfg(test)]
mod tests;
mod tls;

pub use detect::DetectLimits;
pub use exec::ExecLimits;
#[cfg(any(test, feature = "fuzzing"))]
pub use fuzz::fuzz;
pub use given::GivenSettings;
pub use growth::GrowthLimits;
pub use life::{AlertRules, LifeRules};
pub use listen::Listen;
pub use llm::{LlmConfig, LlmLimits};
pub use load::{KeySource, LoadedConfig, load};
pub use log::{LogFormat, LogSettings};
pub use price::Price;
pub use problem::{ConfigErrors, Problem, Rejected};
pub use receivers::{HookConfig, Receivers, SlackConfig};
pub use sources::Sources;
pub use tls::TlsFiles;

pub(crate) use client_key::{ClientKey, client_key};
pub(crate) use key::check_file as check_key_file;
pub(crate) use listen::{UNIX_SCHEME, socket_path};
pub(crate) use parse::{base_url, is_this_host};
pub(crate) use registry::{SETTINGS, find as find_setting};
pub(crate) use removed::removed;
pub(crate) use setting::{Setting, Shape};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::languages;
use declare::{Fixed, Part, flags, list, one, settings, switch};
use secret::AccessKey;
use setting::group;

settings! {
    /// Everything `run` needs to know.
    #[derive(Clone, Debug)]
    pub struct Config {
        in flags(group::SERVER, "") => {
            /// Address and port of the HTTP server, or unix:/PATH for a socket; port 0 picks a free port.
            pub listen: Listen = one("127.0.0.1:7878", "IP:PORT", listen::listen);
            /// Certificate and key of the server; `None`: plain HTTP.
            pub tls: Option<TlsFiles> = Part;
            /// Access key; if none is given, one is generated on the first run and kept in the data folder.
            pub key: SecretString = AccessKey;
            /// The file it was read from, which SIGHUP reads again; `None`: it was given as such. Loading finds out.
            pub key_file: Option<PathBuf> = Fixed(None);
            /// Folder for the incidents and the access key.
            pub data_dir: PathBuf = one("/var/lib/ai-debugger", "DIR", parse::path);
            /// Additional host name to answer to, besides localhost, IP addresses and this machine's name; repeatable.
            pub allowed_hosts: Vec<String> = list("", "NAME", parse::host_name)
                .adjust(|it| it.flag = Some("allowed-host".to_owned()));
            /// Serve the values in /proc/PID/environ instead of masking them.
            pub show_environ: bool = switch();
            /// Store and serve command lines and evidence without masking secrets; what leaves the host is masked
            /// either way.
            pub show_secrets: bool = switch();
        }
        in flags(group::WATCHING, "") => {
            /// Directory where the host's /proc is mounted.
            pub proc_root: PathBuf = one("/proc", "DIR", parse::path);
            /// Directory where the host's cgroups are mounted.
            pub cgroup_root: PathBuf = one("/sys/fs/cgroup", "DIR", parse::path);
            /// Time between two scans of /proc, 100ms to 1h.
            pub scan_interval: Duration = one("10s", "TIME", parse::duration("100ms", "1h"));
            /// File with the running kernel's type information (BTF); needed in a container without /sys.
            pub btf_path: PathBuf = one("/sys/kernel/btf/vmlinux", "FILE", parse::path);
            // As role or language, and name.
            /// Role of one of your own programs, such as ci-agent=builder or my-runner=supervisor, or the language by
            /// whose runtime its ends are judged, such as ledger=go; repeatable.
            pub programs: Vec<(String, String)> = list("", "NAME=ROLE", programs::own)
                .adjust(|it| it.flag = Some("program".to_owned()));
        }
        in flags(group::MODEL, "") => {
            /// Send nothing to a language model; the built-in analyst works alone.
            pub no_llm: bool = switch();
            /// The language model; `None`: the built-in rules alone.
            pub llm: Option<LlmConfig> = Part;
        }
        in flags(group::ALERTS, "") => {
            /// The receivers that get alerts.
            pub receivers: Receivers = Part;
            /// What is alerted, and when.
            pub alerts: AlertRules = Part;
            /// How long things take in the life of an incident.
            pub life: LifeRules = Part;
            /// From when on something is a finding.
            pub detect: DetectLimits = Part;
        }
    }
}

impl Config {
    /// The names of the site's own programs, by role.
    pub fn own_programs(&self) -> BTreeMap<String, Vec<String>> {
        self.programs_by(|role| !languages::is_known(role))
    }

    /// The names of the site's own programs, by language.
    pub fn own_languages(&self) -> BTreeMap<String, Vec<String>> {
        self.programs_by(languages::is_known)
    }

    fn programs_by(&self, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<String>> {
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (group, name) in self.programs.iter().filter(|(group, _)| wanted(group)) {
            groups.entry(group.clone()).or_default().push(name.clone());
        }
        groups
    }
}
