//! What is wrong with a CustomResourceDefinition, in the words of Kubernetes. What breaks nothing here is left to the tests of its author.

use serde_json::Value;

use super::super::schema::{Cause, metadata};
use super::{list, string, strings};

/// All that is wrong with a CRD beside its schemas, the first fault first.
pub fn check(crd: &Value) -> Vec<Cause> {
    let spec = &crd["spec"];
    let versions = list(&spec["versions"]);
    let mut out = Vec::new();
    let (name, group, plural) = (string(&crd["metadata"]["name"]), string(&spec["group"]), string(&spec["names"]["plural"]));
    if name != format!("{plural}.{group}") {
        out.push(invalid("metadata.name", &name, "must be spec.names.plural+\".\"+spec.group"));
    }
    if group.is_empty() {
        out.push(Cause::required("spec.group", ""));
    } else if !group.contains('.') {
        out.push(invalid("spec.group", &group, "should be a domain with at least one dot"));
    } else {
        named("spec.group", &group, "", &metadata::dns_subdomain(&group), &mut out);
    }
    if matches!(group.as_str(), "apiextensions.k8s.io" | "coordination.k8s.io") {
        out.push(invalid("spec.group", &group, "kinds of this group are built in"));
    }
    out.extend(one_of("spec.scope", &spec["scope"], &["Cluster", "Namespaced"]));
    for (index, version) in versions.iter().enumerate() {
        if version["schema"]["openAPIV3Schema"].is_null() {
            out.push(Cause::required(&format!("spec.versions[{index}].schema.openAPIV3Schema"), ""));
        }
        let name = string(&version["name"]);
        named(&format!("spec.versions[{index}].name"), &name, "", &metadata::dns_1035_label(&name), &mut out);
    }
    let known: Vec<&Value> = versions.iter().map(|version| &version["name"]).collect();
    if known.iter().enumerate().any(|(at, name)| known[..at].contains(name)) {
        out.push(versions_are_wrong(&spec["versions"], "must contain unique version names"));
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        out.push(versions_are_wrong(&spec["versions"], "must have exactly one version marked as storage version"));
    }
    names(&spec["names"], &mut out);
    out.extend(one_of("spec.conversion.strategy", &spec["conversion"]["strategy"], &["None", "Webhook"]));
    if spec["conversion"]["strategy"] == "Webhook" {
        out.push(invalid("spec.conversion.strategy", "Webhook", "conversion by webhook is not supported by this server"));
    }
    let stored = strings(&crd["status"]["storedVersions"]);
    if stored.is_empty() {
        out.push(Cause::invalid("status.storedVersions", &Value::Null, "must have at least one stored version"));
    }
    for (index, version) in stored.iter().enumerate().filter(|(_, version)| !known.iter().any(|name| *name == version.as_str())) {
        let why = format!(
            "missing from spec.versions; {version} was previously a storage version, and must remain in spec.versions until a storage \
             migration ensures no data remains persisted in {version} and removes {version} from status.storedVersions"
        );
        out.push(invalid(&format!("status.storedVersions[{index}]"), version, &why));
    }
    out
}

/// Where faults of the schema of a version are reported: where all versions had it before they could differ, if they do not.
pub fn place(spec: &Value, index: usize) -> String {
    let versions = list(&spec["versions"]);
    if versions.iter().all(|version| version["schema"] == versions[0]["schema"]) {
        "spec.validation.openAPIV3Schema".to_owned()
    } else {
        format!("spec.versions[{index}].schema.openAPIV3Schema")
    }
}

fn invalid(field: &str, value: &str, why: &str) -> Cause {
    Cause::invalid(field, &value.into(), why)
}

fn one_of(field: &str, value: &Value, accepted: &[&str]) -> Option<Cause> {
    match value.as_str().unwrap_or_default() {
        "" => Some(Cause::required(field, "")),
        known if accepted.contains(&known) => None,
        _ => Some(Cause::not_supported(field, value, accepted)),
    }
}

fn names(names: &Value, out: &mut Vec<Cause>) {
    for name in ["plural", "singular", "kind", "listKind"] {
        let (field, value) = (format!("spec.names.{name}"), string(&names[name]));
        let mixed = if name.ends_with("ind") { "may have mixed case, but should otherwise match: " } else { "" };
        let checked = if mixed.is_empty() { value.clone() } else { value.to_lowercase() };
        if value.is_empty() {
            out.push(Cause::required(&field, ""));
        } else {
            named(&field, &value, mixed, &metadata::dns_1035_label(&checked), out);
        }
    }
    for name in ["shortNames", "categories"] {
        for (index, value) in strings(&names[name]).iter().enumerate() {
            named(&format!("spec.names.{name}[{index}]"), value, "", &metadata::dns_1035_label(value), out);
        }
    }
}

/// Tells what is wrong with a name, if anything is.
fn named(field: &str, value: &str, introduction: &str, wrong: &[String], out: &mut Vec<Cause>) {
    if !wrong.is_empty() {
        out.push(invalid(field, value, &format!("{introduction}{}", wrong.join(","))));
    }
}

/// What is wrong with the versions of a CRD together. The message shows them without their schemas.
fn versions_are_wrong(versions: &Value, why: &str) -> Cause {
    let show = |version: &Value| {
        format!(
            "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":null,\"Subresources\":null,\
             \"AdditionalPrinterColumns\":null,\"SelectableFields\":null}}",
            version["name"],
            version["served"] == true,
            version["storage"] == true,
            version["deprecated"] == true,
            version["deprecationWarning"],
        )
    };
    let shown =
        versions.as_array().map_or_else(|| "null".into(), |all| format!("[{}]", all.iter().map(show).collect::<Vec<_>>().join(",")));
    Cause { reason: "FieldValueInvalid", message: format!("Invalid value: {shown}: {why}"), field: "spec.versions".into() }
}
