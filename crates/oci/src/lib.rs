//! Registries, as the OCI Distribution Specification 1.1 has them: a client that reads.
//!
//! Every answer is bounded in size, every list in its length, every silence in time; the caller's deadline ends a call by
//! dropping it. What has a digest is checked against it. Credentials are sent to the registry's own origin, and to the token
//! endpoint that it names, and nowhere else; no error repeats them.

mod blob;
mod challenge;
pub mod cosign;
mod digest;
pub mod docker_config;
mod error;
mod index;
mod link;
pub mod reference;
mod send;
mod token;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use headwater_http::{self as http, Basic, ClientPair};
use reqwest::header::HeaderValue;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

pub use digest::Digest;
pub use error::{Error, Place, describe_json_error};
pub use reference::Reference;

/// The media type of an image manifest.
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an image index.
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of a manifest of Docker's, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The media type of a manifest list of Docker's.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Whether the registry is spoken to in the clear.
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

/// How to authenticate, once the registry asks for it.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Not at all; an anonymous token is fetched where the registry wants one.
    #[default]
    Anonymous,
    /// A user and a password, shown to the registry or to its token endpoint.
    Basic(Basic),
    /// A refresh token, which Docker calls an identity token: the token endpoint gives access tokens for it.
    Refresh(SecretString),
    /// An access token, shown to the registry as it is.
    Access(SecretString),
}

impl Credentials {
    /// The same as HTTP knows them, beside whether they are a refresh token, which HTTP does not know.
    fn as_http(&self) -> (http::Credentials, bool) {
        match self {
            Self::Anonymous => (http::Credentials::Anonymous, false),
            Self::Basic(basic) => (http::Credentials::Basic(basic.clone()), false),
            Self::Refresh(token) => (http::Credentials::Bearer(token.clone()), true),
            Self::Access(token) => (http::Credentials::Bearer(token.clone()), false),
        }
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.as_http() == other.as_http()
    }
}

impl Eq for Credentials {}

impl From<http::Credentials> for Credentials {
    fn from(credentials: http::Credentials) -> Self {
        match credentials {
            http::Credentials::Anonymous => Self::Anonymous,
            http::Credentials::Basic(basic) => Self::Basic(basic),
            http::Credentials::Bearer(token) => Self::Access(token),
        }
    }
}

/// Bounds on what a registry may send.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest manifest, and the largest page of a list, in bytes.
    pub metadata: usize,
    /// How many entries a list may have, on all its pages.
    pub entries: usize,
    /// On how many pages a list may come.
    pub pages: usize,
    /// For how long a registry may be silent.
    pub idle: Duration,
    /// How long a pause before a request is repeated may be, whatever a busy registry asks for.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { metadata: 4 << 20, entries: 200_000, pages: 2_000, idle: Duration::from_secs(30), pause: Duration::from_secs(3) }
    }
}

/// One registry, seen by one who has the same credentials for all of it. Tokens are kept as long as this value.
pub struct Registry {
    clients: ClientPair,
    /// As references name it.
    name: String,
    /// `/v2/` of it.
    base: Url,
    credentials: Credentials,
    limits: Limits,
    /// The `Authorization` that was accepted last, by scope.
    authorizations: Mutex<HashMap<String, HeaderValue>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("base", &self.base.as_str()).field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

/// What is in a registry under a digest: a descriptor of the OCI Image Specification.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type.
    #[serde(default)]
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content, in bytes.
    pub size: u64,
    /// What the content is, where the media type does not say it.
    pub artifact_type: Option<String>,
    /// What was noted beside it.
    #[serde(default, deserialize_with = "nothing_is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// A manifest or an index, or what the registry sent in place of one; its digest was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The digest of `bytes`.
    pub digest: Digest,
    /// The media type, without parameters.
    pub media_type: String,
    /// The document.
    pub bytes: Vec<u8>,
}

/// What an image manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// The configuration.
    pub config: Descriptor,
    /// The layers, in order.
    #[serde(default, deserialize_with = "nothing_is_default")]
    pub layers: Vec<Descriptor>,
    /// What was noted beside it.
    #[serde(default, deserialize_with = "nothing_is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// What an image index says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Index {
    /// The manifests, in order.
    #[serde(default, deserialize_with = "nothing_is_default")]
    pub manifests: Vec<Descriptor>,
}

impl Manifest {
    /// Whether this says of itself that it is an image manifest.
    pub fn is_image(&self) -> bool {
        matches!(self.media_type.as_str(), IMAGE_MANIFEST | DOCKER_MANIFEST)
    }

    /// Whether this says of itself that it is an index of manifests.
    pub fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), IMAGE_INDEX | DOCKER_LIST)
    }

    /// The document read as an image manifest.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is none.
    pub fn image(&self) -> Result<Image, Error> {
        self.read()
    }

    /// The document read as an image index.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is none.
    pub fn index(&self) -> Result<Index, Error> {
        self.read()
    }

    fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        let malformed = |error: serde_json::Error| Error::Malformed { digest: self.digest.clone(), message: error.to_string() };
        serde_json::from_slice(&self.bytes).map_err(malformed)
    }
}

/// `null` is written where there is nothing.
fn nothing_is_default<'de, T: Default + Deserialize<'de>, D: serde::Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
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

    /// What the registry may send.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The URL of something in `repository`.
    fn url(&self, repository: &str, segments: [&str; 2]) -> Result<Url, Error> {
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

#[cfg(test)]
mod tests;
