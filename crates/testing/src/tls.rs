//! A private certificate authority, and a listener that speaks TLS.

use std::{net::SocketAddr, sync::Arc};

use axum::serve::Listener;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{RootCertStore, server::WebPkiClientVerifier};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A certificate authority that nobody trusts unless told to.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new authority.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Headwater tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// The certificate to trust.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A server certificate for a host name or an address, with its key.
    pub fn issue(&self, host: &str) -> (Certificate, KeyPair) {
        self.issue_for(&[host])
    }

    /// Like [`Self::issue`], for several hosts; a client may show it as well.
    pub fn issue_for(&self, hosts: &[&str]) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (self.sign(hosts, &key), key)
    }

    /// A certificate for a key that is there already.
    pub fn sign(&self, hosts: &[&str], key: &KeyPair) -> Certificate {
        let params = CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap();
        params.signed_by(key, &self.issuer).unwrap()
    }
}

/// The server's part of a handshake, with a certificate for `127.0.0.1` and `git.test`. Clients have to show a certificate of
/// `clients`, where that is given.
pub fn acceptor(authority: &Authority, clients: Option<&Authority>) -> TlsAcceptor {
    acceptor_for(&["127.0.0.1", "git.test"], authority, clients)
}

/// Like [`acceptor`], with a certificate for other hosts.
pub fn acceptor_for(hosts: &[&str], authority: &Authority, clients: Option<&Authority>) -> TlsAcceptor {
    let (certificate, key) = authority.issue_for(hosts);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.certificate.der().clone()).unwrap();
            config.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap())
        }
    };
    let config = config.with_single_cert(vec![certificate.der().clone()], key.into()).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Accepts TLS connections; what fails its handshake is dropped.
pub struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsListener {
    /// Speaks TLS on the connections of `listener`.
    pub fn new(listener: TcpListener, acceptor: TlsAcceptor) -> Self {
        Self { listener, acceptor }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
