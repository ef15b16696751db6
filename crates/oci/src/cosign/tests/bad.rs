//! Repositories that lie, are damaged, or have far too much.

use serde_json::{Value, json};

use super::keyless::by;
use super::*;

const P256: &str = fixture!("fixtures/p256.pub");

fn legacy() -> Store {
    Store::of(fixture!("fixtures/legacy-p256.json"))
}

fn bundle() -> Store {
    Store::of(fixture!("fixtures/bundle-p256.json"))
}

/// The manifest of the older layout, changed.
fn changed(mut store: Store, change: impl FnOnce(&mut Value)) -> Store {
    let mut image: Value = serde_json::from_str(store.image()).unwrap();
    change(&mut image);
    *store.image() = image.to_string();
    store
}

#[tokio::test]
async fn digests_of_other_kinds_are_refused() {
    for digest in ["", "sha256:", "sha512:aa", "latest", &format!("sha256:{}", "A".repeat(64)), &format!("sha256:{}", "a/".repeat(32))] {
        let store = Store { digest: digest.to_owned(), ..Store::default() };
        assert_eq!(store.refusal(&keys(&[P256])).await, format!("unsupported digest: {digest}"));
    }
}

#[tokio::test]
async fn no_byte_of_a_payload_may_change() {
    let trust = keys(&[P256]);
    let whole = legacy().content().clone();
    for at in 0..whole.len() {
        let mut store = legacy();
        store.content().replace_range(at..=at, if &whole[at..=at] == "0" { "1" } else { "0" });
        assert!(store.verify(&trust).await.is_err(), "{at}");
    }
}

#[tokio::test]
async fn damaged_manifests_and_bundles_are_refused_or_mean_the_same() {
    // Whatever holds after a change vouches for the artifact all the same; nothing may panic.
    let everybody = by(&[("", "")]);
    let stores = [
        (fixture!("fixtures/legacy-p256.json"), keys(&[P256])),
        (fixture!("fixtures/bundle-p256.json"), keys(&[P256])),
        (fixture!("fixtures/keyless-legacy-good.json"), everybody.clone()),
        (fixture!("fixtures/keyless-bundle-good.json"), everybody),
    ];
    for (text, trust) in stores {
        let whole = Store::of(text);
        for (name, content) in whole.manifests.iter().chain(&whole.blobs) {
            for at in (0..content.len()).step_by(5) {
                for with in ["", "\"", "A", "{"] {
                    if !content.is_char_boundary(at) || !content.is_char_boundary(at + 1) {
                        continue;
                    }
                    let mut store = Store::of(text);
                    let content = store.manifests.get_mut(name).or(store.blobs.get_mut(name)).unwrap();
                    content.replace_range(at..=at, with);
                    let _ = store.verify(&trust).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn parts_of_a_log_entry_cannot_be_changed() {
    let everybody = by(&[("", "")]);
    let text = fixture!("fixtures/keyless-bundle-good.json");
    let change = |pointer: &str, value: Value| {
        let mut store = Store::of(text);
        let mut bundle: Value = serde_json::from_str(store.content()).unwrap();
        *bundle.pointer_mut(pointer).unwrap() = value;
        *store.content() = bundle.to_string();
        store
    };
    let entry = "/verificationMaterial/tlogEntries/0";
    let cases = [
        (format!("{entry}/integratedTime"), json!("1735733000")),
        (format!("{entry}/logIndex"), json!("1")),
        (format!("{entry}/inclusionPromise/signedEntryTimestamp"), json!("MEQCIA==")),
        (format!("{entry}/inclusionProof/rootHash"), json!("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")),
        (format!("{entry}/inclusionProof/treeSize"), json!("2")),
        (format!("{entry}/kindVersion/kind"), json!("intoto")),
        (format!("{entry}/canonicalizedBody"), json!("e30=")),
        ("/verificationMaterial/tlogEntries".to_owned(), json!([])),
        ("/verificationMaterial/certificate".to_owned(), json!({ "rawBytes": "AAAA" })),
        ("/dsseEnvelope/signatures/0/sig".to_owned(), json!("MEQCIA==")),
        ("/dsseEnvelope/signatures".to_owned(), json!([])),
        ("/dsseEnvelope/payloadType".to_owned(), json!("text/plain")),
        ("/mediaType".to_owned(), json!("application/vnd.dev.sigstore.bundle.v9+json")),
    ];
    for (pointer, value) in cases {
        assert!(change(&pointer, value).verify(&everybody).await.is_err(), "{pointer}");
    }
    change("/dsseEnvelope/signatures/0/keyid", json!("")).verify(&everybody).await.unwrap();
}

#[tokio::test]
async fn annotations_must_be_there_and_be_what_they_are_called() {
    let everybody = by(&[("", "")]);
    let without = |name: &str, value: Option<&str>| {
        let name = name.to_owned();
        changed(Store::of(fixture!("fixtures/keyless-legacy-good.json")), |image| {
            let annotations = image["layers"][0]["annotations"].as_object_mut().unwrap();
            match value {
                Some(value) => annotations.insert(name, json!(value)),
                None => annotations.remove(&name),
            };
        })
    };
    let (signature, logged) = ("dev.cosignproject.cosign/signature", "dev.sigstore.cosign/bundle");
    let certificate = "dev.sigstore.cosign/certificate";
    let cases = [
        (signature, None, "is missing \"dev.cosignproject.cosign/signature\" annotation"),
        (signature, Some("?"), "the signature is not base64: "),
        (signature, Some(""), ""),
        (certificate, None, "no certificate found on signature"),
        (certificate, Some("garbage"), "the certificates of the signature are not in PEM"),
        (certificate, Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), ""),
        ("dev.sigstore.cosign/chain", Some("-----BEGIN CERTIFICATE-----\n?"), "the certificates of the signature are not in PEM"),
        (logged, None, "no transparency log entry found on signature"),
        (logged, Some("garbage"), "unmarshaling bundle: "),
        (logged, Some("{\"SignedEntryTimestamp\":\"\",\"Payload\":{}}"), "unmarshaling bundle: "),
    ];
    for (name, value, why) in cases {
        let refusal = without(name, value).refusal(&everybody).await;
        assert!(refusal.starts_with("no matching signatures: ") && refusal.contains(why), "{name} {value:?}: {refusal}");
    }
    // The intermediate certificate is in the root of trust, too.
    without("dev.sigstore.cosign/chain", None).verify(&everybody).await.unwrap();
}

#[tokio::test]
async fn garbage_under_the_tag_is_told() {
    for garbage in ["", "<html>", "7", "{\"layers\":{}}", "{\"layers\":[{}]}"] {
        let mut store = legacy();
        garbage.clone_into(store.image());
        let refusal = store.refusal(&keys(&[P256])).await;
        assert!(refusal.starts_with("the signatures are not in a manifest of an image: "), "{refusal}");
    }
    for empty in ["{}", "{\"layers\":[]}"] {
        let mut store = legacy();
        empty.clone_into(store.image());
        assert_eq!(store.refusal(&keys(&[P256])).await, "no signatures found");
    }
}

#[tokio::test]
async fn what_a_registry_says_is_repeated_in_one_short_line() {
    let mut store = bundle();
    *store.content() = format!("\"{}\"", "a\\nb\\u0007".repeat(100_000));
    let refusal = store.refusal(&keys(&[P256])).await;
    assert!(refusal.len() < 600 && refusal.ends_with('…') && !refusal.contains(['\n', '\u{7}']), "{refusal}");
    let mut store = legacy();
    *store.image() = format!("{{\"layers\":\"{}\"}}", "x".repeat(100_000));
    assert!(store.refusal(&keys(&[P256])).await.len() < 600);
    // Each reason is told once, and not all of them.
    let store = changed(legacy(), |image| {
        let layers = (0..100).map(|n| json!({ "digest": format!("sha256:{}", n % 50) }));
        image["layers"] = layers.collect();
    });
    assert_eq!(store.refusal(&keys(&[P256])).await.lines().count(), 10);
}

#[tokio::test]
async fn ten_thousand_signatures_are_too_many() {
    let many = |count: usize| {
        changed(legacy(), |image| {
            let mut layer = image["layers"][0].clone();
            layer["annotations"]["dev.cosignproject.cosign/signature"] = json!("MEQCIA==");
            image["layers"] = json!(vec![layer; count]);
        })
    };
    assert_eq!(many(10_000).refusal(&keys(&[P256])).await, "number of layers (10000) exceeded the limit (1000)");
    let bad = many(1000);
    assert_eq!(bad.refusal(&keys(&[P256])).await, "no matching signatures: invalid signature when validating ASN.1 encoded signature");
    // All have one payload.
    assert_eq!(bad.fetched.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn ten_thousand_referrers_are_looked_at_up_to_the_limit() {
    let mut store = bundle();
    let known = store.referrers[0].clone();
    store.referrers = vec!["sha256:nothing".to_owned(); 10_000];
    store.referrers.push(known);
    assert_eq!(store.refusal(&keys(&[P256])).await, "no signatures found");
    store.referrers.drain(..9_500);
    store.verify(&keys(&[P256])).await.unwrap();
}

#[tokio::test]
async fn large_layers_are_not_read() {
    let lying = changed(legacy(), |image| image["layers"][0]["size"] = json!(u64::MAX));
    let refusal = lying.refusal(&keys(&[P256])).await;
    assert_eq!(refusal, format!("no matching signatures: size of layer ({}) exceeded the limit (65536)", u64::MAX));
    assert_eq!(lying.fetched.load(Ordering::Relaxed), 0);
    let mut large = legacy();
    *large.content() = " ".repeat(70_000);
    assert_eq!(large.refusal(&keys(&[P256])).await, "no matching signatures: larger than 65536 bytes");
    let mut large = bundle();
    *large.content() = " ".repeat(9 << 20);
    let refusal = large.refusal(&keys(&[P256])).await;
    assert!(refusal.starts_with("no matching attestations: failed to read bundle sha256:"), "{refusal}");
    assert!(refusal.ends_with(": larger than 8388608 bytes"), "{refusal}");
}

#[tokio::test]
async fn what_else_refers_to_an_artifact_does_not_matter() {
    let trust = keys(&[P256]);
    let not_bundles = [
        json!({ "layers": [{ "mediaType": "application/spdx+json", "digest": "sha256:x" }] }),
        json!({ "layers": [] }),
        json!({ "manifests": [] }),
        json!("garbage"),
    ];
    for manifest in not_bundles {
        let mut store = bundle();
        store.manifests.insert("sha256:other".to_owned(), manifest.to_string());
        store.referrers.insert(0, "sha256:other".to_owned());
        store.verify(&trust).await.unwrap();
    }
    // Bundles of others beside a signature of the older layout.
    let (mut both, strange) = (legacy(), Store::of(fixture!("fixtures/bundle-rsa.json")));
    both.manifests.extend(strange.manifests);
    both.blobs.extend(strange.blobs);
    both.referrers = strange.referrers;
    both.verify(&trust).await.unwrap();
    both.verify(&keys(&[fixture!("fixtures/p384.pub")])).await.unwrap_err();
}

#[tokio::test]
async fn a_registry_that_does_not_tell_its_referrers_may_have_the_older_layout() {
    let silent = |store: Store| Store { mute: true, ..store };
    silent(legacy()).verify(&keys(&[P256])).await.unwrap();
    assert_eq!(silent(bundle()).refusal(&keys(&[P256])).await, "no matching attestations: 503 Service Unavailable");
}
