#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

/// Definitions, and what a kube-apiserver found wrong with them.
const REFUSALS: &str = include_str!("refusals.json");

fn crd() -> Value {
    json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["w"]},
            "scope": "Cluster",
            "versions": [
                {"name": "v1alpha1", "served": false, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}},
                {"name": "v1beta1", "served": true, "storage": false, "deprecated": true, "schema": {"openAPIV3Schema": {"type": "object"}}},
                {
                    "name": "v1",
                    "served": true,
                    "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [{"name": "X", "type": "string", "jsonPath": ".x"}],
                },
            ],
        },
    })
}

#[test]
fn faults_are_worded_as_by_a_real_server() {
    let recorded: Vec<Value> = serde_json::from_str(REFUSALS).unwrap();
    for case in recorded {
        let mut expected: Vec<String> =
            list(&case["causes"]).iter().map(|c| format!("{} {} {}", c["field"], c["reason"], c["message"])).collect();
        let found = kinds(&case["crd"]).err().unwrap_or_default();
        let mut found: Vec<String> = found.iter().map(|c| format!("{} {} {}", json!(c.field), json!(c.reason), json!(c.message))).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{}", case["name"]);
    }
}

#[test]
fn served_versions_become_kinds() {
    let kinds = kinds(&crd()).unwrap();
    assert_eq!(kinds.len(), 2);
    let (old, new) = (&kinds[0], &kinds[1]);
    assert_eq!((new.api_version().as_str(), new.list_kind.as_str(), new.singular.as_str()), ("example.com/v1", "WidgetList", "widget"));
    assert_eq!((new.scope, new.status, new.columns.len()), (Scope::Cluster, Status::Subresource, 1));
    assert_eq!(new.deprecation, None);
    assert_eq!((old.status, old.columns.len()), (Status::Field, 0));
    assert_eq!(old.deprecation.as_deref(), Some("example.com/v1beta1 Widget is deprecated"));
}

#[test]
fn what_is_left_out_is_filled_in() {
    let mut crd = crd();
    complete(&mut crd);
    assert_eq!(crd["spec"]["names"]["singular"], "widget");
    assert_eq!(crd["spec"]["names"]["listKind"], "WidgetList");
    assert_eq!(crd["spec"]["conversion"], json!({"strategy": "None"}));
    assert_eq!(crd["status"]["storedVersions"], json!(["v1"]));
    let before = crd.clone();
    complete(&mut crd);
    assert_eq!(crd, before);
}

#[test]
fn conditions_keep_their_times() {
    let mut crd = crd();
    complete(&mut crd);
    crd["status"] = established(&crd);
    assert_eq!(crd["status"]["acceptedNames"], crd["spec"]["names"]);
    assert!(crd["status"]["conditions"][1]["lastTransitionTime"].as_str().unwrap().ends_with('Z'));
    crd["status"]["conditions"][1]["lastTransitionTime"] = "2026-01-02T03:04:05Z".into();
    assert_eq!(
        crd["status"]["conditions"][1],
        json!({
            "lastTransitionTime": "2026-01-02T03:04:05Z",
            "message": "the initial names have been accepted",
            "reason": "InitialNamesAccepted",
            "status": "True",
            "type": "Established",
        })
    );
    assert_eq!(crd["status"]["conditions"][0]["reason"], "NoConflicts");
    assert_eq!(established(&crd), crd["status"]);
    crd["spec"]["versions"][2]["storage"] = false.into();
    crd["spec"]["versions"][1]["storage"] = true.into();
    assert_eq!(established(&crd)["storedVersions"], json!(["v1", "v1beta1"]));
    terminating(&mut crd);
    assert_eq!(crd["status"]["conditions"][2]["reason"], "InstanceDeletionPending");
    let once = crd.clone();
    terminating(&mut crd);
    assert_eq!(crd, once);
    assert_eq!(established(&crd)["conditions"], crd["status"]["conditions"]);
}

#[test]
fn some_fields_never_change() {
    let mut old = crd();
    let mut new = crd();
    new["spec"]["scope"] = "Namespaced".into();
    new["spec"]["group"] = "example.org".into();
    let fields = |old: &Value, new: &Value| immutable(old, new).into_iter().map(|cause| cause.field).collect::<Vec<_>>();
    assert_eq!(fields(&old, &new), ["spec.group"]);
    old["status"] = established(&old);
    assert_eq!(fields(&old, &new), ["spec.scope", "spec.group"]);
    assert_eq!(immutable(&old, &new)[1].message, "Invalid value: \"example.org\": field is immutable");
}

#[test]
fn nonsense_is_refused() {
    for crd in
        [json!(null), json!([]), json!({"spec": 1, "status": "x"}), json!({"spec": {"versions": [1, null], "names": []}, "status": [1]})]
    {
        assert!(!kinds(&crd).unwrap_err().is_empty(), "{crd}");
    }
}

#[test]
fn faults_of_equal_versions_are_told_once() {
    let mut crd = crd();
    for version in crd["spec"]["versions"].as_array_mut().unwrap() {
        version["schema"]["openAPIV3Schema"]["type"] = "string".into();
    }
    let fields: Vec<String> = kinds(&crd).unwrap_err().into_iter().map(|cause| cause.field).collect();
    assert_eq!(fields, ["spec.validation.openAPIV3Schema.type"]);
}
