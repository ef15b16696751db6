//! Repositories of charts, with an index or in a registry: which version, and its bytes.

use std::sync::Arc;

use headwater_api::helm_repository::HelmRepository;
use headwater_api::{Artifact, helm_repository};
use headwater_http::printable_url;
use kube::ResourceExt;
use tempfile::NamedTempFile;

use super::registry::{self, Place};
use crate::reconcile::Ctx;
use crate::reconcile::aid::blocking;
use crate::reconcile::failure::chain;
use crate::reconcile::helm::access::{self, Door};
use crate::settings::DigestCheck;
use headwater_helm::index::{self, Index};
use headwater_helm::web::{self, Access, Web};
use headwater_oci::Manifest;

/// A repository that is ready to be asked.
pub enum Repository {
    /// One with an index, over HTTP.
    Web {
        /// How it lets us in.
        access: Access,
        /// Its index.
        index: Arc<Index>,
    },
    /// One in a registry.
    Registry(Place),
}

/// A version of a chart that a repository has.
pub struct Found {
    /// The chart's name.
    pub name: String,
    /// The version, as the repository writes it.
    pub version: String,
    /// Where the chart is; none where the index has no place for it.
    at: Option<String>,
    /// The SHA-256 of the chart in hexadecimal, if the index has it.
    digest: Option<String>,
}

/// Why a version is not found.
pub enum NotFound {
    /// The repository has none such.
    Reference(String),
    /// The repository cannot say.
    External(String),
}

impl NotFound {
    /// In words.
    pub fn why(&self) -> &str {
        match self {
            Self::Reference(why) | Self::External(why) => why,
        }
    }
}

impl Repository {
    /// The repository of `object`, through `door`. `artifact` is its stored index, if it has one; `asker` is who asks, for the
    /// numbers of the cache.
    pub async fn open(
        object: &HelmRepository,
        door: Door,
        artifact: Option<&Artifact>,
        asker: (&str, &str),
        cx: &Ctx,
    ) -> Result<Self, Unopened> {
        let oci = object.spec.url.starts_with("oci://");
        match (object.spec.type_(), artifact) {
            (helm_repository::TYPE_OCI, _) if !oci => {
                Err(Unopened::Misplaced(format!("invalid OCI registry URL: {}", access::normalised(&printable_url(&object.spec.url)))))
            }
            (helm_repository::TYPE_OCI, _) => Ok(Self::Registry(registry::place(object, door, cx).await.map_err(Unopened::Refused)?)),
            (_, Some(artifact)) => {
                let index = cx.helm.indexes.get(artifact, &cx.storage, &cx.helm.limits.index, asker).await;
                let index =
                    index.map_err(|error| Unopened::Index(format!("failed to load index: failed to load index: {}", chain(&error))))?;
                Ok(Self::Web { access: door.access, index })
            }
            (_, None) => Self::fetched(door.access, cx).await,
        }
    }

    /// A repository that has no stored index: it is downloaded, and not kept.
    pub async fn fetched(access: Access, cx: &Ctx) -> Result<Self, Unopened> {
        let failed = |error: &web::Error| {
            Unopened::Index(format!("failed to cache index: failed to cache index to temporary file: {}", chain(error)))
        };
        let web = Web::new(&access, &cx.clients).map_err(|error| Unopened::Refused(error.to_string()))?;
        let unscratched = |source| failed(&web::Error::Write { what: "index", source });
        let draft = NamedTempFile::new_in(&cx.scratch).map_err(unscratched)?;
        let limits = cx.helm.limits.index;
        web.index(None, limits.file, draft.as_file()).await.map_err(|error| failed(&error))?;
        let read = blocking(move || Index::load(draft.path(), &limits)).await;
        let unread = |error: index::Error| Unopened::Index(format!("failed to load index: failed to load index: {}", chain(&error)));
        Ok(Self::Web { index: Arc::new(read.map_err(unread)?), access })
    }

    /// The newest version of a chart in a range.
    pub async fn find(&self, name: &str, range: &str) -> Result<Found, NotFound> {
        match self {
            Self::Web { index, .. } => {
                let found = index.find(name, range).map_err(|error| NotFound::Reference(error.to_string()))?;
                let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
                Ok(Found {
                    name: found.name.to_owned(),
                    version: found.version.to_owned(),
                    at: found.urls.first().and_then(|url| text(url)),
                    digest: text(found.digest),
                })
            }
            Self::Registry(place) => {
                let version = place.find(name, range).await.map_err(NotFound::External)?;
                Ok(Found { at: Some(place.reference(name, &version)), name: name.to_owned(), version, digest: None })
            }
        }
    }

    /// The bytes of a chart. `manifest` is that of a chart in a registry, where it was looked up before.
    pub async fn download(&self, found: &Found, manifest: Option<&Manifest>, cx: &Ctx) -> Result<Vec<u8>, String> {
        let limit = cx.helm.limits.chart.archive;
        let Some(at) = &found.at else { return Err(format!("chart '{}' has no downloadable URLs", found.name)) };
        match self {
            Self::Web { access, .. } => {
                let web = Web::new(access, &cx.clients).map_err(|error| error.to_string())?;
                let bytes = web.chart(at, limit).await.map_err(|error| chain(&error))?;
                check(found, &bytes, cx.helm.digest_check)?;
                Ok(bytes)
            }
            Self::Registry(place) => place.archive(&found.name, &found.version, manifest, limit).await,
        }
    }
}

/// Compares a chart with the digest that the index has for it.
fn check(found: &Found, bytes: &[u8], check: DigestCheck) -> Result<(), String> {
    let Some(expected) = &found.digest else { return Ok(()) };
    let expected = expected.strip_prefix("sha256:").unwrap_or(expected);
    let is_digest = expected.len() == 64 && expected.bytes().all(|b| b.is_ascii_hexdigit());
    let shown = if is_digest { format!("sha256:{expected}") } else { "something that is no SHA-256".into() };
    let actual = headwater_storage::Algorithm::Sha256.digest(bytes);
    if expected.eq_ignore_ascii_case(actual.hex()) {
        return Ok(());
    }
    let told = format!(
        "chart '{}' with version '{}' has digest sha256:{}, but the index of its repository says {shown}",
        found.name,
        found.version,
        actual.hex()
    );
    if check == DigestCheck::Enforce {
        return Err(told);
    }
    tracing::warn!("{told}; set --helm-chart-digest=enforce to refuse such charts");
    Ok(())
}

/// Why a repository cannot be asked.
#[derive(Debug)]
pub enum Unopened {
    /// Its URL does not fit its type.
    Misplaced(String),
    /// We are not let in, or cannot say who we are.
    Refused(String),
    /// Its index is not to be had.
    Index(String),
}

impl Unopened {
    /// In words.
    pub fn why(&self) -> &str {
        match self {
            Self::Misplaced(why) | Self::Refused(why) | Self::Index(why) => why,
        }
    }
}

/// Who asks, for the numbers of the cache.
pub fn asker<K: ResourceExt>(object: &K) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}
