//! How stored objects are shown.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::kind::{Kind, Origin};
use super::refusal::Refusal;
use super::request::Shape;
use super::store::Stored;
use super::table;

/// The object as data.
pub fn parsed(stored: &Stored) -> Result<Value, Refusal> {
    serde_json::from_slice(&stored.json).map_err(|error| Refusal::internal(format!("a stored object cannot be read back: {error}")))
}

/// The object's text in the version that `kind` stands for.
pub fn text(kind: &Kind, stored: &Stored) -> Result<Bytes, Refusal> {
    if kind.origin == Origin::BuiltIn {
        return Ok(stored.json.clone());
    }
    // Keys are stored in order, so the version comes first.
    if stored.json.starts_with(format!("{{\"apiVersion\":\"{}\"", kind.api_version()).as_bytes()) {
        return Ok(stored.json.clone());
    }
    Ok(in_version(kind, parsed(stored)?).to_string().into())
}

/// The object in the version that `kind` stands for.
pub fn in_version(kind: &Kind, mut object: Value) -> Value {
    object["apiVersion"] = kind.api_version().into();
    object
}

/// One object in another form. A table tells its columns where `header` says so.
pub fn shaped(kind: &Kind, object: Value, shape: Shape, header: bool) -> Value {
    let object = in_version(kind, object);
    match shape {
        Shape::Object => object,
        Shape::Partial => partial(&object),
        Shape::Table => {
            let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
            let mut table = table::table(kind, &[object], metadata, table::Include::Metadata, chrono::Utc::now());
            if !header {
                table["columnDefinitions"] = Value::Null;
            }
            table
        }
    }
}

/// The metadata alone.
pub fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}
