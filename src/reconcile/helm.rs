//! What both Helm kinds need: how a repository lets us in, and its index.

pub mod access;
pub mod indexes;

use crate::settings::DigestCheck;
use headwater_helm::{chart, index};
use headwater_oci as oci;
use headwater_oci::cosign;
use indexes::Indexes;

/// What passes over Helm's kinds use.
#[derive(Clone)]
pub struct Helm {
    /// Bounds on what is read.
    pub limits: Limits,
    /// What becomes of charts that are not what their repository's index says.
    pub digest_check: DigestCheck,
    /// Whom to trust about keyless signatures.
    pub sigstore: cosign::Root,
    /// Loaded indexes.
    pub indexes: Indexes,
}

/// Bounds on what is read for Helm's kinds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of indexes.
    pub index: index::Limits,
    /// Of charts.
    pub chart: chart::Limits,
    /// Of what registries say of charts.
    pub registry: oci::Limits,
}
