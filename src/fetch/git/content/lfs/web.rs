//! Requests to an LFS server and to the stores that it names.

use std::fmt::Write as _;

use headwater_http::{Secrets, without_user};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response};
use url::{Origin, Url};

use super::{MAX_WORDS, Place};
use crate::fetch::git::http::{self, MAX_REDIRECTS, is_upward};
use crate::fetch::git::{Auth, Error};

/// One request, which may become several by redirects.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    /// What every server on the way may see.
    pub(super) headers: HeaderMap,
    /// What only the first server may see.
    pub(super) own: HeaderMap,
    /// Whether the remote's credentials belong to it.
    pub(super) access: Access,
    pub(super) body: Vec<u8>,
}

/// Whether the remote's credentials belong to a request, where it goes to the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// They do.
    Remote,
    /// The request carries its own.
    Own,
}

/// What sends requests.
pub(super) struct Web<'a> {
    pub(super) place: &'a Place<'a>,
    home: Origin,
    at_home: Client,
    /// Shows no certificate of ours.
    elsewhere: Client,
    authorization: Option<HeaderValue>,
    secrets: Secrets,
}

impl<'a> Web<'a> {
    pub(super) fn new(place: &'a Place<'a>) -> Result<Self, Error> {
        let remote = place.remote;
        let stranger = Auth { ca: remote.auth.ca.clone(), ..Auth::default() };
        let client = |auth| remote.clients.get(auth, remote.proxy.as_ref()).map_err(|unusable| unusable.at(&place.url));
        let (authorization, mut secrets) = http::authorization(remote)?;
        secrets.extend(remote.url.secrets());
        let (at_home, elsewhere) = (client(&remote.auth)?, client(&stranger)?);
        Ok(Self { place, home: remote.url.origin(), at_home, elsewhere, authorization, secrets })
    }

    /// Sends `request`, follows redirects, and returns the answer, whatever its status is.
    pub(super) async fn send(&self, request: &Request) -> Result<Response, Error> {
        let (mut url, first) = (request.url.clone(), request.url.origin());
        let (mut home, mut own) = (true, true);
        for _ in 0..=MAX_REDIRECTS {
            // Who was left once gets nothing back later: it may be the other that sends us there.
            home &= url.origin() == self.home;
            own &= url.origin() == first;
            let client = if home { &self.at_home } else { &self.elsewhere };
            let mut next = client.request(request.method.clone(), without_user(url.clone())).headers(request.headers.clone());
            next = next.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            if let Some(value) = self.authorization.as_ref().filter(|_| home && request.access == Access::Remote) {
                next = next.header(AUTHORIZATION, value);
            }
            if own {
                next = next.headers(request.own.clone());
            }
            let sent = self.place.wait("an answer of the Git LFS server", next.body(request.body.clone()).send()).await?;
            let response = sent.map_err(|error| self.broken(&error))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            url = self.redirected(&url, &response)?;
        }
        Err(self.place.unreachable(format!("Git LFS: more than {MAX_REDIRECTS} redirects")))
    }

    /// The next part of an answer.
    pub(super) async fn chunk(&self, response: &mut Response) -> Result<Option<impl AsRef<[u8]> + Send + 'static>, Error> {
        let chunk = self.place.wait("more of an answer of the Git LFS server", response.chunk()).await?;
        chunk.map_err(|error| self.broken(&error))
    }

    /// An answer of at most `bound` bytes; nothing if it is longer.
    pub(super) async fn body(&self, mut response: Response, bound: usize) -> Result<Option<Vec<u8>>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            body.extend_from_slice(chunk.as_ref());
            if body.len() > bound {
                return Ok(None);
            }
        }
        Ok(Some(body))
    }

    fn redirected(&self, from: &Url, response: &Response) -> Result<Url, Error> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location.and_then(|location| from.join(location).ok());
        let to = to.ok_or_else(|| self.place.unreachable("Git LFS: a redirect without a usable location".into()))?;
        if is_upward(from, &to) {
            return Ok(to);
        }
        Err(self.place.unreachable(format!("Git LFS: refusing a redirect from {} to {}", from.scheme(), to.scheme())))
    }

    fn broken(&self, error: &reqwest::Error) -> Error {
        let mut text = String::new();
        let mut next = std::error::Error::source(error);
        while let Some(error) = next {
            let _ = write!(text, "{}{error}", if text.is_empty() { "" } else { ": " });
            next = error.source();
        }
        let text = if text.is_empty() { "the request failed".into() } else { self.scrubbed(&text) };
        self.place.unreachable(format!("Git LFS: {text}"))
    }

    /// Foreign text, fit for printing: in one line, shortened, without addresses, queries and the remote's credentials.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        let text = self.secrets.redact(text);
        let gives_away = |word: &str| word.contains("://") || (word.contains('?') && word.contains('='));
        let words: Vec<_> = text.split_whitespace().map(|word| if gives_away(word) { "***" } else { word }).collect();
        words.join(" ").chars().take(MAX_WORDS).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn nobody_is_sent_from_encrypted_to_plain() {
        let url = |scheme: &str| Url::parse(&format!("{scheme}://host/")).unwrap();
        for (from, to, expected) in [
            ("http", "http", true),
            ("http", "https", true),
            ("https", "https", true),
            ("https", "http", false),
            ("http", "ftp", false),
            ("https", "file", false),
        ] {
            assert_eq!(is_upward(&url(from), &url(to)), expected, "{from} {to}");
        }
    }
}
