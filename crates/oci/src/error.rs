//! Failures of a registry, in the words that users of other clients know.

use std::fmt;
use std::io;

use headwater_golang::float::general;
use headwater_http::{Excerpt, SafeUrl, Secrets, quote};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Digest, reference};

/// A request, as errors name it: the method, and the URL without user, password and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    method: &'static str,
    url: String,
}

impl Place {
    pub(super) fn new(method: &'static str, url: &Url) -> Self {
        Self { method, url: SafeUrl::from(url.clone()).to_string() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.method, self.url)
    }
}

/// Failure of a request to a registry. Holds no secret, and no text of the server that is long or cannot be printed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name of a registry, a repository or a tag is none.
    #[error(transparent)]
    Reference(#[from] reference::Error),
    /// There was no answer, or it broke off.
    #[error("{place}: {message}")]
    Unreachable {
        /// The request.
        place: Place,
        /// The failure, in words.
        message: String,
    },
    /// The registry, or what speaks for it, refused.
    #[error("{place}: response status code {status}: {message}")]
    Status {
        /// The request.
        place: Place,
        /// The HTTP status.
        status: u16,
        /// The registry's own words, or else what the status means.
        message: String,
    },
    /// There is no such manifest or blob.
    #[error("{what}: not found")]
    NotFound {
        /// The manifest or the blob.
        what: String,
    },
    /// The registry wants credentials that there are not, or asks for them in a way that is refused.
    #[error("{place}: {message}")]
    Authentication {
        /// The request.
        place: Place,
        /// The credentials that are missing or refused, in words.
        message: String,
    },
    /// No token could be had for a request.
    #[error("{place}: {source}")]
    Token {
        /// The request.
        place: Place,
        /// The cause.
        source: Box<Error>,
    },
    /// The answer is not what it has to be: no JSON, a list without end, said to be of another digest or size.
    #[error("{place}: {message}")]
    Invalid {
        /// The request.
        place: Place,
        /// The fault, in words.
        message: String,
    },
    /// Content is not that of its digest, or not of the size that it is said to have.
    #[error("{message}")]
    Content {
        /// The fault, in words.
        message: String,
    },
    /// A document has the right digest and does not say what it should.
    #[error("{digest}: invalid manifest: {message}")]
    Malformed {
        /// The document.
        digest: Digest,
        /// The fault, in words.
        message: String,
    },
    /// Something is larger than its limit.
    #[error("{what}: content size {size} exceeds the limit of {limit} bytes")]
    TooLarge {
        /// The content that is too large.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Content that was read could not be written.
    #[error("failed to write what was read: {0}")]
    Write(#[source] io::Error),
}

/// The registry's words in the body of a refusal without `secrets`, and else the meaning of the status.
pub(super) fn refusal(status: reqwest::StatusCode, body: &[u8], secrets: &Secrets) -> String {
    /// The body of an error of the Distribution Specification.
    #[derive(Deserialize)]
    struct Body {
        errors: Option<Vec<Entry>>,
    }
    #[derive(Deserialize)]
    struct Entry {
        code: Option<String>,
        message: Option<String>,
        #[serde(default)]
        detail: Value,
    }
    let read = |entry: Entry| {
        let code = entry.code.unwrap_or_default().replace('_', " ").to_lowercase();
        match (entry.message.filter(|message| !message.is_empty()), entry.detail) {
            (None, _) => code,
            (Some(message), Value::Null) => format!("{code}: {message}"),
            (Some(message), detail) => format!("{code}: {message}: {}", printed(&detail)),
        }
    };
    let entries = serde_json::from_slice(body).ok().and_then(|body: Body| body.errors).unwrap_or_default();
    if entries.is_empty() {
        return status.canonical_reason().unwrap_or_default().to_owned();
    }
    quote(entries.into_iter().map(read).collect::<Vec<_>>().join("; "), secrets, Excerpt::Line)
}

/// Says in which way `body` is no JSON, without repeating more than a character of it where it does not even begin like JSON.
pub fn describe_json_error(body: &[u8], error: &serde_json::Error) -> String {
    match String::from_utf8_lossy(body).trim_start().chars().next() {
        None => "EOF".to_owned(),
        Some('{' | '[' | '"' | '-' | '0'..='9' | 't' | 'f' | 'n') => error.to_string(),
        Some(first) => format!("invalid character {first:?} looking for beginning of value"),
    }
}

/// A value as Go prints it, which is how users have always seen details.
fn printed(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.as_f64().map(general).unwrap_or_default(),
        Value::Array(items) => format!("[{}]", items.iter().map(printed).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<_> = fields.into_iter().map(|(name, value)| format!("{name}:{}", printed(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use reqwest::StatusCode;

    use super::*;

    #[test]
    fn refusals_are_told_in_the_registrys_words() {
        let told = |body: &str| refusal(StatusCode::UNAUTHORIZED, body.as_bytes(), &Secrets::default());
        let one = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}"#;
        assert_eq!(told(one), "unauthorized: authentication required");
        let detail = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no","detail":[{"Type":"r","Name":"a/b","n":1,"size":1234567}]},{"code":"DENIED"}]}"#;
        assert_eq!(told(detail), "name unknown: no: [map[Name:a/b Type:r n:1 size:1.234567e+06]]; denied");
        for silent in ["", "<html>", "{}", r#"{"errors":[]}"#, r#"{"errors":null}"#, r#"{"errors":"x"}"#, r#"{"errors":[{"code":1}]}"#] {
            assert_eq!(told(silent), "Unauthorized", "{silent}");
        }
    }

    #[test]
    fn places_have_no_query_and_no_user() {
        let url = Url::parse("https://u:p@host:1/a?token=b#c").unwrap();
        assert_eq!(Place::new("GET", &url).to_string(), r#"GET "https://host:1/a""#);
    }
}
