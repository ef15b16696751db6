//! Our side of the decisions within a connection: whether the host is who it should be.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{self, DisconnectReason, Handler};
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};

use super::known_hosts::{KnownHosts, Verdict};

/// Decides on host keys, and hears why a connection ended.
pub(super) struct Visitor {
    pub(super) hosts: KnownHosts,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) last_words: LastWords,
}

/// Why a connection ended, as far as that is known.
#[derive(Debug, Clone, Default)]
pub(super) struct LastWords(Arc<Mutex<Option<String>>>);

impl LastWords {
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, words: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
    }
}

/// What ends a connection from within.
#[derive(Debug)]
pub(super) enum Broken {
    /// The host is not trusted; says why.
    HostKey(String),
    /// The protocol or the network failed.
    Ssh(russh::Error),
}

impl From<russh::Error> for Broken {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl Handler for Visitor {
    type Error = Broken;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Broken> {
        let (verdict, key) = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                let blob = key.to_bytes().unwrap_or_default();
                (self.hosts.check(&self.host, self.port, &blob), describe(key))
            }
            PublicKeyOrCertificate::Certificate(certificate) => {
                let key = PublicKey::from(certificate.public_key().clone());
                (self.hosts.check_certificate(&self.host, self.port, certificate), describe(&key))
            }
        };
        let host = if self.port == 22 { self.host.clone() } else { format!("[{}]:{}", self.host, self.port) };
        let why = match verdict {
            Verdict::Trusted => return Ok(true),
            Verdict::Unknown => format!("knownhosts: key is unknown: known_hosts has no line for {host}, which shows {key}"),
            Verdict::Changed(known) => {
                let known = known.join(", ");
                format!(
                    "knownhosts: key mismatch: {host} shows {key}, which is none of its keys in known_hosts ({known}): \
                     it was replaced, or someone is in between"
                )
            }
            Verdict::Revoked => format!("knownhosts: key is revoked: {host} shows {key}"),
            Verdict::BadCertificate(why) => format!("knownhosts: {host} shows a certificate for {key}, but {why}"),
        };
        Err(Broken::HostKey(why))
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Broken>) -> Result<(), Broken> {
        match reason {
            DisconnectReason::ReceivedDisconnect(client::RemoteDisconnectInfo { message, .. }) => self.last_words.set(message),
            DisconnectReason::Error(Broken::Ssh(russh::Error::Disconnect)) => {}
            DisconnectReason::Error(Broken::Ssh(error)) => self.last_words.set(error.to_string()),
            DisconnectReason::Error(Broken::HostKey(why)) => self.last_words.set(why),
        }
        Ok(())
    }
}

/// A key's type and fingerprint, as `ssh-keygen -l` shows them.
pub(super) fn describe(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm().as_str(), key.fingerprint(HashAlg::Sha256))
}
