//! How the memory that there is is divided: most of a limited cgroup is the daemon's, whose children live in it too.

use std::time::Duration;

use crate::sandbox::Limits;

/// What the daemon itself is left, and what its small children need.
const DAEMON_BYTES: u64 = 80 << 20;
/// Parsers together never take more.
const PARSERS_BYTES_MAX: u64 = 512 << 20;
/// Below this a parser is of no use.
const PARSERS_BYTES_MIN: u64 = 32 << 20;
/// With less than this for each there is but one parser.
const PARSER_BYTES_WORTH_TWO: u64 = 80 << 20;
/// Deep enough for any honest nesting.
const STACK_BYTES_MAX: u64 = 16 << 20;
/// An opener reads mount tables.
const OPENER_HEAP_BYTES: u64 = 24 << 20;
/// Time on a CPU for one job. The deadline is by the clock, and earlier; this holds should nobody be there to keep it.
const JOB_CPU: Duration = Duration::from_secs(5);

/// How many parsers there may be, and what each may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub(super) parsers: usize,
    pub(super) parser: Limits,
    pub(super) opener: Limits,
}

impl Share {
    /// Of a cgroup with this limit; `None`: there is none.
    pub fn of(limit_bytes: Option<u64>) -> Self {
        let left = limit_bytes.map_or(PARSERS_BYTES_MAX, |it| it.saturating_sub(DAEMON_BYTES));
        let left = left.clamp(PARSERS_BYTES_MIN, PARSERS_BYTES_MAX);
        let parsers: u8 = if left >= 2 * PARSER_BYTES_WORTH_TWO { 2 } else { 1 };
        let each = left / u64::from(parsers);
        let stack_bytes = STACK_BYTES_MAX.min(each / 6);
        // What is read of files, and what is made of it.
        let file_bytes = (each - stack_bytes) * 9 / 20;
        let heap_bytes = each - stack_bytes - file_bytes;
        let parser = Limits { heap_bytes, stack_bytes, file_bytes, descriptors: 1024, cpu: JOB_CPU };
        let opener = Limits { heap_bytes: OPENER_HEAP_BYTES, file_bytes: 0, ..parser };
        Self { parsers: usize::from(parsers), parser, opener }
    }

    /// What the files of one stack may take in memory; beside it there is room for those remembered.
    pub(super) const fn read_bytes(&self) -> u64 {
        self.parser.file_bytes / 4 * 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_may_use_fits_into_the_cgroup() {
        const MIB: u64 = 1 << 20;
        for (limit, parsers) in [(128, 1), (160, 1), (256, 2), (512, 2), (4096, 2)] {
            let share = Share::of(Some(limit * MIB));
            assert_eq!(share.parsers, parsers, "{limit}");
            let Limits { heap_bytes, stack_bytes, file_bytes, .. } = share.parser;
            let all = share.parsers as u64 * (heap_bytes + stack_bytes + file_bytes);
            assert!(all + 64 * MIB <= limit * MIB, "{limit}: {share:?}");
        }
        assert_eq!(Share::of(None), Share::of(Some(u64::MAX)));
        assert_eq!(Share::of(Some(MIB)).parsers, 1);
    }
}
