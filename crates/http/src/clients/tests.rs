#![expect(clippy::unwrap_used, reason = "tests")]

use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::SafeUrl;

/// A certificate and its key.
fn pair(name: &str) -> (Vec<u8>, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
}

fn trusting(ca: &[u8]) -> Trust {
    Trust { ca: Some(ca.to_vec()), certificate: None }
}

fn showing(chain: &[u8], key: &[u8]) -> Trust {
    Trust { ca: None, certificate: Some(ClientCertificate::new(chain.to_vec(), key.to_vec())) }
}

fn proxy(url: &str) -> Proxy {
    Proxy::at(SafeUrl::parse(url).unwrap())
}

#[test]
fn a_bundle_without_a_certificate_is_refused() {
    let clients = Clients::default();
    for bundle in [&b"no certificate"[..], b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert_eq!(clients.get(&trusting(bundle), None).unwrap_err(), Unusable::Ca);
    }
    assert!(clients.get(&Trust::default(), None).is_ok());
    assert!(clients.get(&trusting(&pair("a").0), None).is_ok());
}

#[test]
fn client_certificates_that_do_not_fit_are_called_so() {
    let clients = Clients::default();
    let ((chain, key), (_, other)) = (pair("a"), pair("b"));
    for (chain, key, why) in [
        (&b"x"[..], &key[..], "the client certificate is not PEM"),
        (&chain, b"x", "the key of the client certificate is not an unencrypted private key in PEM"),
        (&chain, &other, MISMATCH),
    ] {
        assert_eq!(clients.get(&showing(chain, key), None).unwrap_err(), Unusable::Certificate(why));
    }
    assert!(clients.pair(&showing(&chain, &key), None).is_ok());
}

#[test]
fn proxies_that_cannot_be_used_are_called_so() {
    let broken = Clients::new(Err("the environment's HTTP_PROXY is not a proxy's URL".into()));
    let why = broken.get(&Trust::default(), None).unwrap_err().to_string();
    assert_eq!(why, "the environment's HTTP_PROXY is not a proxy's URL");
    assert!(broken.get(&Trust::default(), Some(&proxy("http://me:s3cret@proxy:3128"))).is_ok());
    let why = broken.get(&Trust::default(), Some(&proxy("ftp://me:s3cret@proxy"))).unwrap_err().to_string();
    assert_eq!(why, "unsupported proxy scheme 'ftp': it must be http, https, socks5 or socks5h");
}

#[test]
fn a_client_belongs_to_its_certificates_and_its_proxy() {
    let (chain, key) = pair("a");
    let ways = [
        (Trust::default(), None),
        (trusting(&chain), None),
        (showing(&chain, &key), None),
        (showing(&chain, b"other"), None),
        (Trust::default(), Some(proxy("http://proxy:1"))),
        (Trust::default(), Some(proxy("http://proxy:2"))),
        (Trust::default(), Some(proxy("http://a:b@proxy:1"))),
        (Trust::default(), Some(proxy("http://a:c@proxy:1"))),
        (Trust::default(), Some(proxy("http://ab@proxy:1"))),
    ];
    let mut keys = ways.iter().map(|(trust, proxy)| super::key(trust, proxy.as_ref())).collect::<Vec<_>>();
    assert_eq!(super::key(&trusting(&chain), None), keys[1]);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), ways.len());
}

#[test]
fn the_pool_does_not_grow_without_end() {
    let clients = Clients::default();
    for port in 1..=2 * MOST {
        clients.get(&Trust::default(), Some(&proxy(&format!("http://proxy:{port}")))).unwrap();
        assert!(clients.0.known.lock().unwrap().len() <= MOST);
    }
}
