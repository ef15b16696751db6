//! The kinds that every server knows.

use std::sync::{Arc, LazyLock};

use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{ConfigMap, Event, Namespace, Secret, ServiceAccount},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps},
    apimachinery::pkg::apis::meta::v1::{DeleteOptions, ListMeta, Status as StatusObject},
    schemars::{JsonSchema, generate::SchemaSettings},
};
use serde_json::{Map, Value, json};

use super::{
    kind::{Generation, Kind, Origin, Scope, Status},
    schema::Schema,
};

/// Where a definition refers to others.
pub(super) const REFERENCE: &str = "#/components/schemas/";

/// The full name of the definition of `metadata`.
pub(super) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The definitions of the built-in kinds and of what they are made of, by their full names, as OpenAPI 3 has them.
static DEFINITIONS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let mut generator = SchemaSettings::openapi3().into_generator();
    generator.subschema_for::<Namespace>();
    generator.subschema_for::<Secret>();
    generator.subschema_for::<ConfigMap>();
    generator.subschema_for::<ServiceAccount>();
    generator.subschema_for::<Event>();
    generator.subschema_for::<Lease>();
    generator.subschema_for::<CustomResourceDefinition>();
    generator.subschema_for::<DeleteOptions>();
    generator.subschema_for::<ListMeta>();
    generator.subschema_for::<StatusObject>();
    // Not by its transforms, which are made for another dialect.
    let mut definitions = generator.take_definitions(false);
    for (name, definition) in &mut definitions {
        refine(name, definition);
    }
    for (owner, field, keys, patch) in LISTS {
        if let Some(list) = definitions.get_mut(*owner).and_then(|definition| definition.pointer_mut(&format!("/properties/{field}"))) {
            list["x-kubernetes-list-type"] = if keys.is_empty() { "set".into() } else { "map".into() };
            if !keys.is_empty() {
                list["x-kubernetes-list-map-keys"] = json!([keys]);
            }
            if *patch == Patch::Merge {
                list["x-kubernetes-patch-strategy"] = "merge".into();
                if !keys.is_empty() {
                    list["x-kubernetes-patch-merge-key"] = (*keys).into();
                }
            }
        }
    }
    for name in ATOMIC {
        if let Some(definition) = definitions.get_mut(*name) {
            definition["x-kubernetes-map-type"] = "atomic".into();
        }
    }
    definitions
});

/// What a strategic merge patch does with a list.
#[derive(PartialEq, Eq)]
enum Patch {
    Replace,
    Merge,
}

/// The lists that are not replaced as a whole: whose, its key (none for a set), what a strategic merge patch does.
const LISTS: &[(&str, &str, &str, Patch)] = &[
    (OBJECT_META, "finalizers", "", Patch::Merge),
    (OBJECT_META, "ownerReferences", "uid", Patch::Merge),
    ("io.k8s.api.core.v1.NamespaceStatus", "conditions", "type", Patch::Merge),
    ("io.k8s.api.core.v1.ServiceAccount", "secrets", "name", Patch::Merge),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus", "conditions", "type", Patch::Replace),
];

/// The objects that are owned as a whole.
const ATOMIC: &[&str] = &[
    "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
    "io.k8s.api.core.v1.ObjectReference",
    "io.k8s.api.core.v1.LocalObjectReference",
];

/// The kinds that every server knows.
pub fn kinds() -> Vec<Kind> {
    KINDS.clone()
}

/// Made once: their schemas are large, and every change of a definition asks for them.
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    vec![
        Kind { scope: Scope::Cluster, status: Status::Subresource, ..kind::<Namespace>("", "Namespace", "namespaces", &["ns"]) },
        kind::<Secret>("", "Secret", "secrets", &[]),
        kind::<ConfigMap>("", "ConfigMap", "configmaps", &["cm"]),
        kind::<ServiceAccount>("", "ServiceAccount", "serviceaccounts", &["sa"]),
        kind::<Event>("", "Event", "events", &["ev"]),
        kind::<Lease>("coordination.k8s.io", "Lease", "leases", &[]),
        Kind {
            scope: Scope::Cluster,
            status: Status::Subresource,
            generation: Generation::Counted,
            categories: vec!["api-extensions".into()],
            ..kind::<CustomResourceDefinition>(
                "apiextensions.k8s.io",
                "CustomResourceDefinition",
                "customresourcedefinitions",
                &["crd", "crds"],
            )
        },
    ]
});

fn kind<T: JsonSchema>(group: &str, name: &str, plural: &str, short_names: &[&str]) -> Kind {
    Kind {
        group: group.into(),
        version: "v1".into(),
        kind: name.into(),
        list_kind: format!("{name}List"),
        plural: plural.into(),
        singular: name.to_lowercase(),
        short_names: short_names.iter().map(ToString::to_string).collect(),
        categories: Vec::new(),
        scope: Scope::Namespaced,
        status: Status::Field,
        generation: Generation::Absent,
        schema: Arc::new(schema(&T::schema_name())),
        columns: Vec::new(),
        origin: Origin::BuiltIn,
        deprecation: None,
    }
}

/// What the metadata of all objects looks like. Schemas of kinds do not say.
pub(super) fn metadata() -> JSONSchemaProps {
    let whole = inline(&json!({"$ref": format!("{REFERENCE}{OBJECT_META}")}), &mut Vec::new());
    serde_json::from_value(whole).unwrap_or_default()
}

/// The definitions of the built-in kinds and of what they are made of, by their full names, which refer to each other.
pub(super) fn definitions() -> &'static Map<String, Value> {
    &DEFINITIONS
}

/// The full name of the definition of a built-in kind, or of a part of one.
pub(super) fn definition_name(version: &str, kind: &str) -> Option<&'static str> {
    let end = format!(".{version}.{kind}");
    DEFINITIONS.keys().find(|name| name.ends_with(&end)).map(String::as_str)
}

/// What the definition of that name says of one of its fields; nothing where it has none.
pub(super) fn description(definition: &str, field: &str) -> &'static str {
    DEFINITIONS.get(definition).and_then(|found| found["properties"][field]["description"].as_str()).unwrap_or_default()
}

/// Puts a definition in the words of Kubernetes.
fn refine(name: &str, definition: &mut Value) {
    let free = ["v1.JSON", "v1.JSONSchemaPropsOrArray", "v1.JSONSchemaPropsOrBool", "v1.JSONSchemaPropsOrStringArray"];
    if free.iter().any(|suffix| name.ends_with(suffix)) {
        *definition = json!({"description": definition["description"], "x-kubernetes-preserve-unknown-fields": true});
    }
    // Metadata may be left out of all but events.
    if !name.ends_with(".Event")
        && let Some(required) = definition["required"].as_array_mut()
    {
        required.retain(|field| field != "metadata");
    }
    wrap_references(definition);
    if let Some(fields) = definition.as_object_mut() {
        fields.retain(|key, value| !value.is_null() && (key != "required" || value.as_array().is_some_and(|names| !names.is_empty())));
    }
}

/// Moves references that have something beside them into an `allOf`, as nothing may stand beside one.
fn wrap_references(node: &mut Value) {
    match node {
        Value::Object(fields) => {
            fields.values_mut().for_each(wrap_references);
            if fields.len() > 1
                && fields.get("$ref").is_some_and(Value::is_string)
                && let Some(reference) = fields.remove("$ref")
            {
                fields.insert("allOf".into(), json!([{"$ref": reference}]));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(wrap_references),
        _ => {}
    }
}

/// Metadata is the same everywhere, and known to all without a schema.
fn schema(name: &str) -> Schema {
    let mut structural = inline(&json!({"$ref": format!("{REFERENCE}{name}")}), &mut Vec::new());
    structural["properties"]["metadata"] = json!({"type": "object"});
    serde_json::from_value::<JSONSchemaProps>(structural).ok().and_then(|props| Schema::new(props).ok()).unwrap_or_else(Schema::any)
}

/// A definition with what it refers to written out: structural, without what must be there (which nobody checks in built-in objects) but
/// the keys of lists, and free-form where it refers to itself.
fn inline(node: &Value, inside: &mut Vec<&'static str>) -> Value {
    let reference = node["$ref"].as_str().or_else(|| node["allOf"][0]["$ref"].as_str());
    if let Some(name) = reference.and_then(|reference| reference.strip_prefix(REFERENCE)) {
        let mut out = match DEFINITIONS.get_key_value(name) {
            Some((name, target)) if !inside.contains(&name.as_str()) => {
                inside.push(name);
                let out = inline(target, inside);
                inside.pop();
                out
            }
            _ => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        };
        if let Some(description) = node.get("description") {
            out["description"] = description.clone();
        }
        return out;
    }
    let mut out = node.clone();
    if let Some(fields) = out.as_object_mut() {
        fields.remove("required");
        fields.retain(|key, _| !key.starts_with("x-kubernetes-patch"));
    }
    if let Some(properties) = node["properties"].as_object() {
        out["properties"] = properties.iter().map(|(key, value)| (key.clone(), inline(value, inside))).collect();
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = node.get(key) {
            out[key] = inline(inner, inside);
        }
    }
    if let Some(keys) = node.get("x-kubernetes-list-map-keys") {
        out["items"]["required"] = keys.clone();
    }
    let empty = out["type"] == "object" && node.get("properties").is_none() && node.get("additionalProperties").is_none();
    if empty || out.as_object().is_some_and(|fields| fields.keys().all(|key| key == "description")) {
        out["x-kubernetes-preserve-unknown-fields"] = true.into();
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn props(kind: &str) -> Value {
        let kinds = kinds();
        serde_json::to_value(kinds.iter().find(|found| found.kind == kind).unwrap().schema.props()).unwrap()
    }

    #[test]
    fn schemas_are_structural_and_described() {
        for kind in kinds() {
            let props = props(&kind.kind);
            assert_eq!(props["type"], "object", "{}", kind.kind);
            assert!(props["properties"]["kind"]["description"].as_str().unwrap().starts_with("Kind is a string"), "{}", kind.kind);
            assert!(!props.to_string().contains(REFERENCE), "{}", kind.kind);
        }
    }

    #[test]
    fn lists_have_their_keys() {
        let meta = &definitions()[OBJECT_META]["properties"];
        assert_eq!(meta["ownerReferences"]["x-kubernetes-list-map-keys"][0], "uid");
        assert_eq!(meta["finalizers"]["x-kubernetes-list-type"], "set");
        assert_eq!(props("ServiceAccount")["properties"]["secrets"]["x-kubernetes-list-map-keys"][0], "name");
        assert_eq!(props("Event")["properties"]["involvedObject"]["x-kubernetes-map-type"], "atomic");
    }

    #[test]
    fn schemas_of_schemas_end() {
        let crd = props("CustomResourceDefinition");
        let version = &crd["properties"]["spec"]["properties"]["versions"]["items"]["properties"];
        let schema = &version["schema"]["properties"]["openAPIV3Schema"];
        assert_eq!(schema["properties"]["maxLength"]["type"], "integer");
        let inner = &schema["properties"]["properties"]["additionalProperties"];
        assert_eq!(inner["x-kubernetes-preserve-unknown-fields"], true);
        assert_eq!(schema["properties"]["default"]["x-kubernetes-preserve-unknown-fields"], true);
        assert_eq!(version["subresources"]["properties"]["status"]["x-kubernetes-preserve-unknown-fields"], true);
        assert!(crd["properties"]["spec"].get("required").is_none());
    }

    #[test]
    fn unknown_fields_are_found() {
        let mut kinds = kinds();
        let mut unknown = |kind: &str, mut object: Value| kinds.iter_mut().find(|k| k.kind == kind).unwrap().schema.prune(&mut object);
        assert_eq!(unknown("Secret", json!({"kind": "Secret", "metadata": {"name": "a"}, "data": {"k": ""}, "dat": {}})), ["dat"]);
        let event = json!({"involvedObject": {"name": "a", "nam": "b"}, "series": {"count": 1}, "eventTime": null});
        assert_eq!(unknown("Event", event), ["involvedObject.nam"]);
        let schema = json!({"type": "object", "typ": "x", "properties": {"a": {"anything": 1}}});
        let crd = json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}]}});
        assert_eq!(unknown("CustomResourceDefinition", crd), ["spec.versions[0].schema.openAPIV3Schema.typ"]);
    }
}
