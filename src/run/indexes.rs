//! The cache of Helm indexes in numbers, under the names that Flux gives them.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge};

use crate::reconcile::helm::indexes::{Counts, Indexes};

/// The numbers of a cache at each scrape; none of one that is off.
#[derive(Debug)]
pub(super) struct Cached(pub(super) Indexes);

impl Collector for Cached {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(Counts { items, events }) = self.0.counts() else { return Ok(()) };
        let help = "Total number of items in the cache";
        ConstGauge::new(i64::try_from(items).unwrap_or(i64::MAX)).encode(encoder.encode_descriptor(
            "gotk_cached_items",
            help,
            None,
            MetricType::Gauge,
        )?)?;
        let help = "Total number of cache retrieval events for a Gitops Toolkit resource reconciliation.";
        let mut family = encoder.encode_descriptor("gotk_cache_events", help, None, MetricType::Counter)?;
        for ((namespace, name), events) in &events {
            for (event, count) in [("cache_hit", events.hits), ("cache_miss", events.misses)].into_iter().filter(|(_, count)| *count > 0) {
                let labels = [("event_type", event), ("name", name), ("namespace", namespace)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
