//! The Security Token Service: a web identity becomes the keys of a role. The API is of version 2011-06-15 and speaks XML.

use chrono::Utc;
use headwater_http::{Excerpt, printable_url, quote};
use reqwest::Method;

use super::domain;
use crate::answer::{self, ask, form};
use crate::issue::Token;
use crate::{Error, Request};

/// The keys of `role`, in exchange for a token of who may assume it.
pub(super) async fn assumed(request: &Request<'_>, region: &str, role: &str, session: &str, token: &str) -> Result<Token, Error> {
    answered(request, region, role, session, token).await.map_err(|error| error.within("operation error STS: AssumeRoleWithWebIdentity"))
}

async fn answered(request: &Request<'_>, region: &str, role: &str, session: &str, token: &str) -> Result<Token, Error> {
    let endpoint = endpoint(request, region);
    let url = answer::web(&endpoint).map_err(|why| Error::new(format!("invalid endpoint '{}': {why}", printable_url(&endpoint))))?;
    let fields = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", session),
        ("WebIdentityToken", token),
    ];
    let answer = ask(request.http, Method::POST, url, |request| form(request, &fields)).await?;
    let text = answer.text();
    if !answer.status.is_success() {
        let told = |name| quote(element(&text, name).unwrap_or_default(), &[token].into_iter().collect(), Excerpt::Line);
        let status = answer.status.as_u16();
        let message =
            format!("https response error StatusCode: {status}, RequestID: {}, {}: {}", told("RequestId"), told("Code"), told("Message"));
        return Err(Error::new(message));
    }
    let credentials = element(&text, "Credentials").ok_or_else(|| answer.lacks("credentials"))?;
    let part = |name| element(&credentials, name).filter(|part| !part.is_empty()).ok_or_else(|| answer.lacks(name));
    Ok(Token {
        id: part("AccessKeyId")?,
        secret: part("SecretAccessKey")?,
        session: part("SessionToken")?,
        expires: element(&credentials, "Expiration").map_or_else(Utc::now, |time| answer::time(Some(&time))),
    })
}

fn endpoint(request: &Request<'_>, region: &str) -> String {
    let variable = |name| request.environment.get(name);
    if let Some(endpoint) = variable("AWS_ENDPOINT_URL_STS").or_else(|| variable("AWS_ENDPOINT_URL")) {
        return endpoint.to_owned();
    }
    let fips = if variable("AWS_USE_FIPS_ENDPOINT") == Some("true") { "-fips" } else { "" };
    format!("https://sts{fips}.{region}.{}", domain(region))
}

/// The text of the first element of this name. The service's names have no attributes and no prefixes.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    // What has children is looked into again, so only text is unescaped.
    if inner.contains('<') {
        return Some(inner.to_owned());
    }
    Some(entities.iter().fold(inner.trim().to_owned(), |text, (entity, plain)| text.replace(entity, plain)))
}
