//! What a fact says, as a value: one enum over the statements of all rooms. Its JSON is the `data` of the contract:
//! an object whose `type` names the statement. Sentences are made of it by `render`, and by nobody else.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::abnormal_exit::facts::AbnormalExitFact;
use super::cpu_spin::facts::SpinFact;
use super::crash::facts::CrashFact;
use super::crash_loop::facts::CrashLoopFact;
use super::fd_exhaustion::facts::DescriptorFact;
use super::fork_storm::facts::ForkFact;
use super::hung_task::facts::HungFact;
use super::memory_growth::facts::MemoryGrowthFact;
use super::memory_pressure::facts::PressureFact;
use super::oom_kill::facts::OomFact;
use super::part::{Part, facts};
use super::shared::ending::facts::EndFact;
use super::shared::limits::facts::LimitFact;
use super::shared::signal::facts::SignalFact;
use super::shared::stack::facts::StackFact;
use super::shared::standing::facts::StandingFact;
use super::shared::trend::facts::TrendFact;
use super::suspicious_exec::facts::ExecFact;
use super::thread_explosion::facts::ThreadFact;
use super::zombie_pileup::facts::ZombieFact;
use crate::model::Name;

/// The union: each line is a room's statements.
macro_rules! union {
    ($($(#[$meta:meta])* $Group:ident($Facts:ty) $as:ident),+ $(,)?) => {
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

union! {
    /// A sentence that an earlier version wrote down.
    Recorded(Recorded) as_recorded,
    /// Of abnormal exits.
    AbnormalExit(AbnormalExitFact) as_abnormal_exit,
    /// Of crashes.
    Crash(CrashFact) as_crash,
    /// Of crash loops.
    CrashLoop(CrashLoopFact) as_crash_loop,
    /// Of ends.
    Ending(EndFact) as_ending,
    /// Of signals.
    Signal(SignalFact) as_signal,
    /// Of stacks.
    Stack(StackFact) as_stack,
    /// Of a live process, whatever is wrong with it.
    Standing(StandingFact) as_standing,
    /// Of threads that hang.
    Hung(HungFact) as_hung,
    /// Of threads that spin.
    Spin(SpinFact) as_spin,
    /// Of programs that began in an unusual way.
    Exec(ExecFact) as_exec,
    /// Of OOM kills.
    OomKill(OomFact) as_oom_kill,
    /// Of limits on tasks and memory.
    Limit(LimitFact) as_limit,
    /// Of steady growth, whatever grows.
    Trend(TrendFact) as_trend,
    /// Of memory that grows.
    MemoryGrowth(MemoryGrowthFact) as_memory_growth,
    /// Of open descriptors.
    Descriptors(DescriptorFact) as_descriptors,
    /// Of threads.
    Threads(ThreadFact) as_threads,
    /// Of families of processes.
    Forks(ForkFact) as_forks,
    /// Of memory that runs short.
    MemoryPressure(PressureFact) as_memory_pressure,
    /// Of zombies.
    Zombie(ZombieFact) as_zombie,
}

facts! {
    /// What an earlier version wrote down has no data. It is shown as it stands, and nothing follows from it.
    pub enum Recorded {
        /// The sentence.
        Recorded {
            /// As it was written.
            text: Name,
        },
    }
}

// To go.
impl From<String> for FactData {
    fn from(text: String) -> Self {
        Recorded::Recorded { text: text.into() }.into()
    }
}

// To go.
impl From<&str> for FactData {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

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
        let fact = FactData::from(Recorded::Recorded { text: "it ended".into() });
        let json = json!({"type": "recorded", "text": "it ended"});
        assert_eq!(serde_json::to_value(&fact).unwrap(), json);
        assert_eq!(serde_json::from_value::<FactData>(json).unwrap(), fact);
        let err = serde_json::from_value::<FactData>(json!({"type": "of_tomorrow"})).unwrap_err();
        assert!(err.to_string().contains("`of_tomorrow` is no type of fact"), "{err}");
        let err = serde_json::from_value::<FactData>(json!({"type": "recorded"})).unwrap_err();
        assert!(err.to_string().contains("recorded: missing field `text`"), "{err}");
    }
}
