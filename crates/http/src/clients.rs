//! HTTP clients, shared so that connections and parsed certificates outlive one piece of work.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use url::Url;

use crate::trust::certificates;
use crate::{Basic, ClientCertificate, Fingerprint, Proxies, Proxy, Trust};

/// More clients than this at once, and all of them are dropped together.
const MOST: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const MISMATCH: &str = "the client certificate and its key cannot be used together";

/// One HTTP client for each combination of trusted certificates, client certificate and proxy. A clone is the same set of clients.
///
/// Clients follow no redirect, send no `Referer` and no `User-Agent`, and give up a connection that does not come about within 15
/// seconds. The set belongs to one runtime: connections are driven by the runtime that opened them.
#[derive(Clone)]
pub struct Clients(Arc<Pool>);

struct Pool {
    /// The proxies of the environment, or why they cannot be used.
    environment: Result<Proxies, String>,
    /// By what makes one client unlike another.
    known: Mutex<HashMap<[u8; 32], reqwest::Client>>,
}

/// The clients for a server and for wherever it redirects to.
#[derive(Clone)]
pub struct ClientPair {
    /// For the server itself; shows the client certificate.
    pub home: reqwest::Client,
    /// For all others; shows none.
    pub away: reqwest::Client,
}

/// The reason that there is no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The certificates to trust are not a bundle of at least one PEM certificate.
    #[error("the CA is not a bundle of PEM certificates")]
    Ca,
    /// The client certificate or its key cannot be used; says why.
    #[error("{0}")]
    Certificate(&'static str),
    /// The proxy cannot be used; says why.
    #[error("{0}")]
    Proxy(String),
}

impl Unusable {
    pub(crate) fn proxy_url() -> Self {
        Self::Proxy("the proxy's URL cannot be used".into())
    }
}

impl Default for Clients {
    /// Clients that use the proxies of this process's environment. Where those cannot be used, [`Self::get`] says so.
    fn default() -> Self {
        Self::new(Proxies::of_process())
    }
}

impl Clients {
    /// Clients that use the proxies of `environment` where no other is named.
    pub fn new(environment: Result<Proxies, String>) -> Self {
        Self(Arc::new(Pool { environment, known: Mutex::default() }))
    }

    /// The client that trusts the system's certificates and those of `trust`, also where `proxy` shows one, and goes through
    /// `proxy`; without that, through those of the environment.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn get(&self, trust: &Trust, proxy: Option<&Proxy>) -> Result<reqwest::Client, Unusable> {
        let key = key(trust, proxy);
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(&key) {
            return Ok(client.clone());
        }
        let client = build(trust, self.proxy(proxy)?)?;
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, client.clone());
        Ok(client)
    }

    /// The client of [`Self::get`], and one that shows no certificate.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn pair(&self, trust: &Trust, proxy: Option<&Proxy>) -> Result<ClientPair, Unusable> {
        Ok(ClientPair { home: self.get(trust, proxy)?, away: self.get(&trust.without_certificate(), proxy)? })
    }

    /// The proxy on the way to `url`: `proxy`, or else the environment's.
    pub fn proxy_for(&self, url: &Url, proxy: Option<&Proxy>) -> Option<Proxy> {
        proxy.cloned().or_else(|| self.0.environment.as_ref().ok()?.proxy(url).cloned().map(Proxy::at))
    }

    fn proxy(&self, named: Option<&Proxy>) -> Result<reqwest::Proxy, Unusable> {
        if let Some(proxy) = named {
            return reqwest::Proxy::all(proxy.full()?).map_err(|_| Unusable::proxy_url());
        }
        let environment = self.0.environment.clone().map_err(Unusable::Proxy)?;
        // Redirects can lead from one scheme to the other.
        Ok(reqwest::Proxy::custom(move |url| environment.proxy(url).and_then(|proxy| Proxy::at(proxy.clone()).full().ok())))
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPair").finish_non_exhaustive()
    }
}

/// The digest of everything that makes one client unlike another.
fn key(trust: &Trust, proxy: Option<&Proxy>) -> [u8; 32] {
    let mut key = Fingerprint::default();
    let certificate = trust.certificate.as_ref();
    let basic = proxy.and_then(|proxy| proxy.basic.as_ref());
    key.add(trust.ca.as_deref())
        .add(certificate.map(|certificate| certificate.chain.as_slice()))
        .add(certificate.map(|certificate| certificate.key.expose_secret()))
        .add(proxy.map(|proxy| proxy.url.as_str().as_bytes()))
        .add(basic.map(|Basic { user, .. }| user.expose_secret().as_bytes()))
        .add(basic.map(|Basic { password, .. }| password.expose_secret().as_bytes()));
    key.finish()
}

#[expect(clippy::disallowed_methods, reason = "the one place where clients are built")]
fn build(trust: &Trust, proxy: reqwest::Proxy) -> Result<reqwest::Client, Unusable> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .no_proxy()
        .proxy(proxy);
    if let Some(pem) = &trust.ca {
        builder = builder.tls_certs_merge(certificates(pem).ok_or(Unusable::Ca)?);
    }
    if let Some(certificate) = &trust.certificate {
        builder = builder.identity(identity(certificate)?);
    }
    // Certificates are looked at only now: what is no certificate inside, and a key of another certificate.
    let other = if trust.certificate.is_some() { Unusable::Certificate(MISMATCH) } else { Unusable::Ca };
    builder.build().map_err(|_| other)
}

fn identity(certificate: &ClientCertificate) -> Result<reqwest::Identity, Unusable> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let (chain, key) = (certificate.chain.as_slice(), certificate.key.expose_secret());
    if CertificateDer::pem_slice_iter(chain).next().is_none_or(|first| first.is_err()) {
        return Err(Unusable::Certificate("the client certificate is not PEM"));
    }
    if PrivateKeyDer::from_pem_slice(key).is_err() {
        return Err(Unusable::Certificate("the key of the client certificate is not an unencrypted private key in PEM"));
    }
    reqwest::Identity::from_pem(&[chain, b"\n", key].concat()).map_err(|_| Unusable::Certificate(MISMATCH))
}

#[cfg(test)]
mod tests;
