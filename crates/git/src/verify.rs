//! Verifies the signatures of Git commits and tags: OpenPGP and SSH.
//!
//! Invariant: content is vouched for only by a key of the given files, for exactly the bytes that were signed. What is not understood is
//! refused, and no input makes it panic.

mod object;
mod openpgp;
mod ssh;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

pub use object::{Malformed, Object};
pub use openpgp::{Error as OpenPgpError, Refusal};
pub use ssh::{Error as SshError, Reasons};

use object::{Format, Signed};

/// The entries of a Secret whose names end so are SSH keys, all others OpenPGP keys.
const SSH_SUFFIX: &str = ".sshpub";

/// Why a commit or a tag is not verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object is unsigned (`empty`), or signed in a way that cannot be verified; the kind of signature is named.
    #[error("unsupported signature type: {0}")]
    Unsupported(&'static str),
    /// There is an OpenPGP signature, but none of the files can hold its key.
    #[error("PGP signature detected but no PGP public keys found in secret (keys with .asc suffix)")]
    NoOpenPgpKeys,
    /// There is an SSH signature, but none of the files can hold its key.
    #[error("SSH signature detected but no SSH public keys found in secret (keys with .sshpub suffix)")]
    NoSshKeys,
    /// The object, `commit` or `tag`, has signatures that no rule says how to read.
    #[error("unable to verify Git {0}: {1}")]
    Malformed(String, #[source] Malformed),
    /// The OpenPGP signature of the object, `commit` or `tag`, was refused.
    #[error("unable to verify Git {0}: {1}")]
    OpenPgp(String, #[source] OpenPgpError),
    /// The SSH signature of the object, `commit` or `tag`, was refused.
    #[error("unable to verify Git {0} SSH signature: {1}")]
    Ssh(String, #[source] SshError),
}

/// The public keys that may sign, as the files of a Secret hold them.
///
/// A file is read only when an object has a signature of its kind: one that cannot be read matters only when no other of the kind can.
pub struct Keys {
    openpgp: Vec<Vec<u8>>,
    ssh: Vec<Vec<u8>>,
}

impl Keys {
    /// Sorts the entries of a Secret by name: `*.sshpub` is a file in the format of `authorized_keys`, anything else (by custom `*.asc`)
    /// armored OpenPGP keys.
    pub fn new(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let (ssh, openpgp): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| name.ends_with(SSH_SUFFIX));
        let contents = |files: Vec<(&String, &Vec<u8>)>| files.into_iter().map(|(_, content)| content.clone()).collect();
        Self { openpgp: contents(openpgp), ssh: contents(ssh) }
    }
}

/// Whether an object carries a signature, of whatever kind.
pub fn is_signed(object: Object<'_>) -> bool {
    !matches!(Signed::split(object).map(|signed| signed.format()), Ok(Format::Empty))
}

/// Verifies the signature of an object and names the key that made it: the id of an OpenPGP key's primary key in 16 upper-case hexadecimal
/// digits, or the SHA-256 fingerprint of an SSH key (`SHA256:…`).
///
/// Lifetimes of keys and signatures are held against `now`.
///
/// # Errors
///
/// Whenever the object is not signed by one of the keys; see [`Error`].
pub fn verify(object: Object<'_>, keys: &Keys, now: SystemTime) -> Result<String, Error> {
    let signed = Signed::split(object).map_err(|why| Error::Malformed(object.to_string(), why))?;
    match signed.format() {
        Format::OpenPgp if keys.openpgp.is_empty() => Err(Error::NoOpenPgpKeys),
        Format::OpenPgp => {
            let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            openpgp::verify(&signed.payload, &signed.signature, &keys.openpgp, now).map_err(|why| Error::OpenPgp(object.to_string(), why))
        }
        Format::Ssh if keys.ssh.is_empty() => Err(Error::NoSshKeys),
        Format::Ssh => ssh::verify(&signed.payload, &signed.signature, &keys.ssh).map_err(|why| Error::Ssh(object.to_string(), why)),
        format @ (Format::X509 | Format::Unknown | Format::Empty) => Err(Error::Unsupported(format.name())),
    }
}
