//! Requests to an LFS server and to the stores that it names.

use headwater_http::{Audience, ClientPair, Excerpt, Guard, RedirectRules, Redirects, Secrets, Step, causes, quote};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Method, Response};
use url::Url;

use super::Place;
use crate::fetch::git::{Error, http};

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
    clients: ClientPair,
    authorization: Option<HeaderValue>,
    secrets: Secrets,
}

impl<'a> Web<'a> {
    pub(super) fn new(place: &'a Place<'a>) -> Result<Self, Error> {
        let remote = place.remote;
        let (authorization, mut secrets) = http::authorization(remote)?;
        secrets.extend(remote.url.secrets());
        let clients = remote.clients.pair(&remote.trust, remote.proxy.as_ref()).map_err(|why| Error::unusable(&remote.url, why))?;
        Ok(Self { place, clients, authorization, secrets })
    }

    /// Sends `request`, follows redirects, and returns the answer, whatever its status is.
    pub(super) async fn send(&self, request: &Request) -> Result<Response, Error> {
        let mut home = Guard::new(&self.place.remote.url, Audience::Home);
        let mut own = Guard::new(&request.url, Audience::Home);
        let mut redirects = Redirects::new(request.url.clone(), RedirectRules::COMMON);
        loop {
            let url = redirects.url();
            let (is_home, is_own) = (home.admits(&url), own.admits(&url));
            let client = if is_home { &self.clients.home } else { &self.clients.away };
            let mut next = client.request(request.method.clone(), url).header(USER_AGENT, http::AGENT).headers(request.headers.clone());
            next = next.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            if let Some(value) = self.authorization.as_ref().filter(|_| is_home && request.access == Access::Remote) {
                next = next.header(AUTHORIZATION, value);
            }
            if is_own {
                next = next.headers(request.own.clone());
            }
            let sent = self.place.wait("an answer of the Git LFS server", next.body(request.body.clone()).send()).await?;
            let response = sent.map_err(|error| self.broken(&error))?;
            match redirects.follow(response.status(), response.headers()) {
                Ok(Step::Arrived) => return Ok(response),
                Ok(Step::Redirected) => {}
                Err(why) => return Err(self.place.unreachable(format!("Git LFS: {why}"))),
            }
        }
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

    fn broken(&self, error: &reqwest::Error) -> Error {
        self.place.unreachable(format!("Git LFS: {}", self.quote(&causes(error).to_string())))
    }

    /// Foreign text, fit for printing: in one line, shortened, without addresses, queries and the remote's credentials.
    pub(super) fn quote(&self, text: &str) -> String {
        let text = self.secrets.redact(text);
        let gives_away = |word: &str| word.contains("://") || (word.contains('?') && word.contains('='));
        let words: Vec<_> = text.split_whitespace().map(|word| if gives_away(word) { "***" } else { word }).collect();
        quote(words.join(" "), &self.secrets, Excerpt::Short)
    }
}
