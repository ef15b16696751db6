//! Credentials, trust and algorithms for ssh.

use secrecy::{SecretSlice, SecretString};

/// Credentials and trust for ssh.
#[derive(Clone, Debug)]
pub struct Ssh {
    /// The user where the URL names none; `git` if this is empty, too.
    pub user: String,
    /// The private key, in any format that OpenSSH writes or reads.
    pub identity: SecretSlice<u8>,
    /// Decrypts the key.
    pub passphrase: Option<SecretString>,
    /// The host keys that are trusted, in the format of OpenSSH's `known_hosts`. No other is.
    pub known_hosts: Vec<u8>,
}

/// The algorithms that ssh offers, the preferred first; the defaults where a list is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Algorithms {
    /// Key exchange (`--ssh-kex-algos`).
    pub key_exchange: Vec<String>,
    /// Host keys (`--ssh-hostkey-algos`).
    pub host_keys: Vec<String>,
}
