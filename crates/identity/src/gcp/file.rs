//! The file that `GOOGLE_APPLICATION_CREDENTIALS` names: a key of a service account, or a configuration of workload identity federation
//! whose subject's token is in a file or at a URL.

use chrono::{TimeDelta, Utc};
use headwater_http::{Excerpt, Secrets, quote};
use reqwest::{Method, header};
use serde::Deserialize;
use std::collections::BTreeMap;

use super::sts::{self, Subject};
use super::{CLOUD, SCOPES};
use crate::answer::{self, ask};
use crate::issue::Token;
use crate::token_file::read;
use crate::{Error, Request, jwt};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// For how long the claim of a key is good.
const CLAIM: TimeDelta = TimeDelta::hours(1);

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    r#type: String,
    client_email: String,
    private_key_id: String,
    private_key: String,
    token_uri: String,
    audience: String,
    subject_token_type: String,
    token_url: String,
    service_account_impersonation_url: String,
    service_account_impersonation: Impersonation,
    credential_source: Source,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Impersonation {
    token_lifetime_seconds: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source {
    file: String,
    url: String,
    headers: BTreeMap<String, String>,
    format: Format,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Format {
    r#type: String,
    subject_token_field_name: String,
}

pub(super) async fn token(request: &Request<'_>, path: &str) -> Result<Token, Error> {
    let text = read(path).await?;
    // The parser's message may repeat a value, and the value may be a secret.
    let file: File =
        serde_json::from_str(&text).map_err(|error| Error::new(format!("'{path}' is not the JSON expected (line {})", error.line())))?;
    match file.r#type.as_str() {
        "service_account" => by_key(request, &file).await,
        "external_account" => federated(request, &file).await,
        "" => Err(Error::new("missing 'type' field in credentials")),
        other => Err(Error::new(format!("unknown credential type: \"{}\"", quote(other, &Secrets::default(), Excerpt::Line)))),
    }
}

/// See "Using OAuth 2.0 for Server to Server Applications".
async fn by_key(request: &Request<'_>, file: &File) -> Result<Token, Error> {
    let pair = jwt::key(file.private_key.as_bytes()).map_err(|why| Error::new(format!("could not parse private key: {why}")))?;
    let url = if file.token_uri.is_empty() { TOKEN_URL } else { &file.token_uri };
    let now = Utc::now();
    let claims = serde_json::json!({
        "iss": file.client_email,
        "scope": SCOPES.join(" "),
        "aud": url,
        "iat": now.timestamp(),
        "exp": (now + CLAIM).timestamp(),
    });
    let header = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": file.private_key_id }).to_string();
    let assertion = jwt::signed(&header, &claims, &pair)?;
    sts::bought(request, url, &[("grant_type", GRANT), ("assertion", &assertion)], &[&assertion]).await
}

async fn federated(request: &Request<'_>, file: &File) -> Result<Token, Error> {
    let token = subject(request, &file.credential_source).await?;
    let subject = Subject { audience: &file.audience, kind: &file.subject_token_type, token: &token };
    let url = if file.token_url.is_empty() { sts::service(request) } else { file.token_url.clone() };
    if file.service_account_impersonation_url.is_empty() {
        return sts::exchanged(request, &url, &subject, &SCOPES).await;
    }
    let token = sts::exchanged(request, &url, &subject, &[CLOUD]).await?;
    let seconds = match file.service_account_impersonation.token_lifetime_seconds {
        0 => sts::LIFE,
        seconds => seconds,
    };
    sts::impersonated(request, &file.service_account_impersonation_url, &token, seconds).await
}

/// The token to exchange, from where the platform puts it.
async fn subject(request: &Request<'_>, source: &Source) -> Result<String, Error> {
    let text = if !source.file.is_empty() {
        read(&source.file).await?
    } else if !source.url.is_empty() {
        let url = answer::web(&source.url).map_err(|why| Error::new(format!("invalid credential_source url: {why}")))?;
        let answer = ask(request.http, Method::GET, url, |request| {
            source.headers.iter().fold(request.header(header::ACCEPT, "*/*"), |request, (name, value)| request.header(name, value))
        })
        .await?;
        if !answer.status.is_success() {
            return Err(Error::new(format!("{}: {}", answer.place, answer.status)));
        }
        answer.text().trim().to_owned()
    } else {
        return Err(Error::new("unsupported credential_source: only 'file' and 'url' are supported"));
    };
    match source.format.r#type.as_str() {
        "" | "text" => Ok(text),
        "json" => {
            let values: serde_json::Value = serde_json::from_str(&text).map_err(|_| Error::new("failed to unmarshal subject token"))?;
            let field = values.get(&source.format.subject_token_field_name).and_then(serde_json::Value::as_str);
            field.map(str::to_owned).ok_or_else(|| Error::new("provided subject_token_field_name not found in credentials"))
        }
        _ => Err(Error::new("invalid credential_source format type")),
    }
}
