//! What an API server does with the schema of a kind: it removes what the schema does not know, fills in defaults, and tells what is wrong.

use std::collections::{HashMap, HashSet};

use headwater_golang::regexp::Regexp;
use headwater_golang::{float, json, quote};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool};
use serde_json::Value;

mod defaults;
mod formats;
mod lists;
pub mod metadata;
mod prune;
mod rules;
mod structure;
#[cfg(test)]
mod tests;
mod values;
mod walk;

use rules::Expression;

/// One problem of one field, as in `details.causes` of a Status.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    /// The kind of problem, such as `FieldValueInvalid`.
    pub reason: &'static str,
    /// What is wrong, without the name of the field.
    pub message: String,
    /// The path of the field, such as `spec.url`; `<nil>` for the object itself.
    pub field: String,
}

impl Cause {
    /// A value that is wrong. Clients see the value.
    pub fn invalid(field: &str, value: &Value, detail: &str) -> Self {
        Self::with_value("FieldValueInvalid", "Invalid value", field, value, detail)
    }

    /// A value that is missing. The detail may be empty.
    pub fn required(field: &str, detail: &str) -> Self {
        Self::plain("FieldValueRequired", "Required value", field, detail)
    }

    /// A value that may not be given here.
    pub fn forbidden(field: &str, detail: &str) -> Self {
        Self::plain("FieldValueForbidden", "Forbidden", field, detail)
    }

    /// A value outside of a fixed set.
    pub fn not_supported(field: &str, value: &Value, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|value| quote(value)).collect();
        Self::with_value(
            "FieldValueNotSupported",
            "Unsupported value",
            field,
            value,
            &format!("supported values: {}", supported.join(", ")),
        )
    }

    /// A value that is there already.
    pub fn duplicate(field: &str, value: &Value) -> Self {
        Self::with_value("FieldValueDuplicate", "Duplicate value", field, value, "")
    }

    /// A text of more than `max` bytes.
    pub fn too_long(field: &str, max: i64) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        Self::plain("FieldValueTooLong", "Too long", field, &format!("may not be more than {max} {unit}"))
    }

    /// A list or map of more than `max` items.
    fn too_many(field: &str, actual: usize, max: i64) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        Self::plain("FieldValueTooMany", &format!("Too many: {actual}"), field, &format!("must have at most {max} {unit}"))
    }

    /// A value of another type than the schema says.
    fn wrong_type(field: &str, value: &Value, detail: &str) -> Self {
        Self::with_value("FieldValueTypeInvalid", "Invalid value", field, value, detail)
    }

    fn with_value(reason: &'static str, title: &str, field: &str, value: &Value, detail: &str) -> Self {
        Self::plain(reason, &format!("{title}: {}", shown(value)), field, detail)
    }

    fn plain(reason: &'static str, title: &str, field: &str, detail: &str) -> Self {
        let message = if detail.is_empty() { title.to_owned() } else { format!("{title}: {detail}") };
        Self { reason, message, field: if field.is_empty() { "<nil>".to_owned() } else { field.to_owned() } }
    }
}

/// What objects of one version of a kind look like.
#[derive(Debug)]
pub struct Schema {
    props: JSONSchemaProps,
    /// The compiled patterns, by their text.
    patterns: HashMap<String, Regexp>,
    /// The compiled rules and message expressions, by their text.
    expressions: HashMap<String, Expression>,
}

impl Schema {
    /// Compiles patterns and rules.
    ///
    /// # Errors
    /// What a definition of a custom resource with this schema is refused for. The fields begin with `spec.validation.openAPIV3Schema`, as for
    /// definitions of one version.
    pub fn new(props: JSONSchemaProps) -> Result<Self, Vec<Cause>> {
        let mut schema = Self { props: JSONSchemaProps::default(), patterns: HashMap::new(), expressions: HashMap::new() };
        let causes = structure::compile(&mut schema, &props);
        if causes.is_empty() { Ok(Self { props, ..schema }) } else { Err(causes) }
    }

    /// Takes every object.
    pub fn any() -> Self {
        let props = JSONSchemaProps {
            type_: Some("object".to_owned()),
            x_kubernetes_preserve_unknown_fields: Some(true),
            ..JSONSchemaProps::default()
        };
        Self { props, patterns: HashMap::new(), expressions: HashMap::new() }
    }

    /// The schema as it was given.
    pub fn props(&self) -> &JSONSchemaProps {
        &self.props
    }

    /// Removes what the schema does not know and answers the paths, such as `spec.list[0].bar`. The type and the metadata of objects and of
    /// embedded ones are always known, besides fields of the metadata that do not exist.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        prune::prune(&self.props, object)
    }

    /// Fills in defaults. A null where none is allowed counts as missing.
    pub fn default(&self, object: &mut Value) {
        defaults::fill(&self.props, object);
    }

    /// What is wrong with an object, besides its metadata. With `old`, rules about changes are checked as well, and what was wrong before and did
    /// not change is not told again.
    pub fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<Cause> {
        let causes = values::check(self, &self.props, object, old);
        self.beyond_values(object, old, causes)
    }

    /// Like `validate`, for a write to the status alone: the server looks at the status only and names fields in its messages from there.
    pub fn validate_status(&self, object: &Value, old: &Value) -> Vec<Cause> {
        let status = self.props.properties.as_ref().and_then(|known| known.get("status"));
        let mut causes = match (status, object.get("status")) {
            (Some(props), Some(status)) => values::check(self, props, status, old.get("status")),
            _ => Vec::new(),
        };
        for cause in &mut causes {
            // A problem of the status itself has no path yet; those without any field (Go says nil) are told of the status as well.
            cause.field = if cause.field == "<nil>" { "status".to_owned() } else { format!("status.{}", cause.field) };
        }
        self.beyond_values(object, Some(old), causes)
    }

    fn beyond_values(&self, object: &Value, old: Option<&Value>, mut causes: Vec<Cause>) -> Vec<Cause> {
        let repeated = lists::check(&self.props, object);
        if !repeated.is_empty() && old.is_none_or(|old| lists::check(&self.props, old).is_empty()) {
            causes.extend(repeated);
        }
        if self.expressions.is_empty() {
            return causes;
        }
        let blocking = ["FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"];
        if causes.iter().any(|cause| blocking.contains(&cause.reason)) {
            let detail =
                "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
            causes.push(Cause::invalid("", &Value::Null, detail));
        } else {
            causes.extend(rules::check(self, object, old));
        }
        causes
    }
}

/// The message of a Status for `causes`: `GitRepository.source.toolkit.fluxcd.io "x" is invalid: spec.url: Required value`.
pub fn told(causes: &[Cause], kind_and_group: &str, name: &str) -> String {
    let mut seen = HashSet::new();
    let lines: Vec<String> =
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).filter(|line| seen.insert(line.clone())).collect();
    let head = format!("{kind_and_group} {} is invalid", quote(name));
    match lines.as_slice() {
        [] => head,
        [one] => format!("{head}: {one}"),
        several => format!("{head}: [{}]", several.join(", ")),
    }
}

/// The schema of a field: that of its name, or that of additional fields.
fn field_props<'a>(props: &'a JSONSchemaProps, name: &str) -> Option<&'a JSONSchemaProps> {
    props.properties.as_ref().and_then(|known| known.get(name)).or_else(|| additional_props(props))
}

fn additional_props(props: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &props.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(props)) => Some(props),
        _ => None,
    }
}

fn item_props(props: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &props.items {
        Some(JSONSchemaPropsOrArray::Schema(props)) => Some(props),
        _ => None,
    }
}

fn yes(flag: Option<bool>) -> bool {
    flag == Some(true)
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A value as messages show it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Number(number) if !number.is_i64() => float::general(number.as_f64().unwrap_or_default()),
        other => json::value(other),
    }
}
