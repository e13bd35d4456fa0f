//! How much memory a program was told that it may use: by its arguments or its environment. What grows towards such a
//! bound ends there.

use crate::kinds::part::facts;
use crate::model::Name;

facts! {
    /// What a program was told of how much it may use.
    pub struct OwnBound {
        /// The setting, as it stands there.
        pub setting: Name,
        /// How much that is.
        pub bytes: u64,
    }
}

/// Beyond the bound itself a program holds what its runtime needs: a quarter of it, and this much.
const OVERHEAD_BYTES: u64 = 256 << 20;

/// Settings whose value stands in the same argument, behind this; what a bare number counts.
const ATTACHED: [(&str, u64); 11] = [
    ("-Xmx", 1),
    ("-XX:MaxHeapSize=", 1),
    ("--max-old-space-size=", 1 << 20),
    ("--max_old_space_size=", 1 << 20),
    ("--max-heap-size=", 1 << 20),
    ("--maxmemory=", 1),
    ("--innodb-buffer-pool-size=", 1),
    ("--innodb_buffer_pool_size=", 1),
    ("--wiredTigerCacheSizeGB=", 1 << 30),
    ("--memory-limit=", 1 << 20),
    ("-Dsbt.maxmemory=", 1),
];
/// Settings whose value is the next argument.
const APART: [(&str, u64); 5] = [
    ("--maxmemory", 1),
    ("--max-old-space-size", 1 << 20),
    ("--wiredTigerCacheSizeGB", 1 << 30),
    ("--innodb-buffer-pool-size", 1),
    ("--memory-limit", 1 << 20),
];
/// Variables that are such a value, and those that hold arguments.
const VALUES: [&str; 1] = ["GOMEMLIMIT="];
const ARGUMENTS: [&str; 4] = ["NODE_OPTIONS=", "JAVA_TOOL_OPTIONS=", "_JAVA_OPTIONS=", "JDK_JAVA_OPTIONS="];

impl OwnBound {
    /// Up to what it may grow, with what its runtime needs beside.
    pub fn with_overhead(&self) -> u64 {
        self.bytes.saturating_add(self.bytes / 4).saturating_add(OVERHEAD_BYTES)
    }
}

/// The bound that arguments set, each followed by a NUL; of several of one kind the last holds.
pub(super) fn of_arguments(argv: &[u8]) -> Option<OwnBound> {
    // Most have none: nothing is made of those.
    let mut arguments = argv.split(|byte| *byte == 0).skip(1).filter(|it| !it.is_empty()).peekable();
    let mut found = None;
    while let Some(argument) = arguments.next() {
        if !argument.starts_with(b"-") {
            continue;
        }
        let Ok(argument) = std::str::from_utf8(argument) else { continue };
        let attached = ATTACHED.iter().find_map(|(name, unit)| {
            let bytes = size(argument.strip_prefix(name)?, *unit)?;
            Some(OwnBound { setting: argument.into(), bytes })
        });
        let apart = || {
            let (name, unit) = APART.iter().find(|(name, _)| argument == *name)?;
            let value = std::str::from_utf8(arguments.peek()?).ok()?;
            Some(OwnBound { setting: format!("{name} {value}").into(), bytes: size(value, *unit)? })
        };
        found = attached.or_else(apart).or(found);
    }
    found
}

/// The bound that an environment sets.
pub(super) fn of_environment(environment: &[u8]) -> Option<OwnBound> {
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let variable = std::str::from_utf8(variable).ok()?;
        let value = VALUES.iter().find_map(|name| variable.strip_prefix(name));
        if let Some(bytes) = value.and_then(|value| size(value, 1)) {
            return Some(OwnBound { setting: variable.into(), bytes });
        }
        let arguments = ARGUMENTS.iter().find_map(|name| variable.strip_prefix(name))?;
        of_arguments(format!("x\0{}", arguments.replace(' ', "\0")).as_bytes())
    })
}

/// `512m`, `4GiB`, `1gb`, `1000000`; none for 0, which means none.
fn size(text: &str, unit: u64) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let factor = match text[digits..].to_ascii_lowercase().as_str() {
        "" => unit,
        "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_are_told() {
        const MIB: u64 = 1 << 20;
        for (argv, want) in [
            ("java\0-Xms512m\0-Xmx512m\0-jar\0x.jar\0", Some(512 * MIB)),
            ("java\0-Xmx1g\0-Xmx2G\0Main\0", Some(2048 * MIB)),
            ("java\0-XX:MaxHeapSize=1073741824\0Main\0", Some(1024 * MIB)),
            ("redis-server\0--maxmemory\x00100mb\x00--port\x000\0", Some(100 * MIB)),
            ("redis-server\0--maxmemory\x000\0", None),
            ("node\0--max-old-space-size=300\0app.js\0", Some(300 * MIB)),
            ("mongod\0--wiredTigerCacheSizeGB\x002\0", Some(2048 * MIB)),
            ("mysqld\0--innodb-buffer-pool-size=128M\0", Some(128 * MIB)),
            ("java\0-Xmxlots\0Main\0", None),
            ("java\0-jar\0x.jar\0", None),
            ("-Xmx1g\0", None),
            ("redis-server\0--maxmemory\0", None),
            ("", None),
        ] {
            assert_eq!(of_arguments(argv.as_bytes()).map(|it| it.bytes), want, "{argv}");
        }
        for (environment, want) in [
            ("A=1\0GOMEMLIMIT=750MiB\0B=2\0", Some(750 * MIB)),
            ("GOMEMLIMIT=off\0", None),
            ("NODE_OPTIONS=--no-warnings --max-old-space-size=256\0", Some(256 * MIB)),
            ("JAVA_TOOL_OPTIONS=-Xmx64m -Dx\0", Some(64 * MIB)),
            ("NOTE=-Xmx64m\0", None),
            ("", None),
        ] {
            assert_eq!(of_environment(environment.as_bytes()).map(|it| it.bytes), want, "{environment}");
        }
    }
}
