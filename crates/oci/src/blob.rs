//! Content under its digest.

use reqwest::StatusCode;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::send::Answer;
use super::{Descriptor, Digest, Error, Registry};

const ANY: &str = "*/*";

impl Registry {
    /// The blob of `descriptor`, which may be up to `limit` bytes large.
    ///
    /// # Errors
    /// [`Error`]; [`Error::NotFound`] when there is none, [`Error::TooLarge`] before anything was read.
    pub async fn blob(&self, repository: &str, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.copy_blob(repository, descriptor, limit, &mut bytes).await?;
        Ok(bytes)
    }

    /// The blob under `digest`, whatever its size is, up to `limit` bytes.
    ///
    /// # Errors
    /// As [`Self::blob`].
    pub async fn content(&self, repository: &str, digest: &Digest, limit: u64) -> Result<Vec<u8>, Error> {
        let mut answer = self.opened(repository, digest).await?;
        let bytes = answer.read(limit).await.map_err(|error| match error {
            Error::TooLarge { size, limit, .. } => Error::TooLarge { what: digest.to_string(), size, limit },
            other => other,
        })?;
        if digest.is_of(&bytes) { Ok(bytes) } else { Err(Error::Content { message: "mismatched digest".to_owned() }) }
    }

    /// The answer that has the blob under `digest`.
    async fn opened(&self, repository: &str, digest: &Digest) -> Result<Answer, Error> {
        let url = self.url(repository, ["blobs", digest.as_str()])?;
        let answer = self.get(url, ANY, repository).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::NOT_FOUND => Err(Error::NotFound { what: digest.to_string() }),
            _ => Err(self.refused(answer).await),
        }
    }

    /// Writes the blob of `descriptor`, which may be up to `limit` bytes large, to `to`. What was written counts for something
    /// only when this succeeds: size and digest are known to be right at the end.
    ///
    /// # Errors
    /// As [`Self::blob`], and [`Error::Write`].
    async fn copy_blob(
        &self,
        repository: &str,
        descriptor: &Descriptor,
        limit: u64,
        to: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), Error> {
        let Descriptor { digest, size, .. } = descriptor;
        if *size > limit {
            return Err(Error::TooLarge { what: digest.to_string(), size: *size, limit });
        }
        let mut answer = self.opened(repository, digest).await?;
        if answer.length().is_some_and(|length| length != *size) {
            return Err(answer.invalid("mismatch Content-Length"));
        }
        answer.digest(Some(digest))?;
        let (mut hasher, mut read) = (digest.hasher(), 0);
        while let Some(chunk) = answer.chunk().await? {
            read += chunk.len() as u64;
            if read > *size {
                return Err(Error::Content { message: "trailing data".to_owned() });
            }
            hasher.update(&chunk);
            to.write_all(&chunk).await.map_err(Error::Write)?;
        }
        if read < *size {
            let message = format!("read failed: expected content size of {size}, got {read}, for digest {digest}: unexpected EOF");
            return Err(Error::Content { message });
        }
        if hasher.digest() != *digest {
            return Err(Error::Content { message: "mismatched digest".to_owned() });
        }
        to.flush().await.map_err(Error::Write)
    }
}
