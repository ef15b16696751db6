//! What built-in kinds ask for beyond their schema.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::kind::Kind;
use super::refusal::Refusal;
use super::schema::Cause;
use super::store::Key;
use super::{ApiServer, custom};

/// The definition of definitions.
pub const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
/// The most bytes of the values of a Secret or a ConfigMap.
const DATA_LIMIT: usize = 1024 * 1024;

/// Whether an update may leave out the version that it was computed from.
pub fn updates_unconditionally(kind: &Kind) -> bool {
    kind.group.is_empty()
}

/// Fields that lists of a kind may be narrowed by, besides name and namespace.
pub fn selectable(kind: &Kind) -> &'static [&'static str] {
    match kind.resource().as_str() {
        "secrets" => &["type"],
        "namespaces" => &["status.phase"],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        _ => &[],
    }
}

/// Refuses a new object whose namespace is not there or on its way out.
pub fn namespace_takes_content(server: &ApiServer, kind: &Kind, object: &Value) -> Result<(), Refusal> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let Some(namespace) = object["metadata"]["namespace"].as_str().filter(|_| kind.is_namespaced()) else { return Ok(()) };
    let key = Key { resource: "namespaces".into(), namespace: String::new(), name: namespace.into() };
    let found = server.store().get(&key).map_err(|error| Refusal::of_store(error, kind, name))?;
    let Some(found) = found else { return Err(server.no_namespace(namespace)) };
    if super::view::parsed(&found)?["metadata"]["deletionTimestamp"].is_string() {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let cause = format!("namespace {namespace} is being terminated");
        return Err(Refusal::forbidden(kind, name, &why).because("NamespaceTerminating", "metadata.namespace", &cause));
    }
    Ok(())
}

/// Writes what a kind's objects hold although no client wrote it.
pub fn complete(kind: &Kind, object: &mut Value, old: &Value) {
    match kind.resource().as_str() {
        "namespaces" => {
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
        }
        "secrets" => {
            if object["type"].as_str().unwrap_or_default().is_empty() {
                object["type"] = if old["type"].is_string() { old["type"].clone() } else { "Opaque".into() };
            }
            if let Some(Value::Object(texts)) = object.as_object_mut().and_then(|fields| fields.remove("stringData")) {
                for (key, text) in texts {
                    object["data"][key] = STANDARD.encode(text.as_str().unwrap_or_default()).into();
                }
            }
        }
        "events" if object["eventTime"].is_null() => {
            if let Some(fields) = object.as_object_mut() {
                fields.remove("eventTime");
            }
        }
        DEFINITIONS => custom::complete(object),
        _ => {}
    }
}

/// Writes what belongs to the server and to no client: the first status, and what keeps an object.
pub fn establish(kind: &Kind, object: &mut Value, old: &Value) {
    match kind.resource().as_str() {
        "namespaces" if old.is_null() => {
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["status"] = json!({"phase": "Active"});
        }
        DEFINITIONS => object["status"] = custom::established(object),
        _ => {}
    }
}

/// Writes what objects of a kind always show, even where it is nothing.
pub fn fill(kind: &Kind, object: &mut Value) {
    if let Some(fields) = object.as_object_mut().filter(|_| kind.resource() == "events") {
        fields.entry("eventTime").or_insert(Value::Null);
        for field in ["reportingComponent", "reportingInstance"] {
            fields.entry(field).or_insert_with(|| "".into());
        }
    }
}

/// What is wrong with an object of a built-in kind that has the right shape.
pub fn validate(kind: &Kind, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut wrong = |field: String, message: String| {
        let reason = match message.split([' ', ':']).next() {
            Some("Forbidden") => "FieldValueForbidden",
            Some("Required") => "FieldValueRequired",
            Some("Too") => "FieldValueTooLong",
            _ => "FieldValueInvalid",
        };
        causes.push(Cause { reason, message, field });
    };
    match kind.resource().as_str() {
        "secrets" => {
            data(new, &["data"], &mut wrong);
            if old.is_some_and(|old| old["type"] != new["type"]) {
                wrong("type".into(), format!("Invalid value: {}: field is immutable", new["type"]));
            }
            for (key, value) in new["data"].as_object().into_iter().flatten() {
                if STANDARD.decode(value.as_str().unwrap_or_default()).is_err() {
                    wrong(format!("data[{key}]"), "Invalid value: \"<omitted>\": must be base64".into());
                }
            }
            keys_of_type(new, &mut wrong);
            immutable(new, old, &["data"], &mut wrong);
        }
        "configmaps" => {
            data(new, &["data", "binaryData"], &mut wrong);
            for key in new["data"].as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| new["binaryData"][*key].is_string()) {
                wrong(format!("data[{key}]"), format!("Invalid value: {key:?}: duplicate of key present in binaryData"));
            }
            immutable(new, old, &["data", "binaryData"], &mut wrong);
        }
        "leases.coordination.k8s.io" => {
            for (field, least, rule) in
                [("leaseDurationSeconds", 1, "must be greater than 0"), ("leaseTransitions", 0, "must be greater than or equal to 0")]
            {
                if let Some(number) = new["spec"][field].as_i64().filter(|number| *number < least) {
                    wrong(format!("spec.{field}"), format!("Invalid value: {number}: {rule}"));
                }
            }
        }
        "events" => {
            let (own, about) = (&new["metadata"]["namespace"], &new["involvedObject"]["namespace"]);
            let about = about.as_str().unwrap_or_default();
            if !(own == about || (about.is_empty() && own == "default")) {
                wrong("involvedObject.namespace".into(), format!("Invalid value: \"{about}\": does not match event.namespace"));
            }
        }
        DEFINITIONS => {
            causes.extend(custom::kinds(new).err().unwrap_or_default());
            causes.extend(old.map(|old| custom::immutable(old, new)).unwrap_or_default());
        }
        _ => {}
    }
    causes
}

fn data(new: &Value, fields: &[&str], wrong: &mut impl FnMut(String, String)) {
    let mut size = 0;
    for field in fields {
        for (key, value) in new[*field].as_object().into_iter().flatten() {
            size += value.as_str().map_or(0, str::len);
            if key.is_empty()
                || key.len() > 253
                || key == "."
                || key == ".."
                || !key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            {
                let rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
                            'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                wrong(format!("{field}[{key}]"), format!("Invalid value: {key:?}: {rule}"));
            }
        }
    }
    if size > DATA_LIMIT * if fields.len() == 1 { 4 } else { 3 } / 3 {
        wrong(fields[0].into(), format!("Too long: may not be more than {DATA_LIMIT} bytes"));
    }
}

/// What a Secret of a type has to hold.
fn keys_of_type(new: &Value, wrong: &mut impl FnMut(String, String)) {
    let (keys, all): (&[&str], bool) = match new["type"].as_str().unwrap_or_default() {
        "kubernetes.io/tls" => (&["tls.crt", "tls.key"], true),
        "kubernetes.io/basic-auth" => (&["username", "password"], false),
        "kubernetes.io/ssh-auth" => (&["ssh-privatekey"], true),
        "kubernetes.io/dockerconfigjson" => (&[".dockerconfigjson"], true),
        "kubernetes.io/dockercfg" => (&[".dockercfg"], true),
        _ => return,
    };
    let absent: Vec<_> = keys.iter().filter(|key| !new["data"][**key].is_string()).collect();
    if all || absent.len() == keys.len() {
        for key in absent {
            wrong(format!("data[{key}]"), "Required value".into());
        }
    }
}

fn immutable(new: &Value, old: Option<&Value>, fields: &[&str], wrong: &mut impl FnMut(String, String)) {
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return };
    if new["immutable"] != true {
        wrong("immutable".into(), "Forbidden: field is immutable when `immutable` is set".into());
    }
    for field in fields.iter().filter(|field| old[**field] != new[**field]) {
        wrong((*field).into(), "Forbidden: field is immutable when `immutable` is set".into());
    }
}
