//! HTTP clients, shared so that connections and parsed certificates outlive a pass.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// More sets of certificates than this at once, and the least useful pools are dropped together.
const MOST: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Some servers answer Git clients only.
const USER_AGENT: &str = concat!("git/2.50 (headwater/", env!("CARGO_PKG_VERSION"), ")");

/// One HTTP client for each set of trusted certificates. A clone is the same set of clients.
///
/// Belongs to one runtime: connections are driven by the runtime that opened them.
#[derive(Debug, Clone, Default)]
pub struct Clients(Arc<Mutex<HashMap<Option<Vec<u8>>, reqwest::Client>>>);

/// The certificates to trust are not a bundle of at least one PEM certificate.
#[derive(Debug)]
pub(super) struct InvalidCa;

impl Clients {
    /// The client that trusts the system's certificates and those in `ca`.
    pub(super) fn get(&self, ca: Option<&Vec<u8>>) -> Result<reqwest::Client, InvalidCa> {
        let key = ca.cloned();
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT);
        if let Some(pem) = ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| InvalidCa)?;
            if certificates.is_empty() {
                return Err(InvalidCa);
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|_| InvalidCa)?;
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
        assert!(Clients::default().get(Some(&b"no certificate".to_vec())).is_err());
        assert!(Clients::default().get(None).is_ok());
    }
}
