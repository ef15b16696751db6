//! Requests to a registry: repeated where it is busy, redirected, authenticated when asked to.

use std::error::Error as _;
use std::sync::PoisonError;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use tokio_util::bytes::Bytes;
use url::Url;

use super::error::{Error, Place, quoted, refusal};
use super::{Credentials, Digest, Registry, challenge};

/// As many redirects as are followed.
const MAX_REDIRECTS: usize = 10;
/// How often a request is repeated when the registry is busy or broken.
const RETRIES: u32 = 3;
/// Before the first repetition; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Of the body of a refusal, this much is read, in bytes.
const REFUSAL: usize = 8 * 1024;
const CONTENT_DIGEST: &str = "Docker-Content-Digest";
const AGENT: &str = concat!("headwater/", env!("CARGO_PKG_VERSION"));

/// The beginning of an answer, and where it came from in the end.
pub(super) struct Answer {
    pub(super) place: Place,
    pub(super) url: Url,
    response: Response,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// A header, if it is there and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The digest that the registry says the content has, which must be `wanted` where that is known.
    pub(super) fn digest(&self, wanted: Option<&Digest>) -> Result<Option<Digest>, Error> {
        let Some(text) = self.header(CONTENT_DIGEST) else { return Ok(None) };
        let said = Digest::parse(text).ok_or_else(|| {
            let text = quoted(text, &[]);
            self.invalid(format!("invalid response header value: `{CONTENT_DIGEST}: {text}`; invalid checksum digest format"))
        })?;
        match wanted {
            Some(wanted) if *wanted != said => Err(self.invalid(format!(
                "invalid response; digest mismatch in {CONTENT_DIGEST}: received \"{said}\" when expecting \"{wanted}\""
            ))),
            _ => Ok(Some(said)),
        }
    }

    pub(super) fn invalid(&self, message: impl Into<String>) -> Error {
        Error::Invalid { place: self.place.clone(), message: message.into() }
    }
}

impl Registry {
    /// GETs `url`, which belongs to `repository`, with the credentials that the registry asks for. The answer may be a refusal.
    pub(super) async fn get(&self, url: Url, accept: &'static str, repository: &str) -> Result<Answer, Error> {
        let scope = format!("repository:{repository}:pull");
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        let known = self.authorization(&scope);
        let first = self.follow(url.clone(), &headers, known).await?;
        // Whoever the registry redirected to is not told who we are.
        if first.status() != StatusCode::UNAUTHORIZED || first.url.origin() != url.origin() {
            return Ok(first);
        }
        let asked: Vec<&str> = first.response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
        let Some(value) = self.meet(&challenge::parse(&asked.join(", ")), &scope, &first.place).await? else {
            return Ok(first);
        };
        drop(first);
        let second = self.follow(url, &headers, Some(value.clone())).await?;
        let mut authorizations = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
        if second.status() == StatusCode::UNAUTHORIZED {
            authorizations.remove(&scope);
        } else {
            authorizations.insert(scope, value);
        }
        Ok(second)
    }

    fn authorization(&self, scope: &str) -> Option<HeaderValue> {
        self.authorizations.lock().unwrap_or_else(PoisonError::into_inner).get(scope).cloned()
    }

    /// GETs `url` and follows redirects. `authorization` is sent as long as they stay at the origin of `url`.
    pub(super) async fn follow(&self, mut url: Url, headers: &HeaderMap, authorization: Option<HeaderValue>) -> Result<Answer, Error> {
        let origin = url.origin();
        let mut home = true;
        for _ in 0..=MAX_REDIRECTS {
            home = home && url.origin() == origin;
            let client = if home { &self.clients.home } else { &self.clients.away };
            let answer = self.patiently(Method::GET, &url, || {
                let request = client.request(Method::GET, url.clone()).headers(headers.clone());
                match authorization.as_ref().filter(|_| home) {
                    Some(value) => request.header(AUTHORIZATION, value),
                    None => request,
                }
            });
            let answer = answer.await?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            url = redirected(&answer)?;
        }
        Err(Error::Invalid { place: Place::new("GET", &url), message: format!("stopped after {MAX_REDIRECTS} redirects") })
    }

    /// Sends a request, and again a few times when the registry is busy or broken.
    pub(super) async fn patiently(&self, method: Method, url: &Url, request: impl Fn() -> RequestBuilder) -> Result<Answer, Error> {
        let name = if method == Method::POST { "POST" } else { "GET" };
        let mut pause = FIRST_PAUSE;
        for attempt in 0.. {
            let sent = tokio::time::timeout(self.limits.idle, request().header(USER_AGENT, AGENT).send()).await;
            let response = match sent {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(unreachable(name, url, &error)),
                Err(_) => return Err(self.silent(Place::new(name, url))),
            };
            let status = response.status();
            let busy = status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
            if !busy || attempt == RETRIES {
                return Ok(Answer { place: Place::new(name, url), url: url.clone(), response });
            }
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
            drop(response);
            tokio::time::sleep(asked.filter(|asked| !asked.is_zero()).unwrap_or(pause).min(self.limits.pause)).await;
            pause *= 2;
        }
        Err(self.silent(Place::new(name, url)))
    }

    /// The next piece of the body. `None` at its end.
    pub(super) async fn chunk(&self, answer: &mut Answer) -> Result<Option<Bytes>, Error> {
        match tokio::time::timeout(self.limits.idle, answer.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(Error::Unreachable { place: answer.place.clone(), message: words(&error) }),
            Err(_) => Err(self.silent(answer.place.clone())),
        }
    }

    /// The whole body of at most `limit` bytes.
    pub(super) async fn body(&self, answer: &mut Answer, limit: usize) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(answer).await? {
            let size = body.len() + chunk.len();
            if size > limit {
                return Err(Error::TooLarge { what: answer.place.to_string(), size: size as u64, limit: limit as u64 });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The error of an answer that is a refusal.
    pub(super) async fn refused(&self, mut answer: Answer) -> Error {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = self.chunk(&mut answer).await {
            let room = REFUSAL - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == REFUSAL {
                break;
            }
        }
        let message = refusal(answer.status(), &body, &self.secrets());
        Error::Status { status: answer.status().as_u16(), place: answer.place, message }
    }

    fn silent(&self, place: Place) -> Error {
        Error::Unreachable { place, message: format!("no answer within {:?}", self.limits.idle) }
    }

    /// All texts that must not be repeated.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = match &self.credentials {
            Credentials::Anonymous => Vec::new(),
            Credentials::Basic { username, password } => vec![password.clone(), super::token::encoded(username, password)],
            Credentials::Refresh(token) | Credentials::Access(token) => vec![token.clone()],
        };
        let authorizations = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
        let values = authorizations.values().filter_map(|value| value.to_str().ok()?.split(' ').next_back().map(str::to_owned));
        secrets.extend(values);
        secrets
    }
}

fn unreachable(method: &'static str, url: &Url, error: &reqwest::Error) -> Error {
    // Errors below HTTP have always named the method in this way.
    let method = if method == "POST" { "Post" } else { "Get" };
    Error::Unreachable { place: Place::new(method, url), message: words(error) }
}

/// What went wrong below HTTP, without URLs.
fn words(error: &reqwest::Error) -> String {
    let mut words = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        // reqwest names the whole URL in its own texts; what it wraps says what happened.
        if !error.is::<reqwest::Error>() {
            words.push(error.to_string());
        }
        next = error.source();
    }
    if words.is_empty() { "the request failed".to_owned() } else { quoted(&words.join(": "), &[]) }
}

/// Where `answer` redirects to: never from encrypted to plain, nor to anything but HTTP.
fn redirected(answer: &Answer) -> Result<Url, Error> {
    let location = answer.header(LOCATION.as_str()).and_then(|location| answer.url.join(location).ok());
    let mut to = location.ok_or_else(|| answer.invalid("a redirect without a usable location"))?;
    if !matches!((answer.url.scheme(), to.scheme()), ("http", "http" | "https") | ("https", "https")) {
        return Err(answer.invalid(format!("refusing a redirect from {} to {}", answer.url.scheme(), to.scheme())));
    }
    // A location may name a user, which would become an Authorization.
    let _ = to.set_username("");
    let _ = to.set_password(None);
    Ok(to)
}
