//! The metadata of objects: names, labels, owners.

use std::sync::LazyLock;

use headwater_golang::json;
use regex::Regex;
use serde_json::Value;

use super::Cause;
use crate::kind::Kind;

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
        names(metadata, naming, &mut causes);
    }
    if kind.is_namespaced() {
        match text(metadata, "namespace") {
            "" => causes.push(Cause::required("metadata.namespace", "")),
            namespace => wrong("metadata.namespace", namespace, dns_label(namespace), &mut causes),
        }
    }
    common(metadata, &mut causes);
    if core {
        for (index, finalizer) in texts(metadata, "finalizers").enumerate() {
            if !finalizer.contains('/') && !matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion") {
                let detail = "name is neither a standard finalizer name nor is it fully qualified";
                causes.push(Cause::invalid(&format!("metadata.finalizers[{index}]"), &finalizer.into(), detail));
            }
        }
    }
    if let Some(old) = old {
        for name in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            if metadata[name] != old[name] {
                causes.push(Cause::invalid(&format!("metadata.{name}"), &metadata[name], "field is immutable"));
            }
        }
    }
    causes
}

fn names(metadata: &Value, naming: fn(&str) -> Vec<String>, causes: &mut Vec<Cause>) {
    let (name, prefix) = (text(metadata, "name"), text(metadata, "generateName"));
    if !prefix.is_empty() {
        // What follows the prefix is a letter or a digit, so a dash may end it.
        let whole = prefix.strip_suffix('-').filter(|rest| !rest.is_empty()).and_then(|rest| rest.char_indices().next_back());
        let whole = whole.map_or_else(|| prefix.to_owned(), |(last, _)| format!("{}a", &prefix[..last]));
        wrong("metadata.generateName", prefix, naming(&whole), causes);
    }
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        wrong("metadata.name", name, naming(name), causes);
    }
}

fn common(metadata: &Value, causes: &mut Vec<Cause>) {
    let pairs = |name: &str| {
        let pairs = metadata.get(name).and_then(Value::as_object).into_iter().flatten();
        pairs.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
    };
    for (key, value) in pairs("labels") {
        wrong("metadata.labels", key, qualified_name(key), causes);
        wrong("metadata.labels", value, label_value(value), causes);
    }
    for (key, _) in pairs("annotations") {
        wrong("metadata.annotations", key, qualified_name(&key.to_lowercase()), causes);
    }
    if pairs("annotations").map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_ANNOTATIONS {
        causes.push(Cause::too_long("metadata.annotations", i64::try_from(MAX_ANNOTATIONS).unwrap_or(i64::MAX)));
    }
    owners(metadata, causes);
    for finalizer in texts(metadata, "finalizers") {
        wrong("metadata.finalizers", finalizer, qualified_name(finalizer), causes);
    }
    let has = |name: &str| texts(metadata, "finalizers").any(|finalizer| finalizer == name);
    if has("orphan") && has("foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        causes.push(Cause::invalid("metadata.finalizers", &metadata["finalizers"], detail));
    }
}

fn owners(metadata: &Value, causes: &mut Vec<Cause>) {
    let path = "metadata.ownerReferences";
    let mut controller: Option<String> = None;
    for owner in metadata.get("ownerReferences").and_then(Value::as_array).into_iter().flatten() {
        for name in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, name).is_empty() {
                let detail = if name == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                causes.push(Cause::invalid(&format!("{path}.{name}"), &"".into(), detail));
            }
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

/// An owner with its fields in the order of their definition, which is not that of their names.
fn shown_owner(owner: &Value) -> String {
    let mut fields: Vec<String> =
        ["apiVersion", "kind", "name", "uid"].iter().map(|name| format!("\"{name}\":{}", json::string(text(owner, name)))).collect();
    for name in ["controller", "blockOwnerDeletion"] {
        fields.extend(owner.get(name).filter(|value| value.is_boolean()).map(|value| format!("\"{name}\":{value}")));
    }
    format!("{{{}}}", fields.join(","))
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

pub(in super::super) fn dns_subdomain(name: &str) -> Vec<String> {
    subdomain(name, "characters")
}

fn subdomain(name: &str, unit: &str) -> Vec<String> {
    let words = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an \
                 alphanumeric character";
    shaped(name, 253, unit, SUBDOMAIN, words, &["example.com"])
}

fn dns_label(name: &str) -> Vec<String> {
    let words = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an \
                 alphanumeric character";
    let mut details = shaped(name, 63, "characters", LABEL, words, &["my-name", "123-abc"]);
    if name.contains('.') && has_shape(name, SUBDOMAIN) {
        details.pop();
        details.push("must not contain dots".to_owned());
    }
    details
}

pub(in super::super) fn dns_1035_label(name: &str) -> Vec<String> {
    let words = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with \
                 an alphanumeric character";
    shaped(name, 63, "characters", LABEL_1035, words, &["my-name", "abc-123"])
}

fn label_value(value: &str) -> Vec<String> {
    let words = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                 alphanumeric character";
    shaped(value, 63, "bytes", LABEL_VALUE, words, &["MyValue", "my_value", "12345"])
}

/// A name with or without a domain before it, as for labels and finalizers.
fn qualified_name(key: &str) -> Vec<String> {
    let words = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    let examples = &["MyName", "my.name", "123-abc"];
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if name.contains('/') {
        let mismatch = mismatch(words, examples, QUALIFIED);
        return vec![format!("a valid label key {mismatch} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")];
    }
    let mut details = match prefix {
        None => Vec::new(),
        Some("") => vec!["prefix part must be non-empty".to_owned()],
        Some(prefix) => subdomain(prefix, "bytes").into_iter().map(|detail| format!("prefix part {detail}")).collect(),
    };
    if name.is_empty() {
        details.push("name part must be non-empty".to_owned());
    }
    details.extend(shaped(name, 63, "bytes", QUALIFIED, words, examples).into_iter().map(|detail| format!("name part {detail}")));
    details
}

/// What is wrong with a text of at most `max` bytes and of a shape, which is told in `words` and by examples.
fn shaped(text: &str, max: usize, unit: &str, shape: &str, words: &str, examples: &[&str]) -> Vec<String> {
    let long = (text.len() > max).then(|| format!("must be no more than {max} {unit}"));
    let odd = (!has_shape(text, shape)).then(|| mismatch(words, examples, shape));
    long.into_iter().chain(odd).collect()
}

fn mismatch(words: &str, examples: &[&str], shape: &str) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{words} (e.g. {}regex used for validation is '{shape}')", examples.join(" or "))
}
