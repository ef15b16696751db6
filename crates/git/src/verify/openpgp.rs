//! Verifies detached OpenPGP signatures (RFC 9580) with rings of armored keys.
//!
//! The rules are those of ProtonMail's go-crypto, which every published verification passed: the key must be allowed to sign, and neither it
//! nor what binds it may be revoked, expired or from the future at the time of verification; SHA-1 counts in signatures of version 4
//! (collision attacks on it are detected), MD5 and RIPEMD-160 never do. Beyond them, a signature older than its key is refused.

mod certificate;

use std::io::{BufReader, Read};

use pgp::{
    armor::{BlockType, Dearmor, DearmorOptions},
    crypto::hash::HashAlgorithm,
    packet::{Packet, PacketParser, Signature, SignatureType, SignatureVersion, SubpacketData},
    types::KeyDetails,
};

use certificate::Certificate;

/// What starts any armored block.
const BEGIN: &[u8] = b"-----BEGIN ";
/// More than a Secret can hold, in bytes.
const ARMOR_LIMIT: usize = 4 * 1024 * 1024;

/// Why an OpenPGP signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// None of the key rings can be read.
    #[error("unable to read armored key ring: {0}")]
    KeyRing(String),
    /// None of the keys vouches for this content; the source says why.
    #[error("unable to verify payload with any of the given key rings: no matching key")]
    NoMatchingKey(#[source] Refusal),
}

/// What is wrong with the signature, or with the key that made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No key of the rings has the id that the signature names.
    #[error("the signature was made by none of the keys")]
    UnknownKey,
    /// The armor or the packets of the signature are damaged.
    #[error("the signature cannot be read")]
    Unreadable,
    /// The signature says something else than that its maker signs this content.
    #[error("the signature is not one over a document")]
    Purpose,
    /// The content is not what was signed.
    #[error("the signature does not match the content")]
    Mismatch,
    /// A signature that must be understood says what is not.
    #[error("a signature has a critical notation that is not known")]
    CriticalNotation,
    /// The signature has ended, or one that binds the key has, or was made in the future.
    #[error("a signature is expired or from the future")]
    SignatureExpired,
    /// The signature was made before its key.
    #[error("the signature is older than the key")]
    OlderThanKey,
    /// The key, one of its self-signatures, or its binding is not as it must be.
    #[error("the key is malformed: {0}")]
    Key(&'static str),
    /// The key is for encryption, certification or authentication.
    #[error("the key is not one for signing")]
    NotForSigning,
    /// The key, the subkey or the primary user id is revoked.
    #[error("the key is revoked")]
    KeyRevoked,
    /// The key or the subkey is expired, or from the future.
    #[error("the key is expired or from the future")]
    KeyExpired,
}

/// Answers the id of the primary key of the key that signed, 16 upper-case hexadecimal digits; `now` is in seconds of Unix time.
pub(super) fn verify(payload: &[u8], signature: &[u8], rings: &[Vec<u8>], now: u64) -> Result<String, Error> {
    let signatures = read_signatures(signature).map_err(Error::NoMatchingKey);
    let (mut refusal, mut unreadable, mut readable) = (Refusal::UnknownKey, None, false);
    for ring in rings {
        match read_ring(ring) {
            Ok(certificates) => {
                readable = true;
                match check(payload, signatures.as_deref().map_err(Clone::clone)?, &certificates, now) {
                    Ok(id) => return Ok(id),
                    Err(Refusal::UnknownKey) => {}
                    Err(why) => refusal = why,
                }
            }
            Err(why) => {
                unreadable.get_or_insert(why);
            }
        }
    }
    match unreadable {
        Some(why) if !readable => Err(Error::KeyRing(why)),
        _ => Err(Error::NoMatchingKey(refusal)),
    }
}

/// The first signature that one of the certificates could have made decides.
fn check(payload: &[u8], signatures: &[Signature], certificates: &[Certificate], now: u64) -> Result<String, Refusal> {
    let mut refusal = Refusal::UnknownKey;
    for signature in signatures {
        for certificate in certificates.iter().filter(|certificate| certificate.may_have_made(signature)) {
            match certificate.verify(payload, signature, now) {
                Ok(()) => return Ok(certificate.id()),
                Err(why) => refusal = why,
            }
        }
        if refusal != Refusal::UnknownKey {
            break;
        }
    }
    Err(refusal)
}

fn read_signatures(armored: &[u8]) -> Result<Vec<Signature>, Refusal> {
    let (kind, bytes) = dearmor(armored.trim_ascii()).map_err(|_| Refusal::Unreadable)?;
    if kind != Some(BlockType::Signature) {
        return Err(Refusal::Unreadable);
    }
    let mut signatures = Vec::new();
    for packet in PacketParser::new(bytes.as_slice()) {
        match packet {
            Ok(Packet::Signature(signature)) if !understood(&signature) => {}
            Ok(Packet::Signature(signature)) if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) => {
                return Err(Refusal::Purpose);
            }
            Ok(Packet::Signature(signature)) => signatures.push(signature),
            _ => return Err(Refusal::Unreadable),
        }
    }
    Ok(signatures)
}

/// The certificates of all armored blocks of a file; those that cannot be read are passed over as long as one can.
fn read_ring(file: &[u8]) -> Result<Vec<Certificate>, String> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for line in file.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(BEGIN) {
            starts.push(at);
        }
        at += line.len();
    }
    let mut unreadable = None;
    let mut certificates = Vec::new();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(file.len());
        match dearmor(&file[start..end]) {
            Ok((Some(BlockType::PublicKey | BlockType::PrivateKey), bytes)) => certificates.extend(Certificate::read_all(&bytes)),
            Ok((kind, _)) => {
                let kind = kind.map_or_else(|| "none".to_owned(), |kind| kind.to_string());
                unreadable.get_or_insert(format!("openpgp: invalid argument: expected public or private key block, got: {kind}"));
            }
            Err(_) => {
                unreadable.get_or_insert("openpgp: invalid data: armor invalid".to_owned());
            }
        }
    }
    if certificates.is_empty() {
        let none =
            if starts.is_empty() { "invalid argument: no armored data found" } else { "invalid data: no public or private key found" };
        return Err(unreadable.unwrap_or_else(|| format!("openpgp: {none}")));
    }
    Ok(certificates)
}

fn dearmor(armored: &[u8]) -> std::io::Result<(Option<BlockType>, Vec<u8>)> {
    let mut reader = Dearmor::with_options(BufReader::new(armored), DearmorOptions::new().set_limit(ARMOR_LIMIT));
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok((reader.typ, bytes))
}

/// Whether a signature is of a version, of a hash and of subpackets that count.
fn understood(signature: &Signature) -> bool {
    let strong = match signature.hash_alg() {
        Some(HashAlgorithm::Sha1) => signature.version() == SignatureVersion::V4,
        Some(
            HashAlgorithm::Sha224
            | HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6),
        _ => false,
    };
    let unknown = |config: &pgp::packet::SignatureConfig| {
        config
            .hashed_subpackets()
            .any(|subpacket| subpacket.is_critical && matches!(subpacket.data, SubpacketData::Other(..) | SubpacketData::Experimental(..)))
    };
    strong && signature.created().is_some() && !signature.config().is_some_and(unknown)
}

/// Whether a signature says that this key made it.
fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        signature.issuer_key_id().contains(&&key.legacy_key_id())
    } else {
        fingerprints.contains(&&key.fingerprint())
    }
}
