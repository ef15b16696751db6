#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::custom;

fn kinds() -> Vec<Arc<Kind>> {
    let schema = json!({
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {
            "port": {"x-kubernetes-int-or-string": true},
            "nullable": {"type": "string", "nullable": true, "description": "A field that is called like a word."},
        }}},
    });
    let crd = json!({
        "metadata": {"name": "widgets.tools.example.com"},
        "spec": {
            "group": "tools.example.com",
            "names": {"kind": "Widget", "plural": "widgets"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}],
        },
    });
    let mut kinds = builtin::kinds();
    kinds.extend(custom::kinds(&crd).unwrap());
    kinds.into_iter().map(Arc::new).collect()
}

/// All references in a document.
fn references(node: &Value, out: &mut Vec<String>) {
    match node {
        Value::Object(fields) => {
            out.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, out));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, out)),
        _ => {}
    }
}

fn assert_complete(document: &Value) {
    let mut all = Vec::new();
    references(document, &mut all);
    assert!(!all.is_empty());
    for reference in all {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
}

#[test]
fn documents_are_complete() {
    let kinds = kinds();
    let index = index(&kinds);
    let paths = index["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 4);
    assert!(paths["api/v1"]["serverRelativeURL"].as_str().unwrap().starts_with("/openapi/v3/api/v1?hash="));
    for (group, version) in discovery::group_versions(&kinds) {
        assert_complete(&document(&kinds, group, version).unwrap());
    }
    assert!(document(&kinds, "tools.example.com", "v2").is_none());
    assert_complete(&swagger(&kinds));
}

#[test]
fn paths_are_answered() {
    let kinds = kinds();
    let protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    for path in ["/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1", "/openapi/v3/apis/tools.example.com/v1"] {
        assert_eq!(answer(path, "application/json", &kinds).unwrap().0, "application/json", "{path}");
    }
    for (path, accept) in
        [("/openapi/v2", protobuf), ("/openapi", ""), ("/openapi/v3/api/v2", ""), ("/openapi/v3/apis/x.example.com/v1", "")]
    {
        assert!(answer(path, accept, &kinds).is_none(), "{path}");
    }
}

#[test]
fn the_index_tells_of_changes() {
    let before = index(&kinds());
    let mut changed = kinds();
    Arc::make_mut(changed.last_mut().unwrap()).kind = "Gadget".into();
    let after = index(&changed);
    assert_ne!(before["paths"]["apis/tools.example.com/v1"], after["paths"]["apis/tools.example.com/v1"]);
    assert_eq!(before["paths"]["api/v1"], after["paths"]["api/v1"]);
    assert_eq!(before, index(&kinds()));
}

#[test]
fn patches_say_what_the_server_can() {
    let kinds = kinds();
    let widgets = document(&kinds, "tools.example.com", "v1").unwrap();
    let patch = &widgets["paths"]["/apis/tools.example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"], json!({"group": "tools.example.com", "version": "v1", "kind": "Widget"}));
    assert!(patch["parameters"].as_array().unwrap().iter().any(|parameter| parameter["name"] == "fieldValidation"));
    assert!(patch["requestBody"]["content"].get("application/strategic-merge-patch+json").is_none());
    assert_eq!(patch["operationId"], "patchToolsExampleComV1NamespacedWidget");
    let core = document(&kinds, "", "v1").unwrap();
    let patch = &core["paths"]["/api/v1/namespaces/{name}/status"]["patch"];
    assert!(patch["requestBody"]["content"].get("application/strategic-merge-patch+json").is_some());
    assert_eq!(patch["operationId"], "patchCoreV1NamespaceStatus");
    assert!(core["paths"]["/api/v1/namespaces"].get("delete").is_none());
    let meta = &core["components"]["schemas"][OBJECT_META]["properties"];
    assert_eq!(meta["ownerReferences"]["x-kubernetes-patch-merge-key"], "uid");
}

#[test]
fn custom_objects_have_the_standard_fields() {
    let document = document(&kinds(), "tools.example.com", "v1").unwrap();
    let widget = &document["components"]["schemas"]["com.example.tools.v1.Widget"];
    assert_eq!(widget["properties"]["metadata"]["allOf"][0], reference(OBJECT_META));
    assert!(widget["properties"]["kind"]["description"].as_str().unwrap().starts_with("Kind is a string value"));
    assert_eq!(widget["x-kubernetes-group-version-kind"][0]["kind"], "Widget");
}

#[test]
fn version_two_has_its_own_words() {
    let swagger = swagger(&kinds());
    let spec = &swagger["definitions"]["com.example.tools.v1.Widget"]["properties"]["spec"]["properties"];
    assert_eq!(spec["nullable"], json!({"type": "string", "description": "A field that is called like a word."}));
    let put = &swagger["paths"]["/api/v1/namespaces/{namespace}/secrets/{name}"]["put"];
    assert_eq!(put["responses"]["200"]["schema"]["$ref"], "#/definitions/io.k8s.api.core.v1.Secret");
    let body = put["parameters"].as_array().unwrap().iter().find(|parameter| parameter["in"] == "body").unwrap();
    assert_eq!(body["schema"]["$ref"], "#/definitions/io.k8s.api.core.v1.Secret");
}
