//! The cache of tokens in numbers, under the names that Flux gives them.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge};

use headwater_identity::{Cache, Counts};

/// The numbers of a cache at each scrape; none of one that is off.
#[derive(Debug)]
pub(super) struct Tokens(pub(super) Cache);

impl Collector for Tokens {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(counts) = self.0.counts() else { return Ok(()) };
        let Counts { items, succeeded, failed, evicted, events } = counts;
        let items = ConstGauge::new(i64::try_from(items).unwrap_or(i64::MAX));
        items.encode(encoder.encode_descriptor(
            "gotk_token_cached_items",
            "Total number of items in the cache",
            None,
            MetricType::Gauge,
        )?)?;
        let counter = MetricType::Counter;
        ConstCounter::new(evicted).encode(encoder.encode_descriptor(
            "gotk_token_cache_evictions",
            "Total number of cache evictions",
            None,
            counter,
        )?)?;

        let help = "Total number of cache requests partioned by success or failure";
        let mut family = encoder.encode_descriptor("gotk_token_cache_requests", help, None, counter)?;
        for (status, count) in [("success", succeeded), ("failure", failed)].into_iter().filter(|(_, count)| *count > 0) {
            ConstCounter::new(count).encode(family.encode_family(&[("status", status)])?)?;
        }
        let help = "Total number of cache retrieval events for a Gitops Toolkit resource reconciliation";
        let mut family = encoder.encode_descriptor("gotk_token_cache_events", help, None, counter)?;
        for (object, events) in &events {
            for (event, count) in [("cache_hit", events.hits), ("cache_miss", events.misses)].into_iter().filter(|(_, count)| *count > 0) {
                let labels = [
                    ("event_type", event),
                    ("kind", object.kind),
                    ("name", &object.name),
                    ("namespace", &object.namespace),
                    ("operation", "reconcile"),
                ];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
