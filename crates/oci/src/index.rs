//! Lists and descriptions: tags, manifests, referrers.

use std::collections::BTreeMap;

use headwater_http::{Excerpt, Secrets, quote};
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::error::{Error, describe_json_error};
use super::send::Answer;
use super::{Descriptor, Digest, IMAGE_INDEX, Index, Manifest, Registry, link, reference};

/// Media types are not longer than this, in bytes.
const LONGEST_TYPE: usize = 256;
/// Media types of manifests, most wanted first.
const MANIFESTS: &str = concat!(
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, ",
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
);
const JSON: &str = "application/json";
const FILTERS: &str = "OCI-Filters-Applied";
const FILTER: &str = "artifactType";

/// A page of tags.
#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

impl Registry {
    /// All tags of `repository`, in the registry's order. Names that no tag can have are passed over.
    ///
    /// # Errors
    /// [`Error`]; a repository that does not exist is an [`Error::Status`], a list beyond the limits an [`Error::Invalid`].
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>, Error> {
        let mut url = Some(self.url(repository, ["tags", "list"])?);
        let (mut tags, mut entries) = (Vec::new(), 0);
        for _ in 0..self.limits.pages {
            let Some(page) = url else { return Ok(tags) };
            let mut answer = self.get(page, JSON, repository).await?;
            if answer.status() != StatusCode::OK {
                return Err(self.refused(answer).await);
            }
            let page = self.decoded::<Tags>(&mut answer).await?.tags.unwrap_or_default();
            entries += page.len();
            tags.extend(page.into_iter().filter(|tag| reference::is_tag(tag)));
            url = self.next(&answer, entries)?;
        }
        match url {
            None => Ok(tags),
            Some(url) => Err(self.endless(&url)),
        }
    }

    /// The manifest or index at `reference`, a tag or a digest, in `repository`. What is something else shows in its media type.
    ///
    /// # Errors
    /// [`Error`]; [`Error::NotFound`] when there is none.
    pub async fn manifest(&self, repository: &str, reference: &str) -> Result<Manifest, Error> {
        let wanted = Digest::parse(reference);
        if wanted.is_none() && !reference::is_tag(reference) {
            return Err(reference::Error::tag(reference).into());
        }
        let url = self.url(repository, ["manifests", reference])?;
        let mut answer = self.get(url, MANIFESTS, repository).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                let separator = if wanted.is_some() { '@' } else { ':' };
                return Err(Error::NotFound { what: format!("{}/{repository}{separator}{reference}", self.name) });
            }
            _ => return Err(self.refused(answer).await),
        }
        let media_type = media_type(&answer);
        if media_type.is_empty() {
            return Err(answer.invalid("invalid response `Content-Type` header; mime: no media type"));
        }
        let bytes = answer.read(self.limits.metadata as u64).await?;
        let said = answer.digest(wanted.as_ref())?;
        let digest = wanted.or(said).unwrap_or_else(|| Digest::of(&bytes));
        if !digest.is_of(&bytes) {
            return Err(Error::Content { message: "mismatched digest".to_owned() });
        }
        Ok(Manifest { digest, media_type, bytes })
    }

    /// The manifests that refer to `subject`, those of one artifact type or all. Registries without an API for it are asked for
    /// the tag that the specification falls back to.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn referrers(&self, repository: &str, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, Error> {
        let mut url = self.url(repository, ["referrers", subject.as_str()])?;
        if let Some(artifact_type) = artifact_type {
            url.query_pairs_mut().append_pair(FILTER, artifact_type);
        }
        let wanted = |found: &Descriptor| artifact_type.is_none_or(|wanted| found.artifact_type.as_deref() == Some(wanted));
        let (mut url, mut entries, mut referrers) = (Some(url), 0, Vec::new());
        for _ in 0..self.limits.pages {
            let Some(page) = url else { return Ok(referrers) };
            let mut answer = self.get(page, IMAGE_INDEX, repository).await?;
            let unsupported = match answer.status() {
                StatusCode::OK => media_type(&answer) != IMAGE_INDEX,
                StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_ACCEPTABLE => true,
                _ => return Err(self.refused(answer).await),
            };
            if unsupported {
                let found = self.tagged_referrers(repository, subject).await?;
                return Ok(found.into_iter().filter(wanted).collect());
            }
            let page = self.decoded::<Index>(&mut answer).await?.manifests;
            entries += page.len();
            let filtered = answer.header(FILTERS).is_some_and(|filters| filters.split(',').any(|filter| filter.trim() == FILTER));
            referrers.extend(page.into_iter().filter(|found| filtered || wanted(found)).map(lean));
            url = self.next(&answer, entries)?;
        }
        match url {
            None => Ok(referrers),
            Some(url) => Err(self.endless(&url)),
        }
    }

    async fn tagged_referrers(&self, repository: &str, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        match self.manifest(repository, &subject.fallback_tag()).await {
            Ok(manifest) => Ok(manifest.index()?.manifests),
            Err(Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn decoded<T: DeserializeOwned>(&self, answer: &mut Answer) -> Result<T, Error> {
        let body = answer.read(self.limits.metadata as u64).await?;
        serde_json::from_slice(&body)
            .map_err(|error| answer.invalid(format!("failed to decode response: {}", describe_json_error(&body, &error))))
    }

    /// The page after `answer`, when all pages so far had `entries` entries. It has to be the registry's own.
    fn next(&self, answer: &Answer, entries: usize) -> Result<Option<Url>, Error> {
        let target = match answer.header("Link").map_or(Ok(None), link::next) {
            Ok(Some(target)) => target,
            Ok(None) if entries > self.limits.entries => return Err(self.endless(&answer.url)),
            Ok(None) => return Ok(None),
            Err(message) => return Err(answer.invalid(quote(message, &Secrets::default(), Excerpt::Line))),
        };
        if entries >= self.limits.entries {
            return Err(self.endless(&answer.url));
        }
        let url = answer.url.join(target).map_err(|error| answer.invalid(format!("invalid next link: {error}")))?;
        if url.origin() != self.base.origin() {
            return Err(answer.invalid("refusing a next link to another host"));
        }
        if url == answer.url {
            return Err(answer.invalid("the next link leads to the same page again"));
        }
        Ok(Some(url))
    }

    fn endless(&self, url: &Url) -> Error {
        let message = format!("the list has more than {} entries or {} pages", self.limits.entries, self.limits.pages);
        Error::Invalid { place: super::Place::new("GET", url), message }
    }
}

/// The media type of an answer, without parameters and in lower case.
fn media_type(answer: &Answer) -> String {
    let header = answer.header("Content-Type").unwrap_or_default();
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A referrer without parts that only cost memory: of many, the registry chooses how long that is.
fn lean(found: Descriptor) -> Descriptor {
    let short = |text: String| if text.len() <= LONGEST_TYPE { text } else { String::new() };
    Descriptor { media_type: short(found.media_type), artifact_type: found.artifact_type.map(short), annotations: BTreeMap::new(), ..found }
}
