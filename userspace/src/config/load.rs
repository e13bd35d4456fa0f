//! From the layers to a checked configuration. Loading only reads; what the first run has to make, `prepare` makes.

use std::path::{Path, PathBuf};

use anyhow::Result;
use secrecy::SecretString;

use super::declare::{Reader, Section as _};
use super::layers::{Either, Layer, Layers};
use super::problem::{ConfigErrors, Problem, Rejected};
use super::registry::Root;
use super::sources::{self, Sources};
use super::{Config, GivenSettings, Listen, LogSettings, key};

/// Where the access key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Given, directly or in a file.
    Given {
        /// The access key that clients must give.
        key: SecretString,
        /// The flag, variable, file or key of the file.
        origin: String,
        /// The file with the key alone in it, where it was given so.
        file: Option<PathBuf>,
    },
    /// Kept in this file of the data folder; made on the first run.
    Kept(PathBuf),
}

/// A configuration without errors, before anything is written to disk.
#[derive(Clone, Debug)]
pub struct LoadedConfig {
    /// All of it, but with a key that opens nothing: enough for whatever does not serve.
    pub config: Config,
    /// Where the real key will come from.
    pub key: KeySource,
    /// The log's format and level.
    pub logging: LogSettings,
    /// Worth a word, not wrong.
    pub warnings: Vec<String>,
    /// What it was made of.
    pub given: GivenSettings,
}

impl LoadedConfig {
    /// The configuration to serve with: makes the data folder and the key where they are not there yet.
    pub fn prepare(self) -> Result<(Config, Vec<String>)> {
        let Self { mut config, key, mut warnings, .. } = self;
        key::make_folder(&config.data_dir)?;
        (config.key, config.key_file) = match key {
            KeySource::Given { key, file, .. } => (key, file),
            KeySource::Kept(path) => {
                let key = key::keep(&config.data_dir)?;
                match judged(&config.listen, &key) {
                    Ok(warning) => warnings.extend(warning),
                    Err(rejected) => {
                        let origin = path.display().to_string();
                        return Err(ConfigErrors(vec![Problem { origin, rejected }]).into());
                    }
                }
                (key, Some(path))
            }
        };
        warnings.extend(key::folder_warning(&config.data_dir));
        Ok((config, warnings))
    }
}

/// Puts the configuration together, or says everything that is wrong with it.
pub fn load(sources: &Sources) -> Result<LoadedConfig, ConfigErrors> {
    let mut reader = Reader { layers: sources::read(sources), ..Reader::default() };
    let Root { mut config, logging, .. } = Root::read(&mut reader);
    config.key = key::random().unwrap_or_else(|error| {
        let what = format!("the kernel provides no random bytes: {error}");
        let rejected = Rejected::new(what, "use a kernel with getrandom(2)");
        reader.problem(Problem { origin: "access key".to_owned(), rejected });
        SecretString::from("")
    });
    let key = access_key(&mut reader, &config);
    if let (Listen::Unix(_), Some(_)) = (&config.listen, &config.tls) {
        let rejected =
            Rejected::new("a unix socket never leaves this host", "leave --tls-cert and --tls-key away");
        reader.problem(Problem { origin: "--listen".to_owned(), rejected });
    }
    let given = GivenSettings::of(&reader.layers);
    let Layers { problems, warnings, .. } = reader.layers;
    if problems.is_empty() {
        Ok(LoadedConfig { config, key, logging, warnings, given })
    } else {
        Err(ConfigErrors(problems))
    }
}

fn access_key(reader: &mut Reader, config: &Config) -> KeySource {
    let kept = KeySource::Kept(key::kept_path(&config.data_dir));
    let (key, origin, file) = match reader.layers.either("key") {
        Ok(Either::Neither) => return kept,
        Ok(Either::Value(found)) => {
            if found.layer == Layer::Flag {
                reader.warn(
                    "--key shows the access key to every user of this host; use --key-file or AI_DEBUGGER_KEY",
                );
            }
            let key = SecretString::from(found.text());
            if reader.note(key::check_shape(&key), &found.origin).is_none() {
                return kept;
            }
            (key, found.origin, None)
        }
        Ok(Either::File(found)) => {
            let Some((key, warning)) = reader.note(key::from_file(Path::new(found.text())), &found.origin)
            else {
                return kept;
            };
            warning.into_iter().for_each(|it| reader.warn(it));
            (key, format!("{} {}", found.origin, found.text()), Some(PathBuf::from(found.text())))
        }
        Err(problem) => {
            reader.problem(problem);
            return kept;
        }
    };
    match judged(&config.listen, &key) {
        Ok(warning) => warning.into_iter().for_each(|it| reader.warn(it)),
        Err(rejected) => reader.problem(Problem { origin: origin.clone(), rejected }),
    }
    KeySource::Given { key, origin, file }
}

impl Config {
    /// The key as its file has it now; `None`: it was not read from a file.
    pub(crate) fn key_again(&self) -> Option<Result<(SecretString, Option<String>), Rejected>> {
        let path = self.key_file.as_ref()?;
        Some(key::from_file(path).and_then(|(key, warning)| {
            let weak = judged(&self.listen, &key)?;
            Ok((key, warning.or(weak)))
        }))
    }
}

/// Beyond loopback a key that can be guessed is as good as none; on this host it is worth a word.
fn judged(listen: &Listen, key: &SecretString) -> Result<Option<String>, Rejected> {
    let Some(weakness) = key::weakness(key) else { return Ok(None) };
    let advice = "give at least 16 random characters, or give no key and one is generated";
    if listen.is_this_host_only() {
        return Ok(Some(format!("{weakness}, and every program on this host can try it; {advice}")));
    }
    Err(Rejected::new(format!("{weakness}, and other hosts can reach {listen}"), advice))
}
