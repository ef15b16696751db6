//! Patches of the kinds that clients send: merge patches, JSON patches and strategic merge patches.
//!
//! Messages and corner cases are those of real servers, whose JSON patches differ from RFC 6902: indices may count from the end, and a value
//! may be replaced that is not there.

mod operation;
mod strategy;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

pub use strategy::strategic;

/// How many operations a JSON patch may have.
const MAX_OPERATIONS: usize = 10_000;
/// How many parts the path of an operation may have. With what is put there it makes an object that is not too deep to be looked at.
const MAX_PARTS: usize = 100;
/// By how much the copies of a JSON patch may make an object larger, in bytes of JSON.
const MAX_COPIED: usize = 3 * 1024 * 1024;

/// Why a patch was not made. The object is as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// 400: not a patch.
    #[error("{0}")]
    Malformed(String),
    /// 413: a patch of too many operations.
    #[error("{0}")]
    TooLarge(String),
    /// 422 with reason `Invalid`: a patch that does not fit the object. Real servers do not say why.
    #[error("the server rejected our request due to an error in our request")]
    Unfit,
    /// 500, as real servers have it: a directive that makes no sense.
    #[error("{0}")]
    Odd(String),
}

#[cfg(test)]
impl PatchError {
    /// The HTTP status of the answer.
    pub fn code(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::TooLarge(_) => 413,
            Self::Unfit => 422,
            Self::Odd(_) => 500,
        }
    }
}

/// A JSON merge patch (RFC 7386).
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (name, value) in patch {
            if value.is_null() {
                target.remove(name);
            } else {
                merge(target.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
    }
}

/// A JSON patch (RFC 6902): all of its operations or none.
pub fn json(target: &mut Value, ops: &Value) -> Result<(), PatchError> {
    let wrong = |value: &Value, of: &str, kind: &str| {
        PatchError::Malformed(format!("error decoding patch: json: cannot unmarshal {} into Go {of} of type {kind}", json_type(value)))
    };
    let ops = match ops {
        Value::Null => return Ok(()),
        Value::Array(ops) => ops,
        other => return Err(wrong(other, "value", "[]handlers.jsonPatchOp")),
    };
    for op in ops {
        let Value::Object(op) = op else { return Err(wrong(op, "value", "handlers.jsonPatchOp")) };
        for name in ["op", "path", "from"] {
            if let Some(value) = op.get(name).filter(|value| !value.is_string() && !value.is_null()) {
                return Err(wrong(value, &format!("struct field jsonPatchOp.{name}"), "string"));
            }
        }
    }
    if ops.len() > MAX_OPERATIONS {
        let text =
            format!("Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}", ops.len());
        return Err(PatchError::TooLarge(text));
    }
    let mut patched = target.clone();
    let mut copied = 0;
    for op in ops {
        operation::run(&mut patched, op, &mut copied).ok_or(PatchError::Unfit)?;
    }
    *target = patched;
    Ok(())
}

/// What Go's decoder calls a value.
pub(super) fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
