//! Errors of HTTP clients, their certificates and their proxies, as errors of a remote.

use headwater_http::{Basic, ClientCertificate, Clients, Proxy, SafeUrl, Trust};
use headwater_testing::{
    tls::{Authority, acceptor_for},
    web::{Web, answer},
};
use rcgen::{CertificateParams, KeyPair};

use super::{branch, remote};
use crate::{Error, Remote, resolve};

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
    let authority = Authority::new();
    let server = Web::start_tls(acceptor_for(&["localhost"], &authority, Some(&authority)), |_| answer(403, &[], "")).await;
    let url = format!("https://localhost:{}/r", server.port());
    let (certificate, key) = authority.issue("me");
    let ours = ClientCertificate::new(certificate.pem().into_bytes(), key.serialize_pem().into_bytes());
    let trust = Trust { ca: Some(authority.pem().into_bytes()), certificate: None };
    let error = refused(&Remote { trust: trust.clone(), ..remote(&url) }).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let error = refused(&Remote { trust: Trust { certificate: Some(ours), ..trust }, ..remote(&url) }).await;
    assert!(matches!(error, Error::AuthorizationFailed { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_is_told_apart_from_the_server() {
    let proxy = Web::start(|_| answer(407, &[], "")).await;
    for url in ["http://git.internal/r", "https://git.internal/r"] {
        let error = refused(&via(url, &proxy.origin, Some(("me", "s3cret")))).await;
        assert!(matches!(error, Error::ProxyAuthenticationRequired { .. }), "{error}");
        let shown = format!("{}/", proxy.origin);
        let wanted =
            format!("unable to clone '{url}': Proxy Authentication Required: the proxy {shown} does not accept the credentials for it");
        assert_eq!(error.to_string(), wanted);
    }
    let asked = proxy.asked();
    assert!(asked.len() == 2 && asked.iter().all(|asked| asked.header("proxy-authorization") == Some("Basic bWU6czNjcmV0")), "{asked:?}");
    let server = Web::start(|_| answer(407, &[], "")).await;
    let error = refused(&remote(&server.url("/r"))).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_through_the_proxy_that_is_named() {
    let forwarding = Web::start(|_| answer(403, &[], "")).await;
    let error = refused(&via("http://git.internal/r.git", &forwarding.origin, None)).await;
    assert!(matches!(error, Error::AuthorizationFailed { .. }), "{error}");
    assert!(forwarding.lines()[0].starts_with("GET http://git.internal/r.git/info/refs"), "{:?}", forwarding.lines());
    for (proxy, words) in [
        ("ftp://127.0.0.1:1", "unsupported proxy scheme 'ftp': it must be http, https, socks5 or socks5h"),
        ("socks5://127.0.0.1:1", "through the proxy socks5://127.0.0.1:1: "),
        ("http://127.0.0.1:1", "through the proxy http://127.0.0.1:1/: "),
    ] {
        let error = refused(&via("https://git.internal/r", proxy, Some(("me", "s3cret")))).await.to_string();
        assert!(error.contains(words) && !error.contains("s3cret"), "{error}");
    }
}
