//! Signature Version 4, as CodeCommit wants it from Git.
//!
//! The request that is signed is `GIT <path>` with the host as its only header and nothing as its payload, not even a digest of nothing.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, Tag, sign};
use chrono::{DateTime, Utc};
use url::Url;

use crate::fetch::hex;

/// The password at `now`.
pub(super) fn password(secret: &str, region: &str, url: &Url, now: DateTime<Utc>) -> String {
    let (day, time) = (now.format("%Y%m%d").to_string(), now.format("%Y%m%dT%H%M%S").to_string());
    let host = host(url);
    let canonical = format!("GIT\n{}\n\nhost:{host}\n\nhost\n", url.path());
    let scope = format!("{day}/{region}/codecommit/aws4_request");
    let signed = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
    let key = [day.as_str(), region, "codecommit", "aws4_request"]
        .iter()
        .fold(Key::new(HMAC_SHA256, format!("AWS4{secret}").as_bytes()), |key, part| Key::new(HMAC_SHA256, mac(&key, part).as_ref()));
    format!("{time}Z{}", hex(mac(&key, &signed).as_ref()))
}

/// The host, with its port where that is not the usual one.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn mac(key: &Key, text: &str) -> Tag {
    sign(key, text.as_bytes())
}
