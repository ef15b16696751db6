//! Requests to one remote, made by async means and waited for on a blocking thread.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use base64::Engine as _;
use headwater_http::{Secrets, without_user};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use tokio::runtime::Handle;
use tokio_util::bytes::{Buf, Bytes};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::access::decoded;
use super::wire::Wire;
use super::{Auth, Error, Remote};

/// As many redirects as Git itself follows at most.
pub(super) const MAX_REDIRECTS: usize = 10;
/// What the client says when a proxy answers 407 to a CONNECT.
const TUNNEL_REFUSED: &str = "proxy authorization required";

/// The side of a remote that sends requests.
pub(super) struct Http {
    pub(super) wire: Rc<Wire>,
    client: reqwest::Client,
    /// For requests that left the remote's own origin: shows no client certificate.
    away: reqwest::Client,
    /// The proxy on the way, without its credentials.
    proxy: Option<String>,
    authorization: Option<HeaderValue>,
    /// Whether all requests so far went to the remote's own origin. Once they left it, credentials stay at home.
    home: Cell<bool>,
    origin: url::Origin,
}

impl Http {
    pub(super) fn new(remote: &Remote, handle: Handle, token: CancellationToken) -> Result<Self, Error> {
        let url = remote.url.to_string();
        if !matches!(remote.url.scheme(), "http" | "https") {
            return Err(Error::UnsupportedScheme { url, scheme: remote.url.scheme().to_owned() });
        }
        let client = |auth: &Auth| remote.clients.get(auth, remote.proxy.as_ref()).map_err(|error| error.at(&url));
        let away = Auth { ca: remote.auth.ca.clone(), ..Auth::default() };
        let (client, away) = (client(&remote.auth)?, client(&away)?);
        let proxy = remote.clients.proxy_for(&remote.url, remote.proxy.as_ref());
        let (authorization, mut secrets) = authorization(remote)?;
        if let Some((user, password)) = proxy.as_ref().and_then(|proxy| proxy.basic.as_ref()) {
            secrets.extend([encoded(user, password), password.clone()].into_iter().collect());
        }
        let wire = Rc::new(Wire::new(remote, handle, token, secrets));
        let proxy = proxy.map(|proxy| proxy.url.to_string());
        Ok(Self { wire, client, away, proxy, authorization, home: Cell::new(true), origin: remote.url.origin() })
    }

    /// GETs `url`, following redirects, and returns where it ended and what was there.
    pub(super) fn get(&self, mut url: Url, headers: &HeaderMap) -> Result<(Url, Response), Error> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(Method::GET, url.clone(), headers, Vec::new())?;
            if !response.status().is_redirection() {
                return Ok((url, self.checked(response)?));
            }
            url = self.redirected(&url, &response)?;
        }
        Err(self.wire.unreachable(format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// POSTs `body`; a redirect of a POST is an error, as it is for Git.
    pub(super) fn post(&self, url: Url, headers: &HeaderMap, body: Vec<u8>) -> Result<Response, Error> {
        let response = self.send(Method::POST, url, headers, body)?;
        self.checked(response)
    }

    fn send(&self, method: Method, url: Url, headers: &HeaderMap, body: Vec<u8>) -> Result<Response, Error> {
        self.home.set(self.home.get() && url.origin() == self.origin);
        let client = if self.home.get() { &self.client } else { &self.away };
        let mut request = client.request(method, without_user(url)).headers(headers.clone());
        if let Some(value) = self.authorization.as_ref().filter(|_| self.home.get()) {
            request = request.header(AUTHORIZATION, value);
        }
        self.wire.wait("an answer", request.body(body).send())?.map_err(|err| self.unsent(&err))
    }

    /// Why there is no answer.
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

    fn redirected(&self, from: &Url, response: &Response) -> Result<Url, Error> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location
            .and_then(|location| from.join(location).ok())
            .ok_or_else(|| self.wire.unreachable("a redirect without a usable location".into()))?;
        if is_upward(from, &to) {
            return Ok(to);
        }
        Err(self.wire.unreachable(format!("refusing a redirect from {} to {}", from.scheme(), to.scheme())))
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
    let (url, auth) = (&remote.url, &remote.auth);
    let (value, secrets) = if let Some(token) = &auth.bearer {
        (format!("Bearer {token}"), [token].into_iter().collect())
    } else {
        let (mut user, mut password) = auth.basic.clone().unwrap_or_default();
        if user.is_empty() {
            user = decoded(url.username());
        }
        if password.is_empty() {
            password = decoded(url.password().unwrap_or_default());
        }
        if user.is_empty() && password.is_empty() {
            return Ok((None, Secrets::default()));
        }
        let encoded = encoded(&user, &password);
        (format!("Basic {encoded}"), [encoded, password].into_iter().collect())
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| Error::InvalidCredentials { url: url.to_string() })?;
    value.set_sensitive(true);
    Ok((Some(value), secrets))
}

/// Whether one who was sent from `from` may go to `to`: never from encrypted to plain, nor to anything but HTTP.
pub(super) fn is_upward(from: &Url, to: &Url) -> bool {
    matches!((from.scheme(), to.scheme()), ("http", "http" | "https") | ("https", "https"))
}

fn encoded(user: &str, password: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
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
