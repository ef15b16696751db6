//! Who logs in: formats of keys, passphrases, and keys that do not fit.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use headwater_testing::{
    needs,
    ssh::{Pair, Sshd},
};
use rcgen::KeyPair;

use super::{secret, spec, world};
use crate::support::{namespace::message, world::World};

const PASSPHRASE: &str = "pa55phrase-hidden";

/// Rounds of the key derivation: few, because they cost time on purpose.
const ROUNDS: &[&str] = &["-a", "2"];

#[tokio::test(flavor = "multi_thread")]
async fn each_format_of_a_private_key_opens_the_repository() {
    needs!("sshd", "ssh-keygen");
    let (world, sshd, _) = world("ssh-formats", &["--concurrent=8"], &[]).await;
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
        secret(&world, name, &pair.private, &sshd.known_hosts()).await;
        world.space.source(name, spec(&sshd.url("r.git"), name)).await;
    }
    for (name, _, _) in &keys {
        world.space.ready(name).await;
    }
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
    let (world, sshd, _) = world("ssh-line-ends", &[], &[]).await;
    let key = &sshd.client.private;
    for (name, key) in [("trimmed", key.trim().to_owned()), ("crlf", key.replace('\n', "\r\n")), ("padded", format!("\n{key}\n\n"))] {
        secret(&world, name, &key, &sshd.known_hosts()).await;
        world.space.source(name, spec(&sshd.url("r.git"), name)).await;
    }
    for name in ["trimmed", "crlf", "padded"] {
        world.space.ready(name).await;
    }
}

/// A Secret with a key and, where there is one, its passphrase.
async fn locked(world: &World, sshd: &Sshd, name: &str, key: &Pair, passphrase: Option<&str>) {
    let known_hosts = sshd.known_hosts();
    let mut data = vec![("identity", key.private.as_str()), ("known_hosts", known_hosts.as_str())];
    data.extend(passphrase.map(|passphrase| ("password", passphrase)));
    world.space.secret(name, &data).await;
    world.space.source(name, spec(&sshd.url("r.git"), name)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_a_passphrase_opens_with_the_right_one_only_and_tells_no_secret() {
    needs!("sshd", "ssh-keygen");
    let (world, sshd, _) = world("ssh-passphrase", &["--concurrent=8", "--log-level=trace"], &[]).await;
    let keys = [
        ("ed25519", sshd.client.rewritten(&[&["-N", PASSPHRASE], ROUNDS].concat())),
        ("rsa", Pair::fixed("rsa").rewritten(&[&["-N", PASSPHRASE], ROUNDS].concat())),
        ("pem", Pair::fixed("rsa").rewritten(&["-m", "PEM", "-N", PASSPHRASE])),
    ];
    assert!(keys[2].1.private.contains("ENCRYPTED"));
    for (name, key) in &keys {
        sshd.authorize(&key.public);
        locked(&world, &sshd, &format!("{name}-right"), key, Some(PASSPHRASE)).await;
        locked(&world, &sshd, &format!("{name}-wrong"), key, Some("wr0ng-hidden")).await;
        locked(&world, &sshd, &format!("{name}-missing"), key, None).await;
        locked(&world, &sshd, &format!("{name}-empty"), key, Some("")).await;
    }
    // A passphrase for a key that has none is of no harm.
    locked(&world, &sshd, "open", &sshd.client, Some(PASSPHRASE)).await;
    world.space.ready("open").await;
    for (name, _) in &keys {
        world.space.ready(&format!("{name}-right")).await;
        let object = world.space.failed(&format!("{name}-wrong"), "GitOperationFailed").await;
        let text = message(&object, "FetchFailed");
        let start = "failed to checkout and determine revision: unable to construct auth method with options: ";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("decryption password incorrect"), "{text}");
        for end in ["missing", "empty"] {
            let object = world.space.failed(&format!("{name}-{end}"), "AuthenticationFailed").await;
            let wanted = format!(
                "SSH identity key is encrypted but no 'password' field was provided in the secret '{}/{name}-{end}'",
                world.space.name
            );
            assert_eq!(message(&object, "FetchFailed"), wanted);
        }
    }
    let told = format!("{:?}{}{:?}", world.space.events().await, world.controller.log(), world.controller.events.posted());
    let inside = sshd.client.private.lines().nth(2).unwrap();
    for hidden in [PASSPHRASE, "wr0ng-hidden", inside] {
        assert!(!told.contains(hidden), "{hidden} is told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_or_that_nobody_knows_fails_the_fetch() {
    needs!("sshd");
    let (world, sshd, _) = world("ssh-stranger", &["--concurrent=8"], &[]).await;
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
    for (name, key, _) in cases {
        secret(&world, name, key, &sshd.known_hosts()).await;
        world.space.source(name, spec(&sshd.url("r.git"), name)).await;
    }
    for (name, _, wanted) in cases {
        let object = world.space.failed(name, "GitOperationFailed").await;
        let text = message(&object, "FetchFailed");
        assert!(text.contains(wanted) && text.len() < 1_000, "{name}: {text}");
        assert!(object["status"]["artifact"].is_null());
    }
    // Nothing was asked for before the door was open.
    assert!(sshd.asked().is_empty());
    sshd.authorize(&stranger.public);
    world.space.ready("stranger").await;
}

/// A name, what the Secret holds, and what it lacks.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_lacks_a_part_is_told_which() {
    needs!("sshd");
    let (world, sshd, _) = world("ssh-parts", &[], &[]).await;
    let (private, known_hosts) = (sshd.client.private.clone(), sshd.known_hosts());
    let cases: [Case; 4] = [
        ("no-hosts", &[("identity", &private)], "known_hosts"),
        ("empty-hosts", &[("identity", &private), ("known_hosts", "")], "known_hosts"),
        ("no-identity", &[("known_hosts", &known_hosts)], "identity"),
        ("basic", &[("username", "u"), ("password", "p")], "identity"),
    ];
    for (name, data, _) in cases {
        world.space.secret(name, data).await;
        world.space.source(name, spec(&sshd.url("r.git"), name)).await;
    }
    let mut none = spec(&sshd.url("r.git"), "");
    none.as_object_mut().unwrap().remove("secretRef");
    world.space.source("none", none).await;
    for (name, part) in cases.iter().map(|(name, _, part)| (*name, *part)).chain([("none", "identity")]) {
        let object = world.space.failed(name, "AuthenticationFailed").await;
        let wanted = format!("failed to configure authentication options: invalid 'ssh' auth option: '{part}' is required");
        assert_eq!(message(&object, "FetchFailed"), wanted, "{name}");
    }
    assert!(sshd.asked().is_empty());
}
