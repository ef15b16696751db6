//! The Elastic Container Registry: temporary keys become the user and the password of a registry, good for twelve hours.
//!
//! See GetAuthorizationToken in the API references of Amazon ECR and of Amazon ECR Public; both speak JSON 1.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use headwater_http::{Excerpt, printable_url, quote};
use regex::Regex;
use reqwest::Method;
use serde::Deserialize;

use super::sign::{self, Scope};
use super::{Keys, domain};
use crate::answer::{self, Answer, ask};
use crate::issue::Token;
use crate::registry::{issued, name};
use crate::{Error, Issued, Request};

/// The public gallery, and the region that speaks for it.
const PUBLIC: &str = "public.ecr.aws";
const PUBLIC_REGION: &str = "us-east-1";
/// A pattern of the hosts that are registries, with their region.
const PATTERN: &str = concat!(
    r"([0-9+]*).dkr[.-]ecr(?:-fips)?\.([^/.]*)\.",
    r"(amazonaws\.com[.cn]*|amazonaws\.eu|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|on\.aws)",
);
/// With what the host of a registry ends. The pattern alone would let it end with anything.
const DOMAINS: [&str; 8] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".sc2s.sgov.gov",
    ".c2s.ic.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
    ".on.aws",
];

pub(crate) async fn registry(request: &Request<'_>) -> Result<Issued, Error> {
    let host = name(request);
    let service = Service::of(&host)?;
    let region = service.region();
    issued(&Keys { region }, request, region, service.input(), async |keys| service.token(request, &keys).await).await
}

/// The issuer of the password.
#[derive(Debug, PartialEq, Eq)]
enum Service<'a> {
    /// The registries of a region.
    Private(&'a str),
    /// The public gallery.
    Public,
}

impl<'a> Service<'a> {
    fn of(host: &'a str) -> Result<Self, Error> {
        if host == PUBLIC {
            return Ok(Self::Public);
        }
        let invalid = || Error::new(format!("invalid AWS registry: '{host}'. must match {PATTERN}"));
        // A port does not change whose the host is.
        let domain = host.rsplit_once(':').map_or(host, |(domain, _)| domain);
        let pattern = Regex::new(&format!("^(?:{PATTERN})$")).map_err(|_| invalid())?;
        let region = pattern.captures(domain).and_then(|found| found.get(2)).map(|region| region.as_str());
        region.filter(|_| DOMAINS.iter().any(|suffix| domain.ends_with(suffix))).map(Self::Private).ok_or_else(invalid)
    }

    fn region(&self) -> &'a str {
        match self {
            Self::Private(region) => region,
            Self::Public => PUBLIC_REGION,
        }
    }

    /// All that the answer depends on.
    fn input(&self) -> &'a str {
        match self {
            Self::Private(region) => region,
            Self::Public => PUBLIC,
        }
    }

    /// Its name in signatures, the prefix of its operations, and its name in messages.
    fn names(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Private(_) => ("ecr", "AmazonEC2ContainerRegistry_V20150921", "ECR"),
            Self::Public => ("ecr-public", "SpencerFrontendService", "ECR PUBLIC"),
        }
    }

    fn endpoint(&self, request: &Request<'_>) -> String {
        let variable = |name| request.environment.get(name);
        let own = match self {
            Self::Private(_) => "AWS_ENDPOINT_URL_ECR",
            Self::Public => "AWS_ENDPOINT_URL_ECR_PUBLIC",
        };
        if let Some(endpoint) = variable(own).or_else(|| variable("AWS_ENDPOINT_URL")) {
            return endpoint.to_owned();
        }
        match self {
            Self::Private(region) if variable("AWS_USE_FIPS_ENDPOINT") == Some("true") => {
                format!("https://ecr-fips.{region}.{}", domain(region))
            }
            Self::Private(region) => format!("https://api.ecr.{region}.{}", domain(region)),
            Self::Public => format!("https://api.ecr-public.{PUBLIC_REGION}.amazonaws.com"),
        }
    }

    async fn token(&self, request: &Request<'_>, keys: &Token) -> Result<Token, Error> {
        let (service, operations, shown) = self.names();
        let asked = async {
            let endpoint = self.endpoint(request);
            let url =
                answer::web(&endpoint).map_err(|why| Error::new(format!("invalid endpoint '{}': {why}", printable_url(&endpoint))))?;
            let target = format!("{operations}.GetAuthorizationToken");
            let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
            let scope = Scope { region: self.region(), service, now: Utc::now() };
            let signed = sign::signed(keys, &scope, &Method::POST, &url, &headers, b"{}");
            let complete = |request: reqwest::RequestBuilder| {
                signed.into_iter().fold(request, |request, (name, value)| request.header(name, value)).body("{}")
            };
            let answer = ask(request.http, Method::POST, url, complete).await?;
            if !answer.status.is_success() {
                return Err(refused(&answer, keys));
            }
            Ok(answer)
        };
        let answer = asked.await.map_err(|error| error.within(format_args!("operation error {shown}: GetAuthorizationToken")))?;
        token(&answer)
    }
}

fn refused(answer: &Answer, keys: &Token) -> Error {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        #[serde(rename = "__type")]
        kind: String,
        #[serde(alias = "Message")]
        message: String,
    }
    let Refusal { kind, message } = answer.json().unwrap_or_default();
    // The kind may come as `namespace#Kind`.
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let told = quote(format!("{kind}: {message}"), &[&keys.secret, &keys.session].into_iter().collect(), Excerpt::Line);
    Error::new(format!("https response error StatusCode: {}, RequestID: , {told}", answer.status.as_u16()))
}

/// The user and the password in an answer.
fn token(answer: &Answer) -> Result<Token, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answered {
        authorization_data: Option<Data>,
    }
    /// A list in the answer for a region, one in the answer for the public gallery.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Data {
        Many(Vec<Authorization>),
        One(Authorization),
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Authorization {
        authorization_token: Option<String>,
        /// In seconds since 1970, with a fraction.
        expires_at: Option<f64>,
    }

    let first = match answer.json::<Answered>()?.authorization_data {
        Some(Data::Many(list)) => list.into_iter().next(),
        Some(Data::One(one)) => Some(one),
        None => None,
    };
    let Authorization { authorization_token, expires_at } = first.ok_or_else(|| Error::new("no authorization data returned"))?;
    let text = authorization_token.ok_or_else(|| Error::new("authorization token is nil"))?;
    let seconds = expires_at.ok_or_else(|| Error::new("authorization token expiration is nil"))?;
    let decoded = STANDARD.decode(text).map_err(|_| Error::new("failed to parse authorization token: illegal base64 data"))?;
    let invalid = || Error::new("invalid authorization token format");
    let decoded = String::from_utf8(decoded).map_err(|_| invalid())?;
    let (user, password) = decoded.split_once(':').filter(|(_, password)| !password.contains(':')).ok_or_else(invalid)?;
    // A cast to an integer saturates; what is no time has passed.
    #[expect(clippy::cast_possible_truncation, reason = "fractions of a second do not matter")]
    let expires = DateTime::from_timestamp(seconds as i64, 0).unwrap_or_default();
    Ok(Token { id: user.to_owned(), secret: password.to_owned(), expires, ..Token::default() })
}

#[cfg(test)]
mod tests;
