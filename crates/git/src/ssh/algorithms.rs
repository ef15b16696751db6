//! Which algorithms are offered, in which order.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

use super::known_hosts::KnownHosts;
use super::target::Target;
use crate::Algorithms;

/// Key exchanges without a setting. The last is weak, but still all that some servers have.
const KEY_EXCHANGES: [kex::Name; 12] = [
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G14_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G15_SHA512,
    kex::DH_GEX_SHA256,
    kex::DH_G14_SHA1,
];
/// Key exchanges that are used only if a setting names them.
const WEAK_KEY_EXCHANGES: [kex::Name; 3] = [kex::DH_G17_SHA512, kex::DH_GEX_SHA1, kex::DH_G1_SHA1];
/// Not algorithms, but what is announced along with them.
const EXTENSIONS: [kex::Name; 2] = [kex::EXTENSION_SUPPORT_AS_CLIENT, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT];
const HOST_KEYS: [Algorithm; 7] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    Algorithm::Rsa { hash: None },
];
const CIPHERS: &[cipher::Name] =
    &[cipher::AES_256_GCM, cipher::AES_128_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR, cipher::AES_192_CTR, cipher::AES_128_CTR];
const MACS: &[mac::Name] =
    &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512, mac::HMAC_SHA1_ETM, mac::HMAC_SHA1];

/// What to offer `target`: what the settings say or else all that is sound, and first the host keys of which one is known.
pub(super) fn preferred(wanted: &Algorithms, hosts: &KnownHosts, target: &Target) -> Result<Preferred, String> {
    let key_exchanges = chosen(&wanted.key_exchange, "ssh-kex-algos", &KEY_EXCHANGES, &WEAK_KEY_EXCHANGES, |name| name.as_ref())?;
    let mut host_keys = chosen(&wanted.host_keys, "ssh-hostkey-algos", &HOST_KEYS, &[], Algorithm::as_str)?;
    let known = hosts.types(&target.host, target.port);
    host_keys.sort_by_key(|algorithm| !known.iter().any(|kind| kind == kind_of(algorithm)));
    let certificates = if hosts.has_authority(&target.host, target.port) { host_keys.clone() } else { Vec::new() };
    Ok(Preferred {
        kex: Cow::Owned(key_exchanges.into_iter().chain(EXTENSIONS).collect()),
        key: Cow::Owned(host_keys),
        host_key_certificates: Cow::Owned(certificates),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(&[compression::NONE]),
    })
}

/// The type of the key that an algorithm signs with.
fn kind_of(algorithm: &Algorithm) -> &str {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa",
        other => other.as_str(),
    }
}

/// Those of `usual` and `weak` that `names` names, in that order, or all of `usual` if there are no names.
fn chosen<T: Clone>(names: &[String], setting: &str, usual: &[T], weak: &[T], name_of: fn(&T) -> &str) -> Result<Vec<T>, String> {
    if names.is_empty() {
        return Ok(usual.to_vec());
    }
    let known = || usual.iter().chain(weak);
    let find = |name: &String| {
        known().find(|known| name_of(known) == name).cloned().ok_or_else(|| {
            let all: Vec<_> = known().map(name_of).collect();
            format!("--{setting}: unsupported algorithm {name:?}; supported are {}", all.join(", "))
        })
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn settings_restrict_and_known_keys_come_first() {
        let target = Target::of(&url::Url::parse("ssh://h/a").unwrap(), "").unwrap();
        let line = |kind: &str| {
            use base64::Engine as _;
            let blob = [&u32::try_from(kind.len()).unwrap().to_be_bytes()[..], kind.as_bytes(), b"x"].concat();
            format!("h {kind} {}\n", base64::engine::general_purpose::STANDARD.encode(blob))
        };
        let names = |wanted: &Algorithms, kind: &str| {
            let hosts = KnownHosts::parse(line(kind).as_bytes()).unwrap();
            let offer = preferred(wanted, &hosts, &target).unwrap();
            assert_eq!(offer.host_key_certificates.len(), 0);
            offer.key.iter().map(|key| key.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&Algorithms::default(), "ssh-rsa")[..4], ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa", "ssh-ed25519"]);
        assert_eq!(names(&Algorithms::default(), "ecdsa-sha2-nistp384")[..2], ["ecdsa-sha2-nistp384", "ssh-ed25519"]);
        let wanted = Algorithms { host_keys: vec!["ssh-ed25519".into(), "rsa-sha2-256".into()], ..Algorithms::default() };
        assert_eq!(names(&wanted, "ssh-rsa"), ["rsa-sha2-256", "ssh-ed25519"]);
        let wanted = Algorithms { key_exchange: vec!["none".into()], ..Algorithms::default() };
        let why = preferred(&wanted, &KnownHosts::default(), &target).unwrap_err();
        assert!(why.starts_with("--ssh-kex-algos: unsupported algorithm \"none\"; supported are mlkem768x25519-sha256, "), "{why}");
    }
}
