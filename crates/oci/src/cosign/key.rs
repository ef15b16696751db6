//! Public keys in PEM, and the signatures that they check.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What the DER of a key (RFC 5280, `SubjectPublicKeyInfo`) begins with, up to the bits of the key itself.
const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const P384: &[u8] = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const P521: &[u8] = b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00";
const EDWARDS: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// What comes after the header of an RSA key in that form, whose length varies.
const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03";

/// What Go's libraries say of a signature that does not hold.
const NOT_ECDSA: &str = "invalid signature when validating ASN.1 encoded signature";
const NOT_EDWARDS: &str = "failed to verify signature";
const NOT_RSA: &str = "crypto/rsa: verification error";

/// Why a text holds no key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// There is no PEM in it.
    #[error("PEM decoding failed")]
    Pem,
    /// It holds something else.
    #[error("unknown Public key PEM file type: {0}. Are you passing the correct public key?")]
    Kind(String),
    /// It holds a key of an algorithm or a size that is not supported, or a damaged one.
    #[error("unsupported public key type")]
    Unsupported,
}

/// A public key: ECDSA over P-256, P-384 or P-521, Ed25519, or RSA of 2048 to 8192 bits.
///
/// Signatures are over SHA-256 (for the larger curves also over SHA-384 and SHA-512), those of RSA with the padding of PKCS #1 v1.5.
#[derive(Clone)]
pub struct Key {
    /// The same key for every digest that may be signed.
    variants: Vec<ParsedPublicKey>,
    refusal: &'static str,
}

impl Key {
    /// The key in the first block of a text in PEM (RFC 7468): `PUBLIC KEY`, or `RSA PUBLIC KEY` (RFC 8017).
    pub fn from_pem(text: &[u8]) -> Result<Self, InvalidKey> {
        let (kind, der) = decoded(text).ok_or(InvalidKey::Pem)?;
        let is = |prefix: &[u8]| der.starts_with(prefix);
        let (algorithms, refusal): (&[&'static dyn VerificationAlgorithm], _) = match kind.as_str() {
            "PUBLIC KEY" if is(P256) => (&[&ECDSA_P256_SHA256_ASN1], NOT_ECDSA),
            "PUBLIC KEY" if is(P384) => (&[&ECDSA_P384_SHA256_ASN1, &ECDSA_P384_SHA384_ASN1], NOT_ECDSA),
            "PUBLIC KEY" if is(P521) => (&[&ECDSA_P521_SHA256_ASN1, &ECDSA_P521_SHA512_ASN1], NOT_ECDSA),
            "PUBLIC KEY" if is(EDWARDS) => (&[&ED25519], NOT_EDWARDS),
            "PUBLIC KEY" if der.get(4..).is_some_and(|rest| rest.starts_with(RSA)) => (&[&RSA_PKCS1_2048_8192_SHA256], NOT_RSA),
            "RSA PUBLIC KEY" => (&[&RSA_PKCS1_2048_8192_SHA256], NOT_RSA),
            "PUBLIC KEY" => return Err(InvalidKey::Unsupported),
            _ => return Err(InvalidKey::Kind(kind)),
        };
        let parsed = |algorithm: &_| ParsedPublicKey::new(*algorithm, &der).map_err(|_| InvalidKey::Unsupported);
        Ok(Self { variants: algorithms.iter().map(parsed).collect::<Result<_, _>>()?, refusal })
    }

    /// Whether a signature over a message is by this key.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), &'static str> {
        let holds = self.variants.iter().any(|key| key.verify_sig(message, signature).is_ok());
        if holds { Ok(()) } else { Err(self.refusal) }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// The kind and the content of the first block in PEM.
fn decoded(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (kind, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {kind}-----"))?;
    let body: String = body.split_ascii_whitespace().collect();
    Some((kind.to_owned(), STANDARD.decode(body).ok()?))
}

/// The content of each block in PEM of one kind, the first `most`.
pub(super) fn blocks(text: &str, kind: &str, most: usize) -> Option<Vec<Vec<u8>>> {
    let begin = format!("-----BEGIN {kind}-----");
    let block = |(at, _): (usize, &str)| decoded(&text.as_bytes()[at..]).map(|(_, der)| der);
    text.match_indices(&begin).take(most).map(block).collect()
}
