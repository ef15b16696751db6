//! One exchange with a provider: bounded in size and time, and told without secrets.

use std::error::Error as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use headwater_http::SafeUrl;
use reqwest::{Client, Method, StatusCode, header};
use serde::de::DeserializeOwned;
use url::Url;

use super::Error;

/// An answer may be this large, in bytes. Real ones are below 8 KiB.
const LARGEST: usize = 64 * 1024;
/// An exchange may take this long.
const LONGEST: Duration = Duration::from_secs(10);
/// Of what a server says, this many characters are repeated.
const QUOTED: usize = 500;
const USER_AGENT: &str = concat!("headwater/", env!("CARGO_PKG_VERSION"));

/// What came back.
pub(super) struct Answer {
    /// The method and the URL without query, for messages.
    pub place: String,
    /// Success or not.
    pub status: StatusCode,
    body: Vec<u8>,
}

/// Sends a request and reads the whole answer.
pub(super) async fn ask(
    http: &Client,
    method: Method,
    url: Url,
    complete: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> Result<Answer, Error> {
    let place = format!("{method} {}", SafeUrl::from(url.clone()));
    exchanged(complete(http.request(method, url).header(header::USER_AGENT, USER_AGENT)), place, LONGEST).await
}

async fn exchanged(request: reqwest::RequestBuilder, place: String, longest: Duration) -> Result<Answer, Error> {
    let exchange = async {
        let mut response = request.send().await.map_err(|error| Error::new(cause(error)))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| Error::new(cause(error)))? {
            if body.len() + chunk.len() > LARGEST {
                return Err(Error::new(format!("the answer is larger than {LARGEST} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, body))
    };
    let ended = tokio::time::timeout(longest, exchange).await;
    let (status, body) = ended
        .unwrap_or_else(|_| Err(Error::new(format!("no complete answer within {} seconds", longest.as_secs()))))
        .map_err(|error| error.within(&place))?;
    Ok(Answer { place, status, body })
}

impl Answer {
    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // The parser's message may repeat a value, and the value may be a secret.
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::new(format!("{}: the answer is not the JSON expected (line {})", self.place, error.line())))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// That the answer does not hold what it should.
    pub fn lacks(&self, what: &str) -> Error {
        Error::new(format!("{}: the answer holds no {what}", self.place))
    }
}

/// What a server says, as it may be shown: in one line, shortened, and without what it was sent in confidence.
pub(super) fn quoted(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// `base` with further path segments, each escaped. `None` where `base` cannot have any.
pub(super) fn extended(base: &Url, segments: &[&str]) -> Option<Url> {
    let mut url = base.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
    Some(url)
}

/// A URL of HTTP or HTTPS.
pub(super) fn web(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(format!("unsupported protocol scheme '{}'", url.scheme())) }
}

/// A form, as a request's body.
pub(super) fn form(request: reqwest::RequestBuilder, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
}

/// A time as in RFC 3339. What is not one has passed: it is used once and not kept.
pub(super) fn time(text: Option<&str>) -> DateTime<Utc> {
    text.and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|time| time.to_utc()).unwrap_or_default()
}

/// The innermost cause, which says the most.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost = error.source();
    while let Some(deeper) = innermost.and_then(|error| error.source()) {
        innermost = Some(deeper);
    }
    innermost.map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_quoted_is_one_short_line_without_secrets() {
        assert_eq!(quoted("a\r\n b\u{7}c  s3cret d\t", &["s3cret", ""]), "a b c *** d");
        let long = quoted(&"\u{e4}".repeat(600), &[]);
        assert_eq!(long.chars().count(), QUOTED + 1);
    }

    #[test]
    fn segments_are_escaped_and_the_base_keeps_its_path() {
        let base = Url::parse("https://host/api/v3/?q#f").unwrap();
        assert_eq!(extended(&base, &["orgs", "a/../b?c", "x"]).unwrap().path(), "/api/v3/orgs/a%2F..%2Fb%3Fc/x");
        assert!(web("ftp://host/").is_err());
        assert!(web("host").is_err());
    }

    #[test]
    fn a_time_that_is_none_has_passed() {
        assert_eq!(time(None), DateTime::<Utc>::default());
        assert_eq!(time(Some("soon")), DateTime::<Utc>::default());
        assert_eq!(time(Some("2026-01-02T03:04:05+01:00")).timestamp(), 1_767_319_445);
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let ended = exchanged(Client::new().get(&url), "GET there".to_owned(), Duration::from_millis(100)).await;
        assert_eq!(ended.err().unwrap().to_string(), "GET there: no complete answer within 0 seconds");
        drop(listener);
    }
}
