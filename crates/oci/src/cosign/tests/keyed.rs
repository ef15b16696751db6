//! Signatures that cosign 3 made with keys, and others made here.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sigstore_verify::types::{Bundle, SignatureContent};

use super::*;

const P256: &str = fixture!("fixtures/p256.pub");
const RSA: &str = fixture!("fixtures/rsa.pub");

fn cosign() -> [(&'static str, &'static str, &'static str, &'static str); 4] {
    [
        ("p256", P256, fixture!("fixtures/legacy-p256.json"), fixture!("fixtures/bundle-p256.json")),
        ("p384", fixture!("fixtures/p384.pub"), fixture!("fixtures/legacy-p384.json"), fixture!("fixtures/bundle-p384.json")),
        ("p521", fixture!("fixtures/p521.pub"), fixture!("fixtures/legacy-p521.json"), fixture!("fixtures/bundle-p521.json")),
        ("rsa", RSA, fixture!("fixtures/legacy-rsa.json"), fixture!("fixtures/bundle-rsa.json")),
    ]
}

#[tokio::test]
async fn signatures_of_cosign_hold_in_both_layouts() {
    for (name, key, legacy, bundle) in cosign() {
        for layout in [legacy, bundle] {
            let store = Store::of(layout);
            assert_eq!(store.verify(&keys(&[key])).await.map_err(|why| why.to_string()), Ok(()), "{name}");
            let other = if name == "rsa" { P256 } else { RSA };
            // One that fits is enough, wherever it stands.
            store.verify(&keys(&[other, key])).await.unwrap();
            store.verify(&keys(&[key, other])).await.unwrap();
            assert!(store.verify(&keys(&[other])).await.is_err());
            assert!(store.verify(&keys(&[])).await.is_err());
        }
    }
}

#[tokio::test]
async fn refusals_are_worded_as_alerts_know_them() {
    let [(_, _, legacy, bundle), (_, p384, ..), ..] = cosign();
    let ecdsa = "invalid signature when validating ASN.1 encoded signature";
    let (legacy, bundle) = (Store::of(legacy), Store::of(bundle));
    assert_eq!(legacy.refusal(&keys(&[p384])).await, format!("no matching signatures: {ecdsa}"));
    assert_eq!(legacy.refusal(&keys(&[RSA])).await, "no matching signatures: crypto/rsa: verification error");
    assert_eq!(
        bundle.refusal(&keys(&[RSA])).await,
        "no matching attestations: failed to verify signature: could not verify envelope: accepted signatures do not match threshold, \
         Found: 0, Expected 1"
    );
    let unsigned = Store { digest: legacy.digest.clone(), ..Store::default() };
    assert_eq!(unsigned.refusal(&keys(&[P256])).await, "no signatures found");
}

#[test]
fn keys_are_read_or_told_what_they_are() {
    let told = |text: &str| Key::from_pem(text.as_bytes()).err().map(|why| why.to_string());
    assert_eq!(told(&format!("a comment\n{P256}")), None);
    assert_eq!(told("garbage").unwrap(), "PEM decoding failed");
    assert_eq!(told(&P256.replace("-----END", "")).unwrap(), "PEM decoding failed");
    let certificate = P256.replace("PUBLIC KEY", "CERTIFICATE");
    assert_eq!(told(&certificate).unwrap(), "unknown Public key PEM file type: CERTIFICATE. Are you passing the correct public key?");
    assert_eq!(told("-----BEGIN PUBLIC KEY-----\nMDIwBQ==\n-----END PUBLIC KEY-----").unwrap(), "unsupported public key type");
    // A point that is not on the curve.
    let der = super::super::key::blocks(P256, "PUBLIC KEY", 1).unwrap().remove(0);
    let mut off = der.clone();
    *off.last_mut().unwrap() ^= 1;
    let off = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(off));
    assert_eq!(told(&off).unwrap(), "unsupported public key type");
    // The same RSA key in the older form.
    let der = super::super::key::blocks(RSA, "PUBLIC KEY", 1).unwrap().remove(0);
    let older = format!("-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----", STANDARD.encode(&der[24..]));
    assert_eq!(told(&older), None);
}

/// A key of Ed25519, and its PEM.
fn edwards() -> (Ed25519KeyPair, String) {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let der = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", pair.public_key().as_ref()].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    (pair, pem)
}

/// A store of the older layout with one payload, signed.
pub(super) fn signed(pair: &Ed25519KeyPair, digest: &str, payload: &str) -> Store {
    let signature = STANDARD.encode(pair.sign(payload.as_bytes()));
    let layer = json!({ "digest": "sha256:p", "size": payload.len(), "annotations": { "dev.cosignproject.cosign/signature": signature } });
    let tag = format!("{}.sig", digest.replace(':', "-"));
    Store {
        digest: digest.to_owned(),
        manifests: [(tag, json!({ "layers": [layer] }).to_string())].into(),
        blobs: [("sha256:p".to_owned(), payload.to_owned())].into(),
        ..Store::default()
    }
}

pub(super) fn payload(kind: &str, digest: &str) -> String {
    json!({ "critical": { "identity": {}, "image": { "docker-manifest-digest": digest }, "type": kind }, "optional": null }).to_string()
}

#[tokio::test]
async fn a_payload_counts_only_for_its_own_artifact() {
    let (pair, pem) = edwards();
    let trust = keys(&[&pem]);
    let digest = format!("sha256:{}", "a1".repeat(32));
    let kind = "cosign container image signature";
    signed(&pair, &digest, &payload(kind, &digest)).verify(&trust).await.unwrap();
    let other = format!("sha256:{}", "a2".repeat(32));
    let cases = [
        (payload(kind, &other), "invalid or missing digest in claim"),
        (payload(kind, ""), "invalid or missing digest in claim"),
        (payload(kind, &digest[7..]), "invalid or missing digest in claim"),
        (payload(kind, &digest.to_uppercase()), "invalid or missing digest in claim"),
        (payload("cosign attestation", &digest), "the payload is not one of cosign: it is of another type"),
    ];
    for (payload, why) in cases {
        assert_eq!(signed(&pair, &digest, &payload).refusal(&trust).await, format!("no matching signatures: {why}"), "{payload}");
    }
    for garbage in ["", "[]", "{}", "{\"critical\":7}", "\u{0}"] {
        let refusal = signed(&pair, &digest, garbage).refusal(&trust).await;
        assert!(refusal.starts_with("no matching signatures: the payload is not one of cosign: "), "{refusal}");
    }
}

#[tokio::test]
async fn a_statement_counts_only_for_its_own_artifact() {
    let (pair, pem) = edwards();
    let trust = keys(&[&pem]);
    let digits = "b1".repeat(32);
    let store = |payload_type: &str, statement: &serde_json::Value| {
        let payload = STANDARD.encode(statement.to_string());
        let bundle = |signature: &[u8]| {
            json!({
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "verificationMaterial": { "publicKey": { "hint": "h" } },
                "dsseEnvelope": { "payload": payload, "payloadType": payload_type, "signatures": [{ "sig": STANDARD.encode(signature) }] },
            })
            .to_string()
        };
        let unsigned = Bundle::from_json(&bundle(b"-")).unwrap();
        let SignatureContent::DsseEnvelope(envelope) = &unsigned.content else { unreachable!() };
        let bundle = bundle(pair.sign(&envelope.pae()).as_ref());
        let manifest = json!({ "layers": [{ "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "digest": "sha256:b" }] });
        Store {
            digest: format!("sha256:{digits}"),
            manifests: [("sha256:r".to_owned(), manifest.to_string())].into(),
            blobs: [("sha256:b".to_owned(), bundle)].into(),
            referrers: vec!["sha256:r".to_owned()],
            ..Store::default()
        }
    };
    let statement = |kind: &str, digest: &serde_json::Value| json!({ "_type": kind, "subject": [{ "digest": {} }, { "digest": digest }] });
    let (kind, json) = ("https://in-toto.io/Statement/v1", "application/vnd.in-toto+json");
    store(json, &statement(kind, &json!({ "sha256": digits }))).verify(&trust).await.unwrap();
    let none = "no matching attestations: failed to verify signature: provided artifact digest does not match any digest in statement";
    for statement in [
        statement(kind, &json!({ "sha256": "b2".repeat(32) })),
        statement(kind, &json!({ "sha512": digits })),
        statement("https://example.org/Statement", &json!({ "sha256": digits })),
        json!({ "_type": kind }),
    ] {
        assert_eq!(store(json, &statement).refusal(&trust).await, none);
    }
    let refusal = store("text/plain", &statement(kind, &json!({ "sha256": digits }))).refusal(&trust).await;
    assert!(refusal.ends_with("invalid payloadType on envelope. Expected application/vnd.in-toto+json"), "{refusal}");
}

#[tokio::test]
async fn cosigns_prehashed_signatures_of_ed25519_are_not_understood() {
    // Upstream does not take them either: it asks for plain ones.
    let key = keys(&[fixture!("fixtures/ed25519.pub")]);
    let legacy = Store::of(fixture!("fixtures/legacy-ed25519.json"));
    assert_eq!(legacy.refusal(&key).await, "no matching signatures: failed to verify signature");
    assert!(Store::of(fixture!("fixtures/bundle-ed25519.json")).verify(&key).await.is_err());
}
