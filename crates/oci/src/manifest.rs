//! Manifests and indexes, and the descriptors in them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Digest, Error};

/// The media type of an image manifest.
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an image index.
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of a manifest of Docker's, schema 2.
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The media type of a manifest list of Docker's.
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// A descriptor of the OCI Image Specification: some content of a registry, by its digest.
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
    /// The kind of the content, where the media type does not say it.
    pub artifact_type: Option<String>,
    /// Notes beside it.
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

/// The content of an image manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// The configuration.
    pub config: Descriptor,
    /// The layers, in order.
    #[serde(default, deserialize_with = "nothing_is_default")]
    pub layers: Vec<Descriptor>,
    /// Notes beside it.
    #[serde(default, deserialize_with = "nothing_is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// The content of an image index.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Index {
    /// The manifests, in order.
    #[serde(default, deserialize_with = "nothing_is_default")]
    pub manifests: Vec<Descriptor>,
}

impl Manifest {
    /// True if the media type is that of an image manifest.
    pub fn is_image(&self) -> bool {
        matches!(self.media_type.as_str(), IMAGE_MANIFEST | DOCKER_MANIFEST)
    }

    /// True if the media type is that of an index of manifests.
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
