//! Google's Security Token Service (RFC 8693), the impersonation of service accounts, and the answers that hold an access token.

use chrono::{DateTime, TimeDelta, Utc};
use headwater_http::{Excerpt, quote};
use reqwest::{Method, header};
use serde::Deserialize;

use super::SCOPES;
use crate::answer::{self, Answer, ask, form};
use crate::issue::Token;
use crate::{Error, Request};

/// For how long tokens of an impersonated account are good, in seconds.
pub(super) const LIFE: u32 = 3600;

/// Someone else's token, and what it is exchanged at.
pub(super) struct Subject<'a> {
    pub audience: &'a str,
    pub kind: &'a str,
    pub token: &'a str,
}

/// The endpoint that exchanges tokens.
pub(super) fn service(request: &Request<'_>) -> String {
    let base = request.environment.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS").unwrap_or("https://sts.googleapis.com/");
    format!("{}/v1/token", base.trim_end_matches('/'))
}

/// The endpoint that impersonates an account.
pub(super) fn impersonation(request: &Request<'_>, email: &str) -> String {
    let usual = "https://iamcredentials.googleapis.com/";
    let base = request.environment.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS").unwrap_or(usual);
    format!("{}/v1/projects/-/serviceAccounts/{email}:generateAccessToken", base.trim_end_matches('/'))
}

/// An access token for a subject's.
pub(super) async fn exchanged(request: &Request<'_>, url: &str, subject: &Subject<'_>, scopes: &[&str]) -> Result<Token, Error> {
    let scope = scopes.join(" ");
    let fields = [
        ("audience", subject.audience),
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", subject.kind),
        ("subject_token", subject.token),
        ("scope", scope.as_str()),
    ];
    bought(request, url, &fields, &[subject.token]).await
}

/// The access token that a form buys. The service may repeat what is in the form, but not these secrets.
pub(super) async fn bought(request: &Request<'_>, url: &str, fields: &[(&str, &str)], secrets: &[&str]) -> Result<Token, Error> {
    let url = answer::web(url).map_err(|why| Error::new(format!("invalid token URL: {why}")))?;
    let sent = Utc::now();
    let answer = ask(request.http, Method::POST, url, |request| form(request, fields)).await?;
    if !answer.status.is_success() {
        return Err(refused(&answer, secrets));
    }
    issued(&answer, sent)
}

/// An access token of the account behind `url`, by one of who may impersonate it.
pub(super) async fn impersonated(request: &Request<'_>, url: &str, by: &Token, seconds: u32) -> Result<Token, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Issued {
        #[serde(default)]
        access_token: String,
        expire_time: Option<String>,
    }
    let url = answer::web(url).map_err(|why| Error::new(format!("invalid impersonation URL: {why}")))?;
    let body = serde_json::json!({ "lifetime": format!("{seconds}s"), "scope": SCOPES }).to_string();
    let answer = ask(request.http, Method::POST, url, |request| {
        request.bearer_auth(&by.secret).header(header::CONTENT_TYPE, "application/json").body(body)
    })
    .await?;
    if !answer.status.is_success() {
        return Err(refused(&answer, &[&by.secret]));
    }
    let issued: Issued = answer.json()?;
    if issued.access_token.is_empty() {
        return Err(answer.lacks("access token"));
    }
    Ok(Token { secret: issued.access_token, expires: answer::time(issued.expire_time.as_deref()), ..Token::default() })
}

/// The access token in an answer to a request that was sent at `sent`.
pub(super) fn issued(answer: &Answer, sent: DateTime<Utc>) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Issued {
        #[serde(default)]
        access_token: String,
        #[serde(default)]
        expires_in: i64,
    }
    let issued: Issued = answer.json()?;
    if issued.access_token.is_empty() {
        return Err(answer.lacks("access token"));
    }
    let expires = TimeDelta::try_seconds(issued.expires_in).and_then(|life| sent.checked_add_signed(life)).unwrap_or(sent);
    Ok(Token { secret: issued.access_token, expires, ..Token::default() })
}

fn refused(answer: &Answer, secrets: &[&str]) -> Error {
    let told = quote(answer.text(), &secrets.iter().collect(), Excerpt::Line);
    Error::new(format!("{}: status code {}: {told}", answer.place, answer.status.as_u16()))
}
