#![expect(clippy::unwrap_used, reason = "tests")]

mod bad;
mod keyed;
mod keyless;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use super::*;

/// A repository as cosign left it, or a certificate authority and logs of one's own. All were made with keys that are gone.
macro_rules! fixture {
    ($name:literal) => {
        include_str!($name)
    };
}
pub(super) use fixture;

/// A registry's repository with one artifact.
#[derive(Default, Deserialize)]
pub(super) struct Store {
    pub digest: String,
    pub manifests: BTreeMap<String, String>,
    pub blobs: BTreeMap<String, String>,
    pub referrers: Vec<String>,
    #[serde(skip)]
    pub fetched: AtomicUsize,
    /// Whether the registry cannot tell what refers to an artifact.
    #[serde(skip)]
    pub mute: bool,
}

impl Store {
    pub fn of(text: &str) -> Self {
        serde_json::from_str(text).unwrap()
    }

    pub async fn verify(&self, with: &Trust) -> Result<(), Error> {
        verify(Artifact { repository: self, digest: &self.digest }, with, &Limits::default()).await
    }

    pub async fn refusal(&self, with: &Trust) -> String {
        self.verify(with).await.unwrap_err().to_string()
    }

    /// The manifest of the older layout.
    pub fn image(&mut self) -> &mut String {
        self.manifests.values_mut().next().unwrap()
    }

    /// The only payload or bundle.
    pub fn content(&mut self) -> &mut String {
        self.blobs.values_mut().next().unwrap()
    }

    fn bounded(text: &str, most: usize) -> Result<Vec<u8>, RepositoryError> {
        if text.len() > most { Err(format!("larger than {most} bytes").into()) } else { Ok(text.as_bytes().to_vec()) }
    }
}

impl Repository for Store {
    fn manifest<'a>(&'a self, reference: &'a str, most: usize) -> BoxFuture<'a, Result<Option<Vec<u8>>, RepositoryError>> {
        Box::pin(async move { self.manifests.get(reference).map(|text| Self::bounded(text, most)).transpose() })
    }

    fn blob<'a>(&'a self, digest: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<u8>, RepositoryError>> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { self.blobs.get(digest).map_or_else(|| Err("no such blob".into()), |text| Self::bounded(text, most)) })
    }

    fn referrers<'a>(&'a self, digest: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<String>, RepositoryError>> {
        Box::pin(async move {
            assert_eq!(digest, self.digest);
            if self.mute { Err("503 Service Unavailable".into()) } else { Ok(self.referrers.iter().take(most).cloned().collect()) }
        })
    }
}

pub(super) fn keys(files: &[&str]) -> Trust {
    Trust::Keys(files.iter().map(|file| Key::from_pem(file.as_bytes()).unwrap()).collect())
}
