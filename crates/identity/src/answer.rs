//! One exchange with a provider: bounded in size and time, and told without secrets.

use std::time::Duration;

use chrono::{DateTime, Utc};
use headwater_http::{Interruption, SafeUrl, causes, send};
use reqwest::{Client, Method, StatusCode, header};
use serde::de::DeserializeOwned;
use url::Url;

use super::Error;

/// An answer may be this large, in bytes. Real ones are below 8 KiB.
const LARGEST: u64 = 64 * 1024;
/// An exchange may take this long.
const LONGEST: Duration = Duration::from_secs(10);
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
    url: SafeUrl,
    complete: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> Result<Answer, Error> {
    let place = format!("{method} {url}");
    exchanged(complete(http.request(method, url.into_url()).header(header::USER_AGENT, USER_AGENT)), place, LONGEST).await
}

async fn exchanged(request: reqwest::RequestBuilder, place: String, longest: Duration) -> Result<Answer, Error> {
    let exchange = async {
        let mut body = send(request, None).await?;
        let status = body.response().status();
        body.read(LARGEST).await.map(|body| (status, body))
    };
    let ended = tokio::time::timeout(longest, exchange).await;
    let done = match ended {
        Ok(done) => done.map_err(|why| cause(&why)),
        Err(_) => Err(Error::new(format!("no complete answer within {} seconds", longest.as_secs()))),
    };
    let (status, body) = done.map_err(|error| error.within(&place))?;
    Ok(Answer { place, status, body })
}

/// The innermost cause, which says the most.
fn cause(why: &Interruption) -> Error {
    match why {
        Interruption::Broken(error) => Error::new(causes(error).innermost()),
        other => Error::new(other.to_string()),
    }
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

/// `base` with further path segments, each escaped. `None` where `base` cannot have any.
pub(super) fn extended(base: &SafeUrl, segments: &[&str]) -> Option<SafeUrl> {
    let extend = |url: &mut Url| {
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
    };
    (!base.cannot_be_a_base()).then(|| base.with(extend))
}

/// A URL of HTTP or HTTPS.
pub(super) fn web(text: &str) -> Result<SafeUrl, String> {
    let url = SafeUrl::parse(text).map_err(|error| error.cause.to_string())?;
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use headwater_http::{Clients, Trust};

    use super::*;

    #[test]
    fn segments_are_escaped_and_the_base_keeps_its_path() {
        let base = SafeUrl::parse("https://host/api/v3/?q#f").unwrap();
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
        let client = Clients::default().get(&Trust::default(), None).unwrap();
        let ended = exchanged(client.get(&url), "GET there".to_owned(), Duration::from_millis(100)).await;
        assert_eq!(ended.err().unwrap().to_string(), "GET there: no complete answer within 0 seconds");
        drop(listener);
    }
}
