//! Checks a schema as far as the server depends on it, and compiles its patterns and rules. What else may be wrong with a schema is left to
//! the tests of its author.

use headwater_golang::regexp::Regexp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, ValidationRule};
use serde_json::json;

use super::rules::Expression;
use super::{Cause, Schema, additional_props, item_props, yes};

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];
const AT_ROOT: &str = "at the root";
const OF_ITEMS: &str = "for specified array items";
const OF_FIELDS: &str = "for specified object fields";

/// Compiles the patterns and rules of a schema, and says what is wrong with it.
pub(super) fn compile(schema: &mut Schema, props: &JSONSchemaProps) -> Vec<Cause> {
    let mut compiler = Compiler { schema, causes: Vec::new() };
    compiler.node(props, "spec.validation.openAPIV3Schema", Some(AT_ROOT));
    compiler.causes
}

struct Compiler<'a> {
    schema: &'a mut Schema,
    causes: Vec<Cause>,
}

impl Compiler<'_> {
    /// `place` is how a missing type is told; none in what only narrows the values of another part.
    fn node(&mut self, props: &JSONSchemaProps, path: &str, place: Option<&str>) {
        if let Some(place) = place {
            self.types(props, path, place);
            for (index, rule) in props.x_kubernetes_validations.iter().flatten().enumerate() {
                self.rule(rule, &format!("{path}.x-kubernetes-validations[{index}]"));
            }
        }
        if let Some(pattern) = props.pattern.as_deref().filter(|pattern| !pattern.is_empty()) {
            match Regexp::new(pattern, Regexp::LARGEST) {
                Ok(regex) => _ = self.schema.patterns.insert(pattern.to_owned(), regex),
                Err(error) => {
                    let detail = format!("must be a valid regular expression, but isn't: {error}");
                    self.causes.push(Cause::invalid(&format!("{path}.pattern"), &pattern.into(), &detail));
                }
            }
        }
        for (name, props) in props.properties.iter().flatten() {
            self.node(props, &format!("{path}.properties[{name}]"), place.and(Some(OF_FIELDS)));
        }
        if let Some(additional) = additional_props(props) {
            self.node(additional, &format!("{path}.additionalProperties"), place.and(Some(OF_FIELDS)));
        }
        if let Some(items) = item_props(props) {
            self.node(items, &format!("{path}.items"), place.and(Some(OF_ITEMS)));
        }
        for (name, schemas) in [("allOf", &props.all_of), ("anyOf", &props.any_of), ("oneOf", &props.one_of)] {
            for (index, props) in schemas.iter().flatten().enumerate() {
                self.node(props, &format!("{path}.{name}[{index}]"), None);
            }
        }
        if let Some(not) = &props.not {
            self.node(not, &format!("{path}.not"), None);
        }
    }

    fn types(&mut self, props: &JSONSchemaProps, path: &str, place: &str) {
        let kind = props.type_.as_deref().unwrap_or_default();
        let here = format!("{path}.type");
        if kind.is_empty() && !yes(props.x_kubernetes_int_or_string) && !yes(props.x_kubernetes_preserve_unknown_fields) {
            self.causes.push(Cause::required(&here, &format!("must not be empty {place}")));
        } else if !kind.is_empty() && !TYPES.contains(&kind) {
            self.causes.push(Cause::not_supported(&here, &kind.into(), TYPES));
        } else if !kind.is_empty() && kind != "object" && place == AT_ROOT {
            self.causes.push(Cause::invalid(&here, &kind.into(), "must be object at the root"));
        }
        if kind == "array" && item_props(props).is_none() {
            self.causes.push(Cause::required(&format!("{path}.items"), "must be specified"));
        }
        if props.x_kubernetes_list_type.as_deref() == Some("map") {
            self.list_keys(props, path);
        }
    }

    fn list_keys(&mut self, props: &JSONSchemaProps, path: &str) {
        let here = format!("{path}.x-kubernetes-list-map-keys");
        let keys = props.x_kubernetes_list_map_keys.as_deref().unwrap_or_default();
        let fields = item_props(props).and_then(|items| items.properties.as_ref());
        if keys.is_empty() {
            self.causes.push(Cause::required(&here, "must not be empty if x-kubernetes-list-type is map"));
        } else if !keys.iter().all(|key| fields.is_some_and(|fields| fields.contains_key(key))) {
            self.causes.push(Cause::invalid(&here, &json!(keys), "entries must all be names of item properties"));
        }
    }

    fn rule(&mut self, rule: &ValidationRule, path: &str) {
        let message = rule.message_expression.as_ref().filter(|text| !text.is_empty());
        let texts = [("rule", "compilation", Some(&rule.rule)), ("messageExpression", "messageExpression compilation", message)];
        for (name, what, text) in texts {
            let Some(text) = text else { continue };
            match Expression::new(text) {
                Ok(compiled) => _ = self.schema.expressions.insert(text.clone(), compiled),
                Err(error) => {
                    let title = format!("Invalid value: {}", shown_rule(rule));
                    let detail = format!("{what} failed: {error}");
                    self.causes.push(Cause::plain("FieldValueInvalid", &title, &format!("{path}.{name}"), &detail));
                }
            }
        }
    }
}

/// A rule as the server shows it.
fn shown_rule(rule: &ValidationRule) -> String {
    let fields = [
        ("Rule", json!(rule.rule)),
        ("Message", json!(rule.message.as_deref().unwrap_or_default())),
        ("MessageExpression", json!(rule.message_expression.as_deref().unwrap_or_default())),
        ("Reason", json!(rule.reason)),
        ("FieldPath", json!(rule.field_path.as_deref().unwrap_or_default())),
        ("OptionalOldSelf", json!(rule.optional_old_self)),
    ];
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{}", headwater_golang::json::value(value))).collect();
    format!("{{{}}}", fields.join(","))
}
