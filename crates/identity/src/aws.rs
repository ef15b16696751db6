//! AWS: temporary keys, and of these a signed password for a CodeCommit repository, or a token of the Elastic Container Registry.
//!
//! The password of CodeCommit is a Signature Version 4 over the repository's path; CodeCommit takes it for about fifteen minutes.

mod chain;
mod ecr;
mod sign;
mod sts;

use std::collections::BTreeMap;

use chrono::{TimeDelta, Utc};
use headwater_http::Credentials;
use url::Url;

use super::issue::{GIT, Issuer, Token, access};
use super::{Account, Error, Issued, Request};

pub(super) use ecr::registry;

/// For how long a password is good.
const VALIDITY: TimeDelta = TimeDelta::minutes(15);
const ROLE: &str = "eks.amazonaws.com/role-arn";
const ROLE_PATTERN: &str = r"^arn:aws[\w-]*:iam::[0-9]{1,30}:role/.{1,200}$";

pub(super) async fn credentials(request: &Request<'_>) -> Result<Issued, Error> {
    let region = region(request.url)?;
    let (keys, identity) = access(&Keys { region }, request, region, GIT).await?;
    let now = Utc::now();
    let password = sign::password(&keys.secret, region, request.url, now);
    let username = if keys.session.is_empty() { keys.id } else { format!("{}%{}", keys.id, keys.session) };
    let expires = keys.expires.min(now + VALIDITY);
    Ok(Issued { credentials: Credentials::basic(username, password), expires, identity })
}

/// The region of a CodeCommit repository, as its host says.
fn region(url: &Url) -> Result<&str, Error> {
    if url.scheme() != "https" {
        return Err(Error::new("AWS CodeCommit authentication requires an HTTPS Git URL"));
    }
    let host = url.host_str().unwrap_or_default();
    let names_it = ["git-codecommit.", "git-codecommit-fips."].iter().any(|prefix| host.starts_with(prefix))
        && [".amazonaws.com", ".amazonaws.com.cn"].iter().any(|suffix| host.ends_with(suffix));
    match host.split('.').nth(1) {
        Some(region) if names_it && host.split('.').count() >= 4 => Ok(region),
        _ => Err(Error::new(format!("invalid AWS CodeCommit Git URL: {}", sign::host(url)))),
    }
}

/// The domain of the services of a region's partition.
fn domain(region: &str) -> &'static str {
    const PARTITIONS: [(&str, &str); 6] = [
        ("cn-", "amazonaws.com.cn"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("eusc-", "amazonaws.eu"),
    ];
    PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("amazonaws.com", |(_, domain)| domain)
}

/// Temporary keys, issued in a region.
struct Keys<'a> {
    region: &'a str,
}

impl Issuer for Keys<'_> {
    const NAME: &'static str = "aws";

    fn identity(annotations: &BTreeMap<String, String>) -> Result<String, Error> {
        let role = annotations.get(ROLE).map(String::as_str).unwrap_or_default();
        if names_role(role) {
            return Ok(role.to_owned());
        }
        Err(Error::new(format!("invalid {ROLE} annotation: '{role}'. must match {ROLE_PATTERN}")))
    }

    async fn audience(&self, _: &Request<'_>, _: &str) -> Result<String, Error> {
        Ok("sts.amazonaws.com".to_owned())
    }

    async fn own(&self, request: &Request<'_>) -> Result<Token, Error> {
        chain::keys(request, self.region).await
    }

    async fn exchanged(&self, request: &Request<'_>, account: &dyn Account, identity: &str, token: &str) -> Result<Token, Error> {
        let session = format!("{}.{}.{}.fluxcd.io", account.name(), account.namespace(), self.region);
        sts::assumed(request, self.region, identity, &session, token).await
    }
}

/// True if a text is of the pattern of a role's resource name.
fn names_role(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, resource) = (next(), next(), next(), next(), next(), next());
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name = resource.strip_prefix("role/").unwrap_or_default();
    arn == "arn"
        && partition.strip_prefix("aws").is_some_and(|rest| rest.chars().all(word))
        && service == "iam"
        && region.is_empty()
        && (1..=30).contains(&account.len())
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && (1..=200).contains(&name.chars().count())
        && !name.contains('\n')
}

#[cfg(test)]
mod tests;
