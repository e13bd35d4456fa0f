//! By which rule a secret was found, and how many each found.

use std::collections::BTreeMap;

/// Why something was masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// By the name before it: `password=…`.
    Name,
    /// By the word before it or its place on a command line: `--token …`, `mysql -p…`.
    Argument,
    /// By its looks: a cloud's key, a JWT, the password in a URL.
    Shape,
    /// Because it looks like the output of a random number generator.
    Random,
    /// Because an argument gave it away, and it stands here again.
    Known,
    /// The value of an environment variable.
    Environment,
}

impl Rule {
    /// The spelling used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Argument => "argument",
            Self::Shape => "shape",
            Self::Random => "random",
            Self::Known => "known",
            Self::Environment => "environment",
        }
    }
}

/// How much was masked, by rule.
pub type Tally = BTreeMap<Rule, u64>;
