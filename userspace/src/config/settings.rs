//! The one table of settings: it drives the flags, the variables, the file's keys and the help.

/// How a setting's value looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value.
    Value,
    /// Any number: a repeated flag, commas in the variable, an array in the file.
    List,
    /// On or off; the bare flag means on.
    Switch,
}

/// Under which heading `--help` shows a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// HTTP, the key, the folders.
    Server,
    /// /proc, cgroups and the kernel side.
    Watching,
    /// The language model.
    Model,
    /// Logs.
    Logging,
    /// Alerts.
    Alerts,
    /// The life of incidents.
    Incidents,
    /// Limits of the detectors.
    Detect,
}

impl Group {
    /// The heading.
    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Watching => "Watching",
            Self::Model => "Language model",
            Self::Logging => "Logging",
            Self::Alerts => "Alerts",
            Self::Incidents => "Incidents",
            Self::Detect => "Detection limits",
        }
    }
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its key in the file and its name in this program.
    pub(crate) name: &'static str,
    /// Its flag without the dashes; `None`: not on the command line, where every user of the host could read it.
    pub(crate) flag: Option<&'static str>,
    /// Its variables; the first one that is set counts.
    pub(crate) env: &'static [&'static str],
    /// How its value looks.
    pub(crate) shape: Shape,
    /// What the help shows as its value.
    pub(crate) placeholder: &'static str,
    /// The value when nothing is set; empty: none.
    pub(crate) default: &'static str,
    /// One line of help.
    pub(crate) help: &'static str,
    /// Where the help shows it.
    pub(crate) group: Group,
    /// Whether the value must never be shown.
    pub(crate) secret: bool,
    /// Whether the file may have it.
    pub(crate) in_file: bool,
}

impl Setting {
    const fn new(
        group: Group,
        name: &'static str,
        flag: &'static str,
        env: &'static [&'static str],
        placeholder: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        let flag = if flag.is_empty() { None } else { Some(flag) };
        let (shape, secret, in_file) = (Shape::Value, false, true);
        Self { name, flag, env, shape, placeholder, default, help, group, secret, in_file }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn switch(self) -> Self {
        Self { shape: Shape::Switch, ..self }
    }

    const fn list(self) -> Self {
        Self { shape: Shape::List, ..self }
    }

    const fn not_in_file(self) -> Self {
        Self { in_file: false, ..self }
    }
}

/// The setting with this name.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

use Group::{Alerts, Detect, Incidents, Logging, Model, Server, Watching};

/// Every setting there is.
#[rustfmt::skip]
pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new(Server, "config", "config", &["AI_DEBUGGER_CONFIG"], "FILE", "",
        "Configuration file; without it /etc/ai-debugger.toml is read if there").not_in_file(),
    Setting::new(Server, "listen", "listen", &["AI_DEBUGGER_LISTEN"], "IP:PORT", "127.0.0.1:7878",
        "Where HTTP listens; port 0 takes a free one"),
    Setting::new(Server, "key", "key", &["AI_DEBUGGER_KEY"], "KEY", "",
        "Access key; made on the first run and kept in the data folder when not given").secret(),
    Setting::new(Server, "key_file", "key-file", &["AI_DEBUGGER_KEY_FILE"], "FILE", "",
        "File with the access key"),
    Setting::new(Server, "data_dir", "data-dir", &["AI_DEBUGGER_DATA_DIR"], "DIR", "/var/lib/ai-debugger",
        "Folder for the incidents and the access key"),
    Setting::new(Server, "allowed_hosts", "allowed-host", &["AI_DEBUGGER_ALLOWED_HOSTS"], "NAME", "",
        "Host name to answer besides IP addresses, localhost and this machine's name; repeatable").list(),
    Setting::new(Server, "show_environ", "show-environ", &["AI_DEBUGGER_SHOW_ENVIRON"], "BOOL", "false",
        "Serve /proc/PID/environ with its values instead of masked").switch(),
    Setting::new(Server, "show_secrets", "show-secrets", &["AI_DEBUGGER_SHOW_SECRETS"], "BOOL", "false",
        "Store and serve command lines and evidence with the secrets in them; what leaves the host stays masked").switch(),
    Setting::new(Watching, "proc_root", "proc-root", &["AI_DEBUGGER_PROC_ROOT"], "DIR", "/proc",
        "Where the host's /proc is mounted"),
    Setting::new(Watching, "cgroup_root", "cgroup-root", &["AI_DEBUGGER_CGROUP_ROOT"], "DIR", "/sys/fs/cgroup",
        "Where the host's cgroups are mounted"),
    Setting::new(Watching, "scan_interval", "scan-interval", &["AI_DEBUGGER_SCAN_INTERVAL"], "TIME", "10s",
        "Time between two walks of /proc, 100ms to 1h"),
    Setting::new(Watching, "ebpf_log", "ebpf-log", &["AI_DEBUGGER_EBPF_LOG"], "BOOL", "false",
        "Let the kernel side log its own doings").switch(),
    Setting::new(Watching, "btf_path", "btf-path", &["AI_DEBUGGER_BTF_PATH"], "FILE", "/sys/kernel/btf/vmlinux",
        "Where the running kernel's BTF is: another place in a container without /sys"),
    Setting::new(Watching, "programs", "program", &["AI_DEBUGGER_PROGRAMS"], "NAME=ROLE", "",
        "What a program of your own is, such as ci-agent=builder or my-runner=supervisor; repeatable").list(),
    Setting::new(Model, "llm_base_url", "llm-base-url", &["AI_DEBUGGER_LLM_BASE_URL"], "URL",
        "https://api.groq.com/openai/v1", "Any API that answers like OpenAI's chat completions"),
    Setting::new(Model, "llm_model", "llm-model", &["AI_DEBUGGER_LLM_MODEL"], "MODEL", "openai/gpt-oss-120b",
        "The model to ask"),
    Setting::new(Model, "llm_deadline", "llm-deadline", &["AI_DEBUGGER_LLM_DEADLINE"], "TIME", "8s",
        "How long an alert may wait for the model, 1s to 1m"),
    Setting::new(Model, "llm_requests_per_minute", "llm-requests-per-minute", &["AI_DEBUGGER_LLM_REQUESTS_PER_MINUTE"], "N", "30",
        "Requests to the model in a minute; over a limit the built-in analyst judges alone"),
    Setting::new(Model, "llm_requests_per_day", "llm-requests-per-day", &["AI_DEBUGGER_LLM_REQUESTS_PER_DAY"], "N", "1000",
        "Requests to the model in a day (UTC)"),
    Setting::new(Model, "llm_tokens_per_minute", "llm-tokens-per-minute", &["AI_DEBUGGER_LLM_TOKENS_PER_MINUTE"], "N", "8000",
        "Tokens in a minute, the 2,000 kept free for each answer included"),
    Setting::new(Model, "llm_tokens_per_day", "llm-tokens-per-day", &["AI_DEBUGGER_LLM_TOKENS_PER_DAY"], "N", "200000",
        "Tokens in a day (UTC)"),
    Setting::new(Model, "llm_usd_per_day", "llm-usd-per-day", &["AI_DEBUGGER_LLM_USD_PER_DAY"], "USD", "1",
        "Dollars in a day (UTC), where the model's price is known"),
    Setting::new(Model, "llm_prompt_tokens", "llm-prompt-tokens", &["AI_DEBUGGER_LLM_PROMPT_TOKENS"], "N", "5400",
        "Tokens of the longest prompt; never more than a minute's tokens leave room for"),
    Setting::new(Model, "llm_prices", "llm-prices", &["AI_DEBUGGER_LLM_PRICES"], "MODEL=IN/OUT", "",
        "What a model costs, in dollars for a million tokens read and written; repeatable").list(),
    Setting::new(Model, "no_llm", "no-llm", &["AI_DEBUGGER_NO_LLM"], "BOOL", "false",
        "Send no byte to a model: the built-in analyst alone").switch(),
    Setting::new(Model, "groq_api_key", "", &["GROQ_API_KEY"], "KEY", "",
        "The model's API key; without it the built-in analyst works alone").secret(),
    Setting::new(Model, "groq_api_key_file", "", &["GROQ_API_KEY_FILE"], "FILE", "",
        "File with the model's API key"),
    Setting::new(Alerts, "slack_webhook_url", "", &["SLACK_WEBHOOK_URL"], "URL", "",
        "Slack's incoming webhook; without it no alert leaves the host").secret(),
    Setting::new(Alerts, "slack_webhook_url_file", "", &["SLACK_WEBHOOK_URL_FILE"], "FILE", "",
        "File with Slack's incoming webhook"),
    Setting::new(Alerts, "slack_bot_token", "", &["SLACK_BOT_TOKEN"], "TOKEN", "",
        "Token of a Slack app's bot (xoxb-…) with the scope chat:write; takes the webhook's place").secret(),
    Setting::new(Alerts, "slack_bot_token_file", "", &["SLACK_BOT_TOKEN_FILE"], "FILE", "",
        "File with the bot's token"),
    Setting::new(Alerts, "slack_channel", "", &["SLACK_CHANNEL"], "CHANNEL", "",
        "The channel the bot posts to: its id (C…) or name"),
    Setting::new(Alerts, "slack_api_url", "", &["SLACK_API_URL"], "URL", "https://slack.com/api",
        "Where Slack's Web API is, such as https://slack-gov.com/api"),
    Setting::new(Alerts, "alert_webhook_url", "", &["ALERT_WEBHOOK_URL"], "URL", "",
        "A webhook that gets every alert with its incident as JSON").secret(),
    Setting::new(Alerts, "alert_webhook_url_file", "", &["ALERT_WEBHOOK_URL_FILE"], "FILE", "",
        "File with that webhook"),
    Setting::new(Alerts, "alert_webhook_secret", "", &["ALERT_WEBHOOK_SECRET"], "SECRET", "",
        "What that webhook's requests are signed with (HMAC-SHA256)").secret(),
    Setting::new(Alerts, "alert_webhook_secret_file", "", &["ALERT_WEBHOOK_SECRET_FILE"], "FILE", "",
        "File with that secret"),
    Setting::new(Alerts, "alertmanager_url", "alertmanager-url", &["AI_DEBUGGER_ALERTMANAGER_URL"], "URL", "",
        "Alertmanager's base, such as http://127.0.0.1:9093"),
    Setting::new(Alerts, "public_url", "public-url", &["AI_DEBUGGER_PUBLIC_URL"], "URL", "",
        "Where people reach this daemon: links to incidents begin so"),
    Setting::new(Alerts, "alert_min_severity", "alert-min-severity", &["AI_DEBUGGER_ALERT_MIN_SEVERITY"], "SEVERITY", "warning",
        "What is less grave makes an incident and no alert: info, warning or critical"),
    Setting::new(Alerts, "alert_remind", "alert-remind", &["AI_DEBUGGER_ALERT_REMIND"], "TIME", "10m",
        "Until the first reminder of what goes on; the next come after 6, 36 and 144 times as long; 0s: none"),
    Setting::new(Alerts, "alert_quiet_start", "alert-quiet-start", &["AI_DEBUGGER_ALERT_QUIET_START"], "TIME", "2m",
        "Conditions older than the daemon that it finds in this time are one message"),
    Setting::new(Incidents, "incident_quiet", "incident-quiet", &["AI_DEBUGGER_INCIDENT_QUIET"], "TIME", "30m",
        "An event (a crash, an OOM kill) is resolved after so long without another"),
    Setting::new(Incidents, "incident_clear", "incident-clear", &["AI_DEBUGGER_INCIDENT_CLEAR"], "TIME", "2m",
        "A condition (full memory, zombies) is resolved when the walks of so long, and four at least, find it no more"),
    Setting::new(Incidents, "incident_reopen", "incident-reopen", &["AI_DEBUGGER_INCIDENT_REOPEN"], "TIME", "1h",
        "What comes back so long after it was resolved is the same incident"),
    Setting::new(Logging, "log_format", "log-format", &["AI_DEBUGGER_LOG_FORMAT"], "FORMAT", "text",
        "text or json"),
    Setting::new(Logging, "log_level", "log-level", &["AI_DEBUGGER_LOG_LEVEL", "RUST_LOG"], "LEVEL", "info",
        "error, warn, info, debug, trace, or a list such as info,ai_debugger::monitor=debug"),
    Setting::new(Detect, "detect.zombie_age", "detect-zombie-age", &["AI_DEBUGGER_DETECT_ZOMBIE_AGE"], "TIME", "60s",
        "A zombie counts once it is this old"),
    Setting::new(Detect, "detect.zombie_count", "detect-zombie-count", &["AI_DEBUGGER_DETECT_ZOMBIE_COUNT"], "N", "10",
        "So many zombies of one parent are a pile-up"),
    Setting::new(Detect, "detect.memory_percent", "detect-memory-percent", &["AI_DEBUGGER_DETECT_MEMORY_PERCENT"], "PERCENT", "95",
        "Working set in percent of the memory limit"),
    Setting::new(Detect, "detect.memory_scans", "detect-memory-scans", &["AI_DEBUGGER_DETECT_MEMORY_SCANS"], "N", "2",
        "Memory has to be that full for so many scans in a row"),
    Setting::new(Detect, "detect.available_percent", "detect-available-percent", &["AI_DEBUGGER_DETECT_AVAILABLE_PERCENT"], "PERCENT", "3",
        "The host is short of memory with less than this left, free swap included"),
    Setting::new(Detect, "detect.stall_percent", "detect-stall-percent", &["AI_DEBUGGER_DETECT_STALL_PERCENT"], "PERCENT", "20",
        "Memory has run out when all tasks wait for it for this part of the time"),
    Setting::new(Detect, "detect.fd_percent", "detect-fd-percent", &["AI_DEBUGGER_DETECT_FD_PERCENT"], "PERCENT", "90",
        "Open files in percent of RLIMIT_NOFILE"),
    Setting::new(Detect, "detect.fd_scans", "detect-fd-scans", &["AI_DEBUGGER_DETECT_FD_SCANS"], "N", "2",
        "Files have to be that many for so many scans in a row"),
    Setting::new(Detect, "detect.hung_after", "detect-hung-after", &["AI_DEBUGGER_DETECT_HUNG_AFTER"], "TIME", "2m",
        "A thread that waits in state D for so long is hung"),
    Setting::new(Detect, "detect.spin_window", "detect-spin-window", &["AI_DEBUGGER_DETECT_SPIN_WINDOW"], "TIME", "30m",
        "A thread that computes for so long without progress spins; a third of it where it did something else before"),
    Setting::new(Detect, "detect.crash_loop_count", "detect-crash-loop-count", &["AI_DEBUGGER_DETECT_CRASH_LOOP_COUNT"], "N", "3",
        "So many deaths of one program are a crash loop"),
    Setting::new(Detect, "detect.crash_loop_window", "detect-crash-loop-window", &["AI_DEBUGGER_DETECT_CRASH_LOOP_WINDOW"], "TIME", "10m",
        "Time within which those deaths are counted"),
    Setting::new(Detect, "detect.crash_loop_respawns", "detect-crash-loop-respawns", &["AI_DEBUGGER_DETECT_CRASH_LOOP_RESPAWNS"], "N", "6",
        "So many bad ends in a row, where no known supervisor but always the same parent starts it again"),
    Setting::new(Detect, "detect.crash_loop_life", "detect-crash-loop-life", &["AI_DEBUGGER_DETECT_CRASH_LOOP_LIFE"], "TIME", "500ms",
        "A program that its parent starts again was meant to go on if it typically lives so long"),
    Setting::new(Detect, "detect.abnormal_exit_age", "detect-abnormal-exit-age", &["AI_DEBUGGER_DETECT_ABNORMAL_EXIT_AGE"], "TIME", "60s",
        "An unsupervised process without a terminal may be a service once it is this old"),
    Setting::new(Detect, "detect.growth_window", "detect-growth-window", &["AI_DEBUGGER_DETECT_GROWTH_WINDOW"], "TIME", "10m",
        "So long memory, descriptors or threads must have grown steadily"),
    Setting::new(Detect, "detect.growth_startup", "detect-growth-startup", &["AI_DEBUGGER_DETECT_GROWTH_STARTUP"], "TIME", "10m",
        "The first so long of a program does not count as growth"),
    Setting::new(Detect, "detect.growth_history", "detect-growth-history", &["AI_DEBUGGER_DETECT_GROWTH_HISTORY"], "TIME", "6h",
        "So far back growth too slow for one window is looked for"),
    Setting::new(Detect, "detect.growth_horizon", "detect-growth-horizon", &["AI_DEBUGGER_DETECT_GROWTH_HORIZON"], "TIME", "168h",
        "Growth that reaches its limit later than this is no alert"),
    Setting::new(Detect, "detect.growth_critical", "detect-growth-critical", &["AI_DEBUGGER_DETECT_GROWTH_CRITICAL"], "TIME", "30m",
        "Growth that reaches its limit sooner than this is critical"),
    Setting::new(Detect, "detect.memory_growth_bytes", "detect-memory-growth-bytes", &["AI_DEBUGGER_DETECT_MEMORY_GROWTH_BYTES"], "SIZE", "32MiB",
        "Least growth of anonymous memory"),
    Setting::new(Detect, "detect.memory_growth_percent", "detect-memory-growth-percent", &["AI_DEBUGGER_DETECT_MEMORY_GROWTH_PERCENT"], "PERCENT", "20",
        "The same, in percent of what it was"),
    Setting::new(Detect, "detect.fd_growth", "detect-fd-growth", &["AI_DEBUGGER_DETECT_FD_GROWTH"], "N", "50",
        "Least growth of open files"),
    Setting::new(Detect, "detect.fd_growth_percent", "detect-fd-growth-percent", &["AI_DEBUGGER_DETECT_FD_GROWTH_PERCENT"], "PERCENT", "50",
        "The same, in percent of what it was"),
    Setting::new(Detect, "detect.thread_growth", "detect-thread-growth", &["AI_DEBUGGER_DETECT_THREAD_GROWTH"], "N", "64",
        "Least growth of threads"),
    Setting::new(Detect, "detect.thread_growth_percent", "detect-thread-growth-percent", &["AI_DEBUGGER_DETECT_THREAD_GROWTH_PERCENT"], "PERCENT", "50",
        "The same, in percent of what it was"),
    Setting::new(Detect, "detect.thread_percent", "detect-thread-percent", &["AI_DEBUGGER_DETECT_THREAD_PERCENT"], "PERCENT", "90",
        "Tasks in percent of the limit that binds a process"),
    Setting::new(Detect, "detect.fork_percent", "detect-fork-percent", &["AI_DEBUGGER_DETECT_FORK_PERCENT"], "PERCENT", "70",
        "So much of a limit on tasks a storm of processes holds"),
    Setting::new(Detect, "detect.fork_scans", "detect-fork-scans", &["AI_DEBUGGER_DETECT_FORK_SCANS"], "N", "3",
        "A storm has to grow on so many scans in a row"),
    Setting::new(Detect, "detect.fork_growth", "detect-fork-growth", &["AI_DEBUGGER_DETECT_FORK_GROWTH"], "N", "100",
        "So many processes more on each of these scans are growth"),
    Setting::new(Detect, "detect.fork_time_to_limit", "detect-fork-time-to-limit", &["AI_DEBUGGER_DETECT_FORK_TIME_TO_LIMIT"], "TIME", "10m",
        "Growth that fills the room for tasks sooner than this is a storm"),
    Setting::new(Detect, "detect.fork_count", "detect-fork-count", &["AI_DEBUGGER_DETECT_FORK_COUNT"], "N", "200000",
        "So many children of one parent are a storm even when none of them stays"),
    Setting::new(Detect, "detect.fork_window", "detect-fork-window", &["AI_DEBUGGER_DETECT_FORK_WINDOW"], "TIME", "5m",
        "Time within which those are counted"),
    Setting::new(Detect, "detect.exec_fresh", "detect-exec-fresh", &["AI_DEBUGGER_DETECT_EXEC_FRESH"], "TIME", "5s",
        "A program whose file is gone so soon after it began hides"),
    Setting::new(Detect, "detect.exec_folders", "detect-exec-folders", &["AI_DEBUGGER_DETECT_EXEC_FOLDERS"], "DIR", "/tmp,/var/tmp,/dev/shm,/run/shm",
        "Where everybody may write, so that what root runs from there is worth knowing; repeatable, replaces the default").list(),
    Setting::new(Detect, "detect.ended_keep", "detect-ended-keep", &["AI_DEBUGGER_DETECT_ENDED_KEEP"], "TIME", "10m",
        "How long ended processes are kept"),
    Setting::new(Detect, "detect.ring_grave_bytes", "detect-ring-grave-bytes", &["AI_DEBUGGER_DETECT_RING_GRAVE_BYTES"], "SIZE", "256KiB",
        "Kernel ring for OOM kills and deaths by signal"),
    Setting::new(Detect, "detect.ring_crash_bytes", "detect-ring-crash-bytes", &["AI_DEBUGGER_DETECT_RING_CRASH_BYTES"], "SIZE", "512KiB",
        "Kernel ring for the stacks of crashes"),
    Setting::new(Detect, "detect.ring_common_bytes", "detect-ring-common-bytes", &["AI_DEBUGGER_DETECT_RING_COMMON_BYTES"], "SIZE", "2MiB",
        "Kernel ring for everything else"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_flags_and_variables_are_each_other_spelled_differently() {
        let mut seen = BTreeSet::new();
        for setting in SETTINGS {
            assert!(seen.insert(setting.name), "{} is there twice", setting.name);
            let upper = setting.name.replace('.', "_").to_uppercase();
            let prefixed = format!("AI_DEBUGGER_{upper}");
            assert!(setting.env[0] == prefixed || setting.env[0] == upper, "{}", setting.env[0]);
            if let Some(flag) = setting.flag {
                // The plurals: a repeated flag names one host or program at a time.
                let flag = match flag {
                    "allowed-host" => "allowed-hosts",
                    "program" => "programs",
                    flag => flag,
                };
                assert_eq!(flag.replace('-', "_"), setting.name.replace('.', "_"));
            }
        }
    }
}
