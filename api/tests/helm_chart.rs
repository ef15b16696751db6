//! Decoding and encoding of `HelmChart` objects.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use headwater_api::{HelmChart, HelmChartSpec, HelmChartStatus, duration, reason, verification};
use kube::core::ObjectList;
use serde_json::{Value, json};

fn decode(value: Value) -> HelmChart {
    serde_json::from_value(value).unwrap()
}

/// Every field of spec and status.
fn full() -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "HelmChart",
        "metadata": { "name": "map", "namespace": "brook", "generation": 3 },
        "spec": {
            "chart": "coast",
            "version": ">=1.0.0 <2.0.0",
            "sourceRef": { "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository", "name": "harbour" },
            "interval": "1h30m",
            "reconcileStrategy": "Revision",
            "valuesFiles": ["values.yaml", "tide/high.yaml"],
            "ignoreMissingValuesFiles": true,
            "suspend": true,
            "verify": {
                "provider": "notation",
                "secretRef": { "name": "ring" },
                "matchOIDCIdentity": [{ "issuer": "^https://hill\\.example$", "subject": "^warden$" }]
            }
        },
        "status": {
            "observedGeneration": 3,
            "observedSourceArtifactRevision": "sha256:4f2c",
            "observedChartName": "coast",
            "observedValuesFiles": ["values.yaml"],
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "observedGeneration": 3,
                "lastTransitionTime": "2024-02-29T23:59:59Z",
                "reason": "ChartPullSucceeded",
                "message": "pulled 'coast' chart with version '1.2.0'"
            }],
            "url": "http://weir.brook.svc/helmchart/brook/map/latest.tar.gz",
            "artifact": {
                "path": "helmchart/brook/map/coast-1.2.0.tgz",
                "url": "http://weir.brook.svc/helmchart/brook/map/coast-1.2.0.tgz",
                "revision": "1.2.0",
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
    assert_eq!(object.spec.interval.get(), Ok(Duration::from_mins(90)));
    assert_eq!(object.spec.version(), ">=1.0.0 <2.0.0");
    assert!(object.spec.follows_revision());
    let verify = object.spec.verify.unwrap();
    assert_eq!(verify.provider(), verification::PROVIDER_NOTATION);
    assert_eq!(verify.match_oidc_identity[0].subject, "^warden$");
    let status = object.status.unwrap();
    assert_eq!(status.conditions[0].reason, reason::CHART_PULL_SUCCEEDED);
    assert_eq!(status.artifact.unwrap().revision, "1.2.0");
}

#[test]
fn the_test_object_has_every_field_of_the_schema() {
    let crds = headwater_api::crd::all();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == headwater_api::helm_chart::KIND);
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
    assert_eq!(serde_json::to_value(HelmChartStatus::default()).unwrap(), json!({}));
    let spec = serde_json::to_value(HelmChartSpec::default()).unwrap();
    assert_eq!(spec, json!({ "chart": "", "interval": "", "sourceRef": { "kind": "", "name": "" } }));
}

#[test]
fn what_is_not_set_has_a_default() {
    for spec in [json!({ "verify": {} }), json!({ "version": "", "reconcileStrategy": "", "verify": { "provider": "" } })] {
        let spec = decode(json!({ "spec": spec })).spec;
        assert_eq!(spec.version(), "*");
        assert!(!spec.follows_revision());
        assert_eq!(spec.verify.unwrap().provider(), "cosign");
    }
}

#[test]
fn one_odd_object_leaves_its_list_readable() {
    let odd = [
        json!({}),
        json!({ "metadata": { "name": "bare" } }),
        json!({ "spec": {}, "status": {} }),
        json!({ "status": null }),
        json!({ "spec": { "interval": "99999999999999h", "valuesFile": "old.yaml" } }),
        json!({ "spec": { "reconcileStrategy": "Never", "sourceRef": {}, "verify": { "provider": "wax" } } }),
        json!({ "spec": { "chart": null, "interval": null, "sourceRef": null, "valuesFiles": null, "verify": null } }),
        json!({ "spec": { "verify": { "provider": null, "matchOIDCIdentity": null } } }),
        json!({ "spec": { "verify": { "matchOIDCIdentity": [{}, { "issuer": null }] } } }),
        json!({ "status": { "conditions": null, "observedValuesFiles": null, "url": null, "artifact": {} } }),
    ];
    let count = odd.len();
    let items: Vec<Value> = odd.into_iter().chain([full()]).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items });
    let list: ObjectList<HelmChart> = serde_json::from_value(list).unwrap();
    assert_eq!(list.items.len(), count + 1);
    assert_eq!(list.items[count], decode(full()));
}

#[test]
fn an_unreadable_interval_is_an_error_of_its_own() {
    let spec = decode(json!({ "spec": { "interval": "99999999999999h" } })).spec;
    assert_eq!(spec.interval.get(), Err(duration::Error::TooLong("99999999999999h".into())));
}
