//! The metadata of objects: names, labels, owners.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::Cause;
use crate::apiserver::kind::Kind;

mod fields;

pub use fields::misfit;
pub(super) use fields::prune;

/// How long all annotations together may be, in bytes.
const MAX_ANNOTATIONS: usize = 256 * 1024;

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";

#[expect(clippy::unwrap_used, reason = "the patterns are constant and tested")]
static SHAPES: LazyLock<[(&str, Regex); 5]> = LazyLock::new(|| {
    [LABEL, LABEL_1035, SUBDOMAIN, QUALIFIED, LABEL_VALUE].map(|shape| (shape, Regex::new(&format!("^(?:{shape})$")).unwrap()))
});

fn has_shape(text: &str, shape: &str) -> bool {
    SHAPES.iter().any(|(known, regex)| *known == shape && regex.is_match(text))
}

/// What is wrong with the metadata of an object of `kind`, which must fit its types (see `misfit`). With `old`, it is an update of that: the
/// server has already filled in what the client left out, and kept what clients cannot change (the generation and the times).
pub fn validate_metadata(kind: &Kind, metadata: &Value, old: Option<&Value>) -> Vec<Cause> {
    let core = kind.group.is_empty();
    let naming = if core && kind.plural == "namespaces" { dns_label } else { dns_subdomain };
    let mut causes = Vec::new();
    if old.is_none() {
        names(metadata, naming, "metadata", &mut causes);
    }
    if kind.is_namespaced() {
        namespace(metadata, "metadata", &mut causes);
    }
    common(metadata, "metadata", &mut causes);
    if core {
        for (index, finalizer) in texts(metadata, "finalizers").enumerate() {
            if !finalizer.contains('/') && !matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion") {
                let detail = "name is neither a standard finalizer name nor is it fully qualified";
                causes.push(Cause::invalid(&format!("metadata.finalizers[{index}]"), &finalizer.into(), detail));
            }
        }
    }
    if let Some(old) = old {
        update(metadata, old, &mut causes);
    }
    causes
}

/// What is wrong with the metadata of an object inside of another.
pub(super) fn validate_embedded(metadata: &Value, path: &str) -> Vec<Cause> {
    if let Some(misfit) = misfit(metadata) {
        return vec![Cause::invalid(path, metadata, &misfit)];
    }
    let mut causes = Vec::new();
    let mut named = metadata.clone();
    if let Some(fields) = named.as_object_mut().filter(|_| text(metadata, "name").is_empty()) {
        fields.insert("name".to_owned(), "fakename".into());
    }
    names(&named, path_segment, path, &mut causes);
    if !text(metadata, "namespace").is_empty() {
        namespace(metadata, path, &mut causes);
    }
    common(metadata, path, &mut causes);
    causes
}

fn names(metadata: &Value, naming: fn(&str) -> Vec<String>, path: &str, causes: &mut Vec<Cause>) {
    let (name, prefix) = (text(metadata, "name"), text(metadata, "generateName"));
    if !prefix.is_empty() {
        // What follows the prefix is a letter or a digit, so a dash may end it.
        let whole = prefix.strip_suffix('-').filter(|rest| !rest.is_empty()).and_then(|rest| rest.char_indices().next_back());
        let whole = whole.map_or_else(|| prefix.to_owned(), |(last, _)| format!("{}a", &prefix[..last]));
        wrong(&format!("{path}.generateName"), prefix, naming(&whole), causes);
    }
    if name.is_empty() {
        causes.push(Cause::required(&format!("{path}.name"), "name or generateName is required"));
    } else {
        wrong(&format!("{path}.name"), name, naming(name), causes);
    }
}

fn namespace(metadata: &Value, path: &str, causes: &mut Vec<Cause>) {
    let path = format!("{path}.namespace");
    match text(metadata, "namespace") {
        "" => causes.push(Cause::required(&path, "")),
        namespace => wrong(&path, namespace, dns_label(namespace), causes),
    }
}

fn common(metadata: &Value, path: &str, causes: &mut Vec<Cause>) {
    if metadata["generation"].as_i64().is_some_and(|generation| generation < 0) {
        causes.push(Cause::invalid(&format!("{path}.generation"), &metadata["generation"], "must be greater than or equal to 0"));
    }
    let pairs = |name: &str| {
        let pairs = metadata.get(name).and_then(Value::as_object).into_iter().flatten();
        pairs.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
    };
    let here = format!("{path}.labels");
    for (key, value) in pairs("labels") {
        wrong(&here, key, qualified_name(key), causes);
        wrong(&here, value, label_value(value), causes);
    }
    let here = format!("{path}.annotations");
    for (key, _) in pairs("annotations") {
        wrong(&here, key, qualified_name(&key.to_lowercase()), causes);
    }
    if pairs("annotations").map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_ANNOTATIONS {
        causes.push(Cause::too_long(&here, i64::try_from(MAX_ANNOTATIONS).unwrap_or(i64::MAX)));
    }
    owners(metadata, &format!("{path}.ownerReferences"), causes);
    let here = format!("{path}.finalizers");
    for finalizer in texts(metadata, "finalizers") {
        wrong(&here, finalizer, qualified_name(finalizer), causes);
    }
    let has = |name: &str| texts(metadata, "finalizers").any(|finalizer| finalizer == name);
    if has("orphan") && has("foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        causes.push(Cause::invalid(&here, &metadata["finalizers"], detail));
    }
}

fn owners(metadata: &Value, path: &str, causes: &mut Vec<Cause>) {
    let mut controller: Option<String> = None;
    for owner in metadata.get("ownerReferences").and_then(Value::as_array).into_iter().flatten() {
        for (name, detail) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if text(owner, name).is_empty() {
                causes.push(Cause::invalid(&format!("{path}.{name}"), &"".into(), detail));
            }
        }
        if text(owner, "apiVersion") == "v1" && text(owner, "kind") == "Event" {
            // Shown in the order of the fields, which is not that of their names.
            let title = format!("Invalid value: {}", shown_owner(owner));
            causes.push(Cause::plain("FieldValueInvalid", &title, path, "/v1, Kind=Event is disallowed from being an owner"));
        }
        if owner["controller"] == true {
            let this = format!("{}/{}", text(owner, "kind"), text(owner, "name"));
            if let Some(first) = &controller {
                let all: Vec<String> = metadata["ownerReferences"].as_array().into_iter().flatten().map(shown_owner).collect();
                let title = format!("Invalid value: [{}]", all.join(","));
                let detail =
                    format!("Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}");
                causes.push(Cause::plain("FieldValueInvalid", &title, path, &detail));
            } else {
                controller = Some(this);
            }
        }
    }
}

fn shown_owner(owner: &Value) -> String {
    let mut fields: Vec<String> =
        ["apiVersion", "kind", "name", "uid"].iter().map(|name| format!("\"{name}\":{}", Value::from(text(owner, name)))).collect();
    for name in ["controller", "blockOwnerDeletion"] {
        fields.extend(owner.get(name).filter(|value| value.is_boolean()).map(|value| format!("\"{name}\":{value}")));
    }
    super::html_safe(&format!("{{{}}}", fields.join(",")))
}

fn update(metadata: &Value, old: &Value, causes: &mut Vec<Cause>) {
    if old.get("deletionTimestamp").is_some_and(|time| !time.is_null()) {
        let mut added: Vec<&str> =
            texts(metadata, "finalizers").filter(|finalizer| !texts(old, "finalizers").any(|known| known == *finalizer)).collect();
        added.sort_unstable();
        added.dedup();
        if !added.is_empty() {
            let added: Vec<String> = added.into_iter().map(super::quoted).collect();
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            causes.push(Cause::forbidden("metadata.finalizers", &detail));
        }
    }
    for name in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (new, old) = (metadata.get(name).unwrap_or(&Value::Null), old.get(name).unwrap_or(&Value::Null));
        if new != old {
            causes.push(Cause::invalid(&format!("metadata.{name}"), new, "field is immutable"));
        }
    }
}

fn text<'a>(metadata: &'a Value, name: &str) -> &'a str {
    metadata.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn texts<'a>(metadata: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    metadata.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn wrong(path: &str, value: &str, details: Vec<String>, causes: &mut Vec<Cause>) {
    causes.extend(details.into_iter().map(|detail| Cause::invalid(path, &value.into(), &detail)));
}

/// What a text should look like, with examples.
fn mismatch(words: &str, examples: &[&str], shape: &str) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{words} (e.g. {}regex used for validation is '{shape}')", examples.join(" or "))
}

fn dns_subdomain(name: &str) -> Vec<String> {
    subdomain(name, "characters")
}

fn subdomain(name: &str, unit: &str) -> Vec<String> {
    let words = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an \
                 alphanumeric character";
    let mut details = Vec::new();
    if name.len() > 253 {
        details.push(format!("must be no more than 253 {unit}"));
    }
    if !has_shape(name, SUBDOMAIN) {
        details.push(mismatch(words, &["example.com"], SUBDOMAIN));
    }
    details
}

fn dns_label(name: &str) -> Vec<String> {
    let words = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an \
                 alphanumeric character";
    let mut details = Vec::new();
    if name.len() > 63 {
        details.push("must be no more than 63 characters".to_owned());
    }
    if !has_shape(name, LABEL) {
        let dots = has_shape(name, SUBDOMAIN);
        details.push(if dots { "must not contain dots".to_owned() } else { mismatch(words, &["my-name", "123-abc"], LABEL) });
    }
    details
}

pub(super) fn dns_1035_label(name: &str) -> Vec<String> {
    let words = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with \
                 an alphanumeric character";
    let mut details = Vec::new();
    if name.len() > 63 {
        details.push("must be no more than 63 characters".to_owned());
    }
    if !has_shape(name, LABEL_1035) {
        details.push(mismatch(words, &["my-name", "abc-123"], LABEL_1035));
    }
    details
}

fn path_segment(name: &str) -> Vec<String> {
    if matches!(name, "." | "..") {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"].iter().filter(|part| name.contains(**part)).map(|part| format!("may not contain '{part}'")).collect()
}

/// A name with or without a domain before it, as for labels and finalizers.
fn qualified_name(key: &str) -> Vec<String> {
    let words = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    let mismatch = mismatch(words, &["MyName", "my.name", "123-abc"], QUALIFIED);
    let mut details = Vec::new();
    let name = match key.split('/').collect::<Vec<_>>()[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                details.push("prefix part must be non-empty".to_owned());
            } else {
                details.extend(subdomain(prefix, "bytes").into_iter().map(|detail| format!("prefix part {detail}")));
            }
            name
        }
        _ => {
            return vec![format!("a valid label key {mismatch} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")];
        }
    };
    if name.is_empty() {
        details.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        details.push("name part must be no more than 63 bytes".to_owned());
    }
    if !has_shape(name, QUALIFIED) {
        details.push(format!("name part {mismatch}"));
    }
    details
}

fn label_value(value: &str) -> Vec<String> {
    let words = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                 alphanumeric character";
    let mut details = Vec::new();
    if value.len() > 63 {
        details.push("must be no more than 63 bytes".to_owned());
    }
    if !has_shape(value, LABEL_VALUE) {
        details.push(mismatch(words, &["MyValue", "my_value", "12345"], LABEL_VALUE));
    }
    details
}
