//! What the object refers to: read from the Kubernetes API.

use headwater_api::git_repository::GitRepository;
use headwater_api::reason;
use kube::ResourceExt;

use crate::cluster::references::{self, Data};
use crate::reconcile::failure::Failure;

/// The Secrets that an object names.
#[derive(Default)]
pub struct References {
    /// Of `spec.secretRef`.
    pub credentials: Option<Data>,
    /// Of `spec.proxySecretRef`.
    pub proxy: Option<Data>,
}

/// Reads what the object refers to.
pub async fn references(object: &GitRepository, client: &kube::Client) -> Result<References, Failure> {
    let namespace = object.namespace().unwrap_or_default();
    let mut found = References::default();
    if let Some(named) = &object.spec.proxy_secret_ref {
        let data = references::secret(client, &namespace, &named.name).await;
        let data = data.map_err(|error| {
            let why = if error.is_missing() { format!("secret '{namespace}/{}' not found", named.name) } else { error.to_string() };
            Failure::fetch(reason::AUTHENTICATION_FAILED, format!("failed to configure proxy options: {why}"))
        });
        found.proxy = Some(data?);
    }
    if let Some(named) = &object.spec.secret_ref {
        let data = references::secret(client, &namespace, &named.name).await;
        found.credentials = Some(data.map_err(|e| Failure::fetch(reason::AUTHENTICATION_FAILED, e))?);
    }
    Ok(found)
}
