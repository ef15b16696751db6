//! How to be let in: credentials, trust, and the way there. Printed without secrets.

use std::fmt;

use url::Url;

/// Credentials for a remote and what is trusted of it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Auth {
    /// User name and password, for http and https.
    pub basic: Option<(String, String)>,
    /// A bearer token, for http and https; wins over `basic`.
    pub bearer: Option<String>,
    /// PEM certificates that are trusted beside the system's.
    pub ca: Option<Vec<u8>>,
    /// The certificate that is shown to servers that ask for one.
    pub certificate: Option<Certificate>,
    /// What ssh needs.
    pub ssh: Option<Ssh>,
}

/// A client certificate.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// PEM: the certificate and those that lead to its authority.
    pub chain: Vec<u8>,
    /// PEM: its private key.
    pub key: Vec<u8>,
}

/// Credentials and trust for ssh.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Ssh {
    /// The user where the URL names none; `git` if this is empty, too.
    pub user: String,
    /// The private key, in any format that OpenSSH writes or reads.
    pub identity: Vec<u8>,
    /// Decrypts the key.
    pub passphrase: Option<String>,
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

/// A proxy on the way to a remote.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// `http`, `https`, `socks5` or `socks5h`, without user and password.
    pub url: Url,
    /// User name and password.
    pub basic: Option<(String, String)>,
}

impl Auth {
    /// Whether nothing is known that could be given away.
    pub fn is_anonymous(&self) -> bool {
        self.basic.is_none() && self.bearer.is_none() && self.certificate.is_none() && self.ssh.is_none()
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("basic", &self.basic.is_some())
            .field("bearer", &self.bearer.is_some())
            .field("ca", &self.ca.is_some())
            .field("certificate", &self.certificate.is_some())
            .field("ssh", &self.ssh.is_some())
            .finish()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("url", &self.url.as_str()).field("basic", &self.basic.is_some()).finish()
    }
}
