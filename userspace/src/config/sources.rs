//! Where settings can be given, and what was given there: flags, environment, file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::layers::{Found, Layer, Layers, split_list};
use super::problem::{Problem, Rejected, nearest};
use super::registry::{SETTINGS, find};
use super::removed::removed;
use super::setting::{ENV_PREFIX, Setting, Shape};

/// Read when no other file is named.
const DEFAULT_FILE: &str = "/etc/ai-debugger.toml";
/// Most bytes of a configuration file.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// The raw material. No `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Sources {
    /// Values by setting name, as the command line had them.
    pub flags: BTreeMap<&'static str, Vec<String>>,
    /// The variables of the process's environment.
    pub env: BTreeMap<String, OsString>,
    /// The file that is read if it is there and no other is named.
    pub default_file: PathBuf,
}

impl Sources {
    /// The given flags over this process's environment.
    pub fn of_process(flags: BTreeMap<&'static str, Vec<String>>) -> Self {
        let env =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
        Self { flags, env, default_file: PathBuf::from(DEFAULT_FILE) }
    }
}

/// Reads all layers.
pub(super) fn read(sources: &Sources) -> Layers {
    let mut layers = Layers::default();
    read_flags(&mut layers, sources);
    read_env(&mut layers, sources);
    read_file(&mut layers, sources);
    layers
}

fn read_flags(layers: &mut Layers, sources: &Sources) {
    for setting in SETTINGS.iter() {
        if let Some(values) = sources.flags.get(setting.name.as_str()) {
            let found = Found { values: values.clone(), layer: Layer::Flag, origin: setting.shown() };
            layers.put(setting, found);
        }
    }
    for removed in removed().filter(|it| sources.flags.contains_key(it.name)) {
        layers.warnings.push(removed.warning(&format!("--{}", removed.flag())));
    }
}

fn read_env(layers: &mut Layers, sources: &Sources) {
    for setting in SETTINGS.iter() {
        let value = |name| Some((name, sources.env.get(name).filter(|it| !it.is_empty())?));
        let Some((name, value)) = setting.env.iter().find_map(value) else { continue };
        let Some(text) = value.to_str() else {
            problem(layers, name, Rejected::new("the value is not UTF-8", "give plain text"));
            continue;
        };
        let values = if setting.shape == Shape::List { split_list(text) } else { vec![text.to_owned()] };
        layers.put(setting, Found { values, layer: Layer::Env, origin: name.clone() });
    }
    let known: Vec<&str> = SETTINGS.iter().flat_map(|it| &it.env).map(String::as_str).collect();
    for name in sources.env.keys() {
        let Some(short) = name.strip_prefix(ENV_PREFIX).filter(|_| !known.contains(&name.as_str())) else {
            continue;
        };
        if let Some(removed) = removed().find(|it| it.variable() == *name) {
            layers.warnings.push(removed.warning(name));
            continue;
        }
        // Kubernetes sets AI_DEBUGGER_PORT and the like for a Service of that name, so an unknown variable is
        // no error; one that looks like a slip of the pen deserves a word.
        if let Some(meant) = nearest(short, known.iter().filter_map(|it| it.strip_prefix(ENV_PREFIX))) {
            layers.warnings.push(format!("{name} is unknown and ignored; did you mean {ENV_PREFIX}{meant}?"));
        }
    }
}

fn read_file(layers: &mut Layers, sources: &Sources) {
    let named = layers.get("config");
    let (path, origin) = named.as_ref().map_or_else(
        || (sources.default_file.clone(), sources.default_file.display().to_string()),
        |found| (PathBuf::from(found.text()), format!("{} {}", found.origin, found.text())),
    );
    let (text, mode) = match read_bounded(&path) {
        Ok(read) => read,
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => return,
        Err(error) => {
            let what = format!("cannot read the configuration file: {error}");
            return problem(layers, origin, Rejected::new(what, "name a readable TOML file"));
        }
    };
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            // Only the line: the parser's own message may quote it, and the line may be a secret's.
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = 1 + text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
            let what = "this line is not TOML, or repeats a key";
            let accepted = "write key = value, with text in \"quotes\"";
            return problem(
                layers,
                format!("{}, line {line}", path.display()),
                Rejected::new(what, accepted),
            );
        }
    };
    read_table(layers, &path, "", table);
    let secret_inside = layers.names_in(Layer::File).any(|name| find(name).is_some_and(|it| it.secret));
    if secret_inside && mode & 0o077 != 0 {
        let path = path.display();
        layers.warnings.push(format!("{path} holds a secret and others can read it; run: chmod 600 {path}"));
    }
}

fn read_table(layers: &mut Layers, path: &Path, prefix: &str, table: toml::Table) {
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        let origin = format!("{}: {name}", path.display());
        match value {
            toml::Value::Table(inner) if prefix.is_empty() && key == "detect" => {
                read_table(layers, path, "detect.", inner);
            }
            value => match find(&name).filter(|setting| setting.in_file) {
                Some(setting) => match file_values(setting, value) {
                    Ok(values) => layers.put(setting, Found { values, layer: Layer::File, origin }),
                    Err(rejected) => problem(layers, origin, rejected),
                },
                None => match removed().find(|it| it.name == name) {
                    Some(removed) => layers.warnings.push(removed.warning(&origin)),
                    None => problem(layers, origin, unknown_key(&name)),
                },
            },
        }
    }
}

fn problem(layers: &mut Layers, origin: impl Into<String>, rejected: Rejected) {
    layers.problems.push(Problem { origin: origin.into(), rejected });
}

fn unknown_key(name: &str) -> Rejected {
    if find(name).is_some() {
        return Rejected::new("the file cannot name itself", "remove this key");
    }
    let known = || SETTINGS.iter().filter(|setting| setting.in_file).map(|setting| setting.name.as_str());
    let in_section = || known().find(|it| it.strip_prefix("detect.") == Some(name));
    let accepted = match nearest(name, known()).or_else(in_section) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "`ai-debugger run --help` lists the settings".to_owned(),
    };
    Rejected::new("no such setting", accepted)
}

/// A TOML value as the text a flag would have. Never quotes the value: it may be a secret.
fn file_values(setting: &Setting, value: toml::Value) -> Result<Vec<String>, Rejected> {
    let wrong = |value: &toml::Value| {
        let want = match setting.shape {
            Shape::Value => "give one value, text in \"quotes\"",
            Shape::List => "give a list of texts, such as [\"a\", \"b\"]",
            Shape::Switch => "give true or false",
        };
        Rejected::new(format!("the value is of the type {}", value.type_str()), want)
    };
    match (setting.shape, value) {
        (Shape::List, toml::Value::Array(items)) => items
            .into_iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| wrong(&item)))
            .collect(),
        (Shape::List, toml::Value::String(text)) => Ok(split_list(&text)),
        (Shape::Value | Shape::Switch, toml::Value::String(text)) => Ok(vec![text]),
        (Shape::Value, toml::Value::Integer(number)) => Ok(vec![number.to_string()]),
        (Shape::Switch, toml::Value::Boolean(on)) => Ok(vec![on.to_string()]),
        (_, value) => Err(wrong(&value)),
    }
}

fn read_bounded(path: &Path) -> std::io::Result<(String, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    let mut text = String::new();
    file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > FILE_MAX_BYTES) {
        return Err(std::io::Error::other(format!("larger than {FILE_MAX_BYTES} bytes")));
    }
    Ok((text, mode))
}
