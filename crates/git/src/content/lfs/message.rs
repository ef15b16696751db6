//! What is said in the batch API.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, Utc};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};

/// What only who sends a request can know.
const NOT_THEIRS: [&str; 9] =
    ["accept-encoding", "connection", "content-length", "expect", "host", "proxy-authorization", "te", "transfer-encoding", "upgrade"];

/// What a client asks.
#[derive(Serialize)]
pub(super) struct Question<'a> {
    pub(super) operation: &'static str,
    pub(super) transfers: [&'static str; 1],
    pub(super) objects: Vec<Named<'a>>,
    pub(super) hash_algo: &'static str,
}

/// An object that it asks for.
#[derive(Serialize)]
pub(super) struct Named<'a> {
    pub(super) oid: &'a str,
    pub(super) size: u64,
}

/// What the server says of them all.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) transfer: Option<String>,
    pub(super) hash_algo: Option<String>,
    pub(super) objects: Vec<Object>,
}

/// What it says of one.
#[derive(Deserialize)]
pub(super) struct Object {
    pub(super) oid: String,
    pub(super) authenticated: Option<bool>,
    pub(super) actions: Option<Actions>,
    pub(super) error: Option<Problem>,
}

/// What can be done with it.
#[derive(Deserialize)]
pub(super) struct Actions {
    pub(super) download: Option<Action>,
}

/// How to do it.
#[derive(Deserialize)]
pub(super) struct Action {
    pub(super) href: String,
    pub(super) header: Option<BTreeMap<String, String>>,
    pub(super) expires_in: Option<i64>,
    pub(super) expires_at: Option<String>,
}

/// Why nothing can be done with it.
#[derive(Deserialize)]
pub(super) struct Problem {
    pub(super) code: i64,
    pub(super) message: Option<String>,
}

/// What the server says when it says nothing of any.
#[derive(Deserialize)]
pub(super) struct Refusal {
    pub(super) message: String,
}

impl Action {
    /// When it expires; `asked` is when the server said so.
    pub(super) fn expiry(&self, asked: Instant) -> Option<Instant> {
        let in_seconds = self.expires_in.filter(|seconds| *seconds != 0);
        let left = in_seconds.map_or_else(
            || {
                // Year 1 is how some servers write that there is no end.
                let at = DateTime::parse_from_rfc3339(self.expires_at.as_deref()?).ok().filter(|at| at.year() > 1)?;
                Some(at.with_timezone(&Utc).signed_duration_since(Utc::now()).to_std().unwrap_or_default())
            },
            |seconds| Some(Duration::from_secs(seconds.try_into().unwrap_or(0))),
        );
        asked.checked_add(left?)
    }
}

/// The headers that the server wants to see again; nothing if HTTP has no such.
pub(super) fn theirs(headers: Option<&BTreeMap<String, String>>) -> Option<HeaderMap> {
    let mut own = HeaderMap::new();
    for (name, value) in headers.into_iter().flatten().filter(|(name, _)| !NOT_THEIRS.contains(&name.to_ascii_lowercase().as_str())) {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        own.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
    }
    Some(own)
}
