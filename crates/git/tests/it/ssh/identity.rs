//! Identities: formats of keys, passphrases, and keys that do not fit.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::future::join_all;
use headwater_testing::{
    needs,
    ssh::{Pair, Sshd},
};
use rcgen::KeyPair;

use super::{client, server};
use crate::client::{Client, main};

const PASSPHRASE: &str = "pa55phrase-hidden";

/// Rounds of the key derivation: few, because they cost time on purpose.
const ROUNDS: &[&str] = &["-a", "2"];

#[tokio::test(flavor = "multi_thread")]
async fn each_format_of_a_private_key_opens_the_repository() {
    needs!("sshd", "ssh-keygen");
    let (sshd, _) = server(&[]).await;
    let [rsa, ecdsa, wide, widest] = ["rsa", "ecdsa-256", "ecdsa-384", "ecdsa-521"].map(Pair::fixed);
    let keys = [
        ("rsa-openssh", rsa.clone(), "OPENSSH PRIVATE KEY"),
        ("rsa-pkcs1", rsa.rewritten(&["-m", "PEM", "-N", ""]), "RSA PRIVATE KEY"),
        ("rsa-pkcs8", rsa.rewritten(&["-m", "PKCS8", "-N", ""]), "BEGIN PRIVATE KEY"),
        ("ecdsa-openssh", ecdsa.clone(), "OPENSSH PRIVATE KEY"),
        ("ecdsa-sec1", ecdsa.rewritten(&["-m", "PEM", "-N", ""]), "EC PRIVATE KEY"),
        ("ecdsa-pkcs8", ecdsa.rewritten(&["-m", "PKCS8", "-N", ""]), "BEGIN PRIVATE KEY"),
        ("wide-openssh", wide.clone(), "OPENSSH PRIVATE KEY"),
        ("wide-pkcs8", wide.rewritten(&["-m", "PKCS8", "-N", ""]), "BEGIN PRIVATE KEY"),
        ("widest", widest, "OPENSSH PRIVATE KEY"),
        ("ed25519-pkcs8", ed25519_pkcs8(), "BEGIN PRIVATE KEY"),
    ];
    for (name, pair, kind) in &keys {
        assert!(pair.private.contains(kind), "{name}");
        sshd.authorize(&pair.public);
    }
    let cases = keys.iter().map(async |(name, pair, _)| {
        let client = client(&sshd.url("r.git"), &pair.private, &sshd.known_hosts());
        client.get(&main()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    });
    join_all(cases).await;
}

/// As `flux create secret git` writes one.
fn ed25519_pkcs8() -> Pair {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let mut blob = Vec::new();
    for part in [b"ssh-ed25519", key.public_key_raw()] {
        blob.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        blob.extend_from_slice(part);
    }
    Pair { private: key.serialize_pem(), public: format!("ssh-ed25519 {}", BASE64_STANDARD.encode(blob)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_its_last_line_end_or_with_those_of_windows_is_a_key() {
    needs!("sshd");
    let (sshd, _) = server(&[]).await;
    let key = &sshd.client.private;
    for (name, key) in [("trimmed", key.trim().to_owned()), ("crlf", key.replace('\n', "\r\n")), ("padded", format!("\n{key}\n\n"))] {
        let client = client(&sshd.url("r.git"), &key, &sshd.known_hosts());
        client.get(&main()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A client with a key and, where there is one, its passphrase.
fn locked(sshd: &Sshd, key: &Pair, passphrase: Option<&str>) -> Client {
    let mut client = client(&sshd.url("r.git"), &key.private, &sshd.known_hosts());
    client.remote.ssh.as_mut().unwrap().passphrase = passphrase.map(Into::into);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_a_passphrase_opens_with_the_right_one_only_and_tells_no_secret() {
    needs!("sshd", "ssh-keygen");
    let (sshd, _) = server(&[]).await;
    let keys = [
        ("ed25519", sshd.client.rewritten(&[&["-N", PASSPHRASE], ROUNDS].concat())),
        ("rsa", Pair::fixed("rsa").rewritten(&[&["-N", PASSPHRASE], ROUNDS].concat())),
        ("pem", Pair::fixed("rsa").rewritten(&["-m", "PEM", "-N", PASSPHRASE])),
    ];
    assert!(keys[2].1.private.contains("ENCRYPTED"));
    // A passphrase for a key that has none is of no harm.
    locked(&sshd, &sshd.client, Some(PASSPHRASE)).get(&main()).await.unwrap();
    let inside = sshd.client.private.lines().nth(2).unwrap();
    for (name, key) in &keys {
        sshd.authorize(&key.public);
        let right = locked(&sshd, key, Some(PASSPHRASE));
        right.get(&main()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let wrong = locked(&sshd, key, Some("wr0ng-hidden"));
        let error = wrong.get(&main()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("unable to construct auth method with options: "), "{text}");
        assert!(text.contains("decryption password incorrect"), "{text}");
        for passphrase in [None, Some("")] {
            let client = locked(&sshd, key, passphrase);
            assert!(client.remote.ssh.as_ref().unwrap().lacks_passphrase(), "{name}: {passphrase:?}");
            client.get(&main()).await.unwrap_err();
        }
        let told = format!("{text}{error:?}{:?}{:?}", wrong.remote, right.remote);
        for hidden in [PASSPHRASE, "wr0ng-hidden", inside] {
            assert!(!told.contains(hidden), "{hidden} is told");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_or_that_nobody_knows_fails_the_fetch() {
    needs!("sshd");
    let (sshd, _) = server(&[]).await;
    let stranger = Pair::fixed("one");
    let private = &sshd.client.private;
    let torn = format!("{}\n-----END OPENSSH PRIVATE KEY-----\n", private.lines().take(3).collect::<Vec<_>>().join("\n"));
    let noise = "x".repeat(500_000);
    let cases = [
        ("stranger", stranger.private.as_str(), "unable to authenticate"),
        ("public", sshd.client.public.as_str(), "unable to construct auth method with options"),
        ("torn", torn.as_str(), "unable to construct auth method with options"),
        ("noise", noise.as_str(), "unable to construct auth method with options"),
    ];
    for (name, key, wanted) in cases {
        let text = client(&sshd.url("r.git"), key, &sshd.known_hosts()).get(&main()).await.unwrap_err().to_string();
        assert!(text.contains(wanted) && text.len() < 1_000, "{name}: {text}");
    }
    // Nothing was asked for before the door was open.
    assert!(sshd.asked().is_empty());
    sshd.authorize(&stranger.public);
    client(&sshd.url("r.git"), &stranger.private, &sshd.known_hosts()).get(&main()).await.unwrap();
}
