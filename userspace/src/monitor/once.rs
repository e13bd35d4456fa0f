//! One process of this host examined without a daemon: the same monitor, fed with a few scans of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

use super::{Inputs, Monitor};
use crate::cgroup::Hierarchy;
use crate::children::{Nursery, Share, Symboliser};
use crate::config::Config;
use crate::evidence::Sources;
use crate::health::Health;
use crate::host::Host;
use crate::kept::Kept;
use crate::kinds::case::CaseFile;
use crate::metrics::Metrics;
use crate::queue::cases::case_queue;
use crate::scan::{self, Walker};

/// What shows in so many scans in a row is judged; what takes longer, the answer names.
const SCANS: u32 = 3;
/// Between two of them.
const PAUSE: Duration = Duration::from_secs(1);

/// The case file on a live process; `None` when there is none with this pid. Takes some seconds.
pub async fn examine_once(config: &Config, pid: u32) -> Result<Option<CaseFile>> {
    let root = config.proc_root.clone();
    anyhow::ensure!(root.is_dir(), "{} is not a directory", root.display());
    let host = Host::read(&root);
    if scan::one(&root, pid, &host, None).is_none() {
        return Ok(None);
    }
    let hierarchy = Hierarchy::detect(&config.cgroup_root);
    let metrics = Metrics::new();
    // A look that ends soon needs no helpers: it names no stacks, and only its own end can be held up.
    let nobody = Nursery::empty(Arc::clone(&metrics));
    let (monitor, handle) = Monitor::new(Inputs {
        sources: Sources { proc_root: root.clone(), hierarchy: hierarchy.clone() },
        limits: config.detect.clone(),
        scan_interval: PAUSE,
        host: host.clone(),
        kernel_log: false,
        symboliser: Arc::new(Symboliser::new(&nobody, Share::of(None), &metrics)),
        toucher: None,
        kept: Kept::none(),
        containers: super::containers(&config.proc_root, None, Counter::default()),
        cases: case_queue(&metrics),
        metrics,
        health: Health::default(),
    });
    // One place: what is sent has been taken once the next is.
    let (batches, observations) = mpsc::channel(1);
    let running = tokio::spawn(monitor.run(observations));
    let mut walker = Walker::new(root, hierarchy, host);
    for scan in 0..SCANS {
        if scan > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let (walked, back) = tokio::task::spawn_blocking(move || (walker.walk(), walker)).await?;
        walker = back;
        for batch in [walked?, Vec::new(), Vec::new()] {
            batches.send(batch).await.map_err(|_| anyhow!("the monitor has stopped"))?;
        }
    }
    let file = handle.examine(pid).await;
    drop(batches);
    running.await?;
    file
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::analyst;
    use crate::config::{LoadedConfig, Sources as Settings, load};
    use crate::kinds::shared::standing::facts::StandingFact;
    use crate::model::{Confidence, IncidentKind};

    #[tokio::test]
    async fn a_short_look_says_what_it_could_not_judge_and_is_never_sure() {
        let LoadedConfig { config, .. } =
            load(&Settings { flags: Default::default(), env: Default::default(), default_file: "".into() })
                .unwrap();
        let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
        let file = examine_once(&config, child.id()).await.unwrap().expect("it is there");
        assert_eq!(file.process.argv, ["sleep", "60"]);
        let standing: Vec<_> = file.facts.iter().filter_map(|fact| fact.data.as_standing()).collect();
        assert!(
            standing.iter().any(|it| matches!(it, StandingFact::Watched { scans: 3, .. })),
            "{standing:?}"
        );
        let unjudged = standing.iter().find_map(|it| match it {
            StandingFact::NotJudgedYet { kinds, needs_ms } => Some((kinds, *needs_ms)),
            _ => None,
        });
        let (kinds, needs_ms) = unjudged.expect("some kinds need longer than that");
        assert!(kinds.contains(&IncidentKind::ZombiePileup) && needs_ms >= 60_000, "{kinds:?} {needs_ms}");
        // Which its own scans, a second apart, can judge.
        assert!(!kinds.contains(&IncidentKind::MemoryPressure), "{kinds:?}");
        let verdict = analyst::built_in(&file);
        assert_eq!(verdict.confidence, Confidence::Low, "{verdict:?}");
        assert!(verdict.probable_cause.contains("not checked yet: "), "{verdict:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(examine_once(&config, child.id()).await.unwrap().is_none());
    }
}
