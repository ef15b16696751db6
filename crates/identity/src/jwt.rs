//! JSON Web Tokens (RFC 7519) signed with RS256 (RFC 7518).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::Error;

/// The claims, signed. `header` names RS256.
pub(super) fn signed(header: &str, claims: &serde_json::Value, pair: &KeyPair) -> Result<String, Error> {
    let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encoded(header), encoded(&claims.to_string()));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| Error::new("failed to sign with the private key"))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// An RSA key in PEM, as PKCS#1 (RFC 8017) or PKCS#8 (RFC 5208).
pub(super) fn key(pem: &[u8]) -> Result<KeyPair, &'static str> {
    let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key")?;
    let pair = match &der {
        PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
        _ => return Err("key is not a valid RSA private key"),
    };
    pair.map_err(|_| "key is not a valid RSA private key")
}
