//! The tests that drive the real thing: the `headwater` binary, a Kubernetes API server and git's own HTTP server.
//!
//! One module per subject; `support` is the harness. Each test makes its own namespace and its own controller, which sees
//! only the objects that carry the label of that test, so that all of them run in parallel on one API server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests build HTTP clients of their own")]

mod content;
mod credentials;
mod demo;
mod git_repository;
mod harness;
mod helm_chart;
mod helm_repository;
mod herd;
mod hostile;
mod includes;
mod local;
mod manifests;
mod mirrors;
mod old_servers;
mod packs;
mod parts;
mod process;
mod providers;
mod proxies;
mod registry_charts;
mod resilience;
mod server;
mod signatures;
mod ssh;
mod standalone;
mod support;
mod tidy;
mod tls_clients;
