//! A registry: its address, its credentials, and bounds on its answers.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use headwater_http::ClientPair;
use reqwest::header::HeaderValue;
use url::Url;

use crate::{Credentials, Error, reference};

/// The scheme in which a registry is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// TLS.
    Https,
    /// Plain HTTP, which must have been asked for.
    Http,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }
}

/// Bounds on what a registry may send.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest manifest, and the largest page of a list, in bytes.
    pub metadata: usize,
    /// The most entries of a list, on all its pages.
    pub entries: usize,
    /// The most pages of a list.
    pub pages: usize,
    /// The longest silence of a registry.
    pub idle: Duration,
    /// The longest pause before a request is repeated, whatever a busy registry asks for.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { metadata: 4 << 20, entries: 200_000, pages: 2_000, idle: Duration::from_secs(30), pause: Duration::from_secs(3) }
    }
}

/// One registry, seen by one who has the same credentials for all of it. Tokens are kept as long as this value.
pub struct Registry {
    pub(crate) clients: ClientPair,
    /// As references name it.
    pub(crate) name: String,
    /// `/v2/` of it.
    pub(crate) base: Url,
    pub(crate) credentials: Credentials,
    pub(crate) limits: Limits,
    /// The `Authorization` that was accepted last, by scope.
    pub(crate) authorizations: Mutex<HashMap<String, HeaderValue>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("base", &self.base.as_str()).field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Registry {
    /// The registry at `host`, which may have a port. The token endpoint is asked with its client, wherever it is. `docker.io` is found where Docker Hub keeps its registry.
    ///
    /// # Errors
    /// [`reference::Error`] when `host` is none.
    pub fn new(
        clients: ClientPair,
        host: &str,
        scheme: Scheme,
        credentials: Credentials,
        limits: Limits,
    ) -> Result<Self, reference::Error> {
        let address = if host == "docker.io" { "registry-1.docker.io" } else { host };
        let base = reference::is_registry(host).then(|| Url::parse(&format!("{}://{address}/v2/", scheme.name())).ok());
        let base = base.flatten().ok_or_else(|| reference::Error::registry(host))?;
        Ok(Self { clients, name: host.to_owned(), base, credentials, limits, authorizations: Mutex::default() })
    }

    /// The registry as references name it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bounds on what the registry may send.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The URL of something in `repository`.
    pub(crate) fn url(&self, repository: &str, segments: [&str; 2]) -> Result<Url, Error> {
        if !reference::is_repository(repository) {
            return Err(reference::Error::repository(repository).into());
        }
        let mut url = self.base.clone();
        // The base can have segments, as it is HTTP.
        let _ = url.path_segments_mut().map(|mut path| {
            path.pop_if_empty().extend(repository.split('/')).extend(segments);
        });
        Ok(url)
    }
}
