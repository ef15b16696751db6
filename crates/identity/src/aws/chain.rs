//! The controller's own keys, from where the platform puts them: the environment, a web identity, the container, the machine.

use chrono::{DateTime, Utc};
use headwater_http::SafeUrl;
use reqwest::Method;
use serde::Deserialize;
use url::Host;

use super::sts;
use crate::answer::{self, Answer, ask};
use crate::issue::Token;
use crate::token_file::read;
use crate::{Error, Request};

const SESSION: &str = "headwater";
/// The host of relative addresses of container credentials.
const CONTAINER: &str = "http://169.254.170.2";
/// Hosts that may be asked for container credentials without TLS, beside this machine itself.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];
const METADATA: &str = "http://169.254.169.254";
const METADATA_V6: &str = "http://[fd00:ec2::254]";
/// For how long a session with the metadata service lasts, in seconds.
const METADATA_SESSION: &str = "300";

/// The first keys to be found.
pub(super) async fn keys(request: &Request<'_>, region: &str) -> Result<Token, Error> {
    let variable = |name| request.environment.get(name);
    if let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        let session = variable("AWS_SESSION_TOKEN").unwrap_or_default();
        return Ok(Token { id: id.into(), secret: secret.into(), session: session.into(), expires: DateTime::<Utc>::MAX_UTC });
    }
    if let Some(file) = variable("AWS_WEB_IDENTITY_TOKEN_FILE") {
        let role = variable("AWS_ROLE_ARN").ok_or_else(|| Error::new("AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not"))?;
        let session = variable("AWS_ROLE_SESSION_NAME").unwrap_or(SESSION);
        return sts::assumed(request, region, role, session, &read(file).await?).await;
    }
    if let Some(address) = container(request)? {
        return in_container(request, address).await.map_err(|error| error.within("failed to get container credentials"));
    }
    if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(Error::new("no AWS credentials: the environment has none, and AWS_EC2_METADATA_DISABLED is set"));
    }
    of_machine(request).await.map_err(|error| error.within("no EC2 IMDS role found"))
}

/// The address of the container's credentials, if it has any.
fn container(request: &Request<'_>) -> Result<Option<SafeUrl>, Error> {
    let variable = |name| request.environment.get(name);
    let address = match (variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        (Some(path), _) => format!("{CONTAINER}{path}"),
        (None, Some(address)) => address.to_owned(),
        (None, None) => return Ok(None),
    };
    let url = answer::web(&address).map_err(|why| Error::new(format!("invalid AWS_CONTAINER_CREDENTIALS_FULL_URI: {why}")))?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if local || url.scheme() == "https" || url.host_str().is_some_and(|host| CONTAINER_HOSTS.contains(&host)) {
        return Ok(Some(url));
    }
    let host = url.host_str().unwrap_or_default();
    Err(Error::new(format!("invalid endpoint host, '{host}', only loopback/ecs/eks hosts are allowed")))
}

async fn in_container(request: &Request<'_>, address: SafeUrl) -> Result<Token, Error> {
    let authorization = match request.environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => Some(read(file).await?),
        None => request.environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned),
    };
    let answer = ask(request.http, Method::GET, address, |request| match authorization {
        Some(token) => request.header("Authorization", token),
        None => request,
    })
    .await?;
    successful(&answer)?;
    token(&answer)
}

/// By version 2 of the instance metadata service.
async fn of_machine(request: &Request<'_>) -> Result<Token, Error> {
    let variable = |name| request.environment.get(name);
    let version = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").unwrap_or_default();
    let usual = if version.eq_ignore_ascii_case("ipv6") { METADATA_V6 } else { METADATA };
    let service = answer::web(variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(usual))
        .map_err(|why| Error::new(format!("invalid AWS_EC2_METADATA_SERVICE_ENDPOINT: {why}")))?;
    let at = |path: &[&str]| answer::extended(&service, path).ok_or_else(|| Error::new("invalid AWS_EC2_METADATA_SERVICE_ENDPOINT"));

    let answer = ask(request.http, Method::PUT, at(&["latest", "api", "token"])?, |request| {
        request.header("X-aws-ec2-metadata-token-ttl-seconds", METADATA_SESSION)
    })
    .await?;
    successful(&answer)?;
    let session = answer.text();
    let credentials = ["latest", "meta-data", "iam", "security-credentials"];
    let get = async |path: &[&str]| {
        let answer =
            ask(request.http, Method::GET, at(path)?, |request| request.header("X-aws-ec2-metadata-token", session.trim())).await?;
        successful(&answer).map(|()| answer)
    };
    let answer = get(&[&credentials[..], &[""]].concat()).await?;
    let roles = answer.text();
    let role = roles.lines().next().map(str::trim).filter(|role| !role.is_empty()).ok_or_else(|| answer.lacks("role"))?;
    token(&get(&[&credentials[..], &[role]].concat()).await?)
}

fn successful(answer: &Answer) -> Result<(), Error> {
    if answer.status.is_success() { Ok(()) } else { Err(Error::new(format!("{}: {}", answer.place, answer.status))) }
}

fn token(answer: &Answer) -> Result<Token, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    #[derive(Default)]
    struct Keys {
        access_key_id: String,
        secret_access_key: String,
        token: String,
        expiration: Option<String>,
    }
    let keys: Keys = answer.json()?;
    if keys.access_key_id.is_empty() || keys.secret_access_key.is_empty() {
        return Err(answer.lacks("keys"));
    }
    let expires = answer::time(keys.expiration.as_deref());
    Ok(Token { id: keys.access_key_id, secret: keys.secret_access_key, session: keys.token, expires })
}
