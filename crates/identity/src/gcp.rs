//! Google Cloud: the controller's credentials file, the machine's metadata server or the token of a service account of the cluster buys
//! an access token, which is a registry's password.
//!
//! See "How Application Default Credentials works" and "Workload Identity Federation".

mod file;
mod metadata;
mod sts;

use std::collections::BTreeMap;

use regex::Regex;

use super::issue::{Issuer, Token};
use super::registry::{issued, name};
use super::{Account, Error, Issued, Request};

const PATTERN: &str = r"^(((.+\.)?gcr\.io)|(.+-docker\.pkg\.dev)|(docker\.s3nsregistry\.fr))$";
/// The user of everyone who has a token.
const USER: &str = "oauth2accesstoken";
const CLOUD: &str = "https://www.googleapis.com/auth/cloud-platform";
const SCOPES: [&str; 2] = [CLOUD, "https://www.googleapis.com/auth/userinfo.email"];

const EMAIL: &str = "iam.gke.io/gcp-service-account";
const EMAIL_PATTERN: &str = r"^[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9-]{1,100}\.iam\.gserviceaccount\.com$";
const PROVIDER: &str = "gcp.auth.fluxcd.io/workload-identity-provider";
const PROVIDER_PATTERN: &str = r"^projects/\d{1,30}/locations/global/workloadIdentityPools/[^/]{1,100}/providers/[^/]{1,100}$";

pub(super) async fn registry(request: &Request<'_>) -> Result<Issued, Error> {
    let host = name(request);
    if !Regex::new(PATTERN).is_ok_and(|pattern| pattern.is_match(&host)) {
        return Err(Error::new(format!("invalid GCP registry: '{host}'. must match {PATTERN}")));
    }
    issued(&Google, request, "", "gcp", async |token| Ok(Token { id: USER.to_owned(), ..token })).await
}

struct Google;

impl Issuer for Google {
    const NAME: &'static str = "gcp";

    /// The mail address to act as and the provider that federates, with a space between them; either may be empty.
    fn identity(annotations: &BTreeMap<String, String>) -> Result<String, Error> {
        let annotation = |key: &str, pattern: &str| match annotations.get(key).map(String::as_str).unwrap_or_default() {
            "" => Ok(""),
            value if Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(value)) => Ok(value),
            value => Err(Error::new(format!("invalid {key} annotation: '{value}'. must match {pattern}"))),
        };
        Ok(format!("{} {}", annotation(EMAIL, EMAIL_PATTERN)?, annotation(PROVIDER, PROVIDER_PATTERN)?))
    }

    /// The provider, or the pool of a cluster that Google runs.
    async fn audience(&self, request: &Request<'_>, identity: &str) -> Result<String, Error> {
        match federation(identity).1 {
            Some(provider) => Ok(provider),
            None => metadata::Cluster::read(request).await.map(|cluster| cluster.pool()),
        }
    }

    async fn own(&self, request: &Request<'_>) -> Result<Token, Error> {
        match request.environment.get("GOOGLE_APPLICATION_CREDENTIALS") {
            Some(file) => file::token(request, file).await.map_err(|error| {
                error.within("google: error getting credentials using GOOGLE_APPLICATION_CREDENTIALS environment variable")
            }),
            None => metadata::token(request).await,
        }
    }

    async fn exchanged(&self, request: &Request<'_>, _: &dyn Account, identity: &str, token: &str) -> Result<Token, Error> {
        let (email, provider) = federation(identity);
        let audience = match provider {
            Some(provider) => provider,
            None => metadata::Cluster::read(request).await?.audience(),
        };
        let subject = sts::Subject { audience: &audience, kind: "urn:ietf:params:oauth:token-type:jwt", token };
        let service = sts::service(request);
        match email {
            None => sts::exchanged(request, &service, &subject, &SCOPES).await,
            Some(email) => {
                let token = sts::exchanged(request, &service, &subject, &[CLOUD]).await?;
                sts::impersonated(request, &sts::impersonation(request, email), &token, sts::LIFE).await
            }
        }
    }
}

/// The parts of an identity: whom to act as, and the audience of the provider that federates.
fn federation(identity: &str) -> (Option<&str>, Option<String>) {
    let (email, provider) = identity.split_once(' ').unwrap_or((identity, ""));
    let provider = (!provider.is_empty()).then(|| format!("//iam.googleapis.com/{provider}"));
    (Some(email).filter(|email| !email.is_empty()), provider)
}

#[cfg(test)]
mod tests;
