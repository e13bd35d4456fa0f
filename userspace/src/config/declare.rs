//! How a setting is declared: as a field of a struct, once. From the declaration come the field, its flag, variable,
//! key of the file, help, bounds and default, so that none of them can drift from another.
//!
//! ```text
//! settings! {
//!     /// What the struct is for.
//!     pub struct Limits {
//!         in flags(group::DETECT, "detect.") => {
//!             /// The doc comment is the help, less its full stop.
//!             pub hung_after: Duration = one("2m", "TIME", parse::duration("1s", "24h"));
//!             /// Not a setting: the doc comment says why it is this value.
//!             pub fork_scans: u32 = Fixed(3);
//!         }
//!     }
//! }
//! ```

use super::layers::{Found, Layers, split_list};
use super::parse::{self, Parsed};
use super::problem::Problem;
use super::setting::{Setting, Shape, flag_of, variable_of};

/// Makes a struct whose fields say where their values come from; see the top of this file.
macro_rules! settings {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $( in $home:expr => {
            $( $(#[doc = $doc:literal])+ $field_vis:vis $field:ident : $type:ty = $kind:expr; )*
        } )*
    }) => {
        $(#[$meta])*
        $vis struct $name { $( $( $(#[doc = $doc])+ $field_vis $field: $type, )* )* }

        impl $crate::config::declare::Section for $name {
            fn read(reader: &mut $crate::config::declare::Reader) -> Self {
                use $crate::config::declare::Field as _;
                Self { $( $( $field: {
                    let place = $home.place(stringify!($field), concat!($($doc),+));
                    $kind.read(reader, place)
                }, )* )* }
            }
        }
    };
}
pub(super) use settings;

/// Gives structs of settings the defaults that are declared with their fields.
macro_rules! defaults {
    ($($name:ident),+) => { $(
        impl Default for $name {
            fn default() -> Self {
                $crate::config::declare::Section::read(&mut Default::default())
            }
        }
    )+ };
}
pub(super) use defaults;

/// A part of the configuration.
pub(super) trait Section: Sized {
    /// Reads it, and declares its settings to the reader.
    fn read(reader: &mut Reader) -> Self;
}

/// Where a field gets its value from.
pub(super) trait Field<T> {
    fn read(self, reader: &mut Reader, place: Place) -> T;
}

/// What the fields of a block have in common.
pub(super) struct Home {
    group: &'static str,
    prefix: &'static str,
    on_command_line: bool,
}

/// Settings with a flag and a variable that begins with `AI_DEBUGGER_`. Their names are the fields' after the prefix.
pub(super) const fn flags(group: &'static str, prefix: &'static str) -> Home {
    Home { group, prefix, on_command_line: true }
}

/// Settings that are not on the command line: receivers, with secrets among them, by the names others gave them.
pub(super) const fn variables(group: &'static str, prefix: &'static str) -> Home {
    Home { group, prefix, on_command_line: false }
}

impl Home {
    pub(super) fn place(&self, field: &str, doc: &str) -> Place {
        let name = format!("{}{field}", self.prefix);
        Place { group: self.group, on_command_line: self.on_command_line, name, help: doc.trim().into() }
    }
}

/// Which field it is.
pub(super) struct Place {
    group: &'static str,
    on_command_line: bool,
    name: String,
    help: String,
}

impl Place {
    pub(super) fn setting(self, shape: Shape, placeholder: &'static str, default: &'static str) -> Setting {
        let Self { group, on_command_line, name, help } = self;
        Setting {
            flag: on_command_line.then(|| flag_of(&name)),
            env: vec![variable_of(&name, on_command_line)],
            name,
            shape,
            placeholder,
            default,
            help: help.trim_end_matches('.').to_owned(),
            group,
            secret: false,
            in_file: true,
            file_of: None,
        }
    }
}

/// A setting whose text is understood by `P`; `M` says how many values it has.
pub(super) struct Value<P, M> {
    shape: Shape,
    placeholder: &'static str,
    default: &'static str,
    parse: P,
    adjust: fn(&mut Setting),
    _many: M,
}

pub(super) struct One;
pub(super) struct Optional;
pub(super) struct Many;

/// A setting with a default.
pub(super) const fn one<P>(default: &'static str, placeholder: &'static str, parse: P) -> Value<P, One> {
    Value { shape: Shape::Value, placeholder, default, parse, adjust: |_| (), _many: One }
}

/// A setting that is on or off, and off by default.
pub(super) const fn switch() -> Value<fn(&str) -> Parsed<bool>, One> {
    Value { shape: Shape::Switch, ..one("false", "BOOL", parse::switch) }
}

/// A setting that may be missing.
pub(super) const fn optional<P>(placeholder: &'static str, parse: P) -> Value<P, Optional> {
    Value { shape: Shape::Value, placeholder, default: "", parse, adjust: |_| (), _many: Optional }
}

/// A setting that is a list; the default has commas.
pub(super) const fn list<P>(default: &'static str, placeholder: &'static str, parse: P) -> Value<P, Many> {
    Value { shape: Shape::List, placeholder, default, parse, adjust: |_| (), _many: Many }
}

impl<P, M> Value<P, M> {
    /// For what the field alone does not say, such as another flag.
    pub(super) fn adjust(self, adjust: fn(&mut Setting)) -> Self {
        Self { adjust, ..self }
    }

    fn declare(&self, reader: &mut Reader, place: Place) -> Option<Found> {
        let mut setting = place.setting(self.shape, self.placeholder, self.default);
        (self.adjust)(&mut setting);
        let found = reader.layers.get(&setting.name);
        reader.declared.push(setting);
        found
    }
}

impl<T, P: Fn(&str) -> Parsed<T>> Field<T> for Value<P, One> {
    /// A wrong value is noted, and the default stands in until loading has seen all.
    fn read(self, reader: &mut Reader, place: Place) -> T {
        let found = self.declare(reader, place);
        let given = found.and_then(|it| reader.note((self.parse)(it.text()), &it.origin));
        given.unwrap_or_else(|| {
            (self.parse)(self.default)
                .unwrap_or_else(|it| unreachable!("the default {} is valid, but {}", self.default, it.what))
        })
    }
}

impl<T, P: Fn(&str) -> Parsed<T>> Field<Option<T>> for Value<P, Optional> {
    fn read(self, reader: &mut Reader, place: Place) -> Option<T> {
        let found = self.declare(reader, place)?;
        reader.note((self.parse)(found.text()), &found.origin)
    }
}

impl<T, P: Fn(&str) -> Parsed<T>> Field<Vec<T>> for Value<P, Many> {
    fn read(self, reader: &mut Reader, place: Place) -> Vec<T> {
        let (values, origin) = match self.declare(reader, place) {
            Some(found) => (found.values, found.origin),
            None => (split_list(self.default), "default".to_owned()),
        };
        values.iter().filter_map(|value| reader.note((self.parse)(value), &origin)).collect()
    }
}

/// Not a setting: the same value for everybody. The field's comment says why it is this one.
pub(super) struct Fixed<T>(pub(super) T);

impl<T> Field<T> for Fixed<T> {
    fn read(self, _: &mut Reader, _: Place) -> T {
        self.0
    }
}

/// A struct with settings of its own.
pub(super) struct Part;

impl<T: Section> Field<T> for Part {
    fn read(self, reader: &mut Reader, _: Place) -> T {
        T::read(reader)
    }
}

/// What reads the fields, one after the other. By default it has nothing but defaults to give.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) layers: Layers,
    pub(super) declared: Vec<Setting>,
}

impl Reader {
    /// The value, or `None` and one problem more.
    pub(super) fn note<T>(&mut self, parsed: Parsed<T>, origin: &str) -> Option<T> {
        let wrong = |rejected| self.problem(Problem { origin: origin.to_owned(), rejected });
        parsed.map_err(wrong).ok()
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.layers.problems.push(problem);
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.layers.warnings.push(warning.into());
    }
}
