//! Merge patches (RFC 7386) of what changed, guarded by the version that they were computed from.

use kube::api::{Api, Patch, PatchParams};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// The field manager of every write.
pub const MANAGER: &str = "source-controller";

/// The merge patch that turns `before` into `after`; none when they are equal.
pub fn difference(before: &Value, after: &Value) -> Option<Value> {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut patch = Map::new();
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                patch.insert(key.clone(), Value::Null);
            }
            for (key, value) in new {
                if let Some(inner) = old.get(key).map_or_else(|| Some(value.clone()), |o| difference(o, value)) {
                    patch.insert(key.clone(), inner);
                }
            }
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        _ => (before != after).then(|| after.clone()),
    }
}

/// Patches an object's status; fails with a conflict when the object is no longer at `version`.
pub async fn status<K>(api: &Api<K>, name: &str, version: &str, patch: Value) -> kube::Result<K>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let body = json!({ "metadata": { "resourceVersion": version }, "status": patch });
    api.patch_status(name, &params(), &Patch::Merge(body)).await
}

/// Replaces an object's finalizers; fails with a conflict when the object is no longer at `version`.
pub async fn finalizers<K>(api: &Api<K>, name: &str, version: &str, finalizers: &[String]) -> kube::Result<K>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let body = json!({ "metadata": { "resourceVersion": version, "finalizers": finalizers } });
    api.patch(name, &params(), &Patch::Merge(body)).await
}

/// Whether an API error says that somebody else wrote in between.
pub fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// Whether an API error says that the object is gone.
pub fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(target: &Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut out = target.as_object().cloned().unwrap_or_default();
        for (key, value) in patch {
            if value.is_null() {
                out.remove(key);
            } else {
                let inner = merged(out.get(key).unwrap_or(&Value::Null), value);
                out.insert(key.clone(), inner);
            }
        }
        Value::Object(out)
    }

    #[test]
    fn equal_values_need_no_patch() {
        let value = json!({ "a": 1, "b": { "c": [1, 2] } });
        assert_eq!(difference(&value, &value), None);
    }

    #[test]
    fn a_patch_removes_changes_and_adds_only_what_differs() {
        let before = json!({ "gone": 1, "same": { "x": 1 }, "list": [1], "deep": { "old": 1, "kept": 2 } });
        let after = json!({ "same": { "x": 1 }, "list": [2], "deep": { "kept": 2, "new": 3 } });
        let patch = difference(&before, &after).expect("they differ");
        assert_eq!(patch, json!({ "gone": null, "list": [2], "deep": { "old": null, "new": 3 } }));
        assert_eq!(merged(&before, &patch), after);
    }
}
