//! Signature Version 4: as the services of AWS want it from their clients, and as CodeCommit wants it from Git.
//!
//! For Git, the request that is signed is `GIT <path>` with the host as its only header and nothing as its payload, not even a digest of
//! nothing.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, Tag, sign};
use chrono::{DateTime, Utc};
use reqwest::Method;
use url::Url;

use crate::issue::Token;

/// The password at `now`.
pub(super) fn password(secret: &str, region: &str, url: &Url, now: DateTime<Utc>) -> String {
    let time = now.format("%Y%m%dT%H%M%S").to_string();
    let canonical = format!("GIT\n{}\n\nhost:{}\n\nhost\n", url.path(), host(url));
    let signature = signature(secret, &Scope { region, service: "codecommit", now }, &time, &canonical);
    format!("{time}Z{signature}")
}

/// For whom a signature is good, and when.
pub(super) struct Scope<'a> {
    /// The region.
    pub region: &'a str,
    /// The service.
    pub service: &'a str,
    /// The time.
    pub now: DateTime<Utc>,
}

impl Scope<'_> {
    fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day(), self.region, self.service)
    }

    fn day(&self) -> String {
        self.now.format("%Y%m%d").to_string()
    }
}

/// `headers` (their names in lower case) and those that sign them together with a request; all are to be sent.
pub(super) fn signed(
    keys: &Token,
    scope: &Scope<'_>,
    method: &Method,
    url: &Url,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let time = scope.now.format("%Y%m%dT%H%M%SZ").to_string();
    let mut sent: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    sent.push(("x-amz-date", time.clone()));
    if !keys.session.is_empty() {
        sent.push(("x-amz-security-token", keys.session.clone()));
    }
    let mut all = sent.clone();
    all.push(("host", host(url)));
    all.sort();
    let lines: String = all.iter().flat_map(|(name, value)| [name, ":", value.trim(), "\n"]).collect();
    let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let body = hex::encode(digest(&SHA256, body).as_ref());
    let canonical = format!("{method}\n{}\n{}\n{lines}\n{names}\n{body}", url.path(), url.query().unwrap_or_default());
    let signature = signature(&keys.secret, scope, &time, &canonical);
    let credential = format!("{}/{}", keys.id, scope.text());
    sent.push(("authorization", format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}")));
    sent
}

/// The host, with its port where that is not the usual one.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn signature(secret: &str, scope: &Scope<'_>, time: &str, canonical: &str) -> String {
    let signed = format!("AWS4-HMAC-SHA256\n{time}\n{}\n{}", scope.text(), hex::encode(digest(&SHA256, canonical.as_bytes()).as_ref()));
    let key = [scope.day().as_str(), scope.region, scope.service, "aws4_request"]
        .iter()
        .fold(Key::new(HMAC_SHA256, format!("AWS4{secret}").as_bytes()), |key, part| Key::new(HMAC_SHA256, mac(&key, part).as_ref()));
    hex::encode(mac(&key, &signed).as_ref())
}

fn mac(key: &Key, text: &str) -> Tag {
    sign(key, text.as_bytes())
}
