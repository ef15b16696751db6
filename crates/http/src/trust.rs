//! Certificates: those to trust, and the one to show.

use secrecy::{ExposeSecret as _, SecretSlice};

use crate::fingerprint::fingerprint;

/// The certificates that matter for the connections to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// PEM certificates of authorities that are trusted beside the system's.
    pub ca: Option<Vec<u8>>,
    /// The certificate that is shown to servers that ask for one.
    pub certificate: Option<ClientCertificate>,
}

/// A client certificate. Compared by digests.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// PEM: the certificate and those that lead to its authority.
    pub chain: Vec<u8>,
    /// PEM: its private key.
    pub key: SecretSlice<u8>,
}

impl Trust {
    /// The same authorities, but no certificate to show: for servers that credentials must not reach.
    #[must_use]
    pub fn without_certificate(&self) -> Self {
        Self { ca: self.ca.clone(), certificate: None }
    }
}

impl ClientCertificate {
    /// A certificate chain and its key, both in PEM.
    pub fn new(chain: Vec<u8>, key: impl Into<SecretSlice<u8>>) -> Self {
        Self { chain, key: key.into() }
    }
}

impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        let digest = |certificate: &Self| fingerprint([certificate.chain.as_slice(), certificate.key.expose_secret()]);
        digest(self) == digest(other)
    }
}

impl Eq for ClientCertificate {}

/// True for a bundle of at least one certificate in PEM.
pub fn has_certificates(pem: &[u8]) -> bool {
    certificates(pem).is_some()
}

/// The certificates of a bundle, at least one.
pub(crate) fn certificates(pem: &[u8]) -> Option<Vec<reqwest::Certificate>> {
    reqwest::Certificate::from_pem_bundle(pem).ok().filter(|certificates| !certificates.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_but_not_printed() {
        let trust = |key: &str| Trust { ca: None, certificate: Some(ClientCertificate::new(b"chain".to_vec(), key.as_bytes().to_vec())) };
        assert_eq!(trust("k3y"), trust("k3y"));
        assert_ne!(trust("k3y"), trust("other"));
        let (text, bytes) = (format!("{:?}", trust("k3y")), format!("{:?}", b"k3y"));
        assert!(!text.contains("k3y") && !text.contains(bytes.trim_matches(['[', ']'])), "{text}");
        assert_eq!(trust("k3y").without_certificate(), Trust::default());
    }

    #[test]
    fn a_bundle_has_a_certificate() {
        assert!(!has_certificates(b""));
        assert!(!has_certificates(b"no certificate"));
    }
}
