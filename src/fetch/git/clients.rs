//! HTTP clients, shared so that connections and parsed certificates outlive a pass.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headwater_http::{Proxies, SafeUrl};
use url::Url;

use super::{Auth, Certificate, Error, Proxy};

/// More sets of certificates than this at once, and the least useful pools are dropped together.
const MOST: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const MISMATCH: &str = "the client certificate and its key cannot be used together";
/// Some servers answer Git clients only.
const USER_AGENT: &str = concat!("git/2.50 (headwater/", env!("CARGO_PKG_VERSION"), ")");

/// One HTTP client for each way to be let in. A clone is the same set of clients.
///
/// Belongs to one runtime: connections are driven by the runtime that opened them.
#[derive(Clone)]
pub struct Clients(Arc<Shared>);

struct Shared {
    /// The proxies that the environment named at the start, or why they cannot be used.
    environment: Result<Proxies, String>,
    pool: Mutex<HashMap<Key, reqwest::Client>>,
}

impl Default for Clients {
    fn default() -> Self {
        Self(Arc::new(Shared { environment: Proxies::of_process(), pool: Mutex::default() }))
    }
}

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
    /// The client certificate or its key cannot be used; says why.
    Certificate(&'static str),
    /// The proxy cannot be used; says why.
    Proxy(String),
}

impl Unusable {
    /// The error of the remote at `url`.
    pub(super) fn at(self, url: &str) -> Error {
        let url = url.to_owned();
        match self {
            Self::Ca => Error::InvalidCa { url },
            Self::Certificate(why) => Error::InvalidCertificate { url, message: why.to_owned() },
            Self::Proxy(message) => Error::InvalidProxy { url, message },
        }
    }
}

impl Clients {
    /// The client that trusts the system's certificates and those of `auth`, also where `proxy` shows one, and goes through
    /// `proxy`; without that, through those of the environment.
    pub(super) fn get(&self, auth: &Auth, proxy: Option<&Proxy>) -> Result<reqwest::Client, Unusable> {
        let key = (auth.ca.clone(), auth.certificate.clone(), proxy.cloned());
        let mut clients = self.0.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy()
            .proxy(self.way(proxy)?);
        if let Some(pem) = &auth.ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| Unusable::Ca)?;
            if certificates.is_empty() {
                return Err(Unusable::Ca);
            }
            builder = builder.tls_certs_merge(certificates);
        }
        if let Some(certificate) = &auth.certificate {
            builder = builder.identity(identity(certificate)?);
        }
        // Certificates are looked at only now: what is no certificate inside, and a key of another certificate.
        let other = if auth.certificate.is_some() { Unusable::Certificate(MISMATCH) } else { Unusable::Ca };
        let client = builder.build().map_err(|_| other)?;
        if clients.len() >= MOST {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }

    /// The proxy on the way to `url`: `proxy`, or else the environment's.
    pub(super) fn proxy_for(&self, url: &Url, proxy: Option<&Proxy>) -> Option<Proxy> {
        proxy.cloned().or_else(|| self.0.environment.as_ref().ok()?.proxy(url).cloned().map(SafeUrl::into_url).map(Proxy::at))
    }

    fn way(&self, proxy: Option<&Proxy>) -> Result<reqwest::Proxy, Unusable> {
        if let Some(proxy) = proxy {
            return reqwest::Proxy::all(full(proxy)?).map_err(|_| Unusable::Proxy("the proxy's URL cannot be used".into()));
        }
        let environment = self.0.environment.clone().map_err(Unusable::Proxy)?;
        // Redirects can lead from one scheme to the other.
        Ok(reqwest::Proxy::custom(move |url| environment.proxy(url).and_then(|proxy| full(&Proxy::at(proxy.clone().into_url())).ok())))
    }
}

/// The proxy's URL with its credentials.
fn full(proxy: &Proxy) -> Result<Url, Unusable> {
    let text = match proxy.url.scheme() {
        "http" | "https" | "socks5h" => proxy.url.to_string(),
        // The proxy resolves names, as it does for Go.
        "socks5" => proxy.url.as_str().replacen("socks5", "socks5h", 1),
        other => {
            let message = format!("unsupported proxy scheme '{other}': it must be http, https, socks5 or socks5h");
            return Err(Unusable::Proxy(message));
        }
    };
    let unusable = || Unusable::Proxy("the proxy's URL cannot be used".into());
    let mut url = Url::parse(&text).map_err(|_| unusable())?;
    if let Some((user, password)) = &proxy.basic {
        url.set_username(user).and_then(|()| url.set_password(Some(password))).map_err(|()| unusable())?;
    }
    Ok(url)
}

fn identity(certificate: &Certificate) -> Result<reqwest::Identity, Unusable> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    if CertificateDer::pem_slice_iter(&certificate.chain).next().is_none_or(|first| first.is_err()) {
        return Err(Unusable::Certificate("the client certificate is not PEM"));
    }
    if PrivateKeyDer::from_pem_slice(&certificate.key).is_err() {
        return Err(Unusable::Certificate("the key of the client certificate is not an unencrypted private key in PEM"));
    }
    let both = [certificate.chain.as_slice(), b"\n", &certificate.key].concat();
    reqwest::Identity::from_pem(&both).map_err(|_| Unusable::Certificate(MISMATCH))
}

#[cfg(test)]
mod tests;
