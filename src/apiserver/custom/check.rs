//! What is wrong with a CustomResourceDefinition, in the words of Kubernetes.

use serde_json::Value;

use super::{super::schema::Cause, list, string, strings};

const LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, \
     and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and \
     end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// All that is wrong with a CRD beside its schemas, the first fault first.
pub fn check(crd: &Value) -> Vec<Cause> {
    let spec = &crd["spec"];
    let versions = list(&spec["versions"]);
    let mut out = Vec::new();
    let (name, group, plural) = (string(&crd["metadata"]["name"]), string(&spec["group"]), string(&spec["names"]["plural"]));
    out.extend(subdomain(&name).map(|why| invalid("metadata.name", &name, &why)));
    if name != format!("{plural}.{group}") {
        out.push(invalid("metadata.name", &name, "must be spec.names.plural+\".\"+spec.group"));
    }
    if group.is_empty() {
        out.push(Cause::required("spec.group", ""));
    } else if let Some(why) = subdomain(&group) {
        out.push(invalid("spec.group", &group, &why));
    } else if !group.contains('.') {
        out.push(invalid("spec.group", &group, "should be a domain with at least one dot"));
    }
    out.extend(one_of("spec.scope", &spec["scope"], &["Cluster", "Namespaced"]));
    for (index, version) in versions.iter().enumerate() {
        if version["schema"]["openAPIV3Schema"].is_null() {
            out.push(Cause::required(&format!("spec.versions[{index}].schema.openAPIV3Schema"), ""));
        }
    }
    for (index, version) in versions.iter().enumerate() {
        let name = &version["name"];
        out.extend(label(&string(name)).map(|why| invalid(&format!("spec.versions[{index}].name"), &string(name), &why)));
        if version["deprecated"] != true && version["deprecationWarning"].is_string() {
            let at = format!("spec.versions[{index}].deprecationWarning");
            out.push(invalid(&at, &string(&version["deprecationWarning"]), "can only be set for deprecated versions"));
        }
        for (at, column) in list(&version["additionalPrinterColumns"]).iter().enumerate() {
            let place = place(spec, "additionalPrinterColumns", "additionalPrinterColumns", index);
            columns(column, &format!("{place}[{at}]"), &mut out);
        }
    }
    let names: Vec<&Value> = versions.iter().map(|version| &version["name"]).collect();
    if names.iter().enumerate().any(|(at, name)| names[..at].contains(name)) {
        out.push(versions_are_wrong(&spec["versions"], "must contain unique version names"));
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        out.push(versions_are_wrong(&spec["versions"], "must have exactly one version marked as storage version"));
    }
    // The first version has a second name, from times when there was but one.
    let first = versions.first().map(|version| string(&version["name"])).filter(|name| !name.is_empty());
    out.extend(first.and_then(|name| Some(invalid("spec.version", &name, &label(&name)?))));
    self::names(&spec["names"], &mut out);
    conversion(&spec["conversion"], &mut out);
    let stored = strings(&crd["status"]["storedVersions"]);
    if stored.is_empty() {
        out.push(Cause::invalid("status.storedVersions", &Value::Null, "must have at least one stored version"));
    }
    for (index, version) in stored.iter().enumerate().filter(|(_, version)| !names.iter().any(|name| *name == version.as_str())) {
        let why = format!(
            "missing from spec.versions; {version} was previously a storage version, and must remain in spec.versions until a storage \
             migration ensures no data remains persisted in {version} and removes {version} from status.storedVersions"
        );
        out.push(invalid(&format!("status.storedVersions[{index}]"), version, &why));
    }
    let protected = [".k8s.io", ".kubernetes.io"].iter().any(|end| group.ends_with(end) || group == end[1..]);
    if protected && crd["metadata"]["annotations"]["api-approved.kubernetes.io"].as_str().is_none_or(str::is_empty) {
        let why = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see \
             https://github.com/kubernetes/enhancements/pull/1111";
        out.push(Cause::required("metadata.annotations[api-approved.kubernetes.io]", why));
    }
    if spec["preserveUnknownFields"] == true {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        out.push(Cause::invalid("spec.preserveUnknownFields", &true.into(), why));
    }
    out
}

/// Where faults of a part of a version are reported: where all versions had it before they could differ, if they do not.
pub fn place(spec: &Value, field: &str, shared: &str, index: usize) -> String {
    let versions = list(&spec["versions"]);
    if versions.iter().all(|version| version[field] == versions[0][field]) {
        format!("spec.{shared}")
    } else {
        format!("spec.versions[{index}].{field}")
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
    let field = |name: &str| format!("spec.names.{name}");
    for name in ["plural", "singular", "kind", "listKind"] {
        if string(&names[name]).is_empty() {
            out.push(Cause::required(&field(name), ""));
        }
    }
    for name in ["plural", "singular", "kind", "listKind"] {
        let value = string(&names[name]);
        let (checked, introduction) = match name {
            "kind" | "listKind" => (value.to_lowercase(), "may have mixed case, but should otherwise match: "),
            _ => (value.clone(), ""),
        };
        if let Some(why) = label(&checked).filter(|_| !value.is_empty()) {
            out.push(invalid(&field(name), &value, &format!("{introduction}{why}")));
        }
    }
    let mut each = |name: &str| {
        for (index, value) in strings(&names[name]).iter().enumerate() {
            out.extend(label(value).map(|why| invalid(&field(&format!("{name}[{index}]")), value, &why)));
        }
    };
    each("shortNames");
    each("categories");
    if !string(&names["kind"]).is_empty() && names["kind"] == names["listKind"] {
        out.push(invalid(&field("listKind"), &string(&names["listKind"]), "kind and listKind may not be the same"));
    }
}

fn columns(column: &Value, at: &str, out: &mut Vec<Cause>) {
    if string(&column["name"]).is_empty() {
        out.push(Cause::required(&format!("{at}.name"), ""));
    }
    let (shown_as, format, path) = (string(&column["type"]), string(&column["format"]), string(&column["jsonPath"]));
    let types = format!("must be one of {}", COLUMN_TYPES.join(","));
    if shown_as.is_empty() {
        out.push(Cause::required(&format!("{at}.type"), &types));
    } else if !COLUMN_TYPES.contains(&shown_as.as_str()) {
        out.push(invalid(&format!("{at}.type"), &shown_as, &types));
    }
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format.as_str()) {
        out.push(invalid(&format!("{at}.format"), &format, &format!("must be one of {}", COLUMN_FORMATS.join(","))));
    }
    if path.is_empty() {
        out.push(Cause::required(&format!("{at}.JSONPath"), ""));
    } else if !path.starts_with('.') {
        out.push(invalid(&format!("{at}.JSONPath"), &path, "must be a simple json path starting with ."));
    }
}

fn conversion(conversion: &Value, out: &mut Vec<Cause>) {
    out.extend(one_of("spec.conversion.strategy", &conversion["strategy"], &["None", "Webhook"]));
    if conversion["strategy"] == "Webhook" {
        out.push(invalid("spec.conversion.strategy", "Webhook", "conversion by webhook is not supported by this server"));
    } else if conversion["webhook"].is_object() {
        for field in ["webhookClientConfig", "conversionReviewVersions"] {
            out.push(Cause::forbidden(&format!("spec.conversion.{field}"), "should not be set when strategy is not set to Webhook"));
        }
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

/// Why this is no DNS label, if it is none.
fn label(name: &str) -> Option<String> {
    let valid = name.starts_with(|c: char| c.is_ascii_lowercase()) && is_label(name);
    complaint(name, 63, (!valid).then_some(LABEL))
}

/// Why this is no DNS subdomain, if it is none.
fn subdomain(name: &str) -> Option<String> {
    complaint(name, 253, (!name.split('.').all(is_label)).then_some(SUBDOMAIN))
}

fn is_label(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn complaint(name: &str, most: usize, why: Option<&str>) -> Option<String> {
    let long = (name.len() > most).then(|| format!("must be no more than {most} characters"));
    let all: Vec<String> = long.into_iter().chain(why.map(str::to_owned)).collect();
    (!all.is_empty()).then(|| all.join(","))
}
