//! What a fact says, as a value: one enum over the statements of all rooms. Its JSON is the `data` of the contract:
//! an object whose `type` names the statement. Sentences are made of it by `render`, and by nobody else.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::part::Part;
use crate::model::Name;

/// The union over the lines of [`statements`](super::statements).
macro_rules! union {
    ($rooms:ident; $($(#[$meta:meta])* $Group:ident($Facts:ident) $as:ident in ($($home:ident)+)),+ $(,)?) => {
        $(use $rooms::$($home)::+::facts::$Facts;)+

        /// What a fact says.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum FactData {
            $($(#[$meta])* $Group($Facts)),+
        }

        impl Part for FactData {
            fn each_name(&mut self, act: &mut dyn FnMut(&mut Name)) {
                match self { $(Self::$Group(it) => it.each_name(act)),+ }
            }

            fn identify(&self, add: &mut dyn FnMut(&[u8])) {
                match self { $(Self::$Group(it) => it.identify(add)),+ }
            }
        }

        impl FactData {
            $(
                /// The statement, where it is one of this room's.
                pub const fn $as(&self) -> Option<&$Facts> {
                    match self {
                        Self::$Group(it) => Some(it),
                        _ => None,
                    }
                }
            )+

            /// The `type` of every statement there is.
            pub fn types() -> impl Iterator<Item = String> {
                [$(<$Facts>::VARIANTS),+].into_iter().flatten().map(|name| snake_case(name))
            }

            fn of(kind: &str, value: Value) -> Result<Self, String> {
                $(if <$Facts>::VARIANTS.iter().any(|name| snake_case(name) == kind) {
                    return serde_json::from_value(value).map(Self::$Group).map_err(|err| format!("{kind}: {err}"));
                })+
                Err(format!("`{kind}` is no type of fact that this version knows"))
            }
        }

        $(impl From<$Facts> for FactData {
            fn from(facts: $Facts) -> Self {
                Self::$Group(facts)
            }
        })+
    };
}

super::statements::statements!(union in super);

impl<'de> Deserialize<'de> for FactData {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self::of(&kind, value).map_err(de::Error::custom)
    }
}

/// `OomVictim` as `oom_victim`: what serde makes of a variant's name.
fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn each_type_has_one_room() {
        let types: Vec<_> = FactData::types().collect();
        let distinct: BTreeSet<_> = types.iter().collect();
        assert_eq!(types.len(), distinct.len(), "{types:?}");
    }

    #[test]
    fn what_is_read_is_what_was_written_and_what_is_unknown_is_named() {
        let fact = FactData::from(Recorded::new("it ended"));
        let json = json!({"type": "recorded", "text": "it ended"});
        assert_eq!(serde_json::to_value(&fact).unwrap(), json);
        assert_eq!(serde_json::from_value::<FactData>(json).unwrap(), fact);
        let err = serde_json::from_value::<FactData>(json!({"type": "of_tomorrow"})).unwrap_err();
        assert!(err.to_string().contains("`of_tomorrow` is no type of fact"), "{err}");
        let err = serde_json::from_value::<FactData>(json!({"type": "recorded"})).unwrap_err();
        assert!(err.to_string().contains("recorded: missing field `text`"), "{err}");
    }
}
