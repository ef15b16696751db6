//! Issuing: from a request to credentials, by way of the cache.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use headwater_http::Credentials;
use sha2::{Digest, Sha256};
use url::Url;

use crate::{Account, App, Cache, Environment, Error, Object, aws, azure, github};

/// An issuer of credentials.
#[derive(Debug, Clone)]
pub enum Provider {
    /// A GitHub App. Does not use the account of a [`Request`].
    GitHub(App),
    /// Microsoft Entra, for Azure DevOps.
    Azure,
    /// AWS, for CodeCommit.
    Aws,
}

/// A request for credentials, with all that may be used to get them.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The repository; of one in a registry (`oci://host:port/…`), only host and port are looked at.
    pub url: &'a Url,
    /// The account to act as; the controller itself where there is none.
    pub account: Option<&'a dyn Account>,
    /// Reaches the provider. Proxy and trusted certificates are its own.
    pub http: &'a reqwest::Client,
    /// The proxy and the certificates that set `http` apart from other clients. Credentials are shared between requests only where
    /// this is the same. It may hold secrets, only a digest is kept.
    pub route: &'a str,
    /// The environment of the process.
    pub environment: &'a Environment,
    /// Credentials that were issued before.
    pub cache: &'a Cache,
    /// On whose behalf, for the cache's counters.
    pub object: &'a Object,
}

/// Credentials that were issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The credentials.
    pub credentials: Credentials,
    /// The time until which they are good, by the provider's word.
    pub expires: DateTime<Utc>,
    /// A digest, in hexadecimal, of everything that says as whom: the same for every renewal of the same credentials, another for any
    /// others. It is no secret.
    pub identity: String,
}

/// Credentials for a repository: those issued before, while they are good for some time yet, or new ones.
///
/// An exchange with a provider takes ten seconds at most, and reads 64 KiB of an answer at most.
pub async fn credentials(provider: &Provider, request: &Request<'_>) -> Result<Issued, Error> {
    match provider {
        Provider::GitHub(app) => github::credentials(app, request).await,
        Provider::Azure => azure::credentials(request).await,
        Provider::Aws => aws::credentials(request).await,
    }
}

/// A token as a provider issues it, and the cache keeps it. Only AWS knows an `id` and a `session`.
#[derive(Clone, Default)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) session: String,
    pub(crate) expires: DateTime<Utc>,
}

/// The purpose of an access token, as messages name it.
pub(crate) const GIT: &str = "Git repository";
/// Another one.
pub(crate) const REGISTRY: &str = "artifact registry";

/// A provider that knows the controller by its environment, and service accounts by their tokens.
pub(crate) trait Issuer: Sync {
    /// The name that objects give it.
    const NAME: &'static str;

    /// The identity that an account has at the provider, from its annotations.
    fn identity(annotations: &BTreeMap<String, String>) -> Result<String, Error>;
    /// The audience of tokens of service accounts with this identity.
    fn audience(&self, request: &Request<'_>, identity: &str) -> impl Future<Output = Result<String, Error>> + Send;
    /// A token for the controller.
    fn own(&self, request: &Request<'_>) -> impl Future<Output = Result<Token, Error>> + Send;
    /// A token for an account in exchange for its own.
    fn exchanged(
        &self,
        request: &Request<'_>,
        account: &dyn Account,
        identity: &str,
        token: &str,
    ) -> impl Future<Output = Result<Token, Error>> + Send;
}

/// An access token from the cache or from the issuer, and the digest of the identity that it stands for. `scope` is everything else that
/// shapes the token, `purpose` a word for messages.
pub(crate) async fn access<I: Issuer>(issuer: &I, request: &Request<'_>, scope: &str, purpose: &str) -> Result<(Token, String), Error> {
    find(issuer, request, scope).await.map_err(|error| error.within(format_args!("failed to get access token for {purpose}")))
}

/// As [`access`], with errors that do not name the purpose.
async fn find<I: Issuer>(issuer: &I, request: &Request<'_>, scope: &str) -> Result<(Token, String), Error> {
    let Some(account) = request.account else {
        let key = digest(&[I::NAME, scope, request.route]);
        let new =
            async { issuer.own(request).await.map_err(|error| error.within("failed to create provider access token for the controller")) };
        return Ok((request.cache.get(&key, request.object, new).await?, key));
    };
    let name = format!("{}/{}", account.namespace(), account.name());
    let annotations = account.annotations().await.map_err(|error| Error::new(error.to_string()))?;
    let identity = I::identity(&annotations)
        .map_err(|error| error.within(format_args!("failed to get provider identity from service account '{name}' annotations")))?;
    let key = digest(&[I::NAME, scope, request.route, &name, &identity]);
    let new = async {
        let audience = issuer.audience(request, &identity).await.map_err(|error| error.within("failed to get provider audience"))?;
        let token = account.token(&audience).await.map_err(|error| Error::new(error.to_string()))?;
        issuer
            .exchanged(request, account, &identity, &token)
            .await
            .map_err(|error| error.within(format_args!("failed to create provider access token for service account '{name}'")))
    };
    Ok((request.cache.get(&key, request.object, new).await?, key))
}

/// SHA-256 in hexadecimal of some texts, each with its length before it.
pub(crate) fn digest(parts: &[&str]) -> String {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        hash.chain_update(length.to_le_bytes()).chain_update(part)
    });
    hex::encode(hash.finalize())
}
