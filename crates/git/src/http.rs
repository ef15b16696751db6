//! Requests to one remote, made by async means and waited for on a blocking thread.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use headwater_http::{Audience, Basic, ClientPair, Credentials, Guard, RedirectRules, Redirects, Secrets, Statuses, Step, without_user};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Handle;
use tokio_util::bytes::{Buf, Bytes};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::wire::Wire;
use super::{Error, Remote};

/// Redirects as Git itself follows them.
const REDIRECTS: RedirectRules = RedirectRules { statuses: Statuses::Every3xx, ..RedirectRules::COMMON };
/// The client's words when a proxy answers 407 to a CONNECT.
const TUNNEL_REFUSED: &str = "proxy authorization required";
/// Some servers answer Git clients only.
pub(super) const AGENT: &str = concat!("git/2.50 (headwater/", env!("CARGO_PKG_VERSION"), ")");

/// The side of a remote that sends requests.
pub(super) struct Http {
    pub(super) wire: Rc<Wire>,
    clients: ClientPair,
    /// The proxy on the way, without its credentials.
    proxy: Option<String>,
    authorization: Option<HeaderValue>,
    /// Keeps credentials at home, once requests have left it.
    guard: RefCell<Guard>,
}

impl Http {
    pub(super) fn new(remote: &Remote, handle: Handle, token: CancellationToken) -> Result<Self, Error> {
        if !matches!(remote.url.scheme(), "http" | "https") {
            return Err(Error::UnsupportedScheme { url: remote.url.to_string(), scheme: remote.url.scheme().to_owned() });
        }
        let clients = remote.clients.pair(&remote.trust, remote.proxy.as_ref()).map_err(|why| Error::unusable(&remote.url, why))?;
        let proxy = remote.clients.proxy_for(&remote.url, remote.proxy.as_ref());
        let (authorization, mut secrets) = authorization(remote)?;
        if let Some(basic) = proxy.as_ref().and_then(|proxy| proxy.basic.as_ref()) {
            secrets.extend(basic.secrets());
        }
        let wire = Rc::new(Wire::new(remote, handle, token, secrets));
        let proxy = proxy.map(|proxy| proxy.url.to_string());
        Ok(Self { wire, clients, proxy, authorization, guard: RefCell::new(Guard::new(&remote.url, Audience::Home)) })
    }

    /// GETs `url`, following redirects, and returns where it ended and what was there.
    pub(super) fn get(&self, url: Url, headers: &HeaderMap) -> Result<(Url, Response), Error> {
        let mut redirects = Redirects::new(url, REDIRECTS);
        loop {
            let response = self.send(Method::GET, redirects.url(), headers, Vec::new())?;
            match redirects.follow(response.status(), response.headers()) {
                Ok(Step::Arrived) => return Ok((redirects.url(), self.checked(response)?)),
                Ok(Step::Redirected) => {}
                Err(why) => return Err(self.wire.unreachable(why.to_string())),
            }
        }
    }

    /// POSTs `body`; a redirect of a POST is an error, as it is for Git.
    pub(super) fn post(&self, url: Url, headers: &HeaderMap, body: Vec<u8>) -> Result<Response, Error> {
        let response = self.send(Method::POST, url, headers, body)?;
        self.checked(response)
    }

    fn send(&self, method: Method, url: Url, headers: &HeaderMap, body: Vec<u8>) -> Result<Response, Error> {
        let is_home = self.guard.borrow_mut().admits(&url);
        let client = if is_home { &self.clients.home } else { &self.clients.away };
        let mut request = client.request(method, without_user(url)).header(USER_AGENT, AGENT).headers(headers.clone());
        if let Some(value) = self.authorization.as_ref().filter(|_| is_home) {
            request = request.header(AUTHORIZATION, value);
        }
        self.wire.wait("an answer", request.body(body).send())?.map_err(|err| self.unsent(&err))
    }

    /// The reason that there is no answer.
    fn unsent(&self, error: &reqwest::Error) -> Error {
        let words = self.wire.words(error);
        match &self.proxy {
            Some(_) if words.contains(TUNNEL_REFUSED) => self.refused_by_proxy(),
            Some(proxy) => self.wire.unreachable(format!("through the proxy {proxy}: {words}")),
            None => self.wire.unreachable(words),
        }
    }

    fn refused_by_proxy(&self) -> Error {
        let proxy = self.proxy.clone().unwrap_or_default();
        Error::ProxyAuthenticationRequired { url: self.wire.url.clone(), proxy }
    }

    fn checked(&self, response: Response) -> Result<Response, Error> {
        let url = self.wire.url.clone();
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::UNAUTHORIZED => Err(Error::AuthenticationRequired { url }),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED if self.proxy.is_some() => Err(self.refused_by_proxy()),
            StatusCode::FORBIDDEN => Err(Error::AuthorizationFailed { url }),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Error::RepositoryNotFound { url }),
            status => Err(self.wire.unreachable(format!("unexpected status {status}"))),
        }
    }
}

/// The headers of one request; both names and values are known to be valid.
pub(super) fn headers<const N: usize>(pairs: [(HeaderName, &'static str); N]) -> HeaderMap {
    pairs.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

/// The `Authorization` of `remote`, and all texts that give it away.
///
/// # Errors
/// [`Error::InvalidCredentials`].
pub(super) fn authorization(remote: &Remote) -> Result<(Option<HeaderValue>, Secrets), Error> {
    let credentials = credentials(remote);
    let value = credentials.authorization().map_err(|_| Error::InvalidCredentials { url: remote.url.to_string() })?;
    Ok((value, credentials.secrets()))
}

/// The credentials of `remote`; a user or a password that they leave empty is that of the URL.
fn credentials(remote: &Remote) -> Credentials {
    if let Credentials::Bearer(_) = &remote.credentials {
        return remote.credentials.clone();
    }
    let given = remote.credentials.as_basic().cloned().unwrap_or_default();
    let in_url = Basic::of_url(&remote.url).unwrap_or_default();
    let either = |given: SecretString, in_url: SecretString| if given.expose_secret().is_empty() { in_url } else { given };
    let basic = Basic { user: either(given.user, in_url.user), password: either(given.password, in_url.password) };
    Some(basic).filter(|basic| !basic.is_empty()).into()
}

/// A POST that is sent when its answer is first read.
pub(super) struct Post {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// Filled by the writing side before the reading side starts.
    pub(super) body: Rc<RefCell<Vec<u8>>>,
    /// The content type that the answer must have.
    pub(super) answer: &'static str,
}

/// The body of an answer.
pub(super) struct Body {
    http: Rc<Http>,
    state: State,
    chunk: Bytes,
    read: u64,
}

enum State {
    Unsent(Box<Post>),
    Open(Box<Response>),
    Over,
}

impl Body {
    pub(super) fn open(http: Rc<Http>, response: Response) -> Self {
        Self { http, state: State::Open(Box::new(response)), chunk: Bytes::new(), read: 0 }
    }

    /// Nothing at all.
    pub(super) fn empty(http: Rc<Http>) -> Self {
        Self { http, state: State::Over, chunk: Bytes::new(), read: 0 }
    }

    pub(super) fn unsent(http: Rc<Http>, post: Post) -> Self {
        Self { http, state: State::Unsent(Box::new(post)), chunk: Bytes::new(), read: 0 }
    }

    /// Makes sure that there is something to read, unless all was read.
    fn advance(&mut self) -> Result<(), Error> {
        while self.chunk.is_empty() {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return Ok(()),
                State::Unsent(post) => {
                    let body = post.body.take();
                    let response = self.http.post(post.url, &post.headers, body)?;
                    if response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != post.answer) {
                        let message = format!("the answer is not {}", post.answer);
                        return Err(Error::Corrupt { url: self.http.wire.url.clone(), message });
                    }
                    self.state = State::Open(Box::new(response));
                }
                State::Open(mut response) => {
                    let next = self.http.wire.wait("more of the answer", response.chunk())?;
                    if let Some(chunk) = next.map_err(|err| self.http.wire.unreachable(self.http.wire.words(&err)))? {
                        self.read += chunk.len() as u64;
                        self.chunk = chunk;
                        self.state = State::Open(response);
                        self.http.wire.check_size(self.http.wire.expect.get(), self.read)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl io::BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Err(error) = self.advance() {
            self.state = State::Over;
            return Err(self.http.wire.fail(error));
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, amount: usize) {
        self.chunk.advance(amount);
    }
}

impl io::Read for Body {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut available = io::BufRead::fill_buf(self)?;
        let read = io::Read::read(&mut available, out)?;
        io::BufRead::consume(self, read);
        Ok(read)
    }
}
