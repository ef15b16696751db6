//! Requests to a registry: repeated where it is busy, redirected, authenticated when asked to.

use std::sync::PoisonError;
use std::time::Duration;

use headwater_http::{Audience, Body, Excerpt, Guard, Interruption, RedirectError, RedirectRules, Redirects, Secrets, Step, quote, send};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, StatusCode};
use tokio_util::bytes::Bytes;
use url::Url;

use super::error::{Error, Place, refusal};
use super::{Digest, Registry, challenge};

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
    body: Body,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.body.response().status()
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.body.response().content_length()
    }

    /// A header, if it is there and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.body.response().headers().get(name)?.to_str().ok()
    }

    /// The digest that the registry says the content has, which must be `wanted` where that is known.
    pub(super) fn digest(&self, wanted: Option<&Digest>) -> Result<Option<Digest>, Error> {
        let Some(text) = self.header(CONTENT_DIGEST) else { return Ok(None) };
        let said = Digest::parse(text).ok_or_else(|| {
            let text = quote(text, &Secrets::default(), Excerpt::Line);
            self.invalid(format!("invalid response header value: `{CONTENT_DIGEST}: {text}`; invalid checksum digest format"))
        })?;
        match wanted {
            Some(wanted) if *wanted != said => Err(self.invalid(format!(
                "invalid response; digest mismatch in {CONTENT_DIGEST}: received \"{said}\" when expecting \"{wanted}\""
            ))),
            _ => Ok(Some(said)),
        }
    }

    /// The next piece of the body. `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.body.chunk().await.map_err(|why| failure(self.place.clone(), &why))
    }

    /// The whole body of at most `limit` bytes.
    pub(super) async fn read(&mut self, limit: u64) -> Result<Vec<u8>, Error> {
        self.body.read(limit).await.map_err(|why| failure(self.place.clone(), &why))
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
        let asked: Vec<&str> =
            first.body.response().headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
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
    pub(super) async fn follow(&self, url: Url, headers: &HeaderMap, authorization: Option<HeaderValue>) -> Result<Answer, Error> {
        let mut guard = Guard::new(&url, Audience::Home);
        let mut redirects = Redirects::new(url, RedirectRules::COMMON);
        loop {
            let url = redirects.url();
            let is_home = guard.admits(&url);
            let client = if is_home { &self.clients.home } else { &self.clients.away };
            let answer = self.patiently(Method::GET, &url, || {
                let request = client.request(Method::GET, url.clone()).headers(headers.clone());
                match authorization.as_ref().filter(|_| is_home) {
                    Some(value) => request.header(AUTHORIZATION, value),
                    None => request,
                }
            });
            let answer = answer.await?;
            match redirects.follow(answer.status(), answer.body.response().headers()) {
                Ok(Step::Arrived) => return Ok(answer),
                Ok(Step::Redirected) => {}
                Err(RedirectError::TooMany(most)) => {
                    let message = format!("stopped after {most} redirects");
                    return Err(Error::Invalid { place: Place::new("GET", &redirects.url()), message });
                }
                Err(why) => return Err(answer.invalid(why.to_string())),
            }
        }
    }

    /// Sends a request, and again a few times when the registry is busy or broken.
    pub(super) async fn patiently(&self, method: Method, url: &Url, request: impl Fn() -> RequestBuilder) -> Result<Answer, Error> {
        let name = if method == Method::POST { "POST" } else { "GET" };
        let mut pause = FIRST_PAUSE;
        for attempt in 0.. {
            let sent = send(request().header(USER_AGENT, AGENT), Some(self.limits.idle)).await;
            let body = sent.map_err(|why| failure(Place::new(before_an_answer(name, &why), url), &why))?;
            let status = body.response().status();
            let busy = status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
            if !busy || attempt == RETRIES {
                return Ok(Answer { place: Place::new(name, url), url: url.clone(), body });
            }
            let asked =
                body.response().headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
            drop(body);
            tokio::time::sleep(asked.filter(|asked| !asked.is_zero()).unwrap_or(pause).min(self.limits.pause)).await;
            pause *= 2;
        }
        Err(failure(Place::new(name, url), &Interruption::Silent(self.limits.idle)))
    }

    /// The error of an answer that is a refusal.
    pub(super) async fn refused(&self, mut answer: Answer) -> Error {
        let body = answer.body.beginning(REFUSAL).await;
        let message = refusal(answer.status(), &body, &self.secrets());
        Error::Status { status: answer.status().as_u16(), place: answer.place, message }
    }

    /// All texts that must not be repeated.
    fn secrets(&self) -> Secrets {
        let mut secrets = self.credentials.as_http().0.secrets();
        let authorizations = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.extend(authorizations.values().filter_map(|value| value.to_str().ok()?.split(' ').next_back()).collect());
        secrets
    }
}

/// The error of an answer that does not come, or not all of it.
fn failure(place: Place, why: &Interruption) -> Error {
    match why {
        Interruption::TooLarge { size, limit } => Error::TooLarge { what: place.to_string(), size: *size, limit: *limit },
        why => Error::Unreachable { place, message: quote(why, &Secrets::default(), Excerpt::Line) },
    }
}

/// The name of a method in the error of a request without an answer: what broke below HTTP has always been named in this way.
fn before_an_answer(name: &'static str, why: &Interruption) -> &'static str {
    match (why, name) {
        (Interruption::Broken(_), "POST") => "Post",
        (Interruption::Broken(_), _) => "Get",
        _ => name,
    }
}
