//! The two halves of a signed Git object: what was signed, and the signature.
//!
//! A commit carries its signature in the header `gpgsig` (each further line of it starts with a space), a tag at the end of its message
//! (gitformat-signature). What was signed is the object without it.

use std::fmt;

/// The largest signature looked at, in bytes. An RSA signature takes less than 4 KiB, the largest post-quantum one about 70 KiB.
const SIGNATURE_LIMIT: usize = 256 * 1024;

/// What a line starts with when a signature, of any kind Git knows, starts there.
const BEGINNINGS: [&[u8]; 5] = [OPENPGP, b"-----BEGIN PGP MESSAGE-----", b"-----BEGIN CERTIFICATE-----", X509, SSH];
const OPENPGP: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const SSH: &[u8] = b"-----BEGIN SSH SIGNATURE-----";
const X509: &[u8] = b"-----BEGIN SIGNED MESSAGE-----";

/// A Git object that may be signed, as Git stores it, without the leading `commit <size>\0`.
#[derive(Debug, Clone, Copy)]
pub enum Object<'a> {
    /// A commit.
    Commit(&'a [u8]),
    /// An annotated tag.
    Tag(&'a [u8]),
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commit(_) => "commit",
            Self::Tag(_) => "tag",
        })
    }
}

/// What kind of signature an object carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    OpenPgp,
    Ssh,
    X509,
    Unknown,
    Empty,
}

impl Format {
    fn of(signature: &[u8]) -> Self {
        let trimmed = signature.trim_ascii_start();
        match trimmed {
            _ if signature.is_empty() => Self::Empty,
            _ if trimmed.starts_with(OPENPGP) => Self::OpenPgp,
            _ if trimmed.starts_with(SSH) => Self::Ssh,
            _ if trimmed.starts_with(X509) => Self::X509,
            _ => Self::Unknown,
        }
    }

    /// The name that messages give it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OpenPgp => "openpgp",
            Self::Ssh => "ssh",
            Self::X509 => "x509",
            Self::Unknown => "unknown",
            Self::Empty => "empty",
        }
    }
}

/// Why an object's signature is not even looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Which of several signatures counts would be anyone's guess.
    #[error("more than one signature")]
    Several,
    /// More than 256 KiB.
    #[error("signature of more than {SIGNATURE_LIMIT} bytes")]
    TooLarge,
}

/// An object taken apart.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl Signed {
    /// Takes an object apart; one that is not signed has an empty signature.
    pub(super) fn split(object: Object<'_>) -> Result<Self, Malformed> {
        let signed = match object {
            Object::Commit(raw) => commit(raw)?,
            Object::Tag(raw) => tag(raw),
        };
        if signed.signature.len() > SIGNATURE_LIMIT {
            return Err(Malformed::TooLarge);
        }
        let blocks = signed.signature.split(|&byte| byte == b'\n').filter(|line| begins(line)).count();
        if blocks > 1 { Err(Malformed::Several) } else { Ok(signed) }
    }

    pub(super) fn format(&self) -> Format {
        Format::of(&self.signature)
    }
}

fn begins(line: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}

fn commit(raw: &[u8]) -> Result<Signed, Malformed> {
    let mut signatures = Vec::new();
    let payload = without_signature_headers(raw, |header| signatures.push(header));
    if signatures.len() > 1 {
        return Err(Malformed::Several);
    }
    Ok(Signed { payload, signature: signatures.pop().unwrap_or_default() })
}

/// The signature starts at the last line of the message that looks like the beginning of one.
fn tag(raw: &[u8]) -> Signed {
    let mut end = raw.len();
    let mut at = raw.windows(2).position(|pair| pair == b"\n\n").map_or(raw.len(), |blank| blank + 2);
    for line in raw[at..].split_inclusive(|&byte| byte == b'\n') {
        if begins(line) {
            end = at;
        }
        at += line.len();
    }
    Signed { payload: without_signature_headers(&raw[..end], |_| ()), signature: raw[end..].to_vec() }
}

/// An object without the headers `gpgsig` and `gpgsig-sha256`; each value of the former is handed to `found`.
fn without_signature_headers(raw: &[u8], mut found: impl FnMut(Vec<u8>)) -> Vec<u8> {
    enum Skipping {
        Nothing,
        Signature(Vec<u8>),
        Other,
    }
    let mut payload = Vec::with_capacity(raw.len());
    let mut skipping = Skipping::Nothing;
    let mut rest = raw;
    while let Some(line) = rest.split_inclusive(|&byte| byte == b'\n').next() {
        if line == b"\n" {
            break;
        }
        rest = &rest[line.len()..];
        match (&mut skipping, line.strip_prefix(b" ")) {
            (Skipping::Signature(value), Some(more)) => {
                value.extend_from_slice(more);
                continue;
            }
            (Skipping::Other, Some(_)) => continue,
            _ => {}
        }
        let next = if let Some(value) = line.strip_prefix(b"gpgsig ") {
            Skipping::Signature(value.to_vec())
        } else if line.starts_with(b"gpgsig-sha256 ") {
            Skipping::Other
        } else {
            payload.extend_from_slice(line);
            Skipping::Nothing
        };
        if let Skipping::Signature(value) = std::mem::replace(&mut skipping, next) {
            found(value);
        }
    }
    if let Skipping::Signature(value) = skipping {
        found(value);
    }
    payload.extend_from_slice(rest);
    payload
}
