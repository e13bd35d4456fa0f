//! Facts of this host that do not change while it runs: name, boot id, clock rates, and the way from the
//! kernel's boot-time clock to the wall clock.

pub mod users;

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// What identifies this host and this boot of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The host's name: uname(2) nodename.
    pub name: String,
    /// `/proc/sys/kernel/random/boot_id`; `unknown` where it cannot be read.
    pub boot_id: String,
    /// The kernel's release, from uname(2).
    pub kernel: String,
    /// Clock ticks a second in /proc (USER_HZ, sysconf(_SC_CLK_TCK)); 100 on every Linux of today.
    pub ticks_per_second: u64,
    /// Size of a memory page, in bytes.
    pub page_size: u64,
}

impl Host {
    /// Reads everything once; what cannot be read is empty or zero.
    pub fn read(proc_root: &Path) -> Self {
        let uname = rustix::system::uname();
        let boot_id = std::fs::read_to_string(proc_root.join("sys/kernel/random/boot_id"))
            .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned());
        Self {
            name: uname.nodename().to_string_lossy().into_owned(),
            boot_id,
            kernel: uname.release().to_string_lossy().into_owned(),
            ticks_per_second: rustix::param::clock_ticks_per_second(),
            page_size: u64::try_from(rustix::param::page_size()).unwrap_or(4096),
        }
    }

    /// A `start_boottime` in nanoseconds as /proc shows it: in clock ticks, rounded down
    /// (kernel fs/proc/array.c, `nsec_to_clock_t`).
    pub const fn ticks_from_boot_ns(&self, boot_ns: u64) -> u64 {
        boot_ns / (1_000_000_000 / self.ticks_per_second)
    }

    /// Time since boot of a count of clock ticks.
    pub const fn ticks_to_duration(&self, ticks: u64) -> Duration {
        Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / self.ticks_per_second))
    }
}

/// Time since boot, suspend included (CLOCK_BOOTTIME), as the kernel side stamps its events.
pub fn boot_time() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// The wall-clock time of a moment on CLOCK_BOOTTIME, by the clocks as they stand now.
pub fn wall_time(since_boot: Duration) -> Timestamp {
    let ago = SignedDuration::try_from(boot_time()).unwrap_or(SignedDuration::ZERO)
        - SignedDuration::try_from(since_boot).unwrap_or(SignedDuration::ZERO);
    Timestamp::now().checked_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
impl Host {
    /// One for tests, with the ticks and pages of x86-64.
    pub(crate) fn sample() -> Self {
        Self {
            name: "h".into(),
            boot_id: "b".into(),
            kernel: "k".into(),
            ticks_per_second: 100,
            page_size: 4096,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_nanoseconds_round_down_to_ticks() {
        let host = Host::sample();
        assert_eq!(host.ticks_from_boot_ns(2_046_269_999_999), 204_626);
        assert_eq!(host.ticks_from_boot_ns(2_046_270_000_000), 204_627);
        assert_eq!(host.ticks_to_duration(204_626), Duration::from_millis(2_046_260));
    }

    #[test]
    fn now_on_the_boot_clock_is_now_on_the_wall() {
        let before = Timestamp::now();
        let now = wall_time(boot_time());
        // Two clocks are read in it, one after the other.
        let slack = SignedDuration::from_millis(500);
        assert!(now >= before - slack && now <= Timestamp::now() + slack, "{now} at {before}");
    }
}
