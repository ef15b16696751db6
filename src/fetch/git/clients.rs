//! HTTP clients, shared so that connections and parsed certificates outlive a pass.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Auth, Certificate, Error, Proxy};

/// More sets of certificates than this at once, and the least useful pools are dropped together.
const MOST: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Some servers answer Git clients only.
const USER_AGENT: &str = concat!("git/2.50 (headwater/", env!("CARGO_PKG_VERSION"), ")");

/// One HTTP client for each way to be let in. A clone is the same set of clients.
///
/// Belongs to one runtime: connections are driven by the runtime that opened them.
#[derive(Clone, Default)]
pub struct Clients(Arc<Mutex<HashMap<Key, reqwest::Client>>>);

/// What makes one client unlike another: trusted certificates, the client's own, and the proxy.
type Key = (Option<Vec<u8>>, Option<Certificate>, Option<Proxy>);

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

/// Why there is no client.
#[derive(Debug)]
pub(super) enum Unusable {
    /// The certificates to trust are not a bundle of at least one PEM certificate.
    Ca,
}

impl Unusable {
    /// The error of the remote at `url`.
    pub(super) fn at(self, url: &str) -> Error {
        match self {
            Self::Ca => Error::InvalidCa { url: url.to_owned() },
        }
    }
}

impl Clients {
    /// The client that trusts the system's certificates and those of `auth`, and goes through `proxy`.
    pub(super) fn get(&self, auth: &Auth, proxy: Option<&Proxy>) -> Result<reqwest::Client, Unusable> {
        let key = (auth.ca.clone(), auth.certificate.clone(), proxy.cloned());
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT);
        if let Some(pem) = &auth.ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| Unusable::Ca)?;
            if certificates.is_empty() {
                return Err(Unusable::Ca);
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|_| Unusable::Ca)?;
        if clients.len() >= MOST {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_a_certificate_is_refused() {
        let auth = Auth { ca: Some(b"no certificate".to_vec()), ..Auth::default() };
        assert!(Clients::default().get(&auth, None).is_err());
        assert!(Clients::default().get(&Auth::default(), None).is_ok());
    }
}
