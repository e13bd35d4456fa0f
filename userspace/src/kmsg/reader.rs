//! Follows the log: one record a read, woken by the kernel, nothing to do while it is silent. Counts what was
//! overwritten before it was read.

use std::io;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use tokio::sync::mpsc::Sender;
use tracing::debug;

use super::clock::{LogClock, monotonic};
use super::record::LogRecord;
use super::report::Reports;
use crate::coverage::{Coverage, EventKind, Loss, LossReason, Way};
use crate::host::boot_time;
use crate::model::OomReport;
use crate::observation::Observation;

/// The longest record (kernel kernel/printk, `CONSOLE_EXT_LOG_MAX`).
const RECORD_MAX: usize = 8192;
/// Most records read without a look at the stop: a log that is written to without end must not hold the daemon.
const READS_MAX: usize = 4096;

/// The log and what is known of it.
pub(super) struct LogReader {
    log: OwnedFd,
    stop: Arc<OwnedFd>,
    buffer: Vec<u8>,
    clock: LogClock,
    reports: Reports,
    /// The sequence number of the record to come.
    expected: Option<u64>,
    batches: Sender<Vec<Observation>>,
    coverage: Coverage,
}

impl LogReader {
    /// `log` must not block; it ends when `stop` can be read.
    pub(super) fn new(
        log: OwnedFd,
        stop: Arc<OwnedFd>,
        page_size: u64,
        batches: Sender<Vec<Observation>>,
        coverage: Coverage,
    ) -> Self {
        Self {
            log,
            stop,
            buffer: vec![0; RECORD_MAX],
            clock: LogClock::default(),
            reports: Reports::new(page_size),
            expected: None,
            batches,
            coverage,
        }
    }

    /// Until the stop, then what is there already; or until the monitor is gone. Blocks.
    pub(super) fn run(mut self) -> io::Result<()> {
        loop {
            let stopping = self.sleep()?;
            if !self.drain()? || stopping {
                return Ok(());
            }
        }
    }

    /// Until there is something to read; whether it is the stop.
    fn sleep(&self) -> io::Result<bool> {
        let mut watched = [PollFd::new(&self.log, PollFlags::IN), PollFd::new(&*self.stop, PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) => Ok(!watched[1].revents().is_empty()),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what is there; whether the monitor is still there too.
    fn drain(&mut self) -> io::Result<bool> {
        for _ in 0..READS_MAX {
            match rustix::io::read(&self.log, &mut self.buffer[..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    let Some(report) = self.record(length) else { continue };
                    let report = Observation::OomReport(Arc::new(report));
                    if self.batches.blocking_send(vec![report]).is_err() {
                        return Ok(false);
                    }
                }
                // Records were overwritten, or one was too long: the next one's number tells how many are gone.
                Err(Errno::PIPE | Errno::INVAL | Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(!self.batches.is_closed())
    }

    fn record(&mut self, length: usize) -> Option<OomReport> {
        let Some(record) = LogRecord::parse(&self.buffer[..length]) else {
            self.coverage.add_lost(lost(LossReason::Malformed), 1);
            self.expected = self.expected.map(|it| it.saturating_add(1));
            return None;
        };
        let missed = self.expected.map_or(0, |expected| record.sequence.saturating_sub(expected));
        if missed > 0 {
            self.coverage.add_lost(lost(LossReason::Overwritten), missed);
            self.reports.gap();
        }
        self.expected = record.sequence.checked_add(1);
        let at = self.clock.boot_time(record.stamp, monotonic(), boot_time());
        // Programs can write what looks like a report, but not in the kernel's name.
        let report =
            record.from_kernel.then(|| self.reports.line(at, record.text, record.continues)).flatten();
        if let Some(report) = &report {
            debug!(victim = report.victim_tgid, tasks = report.task_count, "an OOM report");
        }
        report
    }
}

const fn lost(reason: LossReason) -> Loss {
    Loss { way: Way::KernelLog, kind: EventKind::LogRecord, reason }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::thread::JoinHandle;

    use tokio::sync::mpsc;

    use super::*;

    /// A log that keeps records apart as the device does.
    struct Fake {
        log: UnixDatagram,
        stop: UnixDatagram,
        seen: mpsc::Receiver<Vec<Observation>>,
        coverage: Coverage,
        thread: JoinHandle<io::Result<()>>,
    }

    impl Fake {
        /// `before` is logged before the reader begins.
        fn new(before: impl FnOnce(&UnixDatagram, &UnixDatagram)) -> Self {
            let (log, ours) = UnixDatagram::pair().unwrap();
            let (stop, stopped) = UnixDatagram::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            before(&log, &stop);
            let (batches, seen) = mpsc::channel(8);
            let coverage = Coverage::default();
            let reader =
                LogReader::new(ours.into(), Arc::new(stopped.into()), 4096, batches, coverage.clone());
            Self { log, stop, seen, coverage, thread: std::thread::spawn(move || reader.run()) }
        }

        fn next_victim(&mut self) -> Option<u32> {
            let batch = self.seen.blocking_recv()?;
            let [Observation::OomReport(report)] = &batch[..] else { panic!("{batch:?}") };
            Some(report.victim_tgid)
        }
    }

    /// A kill's line as record number `sequence`, of this process.
    fn kill(log: &UnixDatagram, priority: u8, sequence: u64, pid: u32) {
        let line = format!(
            "Out of memory: Killed process {pid} (a) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB"
        );
        log.send(format!("{priority},{sequence},1,-;{line}\n").as_bytes()).unwrap();
    }

    #[test]
    fn only_the_kernels_lines_count_and_a_gap_is_a_loss() {
        let mut fake = Fake::new(|_, _| {});
        kill(&fake.log, 3, 7, 1);
        kill(&fake.log, 11, 8, 2);
        fake.log.send(b"no record").unwrap();
        kill(&fake.log, 3, 12, 3);
        assert_eq!(fake.next_victim(), Some(1));
        assert_eq!(fake.next_victim(), Some(3), "2 was forged");
        let counted = [(lost(LossReason::Malformed), 1), (lost(LossReason::Overwritten), 2)];
        assert_eq!(fake.coverage.now().lost, counted.into());
        fake.stop.send(b"stop").unwrap();
        fake.thread.join().unwrap().unwrap();
    }

    #[test]
    fn what_was_logged_before_the_stop_is_taken_in() {
        let mut fake = Fake::new(|log, stop| {
            kill(log, 3, 1, 1);
            kill(log, 3, 2, 2);
            stop.send(b"stop").unwrap();
        });
        assert_eq!([fake.next_victim(), fake.next_victim(), fake.next_victim()], [Some(1), Some(2), None]);
        fake.thread.join().unwrap().unwrap();
    }

    #[test]
    fn it_ends_with_the_monitor() {
        let mut fake = Fake::new(|_, _| {});
        fake.seen.close();
        kill(&fake.log, 3, 1, 1);
        fake.thread.join().unwrap().unwrap();
    }
}
