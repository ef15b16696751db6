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
    let found = server.store().get(&Key::namespace(namespace)).map_err(|error| Refusal::of_store(error, kind, name))?;
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
    match kind.resource().as_str() {
        "secrets" => {
            // In base64 it is longer by a third.
            data(new, &["data"], DATA_LIMIT * 4 / 3, &mut causes);
            if old.is_some_and(|old| old["type"] != new["type"]) {
                causes.push(Cause::invalid("type", &new["type"], "field is immutable"));
            }
            for (key, value) in new["data"].as_object().into_iter().flatten() {
                if STANDARD.decode(value.as_str().unwrap_or_default()).is_err() {
                    causes.push(Cause::invalid(&format!("data[{key}]"), &"<omitted>".into(), "must be base64"));
                }
            }
            keys_of_type(new, &mut causes);
            immutable(new, old, &["data"], &mut causes);
        }
        "configmaps" => {
            data(new, &["data", "binaryData"], DATA_LIMIT, &mut causes);
            for key in new["data"].as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| new["binaryData"][*key].is_string()) {
                causes.push(Cause::invalid(&format!("data[{key}]"), &key.as_str().into(), "duplicate of key present in binaryData"));
            }
            immutable(new, old, &["data", "binaryData"], &mut causes);
        }
        "leases.coordination.k8s.io" => {
            for (field, least, rule) in
                [("leaseDurationSeconds", 1, "must be greater than 0"), ("leaseTransitions", 0, "must be greater than or equal to 0")]
            {
                let number = &new["spec"][field];
                if number.as_i64().is_some_and(|number| number < least) {
                    causes.push(Cause::invalid(&format!("spec.{field}"), number, rule));
                }
            }
        }
        "events" => {
            let (own, about) = (&new["metadata"]["namespace"], &new["involvedObject"]["namespace"]);
            let about = about.as_str().unwrap_or_default();
            if !(own == about || (about.is_empty() && own == "default")) {
                causes.push(Cause::invalid("involvedObject.namespace", &about.into(), "does not match event.namespace"));
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

/// Checks the keys of `fields`, and that their values are together no longer than `limit` bytes.
fn data(new: &Value, fields: &[&str], limit: usize, causes: &mut Vec<Cause>) {
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
                causes.push(Cause::invalid(&format!("{field}[{key}]"), &key.as_str().into(), rule));
            }
        }
    }
    if size > limit {
        causes.push(Cause::too_long(fields[0], i64::try_from(DATA_LIMIT).unwrap_or(i64::MAX)));
    }
}

/// What a Secret of a type has to hold.
fn keys_of_type(new: &Value, causes: &mut Vec<Cause>) {
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
        causes.extend(absent.into_iter().map(|key| Cause::required(&format!("data[{key}]"), "")));
    }
}

fn immutable(new: &Value, old: Option<&Value>, fields: &[&str], causes: &mut Vec<Cause>) {
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return };
    let changed = fields.iter().filter(|field| old[**field] != new[**field]);
    let lifted = (new["immutable"] != true).then_some(&"immutable");
    let why = "field is immutable when `immutable` is set";
    causes.extend(lifted.into_iter().chain(changed).map(|field| Cause::forbidden(field, why)));
}
