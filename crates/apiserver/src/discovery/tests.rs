#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{builtin, custom};

fn kinds() -> Vec<Arc<Kind>> {
    let version = |name: &str, storage: bool| {
        json!({
            "name": name,
            "served": true,
            "storage": storage,
            "schema": {"openAPIV3Schema": {"type": "object"}},
            "subresources": {"status": {}},
        })
    };
    let crd = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["w"], "categories": ["all"]},
            "scope": "Namespaced",
            "versions": [version("v1alpha1", false), version("v1", true), version("v2beta1", false)],
        },
    });
    let mut kinds = custom::kinds(&crd).unwrap();
    kinds.extend(builtin::kinds());
    kinds.into_iter().map(Arc::new).collect()
}

#[test]
fn better_versions_come_first() {
    let mut versions = ["foo10", "v1alpha1", "v2", "v12alpha1", "foo1", "v3beta1", "v10", "v10beta3", "v1", "v11alpha2", "v11beta2"];
    versions.sort_by_key(|version| priority(version));
    assert_eq!(versions, ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "v1alpha1", "foo1", "foo10"]);
}

#[test]
fn groups_have_their_versions() {
    let kinds = kinds();
    let groups = groups(&kinds);
    let names: Vec<&Value> = groups["groups"].as_array().unwrap().iter().map(|group| &group["name"]).collect();
    assert_eq!(names, ["apiextensions.k8s.io", "coordination.k8s.io", "example.com"]);
    let group = group(&kinds, "example.com").unwrap();
    assert_eq!(group["preferredVersion"], json!({"groupVersion": "example.com/v1", "version": "v1"}));
    assert_eq!(group["versions"][1]["version"], "v2beta1");
    assert_eq!(group["kind"], "APIGroup");
    assert!(super::group(&kinds, "").is_none());
    assert!(super::group(&kinds, "example.org").is_none());
    assert_eq!(group_versions(&kinds).first(), Some(&("", "v1")));
}

#[test]
fn resources_are_listed_with_their_verbs() {
    let kinds = kinds();
    let core = resources(&kinds, "", "v1").unwrap();
    assert_eq!(core["groupVersion"], "v1");
    let names: Vec<&str> = core["resources"].as_array().unwrap().iter().map(|resource| resource["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["namespaces", "namespaces/status", "secrets", "configmaps", "serviceaccounts", "events"]);
    assert!(!core["resources"][0]["verbs"].as_array().unwrap().contains(&json!("deletecollection")));
    let widgets = resources(&kinds, "example.com", "v1").unwrap();
    assert_eq!(widgets["resources"][0]["shortNames"], json!(["w"]));
    assert_eq!(widgets["resources"][1]["verbs"], json!(STATUS_VERBS));
    assert!(resources(&kinds, "example.com", "v3").is_none());
}

#[test]
fn the_aggregated_form_has_it_all() {
    let kinds = kinds();
    assert_eq!(aggregated_core(&kinds)["items"][0]["versions"][0]["resources"].as_array().unwrap().len(), 5);
    let groups = aggregated_groups(&kinds);
    assert_eq!(groups["items"][2]["metadata"]["name"], "example.com");
    assert_eq!(
        groups["items"][2]["versions"][0],
        json!({
            "version": "v1",
            "freshness": "Current",
            "resources": [{
                "resource": "widgets",
                "responseKind": {"group": "example.com", "version": "v1", "kind": "Widget"},
                "scope": "Namespaced",
                "singularResource": "widget",
                "shortNames": ["w"],
                "categories": ["all"],
                "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
                "subresources": [{
                    "subresource": "status",
                    "responseKind": {"group": "example.com", "version": "v1", "kind": "Widget"},
                    "verbs": ["get", "patch", "update"],
                }],
            }],
        })
    );
}

#[test]
fn clients_can_read_it() {
    use k8s_openapi::apimachinery::pkg::{
        apis::meta::v1::{APIGroupList, APIResourceList, APIVersions},
        version::Info,
    };
    let kinds = kinds();
    assert!(serde_json::from_value::<Info>(version()).unwrap().git_version.contains("+headwater"));
    assert_eq!(serde_json::from_value::<APIGroupList>(groups(&kinds)).unwrap().groups.len(), 3);
    assert_eq!(serde_json::from_value::<APIVersions>(core_versions()).unwrap().versions, ["v1"]);
    assert_eq!(serde_json::from_value::<APIResourceList>(resources(&kinds, "", "v1").unwrap()).unwrap().resources.len(), 6);
}

#[test]
fn paths_are_answered_in_the_form_that_is_asked_for() {
    let kinds = kinds();
    let media_type = |path: &str, accept: &str| answer(path, accept, &kinds).map(|(media_type, _)| media_type);
    let both = format!("{AGGREGATED},application/json");
    assert_eq!(media_type("/api", &both), Some(AGGREGATED));
    assert_eq!(media_type("/apis/", &both.replace(';', "; ")), Some(AGGREGATED));
    assert_eq!(media_type("/apis/example.com", &both), Some("application/json"));
    assert_eq!(media_type("/apis", &both.replace("v=v2", "v=v2beta1")), Some("application/json"));
    assert_eq!(media_type("/apis/example.com/v1", ""), Some("application/json"));
    for nowhere in ["/", "/apis/example.com/v7", "/apis/example.com/v1/widgets", "/api/v2", "/openapi/v2"] {
        assert_eq!(media_type(nowhere, &both), None, "{nowhere}");
    }
}
