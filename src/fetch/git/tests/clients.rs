//! Errors of HTTP clients, their certificates and their proxies, as errors of a remote.

use std::sync::Arc;

use headwater_http::{Basic, ClientCertificate, Clients, Proxy, SafeUrl, Trust};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::server::{Answer, Server};
use super::{branch, remote};
use crate::fetch::git::{Error, Remote, resolve};

async fn refused(remote: &Remote) -> Error {
    resolve(remote, &branch("main")).await.unwrap_err()
}

fn via(url: &str, proxy: &str, basic: Option<(&str, &str)>) -> Remote {
    let basic = basic.map(|(user, password)| Basic::new(user, password));
    Remote { proxy: Some(Proxy { url: SafeUrl::parse(proxy).unwrap(), basic }), ..remote(url) }
}

fn showing(chain: Vec<u8>, key: Vec<u8>) -> Trust {
    Trust { ca: None, certificate: Some(ClientCertificate::new(chain, key)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_without_a_certificate_is_called_so() {
    let trust = Trust { ca: Some(b"no certificate".to_vec()), certificate: None };
    let error = refused(&Remote { trust, ..remote("https://user@127.0.0.1:1/r") }).await;
    assert!(matches!(error, Error::InvalidCa { .. }), "{error}");
    assert_eq!(error.to_string(), "unable to clone 'https://127.0.0.1:1/r': the CA is not a bundle of PEM certificates");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_that_do_not_fit_are_called_so() {
    let pair = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    };
    let ((chain, key), (_, other)) = (pair("a"), pair("b"));
    for (chain, key, words) in [
        (b"x".to_vec(), key.clone(), "the client certificate is not PEM"),
        (chain.clone(), b"x".to_vec(), "the key of the client certificate is not an unencrypted private key in PEM"),
        (chain.clone(), other, "the client certificate and its key cannot be used together"),
    ] {
        let error = refused(&Remote { trust: showing(chain, key), ..remote("https://127.0.0.1:1/r") }).await;
        assert!(matches!(error, Error::InvalidCertificate { .. }) && error.to_string().ends_with(words), "{error}");
    }
    assert!(Clients::default().get(&showing(chain, key), None).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_certificate_gets_it() {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap(), key)
    };
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let (certificate, key) = issue("localhost");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier).with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/r", listener.local_addr().unwrap().port());
    let server = tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    });
    let (certificate, key) = issue("me");
    let ours = ClientCertificate::new(certificate.pem().into_bytes(), key.serialize_pem().into_bytes());
    let trust = Trust { ca: Some(authority.pem().into_bytes()), certificate: None };
    let error = refused(&Remote { trust: trust.clone(), ..remote(&url) }).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let error = refused(&Remote { trust: Trust { certificate: Some(ours), ..trust }, ..remote(&url) }).await;
    assert!(matches!(error, Error::AuthorizationFailed { .. }), "{error}");
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_is_told_apart_from_the_server() {
    let proxy = Server::answering(|_| Answer::Text("HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n".into()));
    for url in ["http://git.internal/r", "https://git.internal/r"] {
        let error = refused(&via(url, &proxy.url(""), Some(("me", "s3cret")))).await;
        assert!(matches!(error, Error::ProxyAuthenticationRequired { .. }), "{error}");
        let shown = format!("{}/", proxy.url(""));
        let wanted =
            format!("unable to clone '{url}': Proxy Authentication Required: the proxy {shown} does not accept the credentials for it");
        assert_eq!(error.to_string(), wanted);
    }
    let heads = proxy.seen();
    assert!(
        heads.len() == 2 && heads.iter().all(|head| head.to_lowercase().contains("proxy-authorization: basic bwu6cznjcmv0")),
        "{heads:?}"
    );
    let server = Server::answering(|_| Answer::Text("HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n".into()));
    let error = refused(&remote(&server.url("/r"))).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_through_the_proxy_that_is_named() {
    let forwarding = Server::answering(|_| Answer::Text("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n".into()));
    let error = refused(&via("http://git.internal/r.git", &forwarding.url(""), None)).await;
    assert!(matches!(error, Error::AuthorizationFailed { .. }), "{error}");
    assert!(forwarding.seen()[0].starts_with("GET http://git.internal/r.git/info/refs"), "{:?}", forwarding.seen());
    for (proxy, words) in [
        ("ftp://127.0.0.1:1", "unsupported proxy scheme 'ftp': it must be http, https, socks5 or socks5h"),
        ("socks5://127.0.0.1:1", "through the proxy socks5://127.0.0.1:1: "),
        ("http://127.0.0.1:1", "through the proxy http://127.0.0.1:1/: "),
    ] {
        let error = refused(&via("https://git.internal/r", proxy, Some(("me", "s3cret")))).await.to_string();
        assert!(error.contains(words) && !error.contains("s3cret"), "{error}");
    }
}
