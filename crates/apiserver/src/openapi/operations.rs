//! The operations on objects of a kind, by path.

use serde_json::{Map, Value, json};

use super::{definition_name, has_status, name_of, reference, root};
use crate::kind::{Kind, Origin};

const READ: &[(&str, &str)] = &[("resourceVersion", "string")];
const WRITE: &[(&str, &str)] = &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const PATCH: &[(&str, &str)] = &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")];
const DELETE: &[(&str, &str)] = &[("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("propagationPolicy", "string")];
const LIST: &[(&str, &str)] = &[
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];

/// Adds the paths of a kind.
pub fn paths(kind: &Kind, out: &mut Map<String, Value>) {
    let root = format!("/{}", root(&kind.group, &kind.version));
    let (objects, namespace): (String, &[&str]) = if kind.is_namespaced() {
        out.insert(format!("{root}/{}", kind.plural), json!({"get": list(kind, "ForAllNamespaces"), "parameters": parameters(&[])}));
        (format!("{root}/namespaces/{{namespace}}/{}", kind.plural), &["namespace"])
    } else {
        (format!("{root}/{}", kind.plural), &[])
    };
    let mut collection = json!({"get": list(kind, ""), "post": write(kind, "post", "create", ""), "parameters": parameters(namespace)});
    // Namespaces are not deleted together.
    if kind.is_namespaced() || kind.origin == Origin::Custom {
        collection["delete"] = with_body(operation(kind, "deletecollection", "deleteCollection", "", DELETE), &options(), "Status");
    }
    out.insert(objects.clone(), collection);
    let name: Vec<&str> = std::iter::once("name").chain(namespace.iter().copied()).collect();
    let object = json!({
        "get": answer(operation(kind, "get", "read", "", READ), &definition_name(kind)),
        "put": write(kind, "put", "replace", ""),
        "patch": patch(kind, ""),
        "delete": with_body(operation(kind, "delete", "delete", "", DELETE), &options(), "Status"),
        "parameters": parameters(&name),
    });
    out.insert(format!("{objects}/{{name}}"), object);
    if has_status(kind) {
        let status = json!({
            "get": answer(operation(kind, "get", "read", "Status", READ), &definition_name(kind)),
            "put": write(kind, "put", "replace", "Status"),
            "patch": patch(kind, "Status"),
            "parameters": parameters(&name),
        });
        out.insert(format!("{objects}/{{name}}/status"), status);
    }
}

fn list(kind: &Kind, suffix: &str) -> Value {
    answer(operation(kind, "list", "list", suffix, LIST), &format!("{}List", definition_name(kind)))
}

fn write(kind: &Kind, action: &str, verb: &str, suffix: &str) -> Value {
    let name = definition_name(kind);
    let mut out = answer(operation(kind, action, verb, suffix, WRITE), &name);
    out["requestBody"] = json!({"content": {"*/*": {"schema": reference(&name)}}, "required": true});
    out
}

fn patch(kind: &Kind, suffix: &str) -> Value {
    let mut out = answer(operation(kind, "patch", "patch", suffix, PATCH), &definition_name(kind));
    let mut types = vec!["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
    if kind.origin == Origin::BuiltIn {
        types.push("application/strategic-merge-patch+json");
    }
    let content: Map<String, Value> =
        types.into_iter().map(|media| (media.to_owned(), json!({"schema": reference(&name_of("Patch"))}))).collect();
    out["requestBody"] = json!({"content": content, "required": true});
    out
}

fn options() -> String {
    name_of("DeleteOptions")
}

fn with_body(mut operation: Value, body: &str, answered: &str) -> Value {
    operation["requestBody"] = json!({"content": {"*/*": {"schema": reference(body)}}});
    answer(operation, &name_of(answered))
}

fn answer(mut operation: Value, definition: &str) -> Value {
    let content = json!({"application/json": {"schema": reference(definition)}});
    operation["responses"] = json!({"200": {"description": "OK", "content": content}});
    operation
}

fn operation(kind: &Kind, action: &str, verb: &str, suffix: &str, query: &[(&str, &str)]) -> Value {
    let mut id = verb.to_owned();
    let group = if kind.group.is_empty() { "core" } else { &kind.group };
    let namespaced = if kind.is_namespaced() && suffix != "ForAllNamespaces" { "Namespaced" } else { "" };
    for part in group.trim_end_matches(".k8s.io").split(['.', '-']).chain([kind.version.as_str(), namespaced, kind.kind.as_str(), suffix]) {
        id.extend(part.chars().take(1).flat_map(char::to_uppercase));
        id.extend(part.chars().skip(1));
    }
    let parameters: Vec<Value> =
        query.iter().map(|(name, shape)| json!({"name": name, "in": "query", "schema": {"type": shape, "uniqueItems": true}})).collect();
    json!({
        "description": format!("{verb} {}", kind.plural),
        "operationId": id,
        "parameters": parameters,
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    })
}

/// The parameters of all operations of a path.
fn parameters(path: &[&str]) -> Vec<Value> {
    let in_path = |name: &&str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "uniqueItems": true}});
    let pretty = json!({"name": "pretty", "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    path.iter().map(in_path).chain([pretty]).collect()
}

/// Turns an operation into one of OpenAPI 2.
pub fn downgrade(operation: &mut Value) {
    flatten(&mut operation["parameters"]);
    let Some(fields) = operation.as_object_mut() else { return };
    if let Some(body) = fields.remove("requestBody") {
        let consumes: Vec<String> = body["content"].as_object().map(|content| content.keys().cloned().collect()).unwrap_or_default();
        let schema = body["content"].as_object().and_then(|content| content.values().next()).map(|media| media["schema"].clone());
        let parameter = json!({"name": "body", "in": "body", "required": body["required"] == true, "schema": schema});
        if let Some(parameters) = fields.get_mut("parameters").and_then(Value::as_array_mut) {
            parameters.push(parameter);
        }
        fields.insert("consumes".into(), json!(consumes));
    }
    fields.insert("produces".into(), json!(["application/json"]));
    let schema = fields.get("responses").map(|responses| responses["200"]["content"]["application/json"]["schema"].clone());
    fields.insert("responses".into(), json!({"200": {"description": "OK", "schema": schema}}));
}

/// Turns parameters into those of OpenAPI 2.
pub fn flatten(parameters: &mut Value) {
    for parameter in parameters.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(Value::Object(schema)) = parameter.remove("schema") {
            parameter.extend(schema);
        }
    }
}
