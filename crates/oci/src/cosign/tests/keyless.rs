//! Signatures by short-lived certificates, of an authority and of logs made for these tests.

use super::*;

const ISSUER: &str = "https://issuer.test";

fn root() -> Root {
    Root::from_json(fixture!("fixtures/root.json").as_bytes()).unwrap()
}

pub(super) fn by(identities: &[(&str, &str)]) -> Trust {
    let identities = identities.iter().map(|(issuer, subject)| Identity::new(issuer, subject).unwrap()).collect();
    Trust::Identities { identities, root: root() }
}

fn good() -> [Store; 2] {
    [fixture!("fixtures/keyless-legacy-good.json"), fixture!("fixtures/keyless-bundle-good.json")].map(Store::of)
}

#[tokio::test]
async fn identities_are_found_by_patterns_that_match_anywhere() {
    for store in good() {
        store.verify(&by(&[("^https://issuer\\.test$", "^signer@example\\.org$")])).await.unwrap();
        store.verify(&by(&[("issuer", "sign.r@")])).await.unwrap();
        // Any of several.
        store.verify(&by(&[("^nobody$", ".*"), (ISSUER, "signer")])).await.unwrap();
    }
    for text in [fixture!("fixtures/keyless-legacy-workflow.json"), fixture!("fixtures/keyless-bundle-workflow.json")] {
        let workflow = "^https://github.com/org/.*/release\\.yml@refs/tags/v\\d$";
        Store::of(text).verify(&by(&[(ISSUER, workflow)])).await.unwrap();
    }
}

#[tokio::test]
async fn others_are_refused_by_name() {
    let [legacy, bundle] = good();
    for (issuer, subject) in [("^https://other.test$", ".*"), (".*", "^nobody$"), ("^issuer", ".*"), (".*", "SIGNER")] {
        assert_eq!(
            legacy.refusal(&by(&[(issuer, subject)])).await,
            "no matching signatures: none of the expected identities matched what was in the certificate, got subjects \
             [signer@example.org] with issuer https://issuer.test"
        );
    }
    let prefix = "no matching attestations: failed to verify certificate identity: no matching CertificateIdentity found, last error: ";
    assert_eq!(
        bundle.refusal(&by(&[("^https://other.test$", ".*")])).await,
        format!("{prefix}expected issuer value to match regex \"^https://other.test$\", got \"https://issuer.test\"")
    );
    assert_eq!(
        bundle.refusal(&by(&[(".*", "^nobody$")])).await,
        format!("{prefix}expected SAN value to match regex \"^nobody$\", got \"signer@example.org\"")
    );
}

#[tokio::test]
async fn whoever_signs_must_be_named_for_bundles_but_not_for_the_older_layout() {
    let [legacy, bundle] = good();
    legacy.verify(&by(&[])).await.unwrap();
    assert_eq!(
        bundle.refusal(&by(&[])).await,
        "no matching attestations: failed to build policy: can't verify identities without providing at least one identity"
    );
}

#[tokio::test]
async fn only_the_trusted_root_counts() {
    let everybody = vec![Identity::new("", "").unwrap()];
    let trust = Trust::Identities { identities: everybody, root: Root::public().unwrap() };
    for store in good() {
        let refusal = store.refusal(&trust).await;
        assert!(refusal.contains("log"), "{refusal}");
    }
    for garbage in ["", "{}", "[]", "\u{7f}", "{\"mediaType\":\"x\"}"] {
        let refusal = Root::from_json(garbage.as_bytes()).map(|_| ()).unwrap_err().to_string();
        assert!(refusal.starts_with("unable to parse trusted root: "), "{refusal}");
    }
}

#[tokio::test]
async fn a_key_does_not_vouch_for_a_certificate_nor_the_other_way_round() {
    for store in good() {
        assert!(store.verify(&keys(&[fixture!("fixtures/p256.pub")])).await.is_err());
    }
    let everybody = by(&[("", "")]);
    assert_eq!(
        Store::of(fixture!("fixtures/legacy-p256.json")).refusal(&everybody).await,
        "no matching signatures: no certificate found on signature"
    );
    assert!(Store::of(fixture!("fixtures/bundle-p256.json")).verify(&everybody).await.is_err());
}

#[tokio::test]
async fn certificates_must_be_good_at_the_time_of_the_log_and_published() {
    let everybody = by(&[("", "")]);
    let late = [fixture!("fixtures/keyless-legacy-late.json"), fixture!("fixtures/keyless-bundle-late.json")];
    for text in late {
        let refusal = Store::of(text).refusal(&everybody).await;
        assert!(refusal.contains("certificate"), "{refusal}");
    }
    let unpublished = [fixture!("fixtures/keyless-legacy-no-sct.json"), fixture!("fixtures/keyless-bundle-no-sct.json")];
    for text in unpublished {
        let refusal = Store::of(text).refusal(&everybody).await;
        assert!(refusal.contains("SCT"), "{refusal}");
    }
}

#[tokio::test]
async fn a_signature_of_another_artifact_does_not_count() {
    let everybody = by(&[("", "")]);
    // Upstream lets the first of them pass.
    assert_eq!(
        Store::of(fixture!("fixtures/keyless-legacy-other-image.json")).refusal(&everybody).await,
        "no matching signatures: invalid or missing digest in claim"
    );
    assert!(Store::of(fixture!("fixtures/keyless-bundle-other-image.json")).verify(&everybody).await.is_err());
}

#[test]
fn patterns_that_are_none_are_refused() {
    for bad in ["(", "[a", "a(?=b)", "*", r"\", &format!("(({}){{1000}}){{1000}}", "a".repeat(50))] {
        assert!(Identity::new(bad, "").is_err(), "{bad}");
    }
    let refusal = Identity::new("(", "").unwrap_err().to_string();
    assert!(refusal.starts_with("malformed issuer in identity: ( : error parsing regexp: "), "{refusal}");
}
