//! Kinds that are defined by CustomResourceDefinitions.

use std::sync::Arc;

use chrono::{SecondsFormat, Utc};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

use super::{
    kind::{Generation, Kind, Origin, Scope, Status},
    schema::{Cause, Schema},
};

mod check;

/// Fills in what a CRD may leave out: the singular, the kind of lists, the conversion, and the version that objects are stored in.
pub fn complete(crd: &mut Value) {
    if crd.get("spec").is_none_or(Value::is_null) && crd.is_object() {
        crd["spec"] = json!({});
    }
    let Some(spec) = crd.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut)
        && let Some(kind) = names.get("kind").and_then(Value::as_str).filter(|kind| !kind.is_empty()).map(str::to_owned)
    {
        for (name, value) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))] {
            if names.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
                names.insert(name.into(), value.into());
            }
        }
    }
    if spec.get("conversion").is_none_or(Value::is_null) {
        spec.insert("conversion".into(), json!({"strategy": "None"}));
    }
    let stored = stored_versions(crd);
    if !stored.is_empty() && (crd["status"].is_null() || crd["status"].is_object()) {
        crd["status"]["storedVersions"] = json!(stored);
    }
}

/// The kinds that a CRD defines, one for each version that is served. The error is all that is wrong with it, in the words of Kubernetes.
pub fn kinds(crd: &Value) -> Result<Vec<Kind>, Vec<Cause>> {
    let mut crd = crd.clone();
    complete(&mut crd);
    let mut causes = check::check(&crd);
    let spec = &crd["spec"];
    let mut out = Vec::new();
    for (index, version) in list(&spec["versions"]).iter().enumerate() {
        if version["schema"]["openAPIV3Schema"].is_null() {
            continue;
        }
        match schema(&version["schema"]["openAPIV3Schema"], &check::place(spec, index)) {
            Ok(schema) if version["served"] == true => out.push(kind(spec, version, schema)),
            Ok(_) => {}
            Err(wrong) => causes.extend(wrong),
        }
    }
    if causes.is_empty() {
        return Ok(out);
    }
    // Versions that are the same have the same faults.
    let mut unique: Vec<Cause> = Vec::new();
    for cause in causes {
        if !unique.contains(&cause) {
            unique.push(cause);
        }
    }
    Err(unique)
}

/// What must not change in a CRD, and did.
pub fn immutable(old: &Value, new: &Value) -> Vec<Cause> {
    let established = list(&old["status"]["conditions"]).iter().any(|c| c["type"] == "Established" && c["status"] == "True");
    let fixed = [("scope", established), ("names/kind", established), ("group", true), ("names/plural", true)];
    fixed
        .into_iter()
        .filter(|(field, fixed)| *fixed && old.pointer(&format!("/spec/{field}")) != new.pointer(&format!("/spec/{field}")))
        .map(|(field, _)| {
            let value = new.pointer(&format!("/spec/{field}")).and_then(Value::as_str).unwrap_or_default();
            Cause::invalid(&format!("spec.{}", field.replace('/', ".")), &value.into(), "field is immutable")
        })
        .collect()
}

/// The status of a CRD whose kinds are served. Conditions keep the time of their last transition.
pub fn established(crd: &Value) -> Value {
    let mut conditions = vec![
        condition(crd, "NamesAccepted", "NoConflicts", "no conflicts found"),
        condition(crd, "Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ];
    let others = list(&crd["status"]["conditions"]).iter().filter(|other| conditions.iter().all(|own| own["type"] != other["type"]));
    let others: Vec<Value> = others.cloned().collect();
    conditions.extend(others);
    json!({"acceptedNames": crd["spec"]["names"], "conditions": conditions, "storedVersions": stored_versions(crd)})
}

/// Says in the status of a CRD that it is being deleted.
pub fn terminating(crd: &mut Value) {
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    let condition = condition(crd, "Terminating", "InstanceDeletionPending", message);
    if let Some(conditions) = crd.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
        conditions.retain(|other| other["type"] != "Terminating");
        conditions.push(condition);
    }
}

/// A condition that is true, since now unless it was before.
fn condition(crd: &Value, name: &str, reason: &str, message: &str) -> Value {
    let before = list(&crd["status"]["conditions"]).iter().find(|c| c["type"] == name && c["status"] == "True");
    let since = before.and_then(|c| c["lastTransitionTime"].as_str()).map(str::to_owned);
    json!({
        "lastTransitionTime": since.unwrap_or_else(|| Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)),
        "message": message,
        "reason": reason,
        "status": "True",
        "type": name,
    })
}

/// The versions that objects are or may have been stored in.
fn stored_versions(crd: &Value) -> Vec<String> {
    let mut stored = strings(&crd["status"]["storedVersions"]);
    let current = list(&crd["spec"]["versions"]).iter().find(|version| version["storage"] == true);
    if let Some(name) = current.and_then(|version| version["name"].as_str())
        && !stored.iter().any(|known| known == name)
    {
        stored.push(name.to_owned());
    }
    stored
}

/// The schema that is at that place of a CRD.
fn schema(schema: &Value, at: &str) -> Result<Schema, Vec<Cause>> {
    let props: JSONSchemaProps =
        serde_json::from_value(schema.clone()).map_err(|error| vec![Cause::invalid(at, &Value::Null, &error.to_string())])?;
    let moved = |cause: Cause| match cause.field.strip_prefix("spec.validation.openAPIV3Schema") {
        Some(inner) => Cause { field: format!("{at}{inner}"), ..cause },
        None => cause,
    };
    Schema::new(props).map_err(|causes| causes.into_iter().map(moved).collect())
}

fn kind(spec: &Value, version: &Value, schema: Schema) -> Kind {
    let names = &spec["names"];
    Kind {
        group: string(&spec["group"]),
        version: string(&version["name"]),
        kind: string(&names["kind"]),
        list_kind: string(&names["listKind"]),
        plural: string(&names["plural"]),
        singular: string(&names["singular"]),
        short_names: strings(&names["shortNames"]),
        categories: strings(&names["categories"]),
        scope: if spec["scope"] == "Namespaced" { Scope::Namespaced } else { Scope::Cluster },
        status: if version["subresources"]["status"].is_object() { Status::Subresource } else { Status::Field },
        generation: Generation::Counted,
        schema: Arc::new(schema),
        columns: serde_json::from_value(version["additionalPrinterColumns"].clone()).unwrap_or_default(),
        origin: Origin::Custom,
        deprecation: (version["deprecated"] == true).then(|| {
            let own = version["deprecationWarning"].as_str().map(str::to_owned);
            own.unwrap_or_else(|| {
                format!("{}/{} {} is deprecated", string(&spec["group"]), string(&version["name"]), string(&names["kind"]))
            })
        }),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn strings(value: &Value) -> Vec<String> {
    list(value).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
