//! Downloads from chart repositories over http and https.
//!
//! Credentials and client certificates go to the repository's own scheme, host and port; elsewhere only where the repository says
//! so. An index that the server says has not changed is not sent again.

mod body;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use base64::Engine as _;
use headwater_http::{Basic, Excerpt, InvalidUrl, SafeUrl, Secrets, causes, printable_url, quote, without_user};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, LOCATION, USER_AGENT,
};
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use url::Origin;

use crate::fetch::git::{self, Auth};
use body::{Body, Encoding};

/// As many redirects as Helm follows.
const MAX_REDIRECTS: usize = 10;
/// Some repositories answer Helm only.
const AGENT: &str = concat!("Helm/4 (headwater/", env!("CARGO_PKG_VERSION"), ")");

/// A chart repository, and how it lets us in.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where its `index.yaml` is, without that, and without userinfo.
    pub url: SafeUrl,
    /// With which credentials, certificates and trust.
    pub auth: Auth,
    /// Who may see the credentials.
    pub reach: Reach,
    /// How long one download may take, redirects and all.
    pub timeout: Duration,
}

/// Who may see a repository's credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The repository's own scheme, host and port.
    #[default]
    Home,
    /// Whoever its charts are with, and whoever it redirects to.
    Everywhere,
}

/// What a server said of a version of an index, so that it can be asked whether it has another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// The index's URL. Of another these say nothing.
    pub url: String,
    /// Its entity tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When it was last modified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// How an index was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It is what the validators were given for.
    Unchanged,
    /// It was written; these are its validators.
    Written(Validators),
}

/// Why a download failed. Holds no secret; URLs come without userinfo and query.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The answer's status is not 200.
    #[error("failed to fetch {url} : {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// There was no answer, or it broke off.
    #[error("Get \"{url}\": {why}")]
    Request {
        /// What was asked for.
        url: String,
        /// In words.
        why: String,
    },
    /// The answer is longer than allowed.
    #[error("{what} exceeds the maximum {what} file size of {limit} bytes (--{setting})")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// The bound, in bytes.
        limit: u64,
        /// Which flag moves it.
        setting: &'static str,
    },
    /// Certificates, keys, credentials or the environment's proxies cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// A chart's URL cannot be used.
    #[error("failed to parse {url} as URL: {why}")]
    Url {
        /// As the index has it.
        url: String,
        /// In words.
        why: String,
    },
    /// What was received could not be written.
    #[error("failed to write {what}: {source}")]
    Write {
        /// What it is.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// What a download is, and how long it may be.
#[derive(Clone, Copy)]
struct Bound {
    what: &'static str,
    limit: u64,
    setting: &'static str,
}

/// What downloads from one repository.
pub struct Web<'a> {
    access: &'a Access,
    origin: Origin,
    home: reqwest::Client,
    /// Shows no certificate of ours.
    away: reqwest::Client,
    authorization: Option<HeaderValue>,
    secrets: Secrets,
}

impl<'a> Web<'a> {
    /// What downloads from the repository that `access` describes.
    ///
    /// # Errors
    /// [`Error::Unusable`].
    pub fn new(access: &'a Access, clients: &git::Clients) -> Result<Self, Error> {
        let client = |auth: &Auth| git::client(clients, auth, None, &access.url).map_err(|error| Error::Unusable(error.to_string()));
        let home = client(&access.auth)?;
        let away = match access.reach {
            Reach::Home => client(&Auth { ca: access.auth.ca.clone(), ..Auth::default() })?,
            Reach::Everywhere => home.clone(),
        };
        let (authorization, mut secrets) =
            match access.auth.basic.as_ref().filter(|(user, password)| !user.is_empty() && !password.is_empty()) {
                None => (None, Secrets::default()),
                Some((user, password)) => {
                    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                    let unusable = |_| Error::Unusable("user name and password cannot be sent".into());
                    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).map_err(unusable)?;
                    value.set_sensitive(true);
                    (Some(value), [&encoded, password].into_iter().collect())
                }
            };
        secrets.extend(access.url.secrets());
        Ok(Self { access, origin: access.url.origin(), home, away, authorization, secrets })
    }

    /// Writes the repository's index to `to`, unless the server says that it still is the one of `known`. `limit` is in bytes.
    pub async fn index(&self, known: Option<&Validators>, limit: u64, to: &File) -> Result<Fetched, Error> {
        let url = index_url(&self.access.url);
        let known = known.filter(|known| known.url == url.as_str());
        let mut asked = HeaderMap::new();
        asked.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let mut ask = |name: HeaderName, value: Option<&String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                asked.insert(name, value);
            }
        };
        ask(IF_NONE_MATCH, known.and_then(|known| known.etag.as_ref()));
        ask(IF_MODIFIED_SINCE, known.and_then(|known| known.last_modified.as_ref()));
        let conditional = asked.len() > 1;
        let bound = Bound { what: "index", limit, setting: "helm-index-max-size" };
        let work = async {
            let mut response = self.get(url.clone(), &asked).await?;
            match response.status() {
                StatusCode::OK => {}
                StatusCode::NOT_MODIFIED if conditional => return Ok(Fetched::Unchanged),
                status => return Err(Error::Status { url: url.to_string(), status }),
            }
            let said = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let validators = Validators { url: url.as_str().to_owned(), etag: said(ETAG), last_modified: said(LAST_MODIFIED) };
            self.write(&url, &mut response, bound, to).await?;
            Ok(Fetched::Written(validators))
        };
        self.within(&url, work).await
    }

    /// Downloads a chart from the URL that the index has for it, relative to the repository's or absolute. `limit` is in bytes.
    pub async fn chart(&self, reference: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let url = chart_url(&self.access.url, reference)?;
        let bound = Bound { what: "chart", limit, setting: "helm-chart-max-size" };
        let work = async {
            let mut asked = HeaderMap::new();
            asked.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            let mut response = self.get(url.clone(), &asked).await?;
            if response.status() != StatusCode::OK {
                return Err(Error::Status { url: url.to_string(), status: response.status() });
            }
            let mut chart = Vec::new();
            self.write(&url, &mut response, bound, &mut chart).await?;
            Ok(chart)
        };
        self.within(&url, work).await
    }

    async fn within<T>(&self, url: &SafeUrl, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let late = |_| Error::Request { url: url.to_string(), why: "context deadline exceeded".into() };
        tokio::time::timeout(self.access.timeout, work).await.map_err(late)?
    }

    /// Sends a GET, follows redirects, and returns the answer, whatever its status is.
    async fn get(&self, url: SafeUrl, headers: &HeaderMap) -> Result<Response, Error> {
        let (asked, mut url) = (url.to_string(), url.into_url());
        let failed = |why: String| Error::Request { url: asked.clone(), why };
        let mut home = true;
        for _ in 0..=MAX_REDIRECTS {
            // Who was left once gets nothing back later: it may be the other that sends us there.
            home &= url.origin() == self.origin;
            // What was to be encrypted is nowhere sent in the clear.
            let weaker = self.access.url.scheme() == "https" && url.scheme() == "http";
            let trusted = home || (self.access.reach == Reach::Everywhere && !weaker);
            let (basic, plain) = (Basic::of_url(&url), without_user(url.clone()));
            let client = if trusted { &self.home } else { &self.away };
            let mut request = client.get(plain).headers(headers.clone()).header(USER_AGENT, AGENT);
            if let Some(value) = self.authorization.as_ref().filter(|_| trusted) {
                request = request.header(AUTHORIZATION, value);
            } else if let Some(Ok(value)) = basic.map(|basic| basic.authorization()) {
                request = request.header(AUTHORIZATION, value);
            }
            let response = request.send().await.map_err(|error| failed(self.words(&error)))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let next = location.and_then(|location| url.join(location).ok());
            let next = next.ok_or_else(|| failed("a redirect without a usable location".into()))?;
            if !matches!((url.scheme(), next.scheme()), ("http", "http" | "https") | ("https", "https")) {
                return Err(failed(format!("refusing a redirect from {} to {}", url.scheme(), next.scheme())));
            }
            url = next;
        }
        Err(failed(format!("stopped after {MAX_REDIRECTS} redirects")))
    }

    /// Writes an answer's body, inflated where it is compressed. What is written at a time is short, and goes to memory or to the
    /// page cache.
    async fn write(&self, url: &SafeUrl, response: &mut Response, bound: Bound, to: impl Write) -> Result<(), Error> {
        let gzipped = response.headers().get(CONTENT_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
        let mut body = Body::new(to, bound.limit, if gzipped { Encoding::Gzip } else { Encoding::Identity });
        loop {
            let chunk = response.chunk().await.map_err(|error| Error::Request { url: url.to_string(), why: self.words(&error) })?;
            let written = match &chunk {
                Some(chunk) => body.write_all(chunk),
                None => body.finish(),
            };
            if let Err(source) = written {
                return Err(match () {
                    () if body.is_over() => Error::TooLarge { what: bound.what, limit: bound.limit, setting: bound.setting },
                    () if gzipped && !body.has_failed() => {
                        Error::Request { url: url.to_string(), why: format!("the answer cannot be inflated: {source}") }
                    }
                    () => Error::Write { what: bound.what, source },
                });
            }
            if chunk.is_none() {
                return Ok(());
            }
        }
    }

    /// What went wrong, without what the request was.
    fn words(&self, error: &reqwest::Error) -> String {
        quote(causes(error), &self.secrets, Excerpt::Short)
    }
}

/// The URL of a repository's index.
pub fn index_url(repository: &SafeUrl) -> SafeUrl {
    repository.with(|url| {
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("index.yaml");
        }
    })
}

/// The URL of a chart: as the index has it, or below the repository, with the repository's query.
fn chart_url(repository: &SafeUrl, reference: &str) -> Result<SafeUrl, Error> {
    let unusable = |why: &dyn fmt::Display| {
        let url = quote(printable_url(reference), &Secrets::default(), Excerpt::Short);
        Error::Url { url, why: why.to_string() }
    };
    match SafeUrl::parse(reference) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => return Ok(url),
        Ok(url) => return Err(unusable(&format_args!("unsupported protocol scheme \"{}\"", url.scheme()))),
        Err(InvalidUrl { cause: url::ParseError::RelativeUrlWithoutBase, .. }) => {}
        Err(error) => return Err(unusable(&error.cause)),
    }
    let base = repository.with(|url| {
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("");
        }
    });
    let joined = base.join(reference).map_err(|error| unusable(&error))?;
    // It may be another host's, all the same; and a query may hold a token.
    if joined.origin() != repository.origin() {
        return Ok(joined.into());
    }
    Ok(repository.with(|url| {
        *url = joined;
        url.set_query(repository.query());
    }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn charts_are_below_the_repository_or_where_the_index_says() {
        let at = |repository: &str, reference: &str| {
            chart_url(&SafeUrl::parse(repository).unwrap(), reference).map(|url| url.as_str().to_owned()).map_err(|error| error.to_string())
        };
        assert_eq!(at("http://h/charts", "a-1.tgz").unwrap(), "http://h/charts/a-1.tgz");
        assert_eq!(at("http://h/charts/", "sub/a-1.tgz").unwrap(), "http://h/charts/sub/a-1.tgz");
        assert_eq!(at("http://h/charts?token=t", "a-1.tgz").unwrap(), "http://h/charts/a-1.tgz?token=t");
        assert_eq!(at("http://h/charts", "/else/a-1.tgz").unwrap(), "http://h/else/a-1.tgz");
        assert_eq!(at("http://h/charts", "https://other/a-1.tgz").unwrap(), "https://other/a-1.tgz");
        assert_eq!(at("http://h/charts?token=t", "//other/a-1.tgz").unwrap(), "http://other/a-1.tgz");
        assert_eq!(
            at("http://h/charts", "ftp://user:secret@other/a").unwrap_err(),
            "failed to parse ftp://other/a as URL: unsupported protocol scheme \"ftp\""
        );
        assert_eq!(
            at("http://h/charts", "ftp://other/a?x").unwrap_err(),
            "failed to parse ftp://other/a as URL: unsupported protocol scheme \"ftp\""
        );
    }

    #[test]
    fn the_index_is_below_the_repository() {
        for (repository, index) in [
            ("http://h", "http://h/index.yaml"),
            ("http://h/a//?q=1", "http://h/a//index.yaml?q=1"),
            ("http://h/a", "http://h/a/index.yaml"),
        ] {
            assert_eq!(index_url(&SafeUrl::parse(repository).unwrap()).as_str(), index);
        }
    }
}
