//! What the reconcilers ask of the Kubernetes API beside their own object.

pub mod leases;
pub mod patch;
pub mod references;
pub mod retries;
pub mod tokens;
