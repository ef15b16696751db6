//! Requests to an LFS server and to the stores that it names.

use headwater_http::{Audience, Body, ClientPair, Excerpt, Guard, Interruption, RedirectRules, Redirects, Secrets, Step, quote, send};
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use url::Url;

use super::Place;
use crate::{Error, http};

/// One request, which may become several by redirects.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    /// Headers for every server on the way.
    pub(super) headers: HeaderMap,
    /// Headers for the first server only.
    pub(super) own: HeaderMap,
    /// The place of the remote's credentials in it.
    pub(super) access: Access,
    pub(super) body: Vec<u8>,
}

/// The place of the remote's credentials in a request that goes to the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// They go along.
    Remote,
    /// The request carries its own.
    Own,
}

/// The things that are waited for, as errors name them.
const ANSWER: &str = "an answer of the Git LFS server";
const MORE: &str = "more of an answer of the Git LFS server";

/// Sends requests.
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
    pub(super) async fn send(&self, request: &Request) -> Result<Body, Error> {
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
            let sent = send(next.body(request.body.clone()), Some(self.place.remote.limits.idle_timeout));
            let sent = self.place.wait_until_deadline(ANSWER, sent).await?;
            let body = sent.map_err(|why| self.interruption(ANSWER, &why))?;
            match redirects.follow(body.response().status(), body.response().headers()) {
                Ok(Step::Arrived) => return Ok(body),
                Ok(Step::Redirected) => {}
                Err(why) => return Err(self.place.unreachable(format!("Git LFS: {why}"))),
            }
        }
    }

    /// The next part of an answer.
    pub(super) async fn chunk(&self, body: &mut Body) -> Result<Option<impl AsRef<[u8]> + Send + 'static>, Error> {
        let chunk = self.place.wait_until_deadline(MORE, body.chunk()).await?;
        chunk.map_err(|why| self.interruption(MORE, &why))
    }

    /// An answer of at most `bound` bytes; nothing if it is longer.
    pub(super) async fn body(&self, mut body: Body, bound: u64) -> Result<Option<Vec<u8>>, Error> {
        match self.place.wait_until_deadline(MORE, body.read(bound)).await? {
            Ok(body) => Ok(Some(body)),
            Err(Interruption::TooLarge { .. }) => Ok(None),
            Err(why) => Err(self.interruption(MORE, &why)),
        }
    }

    /// The error of an answer that did not come while `what` was waited for.
    fn interruption(&self, what: &str, why: &Interruption) -> Error {
        match why {
            Interruption::Silent(_) => self.place.late(what),
            why => self.place.unreachable(format!("Git LFS: {}", self.quote(&why.to_string()))),
        }
    }

    /// Foreign text, fit for printing: in one line, shortened, without addresses, queries and the remote's credentials.
    pub(super) fn quote(&self, text: &str) -> String {
        let text = self.secrets.redact(text);
        let gives_away = |word: &str| word.contains("://") || (word.contains('?') && word.contains('='));
        let words: Vec<_> = text.split_whitespace().map(|word| if gives_away(word) { "***" } else { word }).collect();
        quote(words.join(" "), &self.secrets, Excerpt::Short)
    }
}
