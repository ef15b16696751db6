//! Decoding and encoding of `HelmRepository` objects.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use headwater_api::{HelmRepository, HelmRepositorySpec, HelmRepositoryStatus, condition, duration};
use kube::core::ObjectList;
use serde_json::{Value, json};

fn decode(value: Value) -> HelmRepository {
    serde_json::from_value(value).unwrap()
}

/// Every field of spec and status.
fn full() -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "HelmRepository",
        "metadata": { "name": "harbour", "namespace": "brook", "generation": 3 },
        "spec": {
            "url": "oci://hill.example/charts",
            "secretRef": { "name": "key" },
            "certSecretRef": { "name": "seal" },
            "passCredentials": true,
            "interval": "1h30m",
            "insecure": true,
            "timeout": "90s",
            "suspend": true,
            "accessFrom": { "namespaceSelectors": [{ "matchLabels": { "bank": "left" } }, {}] },
            "type": "oci",
            "provider": "gcp"
        },
        "status": {
            "observedGeneration": 3,
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "observedGeneration": 3,
                "lastTransitionTime": "2024-02-29T23:59:59Z",
                "reason": "Succeeded",
                "message": "stored artifact: revision 'sha256:4f2c'"
            }],
            "url": "http://weir.brook.svc/helmrepository/brook/harbour/index.yaml",
            "artifact": {
                "path": "helmrepository/brook/harbour/index-4f2c.yaml",
                "url": "http://weir.brook.svc/helmrepository/brook/harbour/index-4f2c.yaml",
                "revision": "sha256:4f2c",
                "digest": "sha256:4f2c",
                "lastUpdateTime": "2024-02-29T23:59:58Z",
                "size": 1234
            },
            "lastHandledReconcileAt": "now",
            "contentConfigChecksum": "sha256:77aa"
        }
    })
}

#[test]
fn a_full_object_comes_back_as_it_was() {
    let object = decode(full());
    assert_eq!(serde_json::to_value(&object).unwrap(), full());
    assert_eq!(object.spec.interval(), Ok(Duration::from_mins(90)));
    assert_eq!(object.spec.timeout(), Ok(Duration::from_secs(90)));
    assert_eq!((object.spec.type_(), object.spec.provider()), ("oci", "gcp"));
    assert!(object.spec.is_oci());
    let status = object.status.unwrap();
    assert!(condition::find(&status.conditions, condition::READY).is_some());
    assert_eq!(status.artifact.unwrap().revision, "sha256:4f2c");
}

#[test]
fn the_test_object_has_every_field_of_the_schema() {
    let crds = headwater_api::crd::all();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == headwater_api::helm_repository::KIND);
    let crd = serde_json::to_value(crd.unwrap()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    for part in ["spec", "status"] {
        let known: Vec<&String> = schema[part]["properties"].as_object().unwrap().keys().collect();
        let object = full();
        let used: Vec<&String> = object[part].as_object().unwrap().keys().collect();
        assert_eq!(used, known);
    }
}

#[test]
fn what_is_not_set_is_not_written() {
    assert_eq!(serde_json::to_value(HelmRepositoryStatus::default()).unwrap(), json!({}));
    assert_eq!(serde_json::to_value(HelmRepositorySpec::default()).unwrap(), json!({ "url": "" }));
}

#[test]
fn what_is_not_set_has_a_default() {
    for spec in [json!({}), json!({ "type": "", "provider": "" }), json!({ "type": null, "interval": null, "timeout": null })] {
        let spec = decode(json!({ "spec": spec })).spec;
        assert_eq!((spec.type_(), spec.provider()), ("default", "generic"));
        assert!(!spec.is_oci());
        assert_eq!(spec.interval(), Ok(Duration::from_mins(1)));
        assert_eq!(spec.timeout(), Ok(Duration::from_mins(1)));
    }
}

#[test]
fn an_interval_of_zero_is_none() {
    let spec = decode(json!({ "spec": { "interval": "0s", "timeout": "0s" } })).spec;
    assert_eq!(spec.interval(), Ok(Duration::from_mins(1)));
    assert_eq!(spec.timeout(), Ok(Duration::ZERO));
}

#[test]
fn one_odd_object_leaves_its_list_readable() {
    let odd = [
        json!({}),
        json!({ "metadata": { "name": "bare" } }),
        json!({ "spec": {}, "status": {} }),
        json!({ "status": null }),
        json!({ "spec": { "interval": "99999999999999h", "timeout": "", "url": "x", "depth": 7 } }),
        json!({ "spec": { "type": "barge", "provider": "dowser", "accessFrom": {} } }),
        json!({ "spec": { "url": null, "suspend": null, "insecure": null, "passCredentials": null, "secretRef": {} } }),
        json!({ "spec": { "accessFrom": { "namespaceSelectors": null } } }),
        json!({ "spec": { "accessFrom": { "namespaceSelectors": [{ "matchLabels": null }] } } }),
        json!({ "status": { "conditions": null, "url": null, "artifact": {} } }),
    ];
    let count = odd.len();
    let items: Vec<Value> = odd.into_iter().chain([full()]).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items });
    let list: ObjectList<HelmRepository> = serde_json::from_value(list).unwrap();
    assert_eq!(list.items.len(), count + 1);
    assert_eq!(list.items[count], decode(full()));
}

#[test]
fn an_unreadable_duration_is_an_error_of_its_own() {
    let spec = decode(json!({ "spec": { "interval": "99999999999999h", "timeout": "soon" } })).spec;
    assert_eq!(spec.interval(), Err(duration::Error::TooLong("99999999999999h".into())));
    assert_eq!(spec.timeout(), Err(duration::Error::Invalid("soon".into())));
}
