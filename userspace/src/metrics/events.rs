//! What [`Coverage`] knows of events, as numbers to print: they are read from it at each scrape, so there is one
//! count of each.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::coverage::{Coverage, Flow, Loss};

#[derive(Debug)]
pub(super) struct EventMetrics(pub(super) Coverage);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FlowLabels {
    kind: &'static str,
    ring: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LossLabels {
    ring: &'static str,
    kind: &'static str,
    reason: &'static str,
}

impl Collector for EventMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let it = self.0.now();
        let out = &mut encoder;
        print(out, "events", "Kernel events received, by kind and ring", &it.received, flow)?;
        print(out, "events_sent", "Kernel events put on a ring, by kind and ring", &it.sent, flow)?;
        print(out, "events_lost", "Kernel events lost, by ring, kind and reason", &it.lost, loss)?;
        let help = "Kernel events that arrived without part of their evidence, by ring, kind and reason";
        print(out, "evidence_lost", help, &it.evidence_lost, loss)?;
        let scans = out.encode_descriptor("scans", "Finished scans of /proc", None, MetricType::Counter)?;
        ConstCounter::new(it.scans).encode(scans)
    }
}

fn flow(it: &Flow) -> FlowLabels {
    FlowLabels { kind: it.kind.as_str(), ring: it.way.as_str() }
}

fn loss(it: &Loss) -> LossLabels {
    LossLabels { ring: it.way.as_str(), kind: it.kind.as_str(), reason: it.reason.as_str() }
}

fn print<K, L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    counts: &BTreeMap<K, u64>,
    labels: fn(&K) -> L,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (key, count) in counts {
        ConstCounter::new(*count).encode(family.encode_family(&labels(key))?)?;
    }
    Ok(())
}
