//! Losses are counted exactly: what the kernel sent is what was received, and what did not fit is known.

use ai_debugger::coverage::{LossReason, Way};
use ai_debugger::metrics::Metrics;
use ai_debugger::observation::Observation;
use ai_debugger::probes::ProbeOptions;

use crate::daemon::SOON;
use crate::faults::Fault;
use crate::kernel::{ProbeWatch, ROOMY};
use crate::requires::{no_kernel_events, skip_if};

fn sent(metrics: &Metrics) -> u64 {
    metrics.coverage.now().sent.values().sum()
}

fn received(metrics: &Metrics) -> u64 {
    metrics.coverage.now().received.values().sum()
}

fn lost(metrics: &Metrics, ring: Way) -> u64 {
    metrics.coverage.now().lost_on(ring)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_room_enough_nothing_is_lost_and_all_that_was_sent_arrives() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let fault = Fault::new();
    let ran = move || {
        for _ in 0..200 {
            fault.run(&["quick", "0"]);
        }
    };
    tokio::task::spawn_blocking(ran).await.unwrap();
    let (seen, metrics) = watch.finish().await;
    assert_eq!((lost(&metrics, Way::CommonRing), lost(&metrics, Way::UrgentRing)), (0, 0));
    assert_eq!(sent(&metrics), received(&metrics));
    assert_eq!(received(&metrics), u64::try_from(seen.len()).unwrap());
    assert!(received(&metrics) >= 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_common_ring_costs_no_grave_event_and_every_loss_is_counted() {
    skip_if!(no_kernel_events());
    // The monitor takes one batch and no more: from then on everything stays in the rings. The common one is the smallest
    // there is; in the other there is room for what fails elsewhere on the host meanwhile.
    let mut watch = ProbeWatch::start(
        ProbeOptions {
            grave_bytes: 1 << 20,
            common_bytes: 4096,
            crash_bytes: 1 << 20,
            log: false,
            btf: None,
            proc_root: None,
        },
        1,
    )
    .await;
    let fault = Fault::new();
    let crashed = tokio::task::spawn_blocking(move || {
        for _ in 0..300 {
            fault.run(&["quick", "1", "some arguments that take their room in the ring"]);
        }
        (0..20).map(|_| fault.run(&["segv"]).pid).collect::<Vec<_>>()
    })
    .await
    .unwrap();
    // Read on until the last crash has come through.
    let mut seen = Vec::new();
    while !crashed.iter().all(|pid| seen.iter().any(|it| is_exit_of(it, *pid))) {
        seen.extend(tokio::time::timeout(SOON, watch.batches.recv()).await.unwrap().unwrap());
    }
    let (rest, metrics) = watch.finish().await;
    seen.extend(rest);
    assert_eq!(lost(&metrics, Way::UrgentRing), 0);
    // At least the 300 execs and 300 exits less what one page and one batch hold.
    let losses = metrics.coverage.now().lost;
    assert!(lost(&metrics, Way::CommonRing) > 300, "{losses:?}");
    assert!(losses.keys().all(|it| it.reason == LossReason::RingFull), "{losses:?}");
    assert_eq!(sent(&metrics), received(&metrics));
    assert_eq!(received(&metrics), u64::try_from(seen.len()).unwrap());
}

fn is_exit_of(observation: &Observation, pid: u32) -> bool {
    matches!(observation, Observation::Exit(exit) if exit.process.key.pid == pid)
}
