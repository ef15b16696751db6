//! Verifies the signatures that cosign puts beside the artifacts of a registry.
//!
//! Two layouts are read: bundles (`application/vnd.dev.sigstore.bundle.v0.3+json`) that refer to the artifact, and the older image under
//! the tag `sha256-<digest>.sig`, whose layers are payloads and whose annotations hold the rest; see cosign's "Signature Specification"
//! and "Bundle Specification".
//!
//! Invariant: an artifact is vouched for only by a signature over its own digest, by one of the trusted keys or by a certificate with one
//! of the trusted identities. What is not understood is refused, every read is bounded, and no input makes it panic.

mod bundle;
mod key;
mod keyless;
mod legacy;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;

pub use key::{InvalidKey, Key};
pub use keyless::{Identity, InvalidPattern, InvalidRoot, Root};

/// Whatever a [`Repository`] failed with. Must hold no secret.
pub type RepositoryError = Box<dyn std::error::Error + Send + Sync>;

/// The repository that an artifact is in. Whoever implements it sees to time, credentials and redirects.
pub trait Repository: Send + Sync {
    /// The bytes of a manifest, by a tag or by a digest (which they then have); `None` where there is none. More than `most` bytes are
    /// an error.
    fn manifest<'a>(&'a self, reference: &'a str, most: usize) -> BoxFuture<'a, Result<Option<Vec<u8>>, RepositoryError>>;
    /// The bytes of a blob by their digest. More than `most` are an error.
    fn blob<'a>(&'a self, digest: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<u8>, RepositoryError>>;
    /// The digests of the manifests that refer to one, of whatever type (registries do not always tell it right), or the first `most`
    /// of them: by the referrers API, or by the tag that stands in for it. None where there are none.
    fn referrers<'a>(&'a self, digest: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<String>, RepositoryError>>;
}

/// An artifact whose signatures are looked at.
#[derive(Clone, Copy)]
pub struct Artifact<'a> {
    /// Where it and its signatures are.
    pub repository: &'a dyn Repository,
    /// The digest of its manifest: `sha256:` and 64 hexadecimal digits.
    pub digest: &'a str,
}

/// Who may sign.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The holder of any of these keys. Transparency logs are not looked at.
    Keys(Vec<Key>),
    /// Anybody with any of these identities, or anybody at all where there is none, by a certificate that `root` leads to, at a time
    /// and in a log that it vouches for.
    Identities {
        /// Who.
        identities: Vec<Identity>,
        /// Whom to trust about it.
        root: Root,
    },
}

/// How much is read at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Signatures, of either layout.
    pub signatures: usize,
    /// Bytes of a manifest.
    pub manifest: usize,
    /// Bytes of a payload of the older layout. Real ones are below 1 KiB.
    pub payload: usize,
    /// Bytes of a bundle. A bundle may hold a whole bill of materials.
    pub bundle: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { signatures: 1000, manifest: 4 << 20, payload: 64 << 10, bundle: 8 << 20 }
    }
}

/// Why an artifact is not vouched for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The digest is of another kind.
    #[error("unsupported digest: {0}")]
    Digest(String),
    /// The registry did not answer as it should.
    #[error(transparent)]
    Repository(RepositoryError),
    /// There is no signature of either layout.
    #[error("no signatures found")]
    Unsigned,
    /// There are more than are read.
    #[error("number of layers ({0}) exceeded the limit ({1})")]
    TooMany(usize, usize),
    /// The manifest under the tag of the signatures is none of an image.
    #[error("the signatures are not in a manifest of an image: {0}")]
    Manifest(String),
    /// None of the signatures of the older layout is of who may sign; why, one by one, the first few.
    #[error("no matching signatures: {}", .0.join("\n "))]
    NoSignature(Vec<String>),
    /// None of the bundles is of who may sign, nor any signature of the older layout; why, one by one, the first few.
    #[error("no matching attestations: {}", .0.join("\n"))]
    NoBundle(Vec<String>),
}

/// So many reasons are told.
const TOLD: usize = 10;
/// Of each, so many characters: it may repeat what the registry says.
const LONGEST: usize = 500;

/// Verifies that one of the signatures of an artifact is by who may sign.
///
/// Bundles are looked at first, then the older layout; one signature that holds is enough.
///
/// # Errors
///
/// Whenever there is none; see [`Error`].
pub async fn verify(artifact: Artifact<'_>, with: &Trust, limits: &Limits) -> Result<(), Error> {
    let digits = artifact.digest.strip_prefix("sha256:").filter(|digits| is_sha256(digits));
    let digits = digits.ok_or_else(|| Error::Digest(artifact.digest.to_owned()))?;
    let mut reasons = Reasons::default();
    // A registry that cannot tell what refers to an artifact may still have the older layout.
    match bundle::verify(artifact, digits, with, limits, &mut reasons).await {
        Ok(true) => return Ok(()),
        Ok(false) => {}
        Err(why) => reasons.add(&why.to_string()),
    }
    match legacy::verify(artifact, digits, with, limits).await {
        Err(Error::Unsigned | Error::NoSignature(_)) if !reasons.0.is_empty() => Err(Error::NoBundle(reasons.0)),
        ended => ended,
    }
}

/// Why signatures were refused: each reason once, the first few.
#[derive(Default)]
struct Reasons(Vec<String>);

impl Reasons {
    fn add(&mut self, why: &str) {
        let why = shown(why);
        if self.0.len() < TOLD && !self.0.contains(&why) {
            self.0.push(why);
        }
    }
}

/// A reason as it may be shown: in one line, and shortened.
fn shown(why: &str) -> String {
    let plain = |sign: char| if sign.is_control() { ' ' } else { sign };
    let mut text: String = why.chars().map(plain).take(LONGEST).collect();
    if why.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}

/// Lower-case hexadecimal digits of a SHA-256.
fn is_sha256(digits: &str) -> bool {
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
