//! What objects look like and what can be done with them, as OpenAPI. kubectl reads version 3 to explain fields, to see whether the server
//! checks them, and to know how it patches; version 2 is for others.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    builtin::{self, OBJECT_META, REFERENCE},
    discovery,
    kind::{Kind, Origin, Status},
};

mod operations;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// The answer to a path of OpenAPI, with its media type. Nothing for other paths, for versions that there are not, and for those who accept
/// version 2 only as protobuf: they do without.
pub fn answer(path: &str, accept: &str, kinds: &[Arc<Kind>]) -> Option<(&'static str, String)> {
    let value = match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["openapi", "v2"] if accept.is_empty() || accept.contains("json") || accept.contains("*/*") => swagger(kinds),
        ["openapi", "v3"] => index(kinds),
        ["openapi", "v3", "api", version] => document(kinds, "", version)?,
        ["openapi", "v3", "apis", group, version] => document(kinds, group, version)?,
        _ => return None,
    };
    Some(("application/json", value.to_string()))
}

/// `/openapi/v3`: where the document of each version is.
fn index(kinds: &[Arc<Kind>]) -> Value {
    let paths: Map<String, Value> = discovery::group_versions(kinds)
        .into_iter()
        .filter_map(|(group, version)| {
            let digest = Sha256::digest(document(kinds, group, version)?.to_string());
            let hash = u128::from_be_bytes(*digest.as_slice().first_chunk()?);
            let path = root(group, version);
            Some((path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash:032X}")})))
        })
        .collect();
    json!({"paths": paths})
}

/// `/openapi/v3/api/v1` (with an empty group) and `/openapi/v3/apis/GROUP/VERSION`: nothing if there is no such version.
fn document(kinds: &[Arc<Kind>], group: &str, version: &str) -> Option<Value> {
    let kinds: Vec<&Kind> = discovery::of_version(kinds, group, version).collect();
    if kinds.is_empty() {
        return None;
    }
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for kind in kinds {
        components(kind, &mut schemas);
        operations::paths(kind, &mut paths);
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.3"},
        "paths": paths,
        "components": {"schemas": schemas},
    }))
}

/// `/openapi/v2`: all of it in one document.
fn swagger(kinds: &[Arc<Kind>]) -> Value {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for kind in kinds {
        components(kind, &mut schemas);
        operations::paths(kind, &mut paths);
    }
    for path in paths.values_mut().filter_map(Value::as_object_mut) {
        for (name, operation) in path {
            if name == "parameters" {
                operations::flatten(operation);
            } else {
                operations::downgrade(operation);
            }
        }
    }
    let mut document = json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.36.3"},
        "paths": paths,
        "definitions": schemas,
    });
    older(&mut document);
    document
}

/// `api/v1` or `apis/GROUP/VERSION`.
fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// The full name of the definition of a kind.
fn definition_name(kind: &Kind) -> String {
    match kind.origin {
        Origin::BuiltIn => builtin::definition_name(&kind.version, &kind.kind).unwrap_or_default().to_owned(),
        Origin::Custom => {
            let mut parts: Vec<&str> = kind.group.rsplit('.').collect();
            parts.extend([kind.version.as_str(), kind.kind.as_str()]);
            parts.join(".")
        }
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("{REFERENCE}{name}")})
}

/// The definitions of a kind and its list, with those they refer to.
fn components(kind: &Kind, out: &mut Map<String, Value>) {
    let name = definition_name(kind);
    let mut object = match kind.origin {
        Origin::BuiltIn => builtin::definitions().get(&name).cloned().unwrap_or_default(),
        Origin::Custom => serde_json::to_value(kind.schema.props()).unwrap_or_default(),
    };
    let about = |field| json!({"type": "string", "description": builtin::description(&name_of("Status"), field)});
    if kind.origin == Origin::Custom {
        let metadata = "Standard object's metadata. More info: \
             https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
        object["properties"]["apiVersion"] = about("apiVersion");
        object["properties"]["kind"] = about("kind");
        object["properties"]["metadata"] = json!({"description": metadata, "allOf": [reference(OBJECT_META)]});
    }
    let identity = |kind_name: &str| json!([{"group": kind.group, "kind": kind_name, "version": kind.version}]);
    object["x-kubernetes-group-version-kind"] = identity(&kind.kind);
    let list = json!({
        "description": format!("{} is a list of {}", kind.list_kind, kind.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": about("apiVersion"),
            "kind": about("kind"),
            "metadata": {"description": "Standard list metadata.", "allOf": [reference(&name_of("ListMeta"))]},
            "items": {"description": format!("List of {}.", kind.plural), "type": "array", "items": reference(&name)},
        },
        "x-kubernetes-group-version-kind": identity(&kind.list_kind),
    });
    let patch = json!({"type": "object", "description": "A patch, in the form that its media type says."});
    for needed in [&object, &list, &reference(&name_of("DeleteOptions")), &reference(&name_of("Status"))] {
        copy_referred(needed, out);
    }
    out.insert(format!("{name}List"), list);
    out.insert(name_of("Patch"), patch);
    out.insert(name, object);
}

fn name_of(meta: &str) -> String {
    format!("{META}{meta}")
}

/// Copies the definitions that are referred to, and those that they refer to.
fn copy_referred(node: &Value, out: &mut Map<String, Value>) {
    match node {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix(REFERENCE));
            if let Some((name, definition)) = name.and_then(|name| builtin::definitions().get_key_value(name))
                && !out.contains_key(name)
            {
                out.insert(name.clone(), definition.clone());
                copy_referred(definition, out);
            }
            fields.values().for_each(|value| copy_referred(value, out));
        }
        Value::Array(items) => items.iter().for_each(|item| copy_referred(item, out)),
        _ => {}
    }
}

/// Turns references and words of version 3 into those of version 2.
fn older(node: &mut Value) {
    match node {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref") {
                *reference = reference.replace(REFERENCE, "#/definitions/");
            }
            for word in ["nullable", "oneOf", "anyOf", "not"] {
                // Unless it is the name of a field.
                let is_word = fields.get(word).is_some_and(|value| value.get("description").is_none());
                if is_word {
                    fields.remove(word);
                }
            }
            fields.values_mut().for_each(older);
        }
        Value::Array(items) => items.iter_mut().for_each(older),
        _ => {}
    }
}

/// Whether the status of a kind has paths of its own.
fn has_status(kind: &Kind) -> bool {
    kind.status == Status::Subresource
}

#[cfg(test)]
mod tests;
