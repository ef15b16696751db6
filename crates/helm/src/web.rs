//! Downloads from chart repositories over http and https.
//!
//! Credentials and client certificates go to the repository's own scheme, host and port; elsewhere only where the repository says
//! so. An index that the server says has not changed is not sent again.

mod sink;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use headwater_http::{
    Audience, Basic, Body, ClientPair, Clients, Credentials, Excerpt, Guard, Interruption, InvalidUrl, RedirectError, RedirectRules,
    Redirects, SafeUrl, Secrets, Step, Trust, Unusable, UserInformation, printable_url, quote, send,
};
use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, USER_AGENT,
};
use serde::{Deserialize, Serialize};

use sink::{Encoding, Sink};

/// Redirects as Helm follows them: a user in a `Location` counts.
const REDIRECTS: RedirectRules = RedirectRules { user_information: UserInformation::Kept, ..RedirectRules::COMMON };
/// Some repositories answer Helm only.
const AGENT: &str = concat!("Helm/4 (headwater/", env!("CARGO_PKG_VERSION"), ")");

/// A chart repository, and the ways to be let in.
#[derive(Clone, Debug)]
pub struct Access {
    /// The URL of the folder of its `index.yaml`, without userinfo.
    pub url: SafeUrl,
    /// The user and the password.
    pub basic: Option<Basic>,
    /// The certificates.
    pub trust: Trust,
    /// Those who may see the user and the password.
    pub audience: Audience,
    /// The longest time of one download, redirects and all.
    pub timeout: Duration,
}

/// Validators that a server gave with an index, so that it can be asked for another only if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// The index's URL. Of another these say nothing.
    pub url: String,
    /// Its entity tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The time of its last modification, as the server wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// The end of fetching an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It is what the validators were given for.
    Unchanged,
    /// It was written; these are its validators.
    Written(Validators),
}

/// Failure of a download. Holds no secret; URLs come without userinfo and query.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The answer's status is not 200.
    #[error("failed to fetch {url} : {status}")]
    Status {
        /// The URL that was asked for.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// There was no answer, or it broke off.
    #[error("Get \"{url}\": {why}")]
    Request {
        /// The URL that was asked for.
        url: String,
        /// In words.
        why: String,
    },
    /// The answer is longer than allowed.
    #[error("{what} exceeds the maximum {what} file size of {limit} bytes (--{setting})")]
    TooLarge {
        /// Index or chart.
        what: &'static str,
        /// The bound, in bytes.
        limit: u64,
        /// The flag that moves it.
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
    /// The body could not be written.
    #[error("failed to write {what}: {source}")]
    Write {
        /// Index or chart.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
}

/// A kind of download, and its largest size.
#[derive(Clone, Copy)]
struct Bound {
    what: &'static str,
    limit: u64,
    setting: &'static str,
}

/// Downloads from one repository.
pub struct Web<'a> {
    access: &'a Access,
    clients: ClientPair,
    authorization: Option<HeaderValue>,
    secrets: Secrets,
}

impl<'a> Web<'a> {
    /// Prepares downloads from the repository that `access` describes.
    ///
    /// # Errors
    /// [`Error::Unusable`].
    pub fn new(access: &'a Access, clients: &Clients) -> Result<Self, Error> {
        let clients = clients.pair(&access.trust, None).map_err(|why| Error::Unusable(unusable(&access.url, &why)))?;
        let credentials = Credentials::from(access.basic.clone().filter(Basic::is_complete));
        let unsendable = |_| Error::Unusable("user name and password cannot be sent".into());
        let authorization = credentials.authorization().map_err(unsendable)?;
        let mut secrets = credentials.secrets();
        secrets.extend(access.url.secrets());
        Ok(Self { access, clients, authorization, secrets })
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
            let mut body = self.get(url.clone(), &asked).await?;
            match body.response().status() {
                StatusCode::OK => {}
                StatusCode::NOT_MODIFIED if conditional => return Ok(Fetched::Unchanged),
                status => return Err(Error::Status { url: url.to_string(), status }),
            }
            let said = |name| body.response().headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let validators = Validators { url: url.as_str().to_owned(), etag: said(ETAG), last_modified: said(LAST_MODIFIED) };
            self.write(&url, &mut body, bound, to).await?;
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
            let mut body = self.get(url.clone(), &asked).await?;
            let status = body.response().status();
            if status != StatusCode::OK {
                return Err(Error::Status { url: url.to_string(), status });
            }
            let mut chart = Vec::new();
            self.write(&url, &mut body, bound, &mut chart).await?;
            Ok(chart)
        };
        self.within(&url, work).await
    }

    async fn within<T>(&self, url: &SafeUrl, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let late = |_| Error::Request { url: url.to_string(), why: "context deadline exceeded".into() };
        tokio::time::timeout(self.access.timeout, work).await.map_err(late)?
    }

    /// Sends a GET, follows redirects, and returns the answer, whatever its status is.
    async fn get(&self, url: SafeUrl, headers: &HeaderMap) -> Result<Body, Error> {
        let asked = url.to_string();
        let failed = |why: String| Error::Request { url: asked.clone(), why };
        let mut guard = Guard::new(&self.access.url, self.access.audience);
        let mut redirects = Redirects::new(url.into_url(), REDIRECTS);
        loop {
            let is_trusted = guard.admits(&redirects.url());
            let client = if is_trusted { &self.clients.home } else { &self.clients.away };
            let mut request = client.get(redirects.url()).headers(headers.clone()).header(USER_AGENT, AGENT);
            if let Some(value) = self.authorization.as_ref().filter(|_| is_trusted) {
                request = request.header(AUTHORIZATION, value);
            } else if let Some(Ok(value)) = redirects.user().map(|basic| basic.authorization()) {
                request = request.header(AUTHORIZATION, value);
            }
            let body = send(request, None).await.map_err(|why| failed(self.quote(&why)))?;
            match redirects.follow(body.response().status(), body.response().headers()) {
                Ok(Step::Arrived) => return Ok(body),
                Ok(Step::Redirected) => {}
                Err(RedirectError::TooMany(most)) => return Err(failed(format!("stopped after {most} redirects"))),
                Err(why) => return Err(failed(why.to_string())),
            }
        }
    }

    /// Writes an answer's body, inflated where it is compressed. What is written at a time is short, and goes to memory or to the
    /// page cache.
    async fn write(&self, url: &SafeUrl, body: &mut Body, bound: Bound, to: impl Write) -> Result<(), Error> {
        let gzipped = body.response().headers().get(CONTENT_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
        let mut sink = Sink::new(to, bound.limit, if gzipped { Encoding::Gzip } else { Encoding::Identity });
        loop {
            let chunk = body.chunk().await.map_err(|why| Error::Request { url: url.to_string(), why: self.quote(&why) })?;
            let written = match &chunk {
                Some(chunk) => sink.write_all(chunk),
                None => sink.finish(),
            };
            if let Err(source) = written {
                return Err(match () {
                    () if sink.is_over() => Error::TooLarge { what: bound.what, limit: bound.limit, setting: bound.setting },
                    () if gzipped && !sink.has_failed() => {
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

    /// Words for a failure, without the request and its secrets.
    fn quote(&self, why: &Interruption) -> String {
        quote(why, &self.secrets, Excerpt::Short)
    }
}

/// The error of the repository at `url` for which there is no HTTP client.
pub fn unusable(url: &SafeUrl, why: &Unusable) -> String {
    format!("unable to clone '{url}': {why}")
}

/// The URL of a repository's index.
fn index_url(repository: &SafeUrl) -> SafeUrl {
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
