//! Requests to one remote, made by async means and waited for on a blocking thread.
//!
//! Every wait ends at the deadline, after the idle timeout, or when the token is cancelled. The first failure is kept with its
//! meaning, because it travels through layers that know I/O errors only.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io;
use std::rc::Rc;

use base64::Engine as _;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::bytes::{Buf, Bytes};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Auth, Error, Limits, Remote};

/// As many redirects as Git itself follows at most.
const MAX_REDIRECTS: usize = 10;
/// The most characters of a server's words in an error.
const MAX_WORDS: usize = 256;

/// The side of a remote that sends requests.
pub(super) struct Http {
    client: reqwest::Client,
    handle: Handle,
    token: CancellationToken,
    deadline: Instant,
    limits: Limits,
    authorization: Option<HeaderValue>,
    secrets: Vec<String>,
    /// Whether all requests so far went to the remote's own origin. Once they left it, credentials stay at home.
    home: Cell<bool>,
    origin: url::Origin,
    failure: RefCell<Option<Error>>,
    pub(super) url: String,
}

impl Http {
    pub(super) fn new(remote: &Remote, handle: Handle, token: CancellationToken) -> Result<Self, Error> {
        let url = shown(&remote.url);
        if !matches!(remote.url.scheme(), "http" | "https") {
            return Err(Error::UnsupportedScheme { url, scheme: remote.url.scheme().to_owned() });
        }
        let Ok(client) = remote.clients.get(remote.auth.ca.as_ref()) else {
            return Err(Error::InvalidCa { url });
        };
        let (header, secrets) = credentials(&remote.url, &remote.auth);
        let authorization = match header.map(|h| HeaderValue::from_str(&h)).transpose() {
            Ok(value) => value.map(|mut value| {
                value.set_sensitive(true);
                value
            }),
            Err(_) => return Err(Error::InvalidCredentials { url }),
        };
        Ok(Self {
            client,
            handle,
            token,
            deadline: remote.deadline,
            limits: remote.limits,
            authorization,
            secrets,
            home: Cell::new(true),
            origin: remote.url.origin(),
            failure: RefCell::new(None),
            url,
        })
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
        Err(self.unreachable(format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// POSTs `body`; a redirect of a POST is an error, as it is for Git.
    pub(super) fn post(&self, url: Url, headers: &HeaderMap, body: Vec<u8>) -> Result<Response, Error> {
        let response = self.send(Method::POST, url, headers, body)?;
        self.checked(response)
    }

    fn send(&self, method: Method, url: Url, headers: &HeaderMap, body: Vec<u8>) -> Result<Response, Error> {
        self.home.set(self.home.get() && url.origin() == self.origin);
        let mut request = self.client.request(method, bare(url)).headers(headers.clone());
        if let Some(value) = self.authorization.as_ref().filter(|_| self.home.get()) {
            request = request.header(AUTHORIZATION, value);
        }
        self.wait("an answer", request.body(body).send())?.map_err(|err| self.unreachable(self.words(&err)))
    }

    fn checked(&self, response: Response) -> Result<Response, Error> {
        let url = self.url.clone();
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::UNAUTHORIZED => Err(Error::AuthenticationRequired { url }),
            StatusCode::FORBIDDEN => Err(Error::AuthorizationFailed { url }),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Error::RepositoryNotFound { url }),
            status => Err(self.unreachable(format!("unexpected status {status}"))),
        }
    }

    fn redirected(&self, from: &Url, response: &Response) -> Result<Url, Error> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location
            .and_then(|location| from.join(location).ok())
            .ok_or_else(|| self.unreachable("a redirect without a usable location".into()))?;
        match (from.scheme(), to.scheme()) {
            ("http", "http" | "https") | ("https", "https") => Ok(to),
            (_, scheme) => Err(self.unreachable(format!("refusing a redirect from {} to {scheme}", from.scheme()))),
        }
    }

    /// Waits for `future`, for no longer than the deadline, the idle timeout and the token allow.
    fn wait<F: Future>(&self, what: &str, future: F) -> Result<F::Output, Error> {
        let until = self.deadline.min(Instant::now() + self.limits.idle_timeout);
        let late = || Error::Timeout { url: self.url.clone(), what: what.to_owned() };
        self.handle.block_on(async {
            tokio::select! {
                () = self.token.cancelled() => Err(Error::Cancelled { url: self.url.clone() }),
                done = tokio::time::timeout_at(until, future) => done.map_err(|_| late()),
            }
        })
    }

    pub(super) fn unreachable(&self, message: String) -> Error {
        Error::Unreachable { url: self.url.clone(), message }
    }

    /// Keeps `error` as the reason of the failure, if it is the first, and returns an I/O error to pass on.
    pub(super) fn fail(&self, error: Error) -> io::Error {
        let text = error.to_string();
        self.failure.borrow_mut().get_or_insert(error);
        io::Error::other(text)
    }

    /// The first failure that was kept, if any.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.borrow_mut().take()
    }

    /// An error's text with its causes, fit for printing: shortened, escaped, and without URLs and credentials.
    pub(super) fn words(&self, error: &(dyn std::error::Error + 'static)) -> String {
        let mut text = String::new();
        let mut next = Some(error);
        while let Some(error) = next {
            // reqwest names the whole URL in its own texts; what it wraps says what happened.
            if !error.is::<reqwest::Error>() {
                let separator = if text.is_empty() { "" } else { ": " };
                let _ = write!(text, "{separator}{error}");
            }
            next = error.source();
        }
        if text.is_empty() { "the request failed".into() } else { self.scrubbed(&text) }
    }

    /// Foreign text, fit for printing.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret, "***");
        }
        text.chars().take(MAX_WORDS).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// The headers of one request; both names and values are known to be valid.
pub(super) fn headers<const N: usize>(pairs: [(HeaderName, &'static str); N]) -> HeaderMap {
    pairs.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

/// `url` as it may be printed: without user, password, query and fragment.
pub(super) fn shown(url: &Url) -> String {
    let mut url = bare(url.clone());
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// `url` without user and password.
fn bare(mut url: Url) -> Url {
    // These fail only for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// The value of the `Authorization` header, and all texts that give it away.
fn credentials(url: &Url, auth: &Auth) -> (Option<String>, Vec<String>) {
    if let Some(token) = &auth.bearer {
        return (Some(format!("Bearer {token}")), secrets([token.clone()]));
    }
    let (mut user, mut password) = auth.basic.clone().unwrap_or_default();
    if user.is_empty() {
        user = decoded(url.username());
    }
    if password.is_empty() {
        password = decoded(url.password().unwrap_or_default());
    }
    if user.is_empty() && password.is_empty() {
        return (None, Vec::new());
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    (Some(format!("Basic {encoded}")), secrets([encoded, password]))
}

fn secrets<const N: usize>(texts: [String; N]) -> Vec<String> {
    texts.into_iter().filter(|text| !text.is_empty()).collect()
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = (first == b'%').then(|| after.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What a response is, and therefore how long it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    Refs,
    Pack,
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
    expect: Expect,
    read: u64,
}

enum State {
    Unsent(Box<Post>),
    Open(Box<Response>),
    Over,
}

impl Body {
    pub(super) fn open(http: Rc<Http>, response: Response) -> Self {
        Self { http, state: State::Open(Box::new(response)), chunk: Bytes::new(), expect: Expect::Refs, read: 0 }
    }

    pub(super) fn unsent(http: Rc<Http>, post: Post, expect: Expect) -> Self {
        Self { http, state: State::Unsent(Box::new(post)), chunk: Bytes::new(), expect, read: 0 }
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
                        return Err(Error::Corrupt { url: self.http.url.clone(), message });
                    }
                    self.state = State::Open(Box::new(response));
                }
                State::Open(mut response) => {
                    let next = self.http.wait("more of the answer", response.chunk())?;
                    if let Some(chunk) = next.map_err(|err| self.http.unreachable(self.http.words(&err)))? {
                        self.read += chunk.len() as u64;
                        self.chunk = chunk;
                        self.state = State::Open(response);
                        self.check_size()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), Error> {
        let limits = &self.http.limits;
        let (limit, what, setting) = match self.expect {
            Expect::Refs => (limits.refs_size, "the list of references", "git-max-refs-size"),
            Expect::Pack => (limits.pack_size, "the pack", "git-max-pack-size"),
        };
        if self.read <= limit {
            return Ok(());
        }
        Err(Error::TooLarge { url: self.http.url.clone(), what: what.into(), setting })
    }
}

impl io::BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Err(error) = self.advance() {
            self.state = State::Over;
            return Err(self.http.fail(error));
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
