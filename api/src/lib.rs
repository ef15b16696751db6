//! The wire types of Headwater's Kubernetes API: kinds, artifact, conditions, reasons, and the CRDs generated from them.
//!
//! Nothing here does I/O. Decoding is lenient on purpose: an object that an API server once accepted must decode, whatever
//! is odd about it, because one object that does not would fail the list that holds all others. Validity is the schema's
//! matter; what a value means is asked for later, and answered with an error that concerns its object alone.
#![warn(missing_docs)]

pub mod access;
pub mod artifact;
pub mod condition;
pub mod crd;
pub mod duration;
pub mod git_repository;
pub mod helm_chart;
pub mod helm_repository;
mod lenient;
pub mod meta;
pub mod reason;
pub mod reference;
pub mod time;
pub mod verification;

pub use artifact::Artifact;
pub use condition::Condition;
pub use duration::Duration;
pub use git_repository::{GitRepository, GitRepositorySpec, GitRepositoryStatus};
pub use helm_chart::{HelmChart, HelmChartSpec, HelmChartStatus};
pub use helm_repository::{HelmRepository, HelmRepositorySpec, HelmRepositoryStatus};
pub use reference::LocalObjectReference;
