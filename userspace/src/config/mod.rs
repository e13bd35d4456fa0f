//! The configuration, complete and checked. How it is put together from flags, environment, file and defaults
//! is in the submodules: [`load`] only reads and reports every error at once, [`Draft::prepare`] makes what is
//! missing on disk.

mod client;
mod detect;
mod draft;
mod exec;
mod growth;
mod key;
mod layers;
mod life;
mod llm;
mod parse;
mod problem;
mod programs;
mod receivers;
mod secret;
pub(crate) mod settings;
#[cfg(test)]
mod tests;

pub use detect::DetectLimits;
pub use draft::{Draft, KeySource, LogFormat, LogSettings, load};
pub use exec::ExecLimits;
pub use growth::GrowthLimits;
pub use layers::Sources;
pub use life::{AlertRules, LifeRules};
pub use llm::{LlmConfig, LlmLimits, Price};
pub use problem::{ConfigErrors, Problem, Rejected};
pub use receivers::{HookConfig, Receivers, SlackConfig};

pub(crate) use client::{ClientKey, client_key};
pub(crate) use key::check_file as check_key_file;
pub(crate) use parse::{base_url, is_this_host};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// Everything `run` needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where HTTP listens.
    pub listen: SocketAddr,
    /// The access key.
    pub key: SecretString,
    /// The store and the key live here.
    pub data_dir: PathBuf,
    /// Host names answered beside IP literals, `localhost` and the machine's own.
    pub allowed_hosts: Vec<String>,
    /// Normally `/proc`.
    pub proc_root: PathBuf,
    /// Normally `/sys/fs/cgroup`.
    pub cgroup_root: PathBuf,
    /// Between two walks of /proc.
    pub scan_interval: Duration,
    /// Whether `environ` is served with its values instead of masked.
    pub show_environ: bool,
    /// Whether secrets in argv, paths and evidence are stored and served instead of masked.
    pub show_secrets: bool,
    /// Whether the kernel side logs its own doings (aya-log), for debugging it.
    pub ebpf_log: bool,
    /// Where the kernel's own types are, normally `/sys/kernel/btf/vmlinux`.
    pub btf_path: PathBuf,
    /// The language model; `None`: the built-in rules alone.
    pub llm: Option<LlmConfig>,
    /// Whether the model was turned off on purpose.
    pub no_llm: bool,
    /// Who gets alerts.
    pub receivers: Receivers,
    /// What is alerted, and when.
    pub alerts: AlertRules,
    /// How long things take in the life of an incident.
    pub life: LifeRules,
    /// From when on something is a finding.
    pub detect: DetectLimits,
    /// Programs of the site's own by role, beside those that are known.
    pub programs: BTreeMap<String, Vec<String>>,
}
