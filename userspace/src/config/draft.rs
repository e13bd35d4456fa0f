//! From the layers to a checked configuration. Loading only reads; what the first run has to make, `prepare` makes.

mod receivers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use secrecy::SecretString;

use super::layers::{Either, Found, Layer, Layers};
use super::problem::{ConfigErrors, Problem, Rejected};
use super::settings::find;
use super::{
    AlertRules, Config, DetectLimits, ExecLimits, GrowthLimits, LifeRules, LlmConfig, LlmLimits, Sources,
    exec, key, parse, programs, secret,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// How the lines look.
    pub format: LogFormat,
    /// Directives of tracing-subscriber's filter, checked.
    pub filter: String,
}

/// Where the access key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Given, directly or in a file.
    Given {
        /// The key.
        key: SecretString,
        /// The flag, variable, file or key of the file.
        origin: String,
    },
    /// Kept in this file of the data folder; made on the first run.
    Kept(PathBuf),
}

/// A configuration without errors, before anything is written to disk.
#[derive(Clone, Debug)]
pub struct Draft {
    /// All of it, but with a key that opens nothing: enough for whatever does not serve.
    pub config: Config,
    /// Where the real key will come from.
    pub key: KeySource,
    /// How to log.
    pub logging: LogSettings,
    /// Worth a word, not wrong.
    pub warnings: Vec<String>,
}

impl Draft {
    /// The configuration to serve with: makes the data folder and the key where they are not there yet.
    pub fn prepare(self) -> Result<(Config, Vec<String>)> {
        let Self { mut config, key, mut warnings, .. } = self;
        key::make_folder(&config.data_dir)?;
        config.key = match key {
            KeySource::Given { key, .. } => key,
            KeySource::Kept(path) => {
                let key = key::keep(&config.data_dir)?;
                if let Some(problem) = key_problem(&config, &key, &path.display().to_string()) {
                    return Err(ConfigErrors(vec![problem]).into());
                }
                key
            }
        };
        warnings.extend(key::folder_warning(&config.data_dir));
        Ok((config, warnings))
    }
}

/// Puts the configuration together, or says everything that is wrong with it.
pub fn load(sources: &Sources) -> Result<Draft, ConfigErrors> {
    let layers = Layers::read(sources);
    let (problems, warnings) = (layers.problems.clone(), layers.warnings.clone());
    let mut it = Reader { layers, problems, warnings };
    let placeholder = key::random().unwrap_or_else(|error| {
        let rejected = Rejected::new(
            format!("the kernel gives no random bytes: {error}"),
            "use a kernel with getrandom(2)",
        );
        it.problems.push(Problem { origin: "access key".to_owned(), rejected });
        SecretString::from("")
    });
    let no_llm = it.layers.get("no_llm").is_some_and(|found| parse::switch(found.text()) == Ok(true));
    let config = Config {
        listen: it.required("listen", parse::listen),
        key: placeholder,
        data_dir: it.required("data_dir", parse::path),
        allowed_hosts: it.list("allowed_hosts", parse::host_name),
        proc_root: it.required("proc_root", parse::path),
        cgroup_root: it.required("cgroup_root", parse::path),
        scan_interval: it.required("scan_interval", parse::duration("100ms", "1h")),
        show_environ: it.required("show_environ", parse::switch),
        show_secrets: it.required("show_secrets", parse::switch),
        ebpf_log: it.required("ebpf_log", parse::switch),
        btf_path: it.required("btf_path", parse::path),
        llm: it.llm(),
        no_llm,
        receivers: it.receivers(),
        alerts: it.alerts(),
        life: it.life(),
        detect: it.detect(),
        programs: it.programs(),
    };
    let key = it.key(&config);
    let logging = LogSettings {
        format: it.required("log_format", parse::log_format),
        filter: it.required("log_level", parse::log_filter),
    };
    if it.problems.is_empty() {
        Ok(Draft { config, key, logging, warnings: it.warnings })
    } else {
        Err(ConfigErrors(it.problems))
    }
}

struct Reader {
    layers: Layers,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Reader {
    /// A setting with a default. A wrong value is noted, and the default stands in until loading has seen all.
    fn required<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, Rejected>) -> T {
        let found = self.layers.get(name).expect("required settings have a default");
        self.note(parse(found.text()), &found.origin).unwrap_or_else(|| {
            let default = find(name).map_or("", |setting| setting.default);
            parse(default).unwrap_or_else(|_| unreachable!("the default of {name} is valid"))
        })
    }

    fn optional<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, Rejected>) -> Option<T> {
        let found = self.layers.get(name)?;
        self.note(parse(found.text()), &found.origin)
    }

    fn list<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, Rejected>) -> Vec<T> {
        let Some(Found { values, origin, .. }) = self.layers.get(name) else { return Vec::new() };
        values.iter().filter_map(|value| self.note(parse(value), &origin)).collect()
    }

    fn note<T>(&mut self, parsed: Result<T, Rejected>, origin: &str) -> Option<T> {
        parsed.map_err(|rejected| self.problems.push(Problem { origin: origin.to_owned(), rejected })).ok()
    }

    /// A secret given directly or in a file, and where it was.
    fn secret(&mut self, name: &str, file_name: &str) -> Option<(SecretString, String)> {
        match self.layers.either(name, file_name) {
            Ok(Either::Neither) => None,
            Ok(Either::Value(found)) => Some((SecretString::from(found.text().trim()), found.origin)),
            Ok(Either::File(found)) => {
                let read = self.note(secret::read(Path::new(found.text())), &found.origin)?;
                if read.too_open() {
                    let path = found.text();
                    self.warnings
                        .push(format!("others can read the secret in {path}; run: chmod 600 {path}"));
                }
                Some((read.secret, found.origin))
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn llm(&mut self) -> Option<LlmConfig> {
        let base_url = self.required("llm_base_url", parse::base_url);
        let model = self.required("llm_model", parse::model_name);
        let deadline = self.required("llm_deadline", parse::duration("1s", "1m"));
        let limits = self.llm_limits();
        let off = self.required("no_llm", parse::switch);
        let secret = self.secret("groq_api_key", "groq_api_key_file");
        if off {
            return None;
        }
        let Some((api_key, origin)) = secret else {
            if self.layers.get("llm_base_url").is_some_and(|found| found.layer != Layer::Default) {
                self.warnings.push(
                    "the model is not asked: its address is set, but not GROQ_API_KEY (any value does \
                                    where the API asks for none)"
                        .to_owned(),
                );
            }
            return None;
        };
        self.note(
            key::check_shape(&api_key).map_err(|_| {
                Rejected::new("the value cannot be an API key", "give it as the API's owner shows it")
            }),
            &origin,
        )?;
        Some(LlmConfig { base_url, model, api_key, deadline, limits })
    }

    fn llm_limits(&mut self) -> LlmLimits {
        LlmLimits {
            requests_per_minute: self.required("llm_requests_per_minute", parse::count(1, 100_000)),
            requests_per_day: self.required("llm_requests_per_day", parse::count(1, 100_000_000)),
            tokens_per_minute: self.required("llm_tokens_per_minute", parse::count(6_000, 100_000_000)),
            tokens_per_day: self.required("llm_tokens_per_day", parse::count(6_000, 4_000_000_000)),
            nano_usd_per_day: self.required("llm_usd_per_day", parse::nano_usd),
            prompt_tokens: self.required("llm_prompt_tokens", parse::count(3_000, 100_000)),
            prices: self.list("llm_prices", parse::price),
        }
    }

    fn alerts(&mut self) -> AlertRules {
        AlertRules {
            min_severity: self.required("alert_min_severity", parse::severity),
            quiet_start: self.required("alert_quiet_start", parse::duration("0s", "1h")),
        }
    }

    fn life(&mut self) -> LifeRules {
        LifeRules {
            quiet: self.required("incident_quiet", parse::duration("10s", "168h")),
            clear: self.required("incident_clear", parse::duration("10s", "24h")),
            reopen: self.required("incident_reopen", parse::duration("0s", "168h")),
            remind: self.required("alert_remind", parse::duration("0s", "168h")),
        }
    }

    fn detect(&mut self) -> DetectLimits {
        DetectLimits {
            zombie_age: self.required("detect.zombie_age", parse::duration("1s", "24h")),
            zombie_count: self.required("detect.zombie_count", parse::count(1, 1_000_000)),
            memory_percent: self.required("detect.memory_percent", parse::count(1, 100)),
            memory_scans: self.required("detect.memory_scans", parse::count(1, 1000)),
            available_percent: self.required("detect.available_percent", parse::count(1, 50)),
            stall_percent: self.required("detect.stall_percent", parse::count(1, 100)),
            fd_percent: self.required("detect.fd_percent", parse::count(1, 100)),
            fd_scans: self.required("detect.fd_scans", parse::count(1, 1000)),
            hung_after: self.required("detect.hung_after", parse::duration("1s", "24h")),
            spin_window: self.required("detect.spin_window", parse::duration("1s", "24h")),
            crash_loop_count: self.required("detect.crash_loop_count", parse::count(2, 1000)),
            crash_loop_window: self.required("detect.crash_loop_window", parse::duration("1s", "24h")),
            crash_loop_respawns: self.required("detect.crash_loop_respawns", parse::count(2, 32)),
            crash_loop_life: self.required("detect.crash_loop_life", parse::duration("1ms", "1h")),
            abnormal_exit_age: self.required("detect.abnormal_exit_age", parse::duration("1s", "24h")),
            growth: self.growth(),
            exec: self.exec(),
            ended_keep: self.required("detect.ended_keep", parse::duration("1s", "24h")),
            ring_grave_bytes: self.required("detect.ring_grave_bytes", parse::ring_bytes),
            ring_crash_bytes: self.required("detect.ring_crash_bytes", parse::ring_bytes),
            ring_common_bytes: self.required("detect.ring_common_bytes", parse::ring_bytes),
        }
    }

    fn programs(&mut self) -> BTreeMap<String, Vec<String>> {
        let mut roles = BTreeMap::<_, Vec<_>>::new();
        for (role, name) in self.list("programs", programs::own) {
            roles.entry(role).or_default().push(name);
        }
        roles
    }

    fn exec(&mut self) -> ExecLimits {
        ExecLimits {
            exec_fresh: self.required("detect.exec_fresh", parse::duration("100ms", "1h")),
            exec_folders: self.list("detect.exec_folders", exec::folder),
        }
    }

    fn growth(&mut self) -> GrowthLimits {
        GrowthLimits {
            growth_window: self.required("detect.growth_window", parse::duration("1s", "24h")),
            growth_startup: self.required("detect.growth_startup", parse::duration("0s", "24h")),
            growth_history: self.required("detect.growth_history", parse::duration("5s", "720h")),
            growth_horizon: self.required("detect.growth_horizon", parse::duration("1s", "87600h")),
            growth_critical: self.required("detect.growth_critical", parse::duration("1s", "87600h")),
            memory_growth_bytes: self.required("detect.memory_growth_bytes", parse::size(1 << 20, "1MiB")),
            memory_growth_percent: self.required("detect.memory_growth_percent", parse::count(1, 100_000)),
            fd_growth: self.required("detect.fd_growth", parse::count(5, 1_000_000)),
            fd_growth_percent: self.required("detect.fd_growth_percent", parse::count(1, 100_000)),
            thread_growth: self.required("detect.thread_growth", parse::count(5, 1_000_000)),
            thread_growth_percent: self.required("detect.thread_growth_percent", parse::count(1, 100_000)),
            thread_percent: self.required("detect.thread_percent", parse::count(1, 100)),
            fork_percent: self.required("detect.fork_percent", parse::count(1, 100)),
            fork_scans: self.required("detect.fork_scans", parse::count(2, 16)),
            fork_growth: self.required("detect.fork_growth", parse::count(1, 1_000_000)),
            fork_time_to_limit: self.required("detect.fork_time_to_limit", parse::duration("1s", "24h")),
            fork_count: self.required("detect.fork_count", parse::count(1000, 1_000_000_000)),
            fork_window: self.required("detect.fork_window", parse::duration("2s", "24h")),
        }
    }

    fn key(&mut self, config: &Config) -> KeySource {
        let kept = KeySource::Kept(key::kept_path(&config.data_dir));
        let (key, origin) = match self.layers.either("key", "key_file") {
            Ok(Either::Neither) => return kept,
            Ok(Either::Value(found)) => {
                if found.layer == Layer::Flag {
                    self.warnings.push(
                        "--key shows the access key to every user of this host; use --key-file or \
                                        AI_DEBUGGER_KEY"
                            .to_owned(),
                    );
                }
                let key = SecretString::from(found.text());
                if self.note(key::check_shape(&key), &found.origin).is_none() {
                    return kept;
                }
                (key, found.origin)
            }
            Ok(Either::File(found)) => {
                let Some((key, warning)) = self.note(key::from_file(Path::new(found.text())), &found.origin)
                else {
                    return kept;
                };
                self.warnings.extend(warning);
                (key, format!("{} {}", found.origin, found.text()))
            }
            Err(problem) => {
                self.problems.push(problem);
                return kept;
            }
        };
        self.problems.extend(key_problem(config, &key, &origin));
        KeySource::Given { key, origin }
    }
}

/// Beyond loopback a key that can be guessed is as good as none.
fn key_problem(config: &Config, key: &SecretString, origin: &str) -> Option<Problem> {
    if config.listen.ip().to_canonical().is_loopback() {
        return None;
    }
    let what = format!("{}, and {} can be reached from other hosts", key::weakness(key)?, config.listen);
    let accepted = "give at least 16 random characters, or leave the key away and one is made";
    Some(Problem { origin: origin.to_owned(), rejected: Rejected::new(what, accepted) })
}
