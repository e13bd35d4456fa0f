//! Keeps a daemon that may use little memory and CPU busy for long, as a busy host does, and watches what it uses and
//! loses. Fails when a bar is missed.

mod churn;
mod clients;
mod pace;
mod samples;
mod subject;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use xtask::process::RootAccess;

use crate::bench::load::Load;
use crate::cgroup::Cgroups;
use crate::environment::{environment, load_average};
use crate::janitor::{self, Janitor};
use crate::report::{self, Figure, Findings, Table, number};
use crate::stats::{median, percentile};
use crate::workspace::{RunDir, build_release, compile};
use churn::{Churn, Made, OOM_LIMIT_MIB};
use clients::{Answers, Clients};
use pace::Pace;
use samples::{Course, Sample, course};
use subject::{CPU_PERCENT, Counts, MEMORY_MIB, Subject};

/// From here on the slope is more than the noise of single samples; a shorter soak is judged by its rise.
const SLOPE_MINUTES: f64 = 20.0;
const SLOPE_MIB_AN_HOUR: u32 = 1;
const RISE_MIB: u32 = 3;
const THREADS: u32 = 24;
/// What the daemon may hold of its own in use. Beside it, RSS counts the program's file, which the page cache has once for
/// everybody, and the rings twice.
const OWN_MIB: u32 = 35;

#[derive(Args)]
pub(crate) struct SoakOptions {
    /// How long.
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// How much happens, in per cent of what is usual: less where others use the machine.
    #[arg(long, default_value_t = 100, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    load: u32,
    /// Seconds between two samples.
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Watches this daemon instead of building one.
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// Writes every sample there, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Waits for the end of stdin, then ends what the run of this name has left.
    #[arg(long, hide = true, value_name = "RUN")]
    janitor: Option<String>,
}

pub(crate) fn soak(options: &SoakOptions) -> Result<ExitCode> {
    if let Some(run) = &options.janitor {
        janitor::clean_up_after(run)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !matches!(RootAccess::find(), RootAccess::Already) {
        bail!("the kernel shows its events, and lends cgroups, to root only: run `cargo xtask soak` as root");
    }
    let how = format!("{MEMORY_MIB} MiB and {CPU_PERCENT} % of a core");
    let mut environment = environment(&how)?;
    let findings = run(options)?;
    environment.push(format!("load average at the end: {}", load_average()?));
    report::conclude(&environment, &findings, options.json.as_deref())
}

fn run(options: &SoakOptions) -> Result<Findings> {
    let target = xtask::process::target_dir();
    let program = match &options.daemon {
        Some(program) => program.canonicalize().with_context(|| format!("{}", program.display()))?,
        None => build_release(&["--bins"])?.join("release/ai-debugger"),
    };
    let claimed = RunDir::claim(&target.join("soak"))?;
    let dir = claimed.path.clone();
    let faults = dir.join("faults");
    compile(include_str!("faults.c"), &faults, &["-O0", "-static"])?;
    let name = format!("ai-debugger-soak-{}", std::process::id());
    let _janitor = Janitor::hire("soak", &name)?;
    let cgroups = Cgroups::with_cpu(&name)?;
    let own = cgroups.case("daemon", Some(MEMORY_MIB), None)?;
    own.limit_cpu(CPU_PERCENT)?;
    let tight = cgroups.case("tight", Some(OOM_LIMIT_MIB), None)?;
    let mut subject = Subject::start(&program, &dir, &own)?;
    let pace = Pace::new(options.load);
    let churn = Churn { load: Load::build(&dir)?, faults, tight: &tight, pace: &pace, made: Made::default() };
    let clients =
        Clients { address: Mutex::new(subject.daemon.address()), pace: &pace, answers: Mutex::default() };
    let failed = AtomicU64::new(0);
    let guarded = |what: Result<()>| {
        if let Err(error) = what {
            // The rest goes on: what did not happen any more is seen in the counts.
            eprintln!("soak: {error:#}");
            failed.fetch_add(1, Ordering::Relaxed);
        }
    };
    let samples = std::thread::scope(|scope| {
        let (churn, guarded) = (&churn, &guarded);
        for kind in churn.kinds() {
            scope.spawn(move || guarded(kind(churn)));
        }
        scope.spawn(|| guarded(clients.run()));
        let samples = watch(options, &mut subject, churn, &clients);
        pace.end();
        samples
    })?;
    let made = &churn.made;
    let [crashes, oom_kills] = [&made.crashes, &made.oom_kills].map(|it| float(it.load(Ordering::Relaxed)));
    let counts = subject.settle(|it| it.crashes >= crashes && it.oom_kills >= oom_kills)?;
    let told = subject.told(&made.crashed())?;
    let end = End {
        minutes: options.minutes,
        counts,
        untold: made.crashed().difference(&told).count().try_into()?,
        restarts: subject.restarts,
        stopped: failed.into_inner(),
    };
    Ok(findings(&samples, made, &end))
}

/// What there was at the end.
struct End {
    minutes: f64,
    counts: Counts,
    /// Programs that crashed and have no incident.
    untold: u64,
    restarts: u64,
    /// Kinds of churn that stopped because something failed.
    stopped: u64,
}

fn watch(
    options: &SoakOptions,
    subject: &mut Subject<'_>,
    churn: &Churn<'_>,
    clients: &Clients<'_>,
) -> Result<Vec<Sample>> {
    let began = Instant::now();
    let lasts = Duration::from_secs_f64(options.minutes * 60.0);
    let mut samples: Vec<Sample> = Vec::new();
    let (mut counts, mut cpu_ns, mut at_s) = (Counts::default(), subject.usage(&churn.load)?.cpu_ns, 0.0);
    while began.elapsed() < lasts {
        churn.pace.sleep(Duration::from_secs(options.every));
        if subject.revive(&counts)? {
            *clients.address.lock().unwrap_or_else(PoisonError::into_inner) = subject.daemon.address();
            cpu_ns = 0;
        }
        // It may end between the two: the next turn sees that.
        let (Ok(usage), Ok(now)) = (subject.usage(&churn.load), subject.counts()) else { continue };
        counts = now;
        let Answers { took_ms, failed } = clients.take();
        let now_s = began.elapsed().as_secs_f64();
        samples.push(Sample {
            at_s: now_s,
            rss_bytes: float(usage.rss_bytes),
            pss_bytes: float(usage.pss_bytes),
            anonymous_bytes: float(usage.anonymous_bytes),
            cgroup_bytes: float(usage.cgroup_bytes),
            threads: float(usage.threads),
            descriptors: float(usage.descriptors.try_into()?),
            disk_bytes: float(usage.disk_bytes),
            cpu_percent: float(usage.cpu_ns.saturating_sub(cpu_ns)) / 1e7 / (now_s - at_s),
            http_median_ms: median(&took_ms),
            http_p99_ms: percentile(&took_ms, 99),
            http_failed: float(failed),
            urgent_lost: counts.urgent_lost,
            common_lost: counts.common_lost,
        });
        (cpu_ns, at_s) = (usage.cpu_ns, now_s);
        tell(&samples);
    }
    Ok(samples)
}

/// The last one, so that who waits for an hour sees how it goes.
fn tell(samples: &[Sample]) {
    let Some(it) = samples.last() else { return };
    let mib = it.rss_bytes / (1024.0 * 1024.0);
    eprintln!(
        "soak: {:.0} s: RSS {mib:.1} MiB, {} threads, {} files, CPU {:.1} %, HTTP p99 {:.0} ms, {} failed, lost {} urgent, {} common",
        it.at_s,
        it.threads,
        it.descriptors,
        it.cpu_percent,
        it.http_p99_ms,
        it.http_failed,
        it.urgent_lost,
        it.common_lost
    );
}

fn findings(samples: &[Sample], made: &Made, end: &End) -> Findings {
    let it: Course = course(samples);
    let of = |count: &AtomicU64| float(count.load(Ordering::Relaxed));
    let (crashes, oom_kills) = (of(&made.crashes), of(&made.oom_kills));
    let unseen = |made: f64, seen: f64| (made - seen).max(0.0);
    let lost = end.counts.urgent_lost
        + unseen(crashes, end.counts.crashes)
        + unseen(oom_kills, end.counts.oom_kills);
    let growth = if end.minutes >= SLOPE_MINUTES {
        Figure::at_most(
            "RSS slope of the second half",
            it.slope_mib_an_hour,
            "MiB an hour",
            SLOPE_MIB_AN_HOUR,
        )
    } else {
        Figure::at_most("RSS of the last quarter above the third", it.rise_mib, "MiB", RISE_MIB)
    };
    let mut findings = Findings::default();
    findings.figures.extend([
        Figure::at_most("restarts", float(end.restarts), "", 0),
        Figure::at_most("urgent events lost", lost, "", 0),
        Figure::at_most("programs that crashed without an incident", float(end.untold), "", 0),
        Figure::at_most("alerts given up", end.counts.given_up, "", 0),
        growth,
        Figure::at_most("anonymous memory, median of the second half", it.own_mib_median, "MiB", OWN_MIB),
        Figure::at_most("threads", it.threads_max, "", THREADS),
        Figure::at_most("kinds of churn that stopped", float(end.stopped), "", 0),
    ]);
    let mut happened = Table::new("What happened", &["what", "how often", "seen"]);
    let mut row = |what: &str, made: f64, seen: String| {
        happened.row([what.to_owned(), number(made), seen]);
    };
    row("short and living processes", of(&made.processes), "–".to_owned());
    row("crashes", crashes, number(end.counts.crashes));
    row("OOM kills", oom_kills, number(end.counts.oom_kills));
    row("failed exits", of(&made.failures), "–".to_owned());
    row("alerts sent", end.counts.sent, format!("{} tries again", number(end.counts.retried)));
    happened.notes.push(format!(
        "RSS {} MiB in the median of the second half, {} at the most; slope of the second half {} MiB an hour, most descriptors {}, p99 of HTTP {} ms (median \
         of the samples).",
        number(it.rss_mib_median),
        number(it.rss_mib_max),
        number(it.slope_mib_an_hour),
        number(it.descriptors_max),
        number(it.http_p99_ms),
    ));
    findings
        .data
        .insert("soak".to_owned(), serde_json::to_value(samples).expect("numbers are JSON, or null"));
    findings.tables.extend([happened, samples::table(samples)]);
    findings
}

/// Counts and bytes stay far below 2^52, up to where an f64 is exact.
#[expect(clippy::cast_precision_loss, reason = "see above")]
const fn float(count: u64) -> f64 {
    count as f64
}
