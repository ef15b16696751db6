//! Digests of artifacts, in the OCI notation.

use std::{fmt, io, str::FromStr};

use sha2::Digest as _;

use crate::Error;

/// An algorithm that digests artifacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-256, the canonical one.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// BLAKE3, 32 bytes long.
    Blake3,
}

impl Algorithm {
    /// The name in front of a digest's colon.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }

    /// Length of the hexadecimal form, in characters.
    const fn width(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 64,
            Self::Sha384 => 96,
            Self::Sha512 => 128,
        }
    }

    /// The digest of `bytes`.
    pub fn digest(self, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(self);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The digest of all that can be read.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(self, mut from: impl io::Read) -> io::Result<Digest> {
        let mut hasher = Hasher::new(self);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(read) => hasher.update(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::Sha256, Self::Sha384, Self::Sha512, Self::Blake3]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| Error::Algorithm(name.to_owned()))
    }
}

/// A digest with its algorithm; written `sha256:<hex>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

impl Digest {
    /// The algorithm that made it.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digest itself, in lower-case hexadecimal.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::Digest(text.to_owned());
        let (name, hex) = text.split_once(':').ok_or_else(bad)?;
        let algorithm: Algorithm = name.parse()?;
        let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() != algorithm.width() || !hex.bytes().all(lower_hex) {
            return Err(bad());
        }
        Ok(Self { algorithm, hex: hex.to_owned() })
    }
}

/// A digest in the making.
pub(crate) enum Hasher {
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(sha2::Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(sha2::Sha512::new()),
            Algorithm::Blake3 => Self::Blake3(Box::default()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    pub(crate) fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => made(Algorithm::Sha256, &hasher.finalize()),
            Self::Sha384(hasher) => made(Algorithm::Sha384, &hasher.finalize()),
            Self::Sha512(hasher) => made(Algorithm::Sha512, &hasher.finalize()),
            Self::Blake3(hasher) => made(Algorithm::Blake3, hasher.finalize().as_bytes()),
        }
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn made(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    Digest { algorithm, hex: hex::encode(bytes) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn digests_read_as_they_are_written() {
        for name in ["sha256", "sha384", "sha512", "blake3"] {
            let algorithm: Algorithm = name.parse().unwrap();
            assert_eq!(algorithm.to_string(), name);
            let digest = algorithm.digest(b"x");
            assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        }
    }

    #[test]
    fn known_answers() {
        assert_eq!(Algorithm::default().digest(b"").to_string(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(Algorithm::Blake3.digest(b"").to_string(), "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let upper = Algorithm::Sha256.digest(b"x").to_string().to_uppercase();
        for text in ["", "sha256", "sha256:", "sha256:ab", "md5:ab", &upper] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
        let long = format!("{}0", Algorithm::Sha256.digest(b"x"));
        assert!(long.parse::<Digest>().is_err());
    }
}
