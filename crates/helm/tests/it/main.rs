//! Tests against real servers: chart repositories over HTTP, and registries.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chart;
mod index;
mod registries;
