//! Credentials that a provider issues for a Git repository or a registry of artifacts, for a short while.
//!
//! `github` turns the key of a GitHub App into an installation token, `azure` a workload identity into a Microsoft Entra token for
//! Azure DevOps, `aws` one into a signed password for CodeCommit. `registry` turns what `aws`, `azure` and `gcp` know into the user and
//! the password of a registry. What is issued is kept in a [`Cache`].

mod answer;
mod aws;
mod azure;
mod cache;
mod gcp;
mod github;
mod jwt;
mod registry;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use headwater_http::Credentials;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt as _;
use url::Url;

pub use cache::{Cache, Counts, Events, Object};
pub use github::{App, Misfit};
pub use registry::{Registrar, registry_credentials};

/// Of a token's file, this many bytes are read.
const LARGEST_FILE: u64 = 64 * 1024;

/// Why no credentials were issued. The message holds no secret and begins with what was tried.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The same, as a part of something larger.
    fn within(self, what: impl fmt::Display) -> Self {
        Self(format!("{what}: {}", self.0))
    }
}

/// The environment of this process, as far as it speaks of identities: the variables of AWS, Azure and Google Cloud.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// A variable that is set and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        let concerns = |name: &str| {
            ["AWS_", "AZURE_", "GCE_METADATA_", "GOOGLE_", "CLOUDSDK_API_ENDPOINT_OVERRIDES_"].iter().any(|prefix| name.starts_with(prefix))
        };
        Self(variables.into_iter().filter(|(name, _)| concerns(name)).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Whatever an [`Account`] failed with. Must hold no secret.
pub type AccountError = Box<dyn std::error::Error + Send + Sync>;

/// A service account whose identity is used in place of the controller's.
pub trait Account: Send + Sync {
    /// Where it lives.
    fn namespace(&self) -> &str;
    /// What it is called.
    fn name(&self) -> &str;
    /// Its annotations, which say what it is to a provider.
    fn annotations(&self) -> BoxFuture<'_, Result<BTreeMap<String, String>, AccountError>>;
    /// A new token of it, for `audience`.
    fn token<'a>(&'a self, audience: &'a str) -> BoxFuture<'a, Result<String, AccountError>>;
}

/// Who issues the credentials.
#[derive(Debug, Clone)]
pub enum Provider {
    /// A GitHub App. Does not use the account of a [`Request`].
    GitHub(App),
    /// Microsoft Entra, for Azure DevOps.
    Azure,
    /// AWS, for CodeCommit.
    Aws,
}

/// For what credentials are wanted, and what may be used to get them.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The repository; of one in a registry (`oci://host:port/…`), only host and port are looked at.
    pub url: &'a Url,
    /// The account to act as; the controller itself where there is none.
    pub account: Option<&'a dyn Account>,
    /// Reaches the provider. Proxy and trusted certificates are its own.
    pub http: &'a reqwest::Client,
    /// What sets `http` apart from other clients: its proxy, its certificates. Credentials are shared between requests only where
    /// this is the same. It may hold secrets, only a digest is kept.
    pub route: &'a str,
    /// The environment of the process.
    pub environment: &'a Environment,
    /// What was issued before.
    pub cache: &'a Cache,
    /// On whose behalf, for the cache's counters.
    pub object: &'a Object,
}

/// What was issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// How to authenticate.
    pub credentials: Credentials,
    /// Until when they are good, by the provider's word.
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

/// What a provider issues, and the cache keeps. Only AWS knows an `id` and a `session`.
#[derive(Clone, Default)]
struct Token {
    id: String,
    secret: String,
    session: String,
    expires: DateTime<Utc>,
}

/// What an access token is for, as messages name it.
const GIT: &str = "Git repository";
const REGISTRY: &str = "artifact registry";

/// A provider that knows the controller by its environment, and service accounts by their tokens.
trait Issuer: Sync {
    /// What objects call it.
    const NAME: &'static str;

    /// What an account is to the provider, from its annotations.
    fn identity(annotations: &BTreeMap<String, String>) -> Result<String, Error>;
    /// For whom tokens of service accounts with this identity are made out.
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

/// An access token from the cache or from the issuer, and the digest of as whom. `scope` is what else shapes the token, `purpose` what
/// it is for.
async fn access<I: Issuer>(issuer: &I, request: &Request<'_>, scope: &str, purpose: &str) -> Result<(Token, String), Error> {
    found(issuer, request, scope).await.map_err(|error| error.within(format_args!("failed to get access token for {purpose}")))
}

async fn found<I: Issuer>(issuer: &I, request: &Request<'_>, scope: &str) -> Result<(Token, String), Error> {
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

/// The token in a file that the platform keeps fresh, without white space around it.
async fn read(path: &str) -> Result<String, Error> {
    let told = |why: &dyn fmt::Display| Error::new(format!("failed to read token file '{path}': {why}"));
    let file = tokio::fs::File::open(path).await.map_err(|error| told(&error))?;
    let mut text = String::new();
    file.take(LARGEST_FILE).read_to_string(&mut text).await.map_err(|error| told(&error))?;
    match text.trim() {
        "" => Err(told(&"it is empty")),
        token => Ok(token.to_owned()),
    }
}

/// SHA-256 in hexadecimal of some texts, each with its length before it.
fn digest(parts: &[&str]) -> String {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        hash.chain_update(length.to_le_bytes()).chain_update(part)
    });
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests;
