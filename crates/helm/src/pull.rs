//! Charts out of registries, in the way Helm keeps them there.

use std::cmp::Reverse;

use serde_json::{Map, Value};

use headwater_oci::{self as oci, Descriptor, Digest, Manifest, Registry, reference};
use headwater_version::{self as version, Range, Version};

/// The media type of a chart's metadata.
pub const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// The media type of a chart's archive.
pub const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// The media type of a chart's archive, as Helm wrote it before it settled on [`CHART`].
pub const LEGACY_CHART: &str = "application/tar+gzip";
/// Of an index of manifests, this many are looked at.
const MOST_MANIFESTS: usize = 32;

/// Failure to get a chart.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The versions of a chart cannot be listed.
    #[error("could not get tags for {name:?}: could not fetch tags for {url:?}: {source}")]
    Tags {
        /// The chart.
        name: String,
        /// The URL that it should be at.
        url: String,
        /// The cause.
        source: oci::Error,
    },
    /// A chart has no version at all.
    #[error("could not get tags for {name:?}: unable to locate any tags in provided repository: {url}")]
    NoTags {
        /// The chart.
        name: String,
        /// The URL that it should be at.
        url: String,
    },
    /// A version of a chart cannot be had.
    #[error("failed to get '{reference}': {source}")]
    Chart {
        /// The version of the chart.
        reference: String,
        /// The cause.
        source: Box<Error>,
    },
    /// The repository or the version is no part of a reference.
    #[error(transparent)]
    Name(#[from] reference::Error),
    /// The manifest or the index could not be read.
    #[error("failed to perform \"FetchReference\" on source: {0}")]
    Reference(#[source] oci::Error),
    /// The manifest or the index does not say what it should.
    #[error("failed to perform \"Successors\" on source: {0}")]
    Successors(#[source] oci::Error),
    /// A part of the chart could not be read.
    #[error("failed to perform \"Fetch\" on source: {0}")]
    Part(#[source] oci::Error),
    /// A part of the chart is not what it is said to be.
    #[error("failed to perform \"Push\" on destination: {0}")]
    Content(#[source] oci::Error),
    /// There are too few parts for a chart.
    #[error("manifest does not contain minimum number of descriptors (2), descriptors found: {0}")]
    TooFewParts(usize),
    /// There is no metadata.
    #[error("could not load config with mediatype {CONFIG}")]
    NoConfig,
    /// There is no archive.
    #[error("manifest does not contain a layer with mediatype {CHART}")]
    NoChart,
    /// The metadata is no JSON object; says why.
    #[error("{0}")]
    Config(String),
    /// No version is wanted that the repository has.
    #[error("could not locate a version matching provided version string {0}")]
    NoVersion(String),
    /// The wanted version is neither a version nor a range.
    #[error(transparent)]
    Range(#[from] version::Error),
}

/// The versions of the chart that is at `repository`, newest first. Tags that are no semantic version are passed over; `_` is read
/// as `+`.
///
/// # Errors
/// [`oci::Error`].
pub async fn versions(registry: &Registry, repository: &str) -> Result<Vec<String>, oci::Error> {
    Ok(sorted(&registry.tags(repository).await?))
}

fn sorted(tags: &[String]) -> Vec<String> {
    let mut versions: Vec<Version> = tags.iter().filter_map(|tag| strict(&tag.replace('_', "+"))).collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.iter().map(|version| version.original().to_owned()).collect()
}

/// A version exactly as SemVer 2 has it: without `v`, with three numbers, without leading zeros.
fn strict(text: &str) -> Option<Version> {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let is_number =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
    (core.split('.').count() == 3 && core.split('.').all(is_number)).then(|| Version::parse(text).ok()).flatten()
}

/// True if `wanted` is one version, which needs no list of all of them.
fn is_concrete(wanted: &str) -> bool {
    Version::parse_tag(wanted).is_ok()
}

/// Of `versions`, the one that is written like `wanted`, or else the newest that the range `wanted` matches. Nothing and `*` are
/// the range of all versions that are no pre-releases.
///
/// # Errors
/// [`Error::Range`] and [`Error::NoVersion`].
fn find<'a>(versions: &'a [String], wanted: &str) -> Result<&'a str, Error> {
    if let Some(same) = versions.iter().find(|version| !wanted.is_empty() && *version == wanted) {
        return Ok(same);
    }
    let range = Range::parse(if wanted.is_empty() { "*" } else { wanted })?;
    let matching = versions.iter().filter_map(|version| Some((Version::parse_tag(version).ok()?, version)));
    let newest = matching.filter(|(version, _)| range.matches(version)).min_by(|(a, _), (b, _)| Reverse(a).cmp(&Reverse(b)));
    newest.map(|(_, version)| version.as_str()).ok_or_else(|| Error::NoVersion(wanted.to_owned()))
}

/// The version of the chart `name`, which is at `repository`, that `wanted` stands for. One that is concrete is not looked up.
///
/// # Errors
/// [`Error::Tags`], [`Error::NoTags`], [`Error::Range`] and [`Error::NoVersion`].
pub async fn resolve(registry: &Registry, repository: &str, name: &str, wanted: &str) -> Result<String, Error> {
    if is_concrete(wanted) {
        return Ok(wanted.to_owned());
    }
    let (name, url) = (name.to_owned(), format!("oci://{}/{repository}", registry.name()));
    match versions(registry, repository).await {
        Err(source) => Err(Error::Tags { name, url, source }),
        Ok(versions) if versions.is_empty() => Err(Error::NoTags { name, url }),
        Ok(versions) => find(&versions, wanted).map(str::to_owned),
    }
}

/// A version of a chart in a registry.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    /// The registry.
    pub registry: &'a Registry,
    /// The repository, whose last component is the name of the chart.
    pub repository: &'a str,
    /// The version.
    pub version: &'a str,
}

impl Release<'_> {
    /// The manifest. What is verified about it holds for what [`Self::archive`] gives.
    ///
    /// # Errors
    /// [`Error::Chart`].
    pub async fn manifest(&self) -> Result<Manifest, Error> {
        let found = self.registry.manifest(self.repository, &reference::tag_of(self.version)).await;
        found.map_err(|error| {
            self.failed(match error {
                oci::Error::Reference(error) => Error::Name(error),
                oci::Error::Content { .. } => Error::Successors(error),
                other => Error::Reference(other),
            })
        })
    }

    /// The archive of the chart that `manifest` describes, up to `limit` bytes.
    ///
    /// # Errors
    /// [`Error::Chart`].
    pub async fn archive(&self, manifest: &Manifest, limit: u64) -> Result<Vec<u8>, Error> {
        self.download(manifest, limit).await.map_err(|error| self.failed(error))
    }

    async fn download(&self, manifest: &Manifest, limit: u64) -> Result<Vec<u8>, Error> {
        let mut manifests = 1;
        let mut parts = Vec::new();
        if manifest.is_index() {
            let mut inner = manifest.index().map_err(Error::Successors)?.manifests;
            inner.retain(|descriptor| descriptor.media_type == oci::IMAGE_MANIFEST);
            inner.truncate(MOST_MANIFESTS);
            manifests += inner.len();
            for descriptor in inner {
                let manifest = self.registry.manifest(self.repository, descriptor.digest.as_str()).await;
                collect(&manifest.map_err(part)?, &mut parts)?;
            }
        } else if manifest.is_image() {
            collect(manifest, &mut parts)?;
        } else {
            return Err(Error::TooFewParts(0));
        }
        if manifests + parts.len() < 2 {
            return Err(Error::TooFewParts(manifests + parts.len()));
        }
        let last = |types: &[&str]| parts.iter().rfind(|part| types.contains(&part.media_type.as_str()));
        let config = last(&[CONFIG]).ok_or(Error::NoConfig)?;
        let chart = last(&[CHART, LEGACY_CHART]).ok_or(Error::NoChart)?;
        let config = self.registry.blob(self.repository, config, self.registry.limits().metadata as u64).await.map_err(part)?;
        serde_json::from_slice::<Option<Map<String, Value>>>(&config)
            .map_err(|error| Error::Config(oci::describe_json_error(&config, &error)))?;
        self.registry.blob(self.repository, chart, limit).await.map_err(part)
    }

    fn failed(&self, error: Error) -> Error {
        let reference = format!("oci://{}/{}:{}", self.registry.name(), self.repository, self.version);
        Error::Chart { reference, source: Box::new(error) }
    }
}

/// A chart's archive, and the digest of the manifest that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The archive.
    pub bytes: Vec<u8>,
}

/// The archive of `version` of the chart at `repository`, up to `limit` bytes.
///
/// # Errors
/// [`Error::Chart`].
pub async fn pull(registry: &Registry, repository: &str, version: &str, limit: u64) -> Result<Pulled, Error> {
    let release = Release { registry, repository, version };
    let manifest = release.manifest().await?;
    let bytes = release.archive(&manifest, limit).await?;
    Ok(Pulled { digest: manifest.digest, bytes })
}

fn part(error: oci::Error) -> Error {
    if matches!(error, oci::Error::Content { .. }) { Error::Content(error) } else { Error::Part(error) }
}

/// Adds the parts of `manifest` that a chart can have.
fn collect(manifest: &Manifest, parts: &mut Vec<Descriptor>) -> Result<(), Error> {
    let image = manifest.image().map_err(Error::Successors)?;
    let known = |part: &Descriptor| [CONFIG, CHART, LEGACY_CHART].contains(&part.media_type.as_str());
    parts.extend([image.config].into_iter().chain(image.layers).filter(known));
    Ok(())
}

#[cfg(test)]
mod tests;
