//! The parts of a value that its schema knows.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::{additional_props, item_props, joined};

/// A part of a value, with its schema and its path.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub props: &'a JSONSchemaProps,
    pub value: &'a Value,
    /// What it was before an update.
    pub old: Option<&'a Value>,
    pub path: &'a str,
    /// The smallest part around that was there before, after and before the update.
    changed: Option<(&'a Value, &'a Value)>,
}

impl<'a> Part<'a> {
    pub fn whole(props: &'a JSONSchemaProps, value: &'a Value, old: Option<&'a Value>) -> Self {
        Self { props, value, old, path: "", changed: old.map(|old| (value, old)) }
    }

    /// Whether this and all around it that cannot be told apart from it is as before.
    pub fn is_unchanged(self) -> bool {
        self.changed.is_some_and(|(new, old)| new == old)
    }

    /// Calls `visit` with this and every part inside.
    pub fn walk(self, visit: &mut dyn FnMut(Part)) {
        visit(self);
        match self.value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let old = self.old.and_then(|old| old.get(name));
                    if let Some(props) = self.props.properties.as_ref().and_then(|known| known.get(name)) {
                        self.inner(props, value, old, &joined(self.path, name), visit);
                    } else if let Some(props) = additional_props(self.props) {
                        self.inner(props, value, old, &format!("{}[{name}]", self.path), visit);
                    }
                }
            }
            Value::Array(items) => {
                let Some(props) = item_props(self.props) else { return };
                for (index, item) in items.iter().enumerate() {
                    let old = old_item(self.props, self.old, item);
                    self.inner(props, item, old, &format!("{}[{index}]", self.path), visit);
                }
            }
            _ => {}
        }
    }

    fn inner(self, props: &JSONSchemaProps, value: &Value, old: Option<&Value>, path: &str, visit: &mut dyn FnMut(Part)) {
        let old = old.filter(|old| !old.is_null());
        Part { props, value, old, path, changed: old.map(|old| (value, old)).or(self.changed) }.walk(visit);
    }
}

/// The item of the old list that `item` has taken the place of: the one with the same keys, in lists that have keys.
pub(super) fn old_item<'a>(props: &JSONSchemaProps, old: Option<&'a Value>, item: &Value) -> Option<&'a Value> {
    let keys = props.x_kubernetes_list_map_keys.as_ref().filter(|_| props.x_kubernetes_list_type.as_deref() == Some("map"))?;
    old?.as_array()?.iter().find(|old| keys.iter().all(|key| old.get(key) == item.get(key)))
}
