//! Users and passwords of registries, from the provider that runs them.

use headwater_http::Credentials;

use super::issue::{Issuer, REGISTRY, Token, access, digest};
use super::{Error, Issued, Request, aws, azure, gcp};

/// A cloud that runs registries and issues their passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registrar {
    /// AWS, for the Elastic Container Registry and its public gallery.
    Aws,
    /// Microsoft Entra, for the Azure Container Registry.
    Azure,
    /// Google Cloud, for the Artifact Registry and the older Container Registry.
    Gcp,
}

/// Credentials for the registry at the request's host: those issued before, while they are good for some time yet, or new ones.
///
/// A host that is not of the provider's registries gets none. An exchange with a provider takes ten seconds at most, and reads 64 KiB of
/// an answer at most; up to five are made.
pub async fn registry_credentials(registrar: Registrar, request: &Request<'_>) -> Result<Issued, Error> {
    match registrar {
        Registrar::Aws => aws::registry(request).await,
        Registrar::Azure => azure::registry(request).await,
        Registrar::Gcp => gcp::registry(request).await,
    }
}

/// The user and password that `exchange` gets for an access token at `registry`. `scope` is what else shapes the access token.
pub(super) async fn issued<I: Issuer>(
    issuer: &I,
    request: &Request<'_>,
    scope: &str,
    registry: &str,
    exchange: impl AsyncFnOnce(Token) -> Result<Token, Error>,
) -> Result<Issued, Error> {
    let (token, whom) = access(issuer, request, scope, REGISTRY).await?;
    let identity = digest(&[I::NAME, "registry", registry, &whom]);
    let new = async { exchange(token).await.map_err(|error| error.within("failed to create artifact registry credentials")) };
    let token = request.cache.get(&identity, request.object, new).await?;
    Ok(Issued { credentials: Credentials::basic(token.id, token.secret), expires: token.expires, identity })
}

/// The registry that a request is for: its host, and its port if one is named.
pub(super) fn name(request: &Request<'_>) -> String {
    let host = request.url.host_str().unwrap_or_default();
    request.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
