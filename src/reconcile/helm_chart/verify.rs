//! Whether a chart is signed as its object asks.

use std::fmt;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use headwater_api::helm_chart::{HelmChart, HelmChartVerification};
use headwater_api::reason;
use headwater_api::verification::PROVIDER_COSIGN;
use kube::ResourceExt;

use super::build::Error;
use super::registry::Place;
use super::repository::{Found, Repository};
use crate::cluster::references;
use crate::reconcile::Ctx;
use crate::reconcile::failure::{Failure, Mark};
use headwater_oci::cosign::{self, Artifact, Identity, Key, Limits, RepositoryError, Trust};
use headwater_oci::{self as oci, Digest, Manifest};

/// So many signatures of a chart are looked at.
const MOST_SIGNATURES: usize = 100;

/// Whom the object trusts; nobody in particular where it does not ask.
pub async fn trust(object: &HelmChart, cx: &Ctx) -> Result<Option<Trust>, Failure> {
    let Some(asked) = &object.spec.verify else { return Ok(None) };
    let keyless = asked.provider() == PROVIDER_COSIGN && asked.secret_ref.is_none();
    let provider = format!("{}{}", asked.provider(), if keyless { " keyless" } else { "" });
    let failed = |why: &dyn fmt::Display| {
        let why = format!("failed to verify the signature using provider '{provider}': {why}");
        Failure::chart(Mark::ChartVerifier, reason::VERIFICATION_ERROR, why)
    };
    if asked.provider() != PROVIDER_COSIGN {
        return Err(failed(&"signatures of this provider cannot be verified; use 'cosign'").stalled());
    }
    let Some(secret) = &asked.secret_ref else {
        let identities = asked.match_oidc_identity.iter().map(|wanted| Identity::new(&wanted.issuer, &wanted.subject));
        let identities = identities.collect::<Result<_, _>>().map_err(|error| failed(&error).stalled())?;
        return Ok(Some(Trust::Identities { identities, root: cx.helm.sigstore.clone() }));
    };
    let namespace = object.namespace().unwrap_or_default();
    let data = references::secret(&cx.client, &namespace, &secret.name).await.map_err(|error| failed(&error.why()))?;
    let keys = data.iter().filter(|(name, _)| name.strip_suffix(".pub").is_some()).map(|(_, text)| Key::from_pem(text));
    let keys: Vec<_> = keys.collect::<Result<_, _>>().map_err(|error| failed(&error))?;
    if keys.is_empty() {
        return Err(failed(&format!("no public keys found in secret '{namespace}/{}'", secret.name)));
    }
    Ok(Some(Trust::Keys(keys)))
}

/// Verifies a version of a chart. Gives the manifest that was verified, so that no other is pulled.
pub async fn check(asked: &HelmChartVerification, trust: &Trust, repository: &Repository, found: &Found) -> Result<Manifest, Error> {
    // Only registries have a place for signatures.
    let Repository::Registry(place) = repository else { return Err(Error::verification("not implemented")) };
    let unverified = |why: &dyn fmt::Display| {
        let at = place.reference(&found.name, &found.version);
        tracing::debug!(provider = asked.provider(), "a chart is not signed as it should be");
        Error::verification(format!("failed to verify {at}: {why}"))
    };
    let manifest = place.manifest(&found.name, &found.version).await.map_err(|why| unverified(&why))?;
    let signatures = Signatures { place, path: place.path(&found.name) };
    let artifact = Artifact { repository: &signatures, digest: manifest.digest.as_str() };
    let limits = Limits { signatures: MOST_SIGNATURES, ..Limits::default() };
    place.within(cosign::verify(artifact, trust, &limits)).await.map_err(|why| unverified(&why))?;
    Ok(manifest)
}

/// Where the signatures of a chart are.
struct Signatures<'a> {
    place: &'a Place,
    path: String,
}

impl cosign::Repository for Signatures<'_> {
    fn manifest<'a>(&'a self, reference: &'a str, most: usize) -> BoxFuture<'a, Result<Option<Vec<u8>>, RepositoryError>> {
        async move {
            match self.place.registry.manifest(&self.path, reference).await {
                Ok(manifest) if manifest.bytes.len() > most => Err(format!("a manifest of more than {most} bytes").into()),
                Ok(manifest) => Ok(Some(manifest.bytes)),
                Err(oci::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        }
        .boxed()
    }

    fn blob<'a>(&'a self, digest: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<u8>, RepositoryError>> {
        async move {
            let digest = Digest::parse(digest).ok_or_else(|| format!("unsupported digest: {digest}"))?;
            Ok(self.place.registry.content(&self.path, &digest, most as u64).await?)
        }
        .boxed()
    }

    fn referrers<'a>(&'a self, digest: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<String>, RepositoryError>> {
        async move {
            let digest = Digest::parse(digest).ok_or_else(|| format!("unsupported digest: {digest}"))?;
            let found = self.place.registry.referrers(&self.path, &digest, None).await?;
            Ok(found.into_iter().take(most).map(|found| found.digest.to_string()).collect())
        }
        .boxed()
    }
}
