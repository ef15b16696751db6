//! Verifies SSH signatures (OpenSSH's PROTOCOL.sshsig) with the keys of `authorized_keys` files.

use std::fmt;

use ssh_key::{Algorithm, HashAlg, PublicKey, SshSig, public::KeyData};

/// What Git signs for: a signature made for another purpose with the same key is none.
const NAMESPACE: &str = "git";
/// The smallest RSA key that counts, in bits.
const RSA_BITS: usize = 2048;
/// From the end of a security key's signature: one byte of flags, four of a counter.
const SECURITY_KEY_TRAILER: usize = 5;
/// The flag of a security key that was touched.
const USER_PRESENT: u8 = 1;

/// Why an SSH signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The signature cannot be read.
    #[error("unable to unarmor SSH signature: {0}")]
    Signature(String),
    /// None of the files of keys can be read.
    #[error("unable to parse authorized keys: unable to parse authorized key: {0}")]
    AuthorizedKeys(String),
    /// None of the keys made the signature over this content.
    #[error("unable to verify payload with any of the given authorized keys: no matching key{0}")]
    NoMatchingKey(Reasons),
}

/// Each different reason why a key did not match, in the order they came up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reasons(Vec<&'static str>);

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|reason| write!(f, "\n{reason}"))
    }
}

/// Answers the SHA-256 fingerprint of the key that signed, as ssh-keygen writes it.
pub(super) fn verify(payload: &[u8], signature: &[u8], files: &[Vec<u8>]) -> Result<String, Error> {
    let signature = SshSig::from_pem(signature.trim_ascii()).map_err(|error| Error::Signature(error.to_string()))?;
    if signature.version() != SshSig::VERSION {
        return Err(Error::Signature(format!("unsupported signature version {}: expected {}", signature.version(), SshSig::VERSION)));
    }
    let (mut reasons, mut unreadable, mut readable) = (Vec::new(), None, false);
    for file in files {
        let keys = match authorized_keys(&String::from_utf8_lossy(file)) {
            Ok(keys) => keys,
            Err(why) => {
                unreadable.get_or_insert(why);
                continue;
            }
        };
        readable = true;
        for key in keys {
            match check(payload, &signature, &key) {
                Ok(()) => return Ok(key.fingerprint(HashAlg::Sha256).to_string()),
                Err(why) if !reasons.contains(&why) => reasons.push(why),
                Err(_) => {}
            }
        }
    }
    match unreadable {
        Some(why) if !readable => Err(Error::AuthorizedKeys(why)),
        _ => Err(Error::NoMatchingKey(Reasons(reasons))),
    }
}

fn check(payload: &[u8], signature: &SshSig, key: &PublicKey) -> Result<(), &'static str> {
    if key.key_data() != signature.public_key() {
        return Err("public key does not match");
    }
    if signature.namespace() != NAMESPACE {
        return Err("namespace does not match");
    }
    // Nothing is known of what a signature with something in the field kept for the future means.
    if !signature.reserved().is_empty() {
        return Err("signature with reserved data");
    }
    match key.key_data() {
        KeyData::Rsa(rsa) => {
            if rsa.n.as_positive_bytes().map_or(0, bits) < RSA_BITS {
                return Err("RSA key is too small");
            }
            // Without a hash it is the old `ssh-rsa`, which signs SHA-1.
            if !matches!(signature.algorithm(), Algorithm::Rsa { hash: Some(_) }) {
                return Err("signature algorithm is not allowed");
            }
        }
        KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => {
            let flags = signature.signature_bytes().iter().nth_back(SECURITY_KEY_TRAILER - 1);
            if signature.algorithm() != key.algorithm() {
                return Err("signature algorithm is not allowed");
            }
            if flags.is_none_or(|flags| flags & USER_PRESENT == 0) {
                return Err("ssh: signature missing required user presence flag");
            }
        }
        _ if signature.algorithm() != key.algorithm() => return Err("signature algorithm is not allowed"),
        _ => {}
    }
    key.verify(NAMESPACE, payload, signature).map_err(|_| "ssh: signature did not verify")
}

fn bits(number: &[u8]) -> usize {
    let zeros: usize = number.iter().take_while(|&&byte| byte == 0).count();
    number.get(zeros).map_or(0, |first| (number.len() - zeros) * 8 - first.leading_zeros() as usize)
}

/// The keys of an `authorized_keys` file (sshd(8)). Certificates are passed over: they name a key, but vouch for it only with an authority.
fn authorized_keys(file: &str) -> Result<Vec<PublicKey>, String> {
    let lines = file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut keys = Vec::new();
    for line in lines {
        // The data of every key starts with the length of a short name, whose first three bytes are zero.
        let plain = key_and_type(line).filter(|(_, data)| data.starts_with("AAAA"));
        let (name, data) = plain.or_else(|| key_and_type(after_options(line))).ok_or("ssh: no key found")?;
        if name.contains("-cert-v") {
            continue;
        }
        let key = PublicKey::from_openssh(&format!("{name} {data}"))
            .map_err(|error| format!("ssh: no key found; last parsing error for ignored line: {error}"))?;
        keys.push(key);
    }
    Ok(keys)
}

fn key_and_type(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_ascii_whitespace();
    Some((words.next()?, words.next()?))
}

/// The line without the options it starts with: they end at the first blank outside double quotes, where `\"` is no quote.
fn after_options(line: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    let end = line.find(|character: char| {
        let blank = !quoted && matches!(character, ' ' | '\t');
        quoted ^= character == '"' && !escaped;
        escaped = character == '\\';
        blank
    });
    end.map_or("", |end| &line[end..])
}
