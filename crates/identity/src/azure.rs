//! Microsoft Entra: a federated token, a client secret or the machine's identity buys a bearer token for Azure DevOps, or one that a
//! container registry takes in exchange for its own.
//!
//! See "Microsoft identity platform and the OAuth 2.0 client credentials flow" and "How to use managed identities on an Azure VM".

mod acr;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_http::{Credentials, Excerpt, quote};
use reqwest::Method;
use serde::Deserialize;

use super::answer::{self, Answer, ask, form};
use super::issue::{GIT, Issuer, Token, access};
use super::token_file::read;
use super::{Account, Error, Issued, Request};

pub(super) use acr::registry;

/// Azure DevOps, as a resource of Entra.
const DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";
const AUTHORITY: &str = "https://login.microsoftonline.com/";
const METADATA: &str = "http://169.254.169.254/";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const TENANT_ID: &str = "azure.workload.identity/tenant-id";
const CLIENT_ID: &str = "azure.workload.identity/client-id";

pub(super) async fn credentials(request: &Request<'_>) -> Result<Issued, Error> {
    let (token, identity) = access(&Entra { resource: DEVOPS }, request, DEVOPS, GIT).await?;
    Ok(Issued { credentials: Credentials::bearer(token.secret), expires: token.expires, identity })
}

/// Tokens for one resource.
struct Entra<'a> {
    resource: &'a str,
}

impl Issuer for Entra<'_> {
    const NAME: &'static str = "azure";

    fn identity(annotations: &BTreeMap<String, String>) -> Result<String, Error> {
        let annotation = |what: &str, key: &str| {
            let missing = || Error::new(format!("azure {what} ID is not set in the service account annotation {key}"));
            annotations.get(key).ok_or_else(missing)
        };
        Ok(format!("{}/{}", annotation("tenant", TENANT_ID)?, annotation("client", CLIENT_ID)?))
    }

    async fn audience(&self, _: &Request<'_>, _: &str) -> Result<String, Error> {
        Ok("api://AzureADTokenExchange".to_owned())
    }

    /// By what the environment offers: a client secret, a federated token, and else the machine's identity.
    async fn own(&self, request: &Request<'_>) -> Result<Token, Error> {
        let variable = |name| request.environment.get(name);
        let client = variable("AZURE_CLIENT_ID");
        let Some((tenant, client)) = variable("AZURE_TENANT_ID").zip(client) else {
            return self.machine(request, client).await.map_err(|error| error.within("ManagedIdentityCredential"));
        };
        if let Some(secret) = variable("AZURE_CLIENT_SECRET") {
            let proof = [("client_secret", secret)];
            return self.bought(request, tenant, client, &proof).await.map_err(|error| error.within("EnvironmentCredential"));
        }
        let Some(file) = variable("AZURE_FEDERATED_TOKEN_FILE") else {
            return self.machine(request, Some(client)).await.map_err(|error| error.within("ManagedIdentityCredential"));
        };
        let bought = async { self.asserted(request, tenant, client, &read(file).await?).await };
        bought.await.map_err(|error| error.within("WorkloadIdentityCredential"))
    }

    async fn exchanged(&self, request: &Request<'_>, _: &dyn Account, identity: &str, token: &str) -> Result<Token, Error> {
        let (tenant, client) = identity.split_once('/').unwrap_or((identity, ""));
        self.asserted(request, tenant, client, token).await.map_err(|error| error.within("ClientAssertionCredential"))
    }
}

impl Entra<'_> {
    /// A token for who can show one of an issuer that the client trusts.
    async fn asserted(&self, request: &Request<'_>, tenant: &str, client: &str, assertion: &str) -> Result<Token, Error> {
        self.bought(request, tenant, client, &[("client_assertion_type", ASSERTION), ("client_assertion", assertion)]).await
    }

    async fn bought(&self, request: &Request<'_>, tenant: &str, client: &str, proof: &[(&str, &str)]) -> Result<Token, Error> {
        let authority = request.environment.get("AZURE_AUTHORITY_HOST").unwrap_or(AUTHORITY);
        let authority = answer::web(authority).map_err(|why| Error::new(format!("invalid AZURE_AUTHORITY_HOST: {why}")))?;
        let url = answer::extended(&authority, &[tenant, "oauth2", "v2.0", "token"])
            .ok_or_else(|| Error::new("invalid AZURE_AUTHORITY_HOST: it has no path"))?;
        let scope = format!("{}/.default", self.resource);
        let mut fields = vec![("grant_type", "client_credentials"), ("client_id", client), ("scope", scope.as_str())];
        fields.extend_from_slice(proof);
        let sent = Utc::now();
        let answer = ask(request.http, Method::POST, url, |request| form(request, &fields)).await?;
        let secrets: Vec<&str> = proof.iter().map(|(_, secret)| *secret).filter(|secret| *secret != ASSERTION).collect();
        token(&answer, sent, &secrets)
    }

    /// A token for the machine, from its metadata service.
    async fn machine(&self, request: &Request<'_>, client: Option<&str>) -> Result<Token, Error> {
        let host = request.environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or(METADATA);
        let host = answer::web(host).map_err(|why| Error::new(format!("invalid AZURE_POD_IDENTITY_AUTHORITY_HOST: {why}")))?;
        let url = answer::extended(&host, &["metadata", "identity", "oauth2", "token"])
            .ok_or_else(|| Error::new("invalid AZURE_POD_IDENTITY_AUTHORITY_HOST: it has no path"))?;
        let url = url.with(|url| {
            url.query_pairs_mut().append_pair("api-version", "2018-02-01").append_pair("resource", self.resource);
            if let Some(client) = client {
                url.query_pairs_mut().append_pair("client_id", client);
            }
        });
        let sent = Utc::now();
        let answer = ask(request.http, Method::GET, url, |request| request.header("Metadata", "true")).await?;
        token(&answer, sent, &[])
    }
}

/// The token in an answer to a request that was sent at `sent`.
fn token(answer: &Answer, sent: DateTime<Utc>, secrets: &[&str]) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Issued {
        #[serde(default)]
        access_token: String,
        expires_in: Option<Seconds>,
    }
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        #[serde(default)]
        error_description: String,
    }
    /// Entra writes a number, the metadata service a text.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(i64),
        Text(String),
    }

    if !answer.status.is_success() {
        let told = answer.json::<Refusal>().map_or_else(
            |_| String::new(),
            |refusal| {
                format!(
                    ": {}",
                    quote(format!("{}: {}", refusal.error, refusal.error_description), &secrets.iter().collect(), Excerpt::Line)
                )
            },
        );
        return Err(Error::new(format!("authentication failed: {}: RESPONSE {}{told}", answer.place, answer.status)));
    }
    let issued: Issued = answer.json()?;
    if issued.access_token.is_empty() {
        return Err(answer.lacks("access token"));
    }
    let life = match issued.expires_in {
        Some(Seconds::Number(seconds)) => seconds,
        Some(Seconds::Text(text)) => text.parse().unwrap_or_default(),
        None => 0,
    };
    let expires = TimeDelta::try_seconds(life).and_then(|life| sent.checked_add_signed(life)).unwrap_or(sent);
    Ok(Token { secret: issued.access_token, expires, ..Token::default() })
}

#[cfg(test)]
mod tests;
