//! Headwater: GitOps sources as immutable artifacts.
//!
//! Who may import whom: `main → cli → run → {reconcile, serve, manifests} → {cluster, notify}`; `settings` and
//! `telemetry` may be used by all. What needs no controller is a crate of its own. Each module's invariant in a line:

/// Arguments in, an exit code out; the only place that prints.
pub mod cli;
/// Every write to the Kubernetes API is guarded by the version that it was computed from.
pub mod cluster;
/// What is in the folder is in the API; nothing that others applied is pruned.
pub mod manifests;
/// Recording an event never waits.
pub mod notify;
/// A pass never touches a condition; one pure fold writes them all.
pub mod reconcile;
/// Every task is owned, and its end noticed.
pub mod run;
/// What is served is a stored artifact or nothing.
pub mod serve;
/// Every flag has upstream's name, default and meaning.
pub mod settings;
/// One line a failure, never a secret.
pub mod telemetry;
