//! Digests of content, as the OCI Image Specification writes them.

use std::fmt;

use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};

/// The digest of some content: `sha256:` or `sha512:` and lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest(String);

impl Digest {
    /// Reads a digest. `None` for any other algorithm, length or way of writing.
    pub fn parse(text: &str) -> Option<Self> {
        let (algorithm, encoded) = text.split_once(':')?;
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return None,
        };
        let is_hex = encoded.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (encoded.len() == length && is_hex).then(|| Self(text.to_owned()))
    }

    /// The SHA-256 digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(content))))
    }

    /// The whole digest.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag under which registries without an API for it list the manifests that refer to this digest.
    pub fn fallback_tag(&self) -> String {
        self.0.replacen(':', "-", 1)
    }

    /// True if this is the digest of `content`.
    pub(crate) fn is_of(&self, content: &[u8]) -> bool {
        let mut hasher = self.hasher();
        hasher.update(content);
        hasher.digest() == *self
    }

    /// Computes a digest of the same algorithm.
    pub(super) fn hasher(&self) -> Hasher {
        if self.0.starts_with("sha512:") { Hasher::Sha512(Sha512::new()) } else { Hasher::Sha256(Sha256::new()) }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("invalid digest")
    }
}

/// Content on its way to a digest.
pub(super) enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    pub(super) fn update(&mut self, content: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(content),
            Self::Sha512(hasher) => hasher.update(content),
        }
    }

    pub(super) fn digest(self) -> Digest {
        Digest(match self {
            Self::Sha256(hasher) => format!("sha256:{}", hex::encode(hasher.finalize())),
            Self::Sha512(hasher) => format!("sha512:{}", hex::encode(hasher.finalize())),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn digests_are_written_in_one_way() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert!(Digest::parse(empty).unwrap().is_of(b""));
        assert!(!Digest::parse(empty).unwrap().is_of(b"x"));
        assert_eq!(Digest::parse(empty).unwrap().fallback_tag(), empty.replace(':', "-"));
        let long = format!("sha512:{}", hex::encode(Sha512::digest(b"x")));
        assert!(Digest::parse(&long).unwrap().is_of(b"x"));
        for bad in ["", "sha256", "sha256:", "md5:e3b0", &empty.to_uppercase(), &empty.replace("e3", "E3"), &empty[..70]] {
            assert_eq!(Digest::parse(bad), None, "{bad}");
        }
    }
}
