//! The harness: API servers with our kinds, controllers, and the questions that a test has for them. Servers that know nothing of
//! Headwater come from the crate `headwater-testing`.

pub mod artifact;
pub mod cluster;
pub mod controller;
pub mod events;
pub mod memory;
pub mod namespace;
pub mod proxy;
pub mod standalone;
pub mod world;
