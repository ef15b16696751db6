//! The Azure Container Registry: a token of Entra becomes a refresh token of the registry, which is its password.
//!
//! See "Azure Container Registry authentication": the exchange is `POST /oauth2/exchange` at the registry itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use headwater_http::{Excerpt, quote};
use regex::Regex;
use reqwest::Method;
use serde::Deserialize;
use url::{Host, Url};

use super::Entra;
use crate::answer::{ask, form};
use crate::issue::Token;
use crate::registry::{issued, name};
use crate::token_file::read;
use crate::{Error, Issued, Request};

/// The registries of all clouds that are known, as a resource of Entra.
const RESOURCE: &str = "https://containerregistry.azure.net";
const PATTERN: &str = r"^.+\.(azurecr\.io|azurecr\.cn|azurecr\.de|azurecr\.us)$";
/// Who has a token is this user.
const USER: &str = "00000000-0000-0000-0000-000000000000";
/// Names a file that describes another cloud.
const FILE: &str = "AZURE_ENVIRONMENT_FILEPATH";

pub(crate) async fn registry(request: &Request<'_>) -> Result<Issued, Error> {
    let host = name(request);
    let cloud = match request.environment.get(FILE) {
        Some(file) => Some(Cloud::read(file).await?),
        None => None,
    };
    admit(&host, cloud.as_ref())?;
    let resource = cloud.as_ref().map_or(Ok(RESOURCE), Cloud::resource)?;
    issued(&Entra { resource }, request, resource, &host, async |token| exchanged(request, &host, &token.secret).await).await
}

/// A cloud of one's own, as `cloud-provider-azure` describes it to its clients.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Cloud {
    #[serde(rename = "containerRegistryDNSSuffix")]
    suffix: String,
    resource_manager_endpoint: String,
    token_audience: String,
}

impl Cloud {
    async fn read(file: &str) -> Result<Self, Error> {
        let text = read(file).await?;
        serde_json::from_str(&text).map_err(|error| Error::new(format!("failed to read environment file '{file}': {error}")))
    }

    fn resource(&self) -> Result<&str, Error> {
        if self.resource_manager_endpoint.is_empty() || self.token_audience.is_empty() {
            return Err(Error::new("resourceManagerEndpoint and tokenAudience must be set in the environment file"));
        }
        Ok(&self.resource_manager_endpoint)
    }
}

/// Whether a token may be shown to this host.
fn admit(host: &str, cloud: Option<&Cloud>) -> Result<(), Error> {
    let invalid = |must: &str, what: &str| Error::new(format!("invalid Azure registry: '{host}'. must {must} {what}"));
    if Regex::new(PATTERN).is_ok_and(|pattern| pattern.is_match(host)) {
        return Ok(());
    }
    match cloud {
        None => Err(invalid("match", PATTERN)),
        Some(cloud) if cloud.suffix.is_empty() => Err(Error::new(
            "failed to get container registry suffix from environment file: containerRegistryDNSSuffix must be set in the environment file",
        )),
        Some(cloud) if host.ends_with(&cloud.suffix) => Ok(()),
        Some(cloud) => Err(invalid("end with", &cloud.suffix)),
    }
}

/// The registry's own token for one of Entra.
async fn exchanged(request: &Request<'_>, host: &str, token: &str) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Exchanged {
        #[serde(default)]
        refresh_token: String,
    }
    #[derive(Deserialize)]
    struct Refusal {
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Reason {
        code: String,
        message: String,
    }

    let url = Url::parse(&format!("https://{host}/oauth2/exchange")).map_err(|error| Error::new(error.to_string()))?;
    let url = if local(&url) { plain(host).unwrap_or(url) } else { url };
    let fields = [("grant_type", "access_token"), ("service", host), ("access_token", token)];
    let answer = ask(request.http, Method::POST, url.into(), |request| form(request, &fields)).await?;
    if !answer.status.is_success() {
        let reason = answer.json::<Refusal>().ok().and_then(|refusal| refusal.errors.into_iter().next());
        let told = reason.map_or_else(String::new, |Reason { code, message }| {
            format!(": {}", quote(format!("{code}: {message}"), &[token].into_iter().collect(), Excerpt::Line))
        });
        return Err(Error::new(format!("{}: RESPONSE {}{told}", answer.place, answer.status)));
    }
    let Exchanged { refresh_token } = answer.json()?;
    if refresh_token.is_empty() {
        return Err(answer.lacks("refresh token"));
    }
    let expires = expiry(&refresh_token).ok_or_else(|| answer.lacks("refresh token with an expiry"))?;
    Ok(Token { id: USER.to_owned(), secret: refresh_token, expires, ..Token::default() })
}

/// Registries on this machine speak without TLS.
fn local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn plain(host: &str) -> Option<Url> {
    Url::parse(&format!("http://{host}/oauth2/exchange")).ok()
}

/// When a JSON Web Token (RFC 7519) ends, by its own word. Its signature is for the registry to check.
fn expiry(token: &str) -> Option<DateTime<Utc>> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "fractions of a second do not matter")]
    DateTime::from_timestamp(exp as i64, 0)
}

#[cfg(test)]
mod tests;
