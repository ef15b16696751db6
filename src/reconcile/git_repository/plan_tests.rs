#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::*;
use crate::reconcile::failure::Fate;

fn object(spec: &Value) -> GitRepository {
    let mut object = json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": "podinfo", "namespace": "apps" } });
    object["spec"] = json!({ "url": "https://git.example/r.git", "interval": "1m" });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn secret(entries: &[(&str, &str)]) -> References {
    let data = entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
    References { credentials: Some(data), proxy: None }
}

#[expect(clippy::needless_pass_by_value, reason = "reads better in the tests")]
fn planned(spec: Value, references: &References) -> Result<Plan, (Fate, &'static str, String)> {
    plan(&object(&spec), references).map_err(|failure| (failure.fate, failure.reason, failure.message()))
}

fn with_secret() -> Value {
    json!({ "secretRef": { "name": "creds" } })
}

#[test]
fn the_most_precise_reference_counts() {
    let asked = |spec: Value| planned(json!({ "ref": spec }), &References::default()).unwrap().reference;
    assert_eq!(planned(json!({}), &References::default()).unwrap().reference, Reference::Default);
    assert_eq!(asked(json!({})), Reference::Default);
    assert_eq!(asked(json!({ "branch": "b" })), Reference::Branch("b".into()));
    assert_eq!(asked(json!({ "branch": "b", "semver": "1" })), Reference::Semver("1".into()));
    assert_eq!(asked(json!({ "branch": "b", "semver": "1", "tag": "t" })), Reference::Tag("t".into()));
    assert_eq!(asked(json!({ "tag": "t", "name": "refs/x/y" })), Reference::Name("refs/x/y".into()));
    assert_eq!(asked(json!({ "name": "n", "commit": "c", "branch": "b" })), Reference::Commit { id: "c".into(), branch: Some("b".into()) });
}

#[test]
fn credentials_come_from_the_secret_and_else_from_the_url() {
    let plan = planned(with_secret(), &secret(&[("username", "u"), ("password", "p"), ("ca.crt", "CA"), ("caFile", "old")])).unwrap();
    assert_eq!((plan.auth.basic, plan.auth.ca), (Some(("u".into(), "p".into())), Some(b"CA".to_vec())));
    assert_eq!(planned(with_secret(), &secret(&[("bearerToken", "t")])).unwrap().auth.bearer, Some("t".into()));
    let plan = planned(json!({ "url": "https://u%40x:p%2Fq@git.example/r" }), &References::default()).unwrap();
    assert_eq!(plan.auth.basic, Some(("u@x".into(), "p/q".into())));
    assert_eq!(plan.url.as_str(), "https://git.example/r");
}

#[test]
fn what_is_not_supported_is_named_and_stalls() {
    for (spec, field) in [
        (json!({ "include": [{ "repository": { "name": "x" } }] }), "spec.include"),
        (json!({ "recurseSubmodules": true }), "spec.recurseSubmodules"),
        (json!({ "sparseCheckout": ["a"] }), "spec.sparseCheckout"),
        (json!({ "verify": { "mode": "HEAD", "secretRef": { "name": "x" } } }), "spec.verify"),
        (json!({ "provider": "azure" }), "spec.provider"),
        (json!({ "proxySecretRef": { "name": "x" } }), "spec.proxySecretRef"),
    ] {
        let (fate, _, message) = planned(spec, &References::default()).unwrap_err();
        assert_eq!(fate, Fate::Stall);
        assert!(message.contains(field), "{message}");
    }
    let key = secret(&[("identity", "k"), ("known_hosts", "h")]);
    let (fate, _, message) = planned(json!({ "url": "ssh://git@host/r", "secretRef": { "name": "creds" } }), &key).unwrap_err();
    assert!(fate == Fate::Stall && message.contains("ssh"), "{message}");
}

#[test]
fn unusable_secrets_are_refused_with_the_missing_key_and_without_a_value() {
    insta::assert_debug_snapshot!([
        planned(with_secret(), &secret(&[("password", "s3cret")])).unwrap_err(),
        planned(json!({ "url": "ssh://git@host/r" }), &References::default()).unwrap_err(),
        planned(json!({ "provider": "github" }), &References::default()).unwrap_err(),
        planned(with_secret(), &secret(&[("githubAppID", "1")])).unwrap_err(),
        planned(with_secret(), &secret(&[("bearerToken", "s3cret"), ("username", "u")])).err().unwrap_or((
            Fate::Retry,
            "",
            "accepted".into()
        )),
        planned(with_secret(), &secret(&[("tls.crt", "s3cret"), ("tls.key", "s3cret")])).unwrap_err(),
    ]);
}

#[test]
fn durations_that_cannot_be_read_stall_their_object_alone() {
    let failure = schedule(&object(&json!({ "interval": "99999999999999h" })).spec).unwrap_err();
    assert_eq!(failure.fate, Fate::Stall);
    assert!(failure.message().contains("spec.interval"));
}

#[test]
fn urls_are_shown_without_credentials_and_query() {
    assert_eq!(shown("https://user:p@ss@host/x?token=1#f"), "https://host/x");
    assert_eq!(shown("not a url"), "not a url");
}

#[test]
fn the_checksum_tells_apart_everything_that_shapes_the_content() {
    let specs = [
        json!({}),
        json!({ "ignore": "" }),
        json!({ "ignore": "a" }),
        json!({ "sparseCheckout": ["a", "b"] }),
        json!({ "sparseCheckout": ["ab"] }),
        json!({ "recurseSubmodules": true }),
    ];
    let mut sums: Vec<_> = specs.iter().map(|spec| checksum(&object(spec).spec)).collect();
    assert_eq!(checksum(&object(&json!({ "interval": "5m" })).spec), sums[0]);
    sums.sort();
    sums.dedup();
    assert_eq!(sums.len(), specs.len());
}
