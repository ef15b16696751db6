//! Metrics under the names that Flux's dashboards and alerts use.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets_range},
    },
    registry::Registry,
};

use super::process::Process;

/// How a pass ended, in the words of controller-runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, to be looked at again on change only.
    Success,
    /// Failed, to be tried again after a growing wait.
    Error,
    /// To be looked at again at once.
    Requeue,
    /// Done, to be looked at again after a known time.
    RequeueAfter,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Success, Self::Error, Self::Requeue, Self::RequeueAfter];

    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Requeue => "requeue",
            Self::RequeueAfter => "requeue_after",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Object {
    kind: String,
    name: String,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    controller: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    name: String,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The numbers of this process. Shared behind an `Arc`; every method is cheap.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    durations: Histograms<Object>,
    times: Histograms<Controller>,
    results: Family<Ended, Counter>,
    errors: Family<Controller, Counter>,
    panics: Family<Controller, Counter>,
    active: Family<Controller, Gauge>,
    most: Family<Controller, Gauge>,
    depth: Family<Queue, Gauge>,
    leader: Family<Queue, Gauge>,
    controllers: Mutex<HashMap<String, String>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let mut this = Self {
            registry: Registry::default(),
            durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets_range(10e-3, 1800.0, 10))),
            times: Family::new_with_constructor(|| {
                Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0])
            }),
            results: Family::default(),
            errors: Family::default(),
            panics: Family::default(),
            active: Family::default(),
            most: Family::default(),
            depth: Family::default(),
            leader: Family::default(),
            controllers: Mutex::default(),
        };
        let registry = &mut this.registry;
        registry.register(
            "gotk_reconcile_duration_seconds",
            "The duration in seconds of a GitOps Toolkit resource reconciliation.",
            this.durations.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "Length of time per reconciliation per controller",
            this.times.clone(),
        );
        registry.register("controller_runtime_reconcile", "Total number of reconciliations per controller", this.results.clone());
        registry.register(
            "controller_runtime_reconcile_errors",
            "Total number of reconciliation errors per controller",
            this.errors.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_panics",
            "Total number of reconciliation panics per controller",
            this.panics.clone(),
        );
        registry.register("controller_runtime_active_workers", "Number of currently used workers per controller", this.active.clone());
        registry.register(
            "controller_runtime_max_concurrent_reconciles",
            "Maximum number of concurrent reconciles per controller",
            this.most.clone(),
        );
        registry.register("workqueue_depth", "Current depth of workqueue", this.depth.clone());
        registry.register("leader_election_master_status", "Whether this process holds the lease: 1 if so, 0 if not", this.leader.clone());
        registry.register_collector(Box::new(Process::new()));
        this
    }

    /// Adds what is counted elsewhere.
    pub fn collect(&mut self, collector: impl Collector) {
        self.registry.register_collector(Box::new(collector));
    }

    /// Announces the controller of a kind and how many of its objects are reconciled at once, so that its
    /// metrics exist before the first pass.
    pub fn controller(&self, kind: &str, workers: u32) {
        let controller = self.name(kind);
        for outcome in Outcome::ALL {
            drop(self.results.get_or_create(&Ended { controller: controller.clone(), result: outcome.as_str() }));
        }
        drop(self.depth.get_or_create(&Queue { name: controller.clone() }));
        let labels = Controller { controller };
        drop(self.errors.get_or_create(&labels));
        drop(self.panics.get_or_create(&labels));
        drop(self.active.get_or_create(&labels));
        self.most.get_or_create(&labels).set(workers.into());
    }

    /// Counts a pass that has ended, and how long it took.
    pub fn reconciled(&self, kind: &str, namespace: &str, name: &str, duration: Duration, outcome: Outcome) {
        let seconds = duration.as_secs_f64();
        self.durations.get_or_create(&object(kind, namespace, name)).observe(seconds);
        let labels = Controller { controller: self.name(kind) };
        self.times.get_or_create(&labels).observe(seconds);
        if outcome == Outcome::Error {
            self.errors.get_or_create(&labels).inc();
        }
        self.results.get_or_create(&Ended { controller: labels.controller, result: outcome.as_str() }).inc();
    }

    /// Counts a pass that panicked.
    pub fn panicked(&self, kind: &str) {
        self.panics.get_or_create(&Controller { controller: self.name(kind) }).inc();
    }

    /// Drops the numbers of an object that is gone.
    pub fn forget(&self, kind: &str, namespace: &str, name: &str) {
        self.durations.remove(&object(kind, namespace, name));
    }

    /// Counts a worker as busy for as long as the guard lives.
    pub fn working(&self, kind: &str) -> Working {
        let gauge = self.active.get_or_create_owned(&Controller { controller: self.name(kind) });
        gauge.inc();
        Working(gauge)
    }

    /// How many objects of a kind wait for a worker.
    pub fn waiting(&self, kind: &str, objects: u32) {
        self.depth.get_or_create(&Queue { name: self.name(kind) }).set(objects.into());
    }

    /// This process holds the lease.
    pub fn leads(&self, lease: &str) {
        self.leader.get_or_create(&Queue { name: lease.to_owned() }).set(1);
    }

    /// This process does not hold the lease.
    pub fn follows(&self, lease: &str) {
        self.leader.get_or_create(&Queue { name: lease.to_owned() }).set(0);
    }

    /// Everything in the Prometheus text format, version 0.0.4.
    ///
    /// # Errors
    /// None in practice: writing to memory does not fail.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut open = String::with_capacity(16 * 1024);
        text::encode_registry(&mut open, &self.registry)?;
        Ok(classic(&open))
    }

    /// The controller's name: the kind in lower case, remembered.
    fn name(&self, kind: &str) -> String {
        let Ok(mut names) = self.controllers.lock() else { return kind.to_lowercase() };
        if let Some(name) = names.get(kind) {
            return name.clone();
        }
        names.entry(kind.to_owned()).or_insert_with(|| kind.to_lowercase()).clone()
    }
}

fn object(kind: &str, namespace: &str, name: &str) -> Object {
    Object { kind: kind.to_owned(), name: name.to_owned(), namespace: namespace.to_owned() }
}

/// A busy worker; idle when dropped.
#[derive(Debug)]
#[must_use = "the worker counts as idle when this is dropped"]
pub struct Working(Gauge);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Turns OpenMetrics into the classic text format: there, the names of counters in comments end in `_total`
/// as well, an unknown type is called untyped, and families without a sample are left out.
fn classic(open: &str) -> String {
    let mut out = String::with_capacity(open.len() + 256);
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(help) = line.strip_prefix("# HELP ") else {
            if !line.starts_with('#') {
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        let kind = lines.next().and_then(|line| line.rsplit_once(' ')).map_or("untyped", |(_, kind)| kind);
        while lines.next_if(|line| line.starts_with("# UNIT ")).is_some() {}
        if lines.peek().is_none_or(|line| line.starts_with('#')) {
            continue;
        }
        let (name, help) = help.split_once(' ').unwrap_or((help, ""));
        let help = help.trim_end_matches('.');
        let suffix = if kind == "counter" { "_total" } else { "" };
        let kind = if kind == "unknown" { "untyped" } else { kind };
        for part in ["# HELP ", name, suffix, " ", help, ".\n# TYPE ", name, suffix, " ", kind, "\n"] {
            out.push_str(part);
        }
    }
    out
}
