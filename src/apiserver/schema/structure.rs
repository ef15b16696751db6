//! Checks that a schema says what every field is, and compiles its patterns and rules.

use std::collections::HashMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};
use regex::Regex;
use serde::Serialize;
use serde_json::{Value, json};

use super::rules::Expression;
use super::{Cause, additional_props, item_props, patterns, rules, yes};

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];
const REASONS: &[&str] = &["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// Compiles the patterns and rules of a schema.
pub(super) fn compile(
    props: &JSONSchemaProps,
    regexes: &mut HashMap<String, Regex>,
    expressions: &mut HashMap<String, Expression>,
) -> Vec<Cause> {
    let path = "spec.validation.openAPIV3Schema";
    let mut compiler = Compiler { regexes, causes: Vec::new() };
    compiler.structure(props, path, Level::Root);
    compiler.causes.sort_by(|a, b| (&a.field, &a.message).cmp(&(&b.field, &b.message)));
    if yes(props.nullable) {
        compiler.causes.push(Cause::forbidden(&format!("{path}.nullable"), "nullable cannot be true at the root"));
    }
    visit(props, path, &mut |props, path| compiler.node(props, path));
    let mut causes = compiler.causes;
    if causes.is_empty() {
        rules(props, path, None, expressions, &mut causes);
    }
    causes
}

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

struct Compiler<'a> {
    regexes: &'a mut HashMap<String, Regex>,
    causes: Vec<Cause>,
}

impl Compiler<'_> {
    fn forbid(&mut self, path: &str, name: &str, detail: &str) {
        self.causes.push(Cause::forbidden(&format!("{path}.{name}"), detail));
    }

    fn require(&mut self, path: &str, name: &str, detail: &str) {
        self.causes.push(Cause::required(&format!("{path}.{name}"), detail));
    }

    fn invalid(&mut self, path: &str, name: &str, value: impl Into<Value>, detail: &str) {
        self.causes.push(Cause::invalid(&format!("{path}.{name}"), &value.into(), detail));
    }

    /// Every field has a type, and what stands in anyOf and the like only narrows it.
    fn structure(&mut self, props: &JSONSchemaProps, path: &str, level: Level) {
        let kind = props.type_.as_deref().unwrap_or_default();
        let embedded = yes(props.x_kubernetes_embedded_resource);
        let preserves = yes(props.x_kubernetes_preserve_unknown_fields);
        if kind == "array" && props.items.is_none() {
            self.require(path, "items", "must be specified");
        }
        if let Some(items) = item_props(props) {
            self.structure(items, &format!("{path}.items"), Level::Item);
        }
        for (name, props) in props.properties.iter().flatten() {
            self.structure(props, &format!("{path}.properties[{name}]"), Level::Field);
        }
        if props.additional_properties.is_some() && level == Level::Root {
            self.forbid(path, "additionalProperties", "must not be used at the root");
        }
        if let Some(additional) = additional_props(props) {
            self.structure(additional, &format!("{path}.additionalProperties"), Level::Field);
        }
        if yes(props.x_kubernetes_int_or_string) && preserves {
            self.invalid(path, "x-kubernetes-preserve-unknown-fields", true, "must be false if x-kubernetes-int-or-string is true");
        }
        self.junctors(props, path, yes(props.x_kubernetes_int_or_string));
        if embedded && kind != "object" {
            self.require(path, "type", "must be object if x-kubernetes-embedded-resource is true");
        } else if kind.is_empty() && !yes(props.x_kubernetes_int_or_string) && !preserves {
            let detail = match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            };
            self.require(path, "type", detail);
        } else if level == Level::Root && !kind.is_empty() && kind != "object" {
            self.invalid(path, "type", kind, "must be object at the root");
        }
        if level == Level::Root || embedded {
            self.type_and_metadata(props, path, level);
        }
        if embedded && !preserves && props.properties.is_none() {
            let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
            self.require(path, "properties", detail);
        }
    }

    fn type_and_metadata(&mut self, props: &JSONSchemaProps, path: &str, level: Level) {
        for (name, wanted) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
            let Some(props) = props.properties.as_ref().and_then(|known| known.get(name)) else { continue };
            let kind = props.type_.as_deref().unwrap_or_default();
            if kind != wanted {
                self.invalid(&format!("{path}.properties[{name}]"), "type", kind, &format!("must be {wanted}"));
            }
            let mut named = props.properties.iter().flatten().map(|(name, _)| name.as_str());
            if name == "metadata" && level == Level::Root && !named.all(|name| matches!(name, "name" | "generateName")) {
                let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
                self.forbid(path, "properties[metadata]", detail);
            }
        }
    }

    /// anyOf, allOf, oneOf, not, and patterns.
    fn junctors(&mut self, props: &JSONSchemaProps, path: &str, int_or_string: bool) {
        let lists = [("anyOf", &props.any_of), ("allOf", &props.all_of), ("oneOf", &props.one_of)];
        for (name, schemas) in lists {
            if name == "anyOf" && int_or_string && schemas.iter().flatten().all(|props| props.type_.is_some()) {
                continue;
            }
            for (index, props) in schemas.iter().flatten().enumerate() {
                self.nested(props, &format!("{path}.{name}[{index}]"), int_or_string && name == "allOf");
            }
        }
        if let Some(not) = &props.not {
            self.nested(not, &format!("{path}.not"), false);
        }
        if let Some(pattern) = props.pattern.as_deref().filter(|pattern| !pattern.is_empty()) {
            match patterns::compile(pattern) {
                Ok(regex) => _ = self.regexes.insert(pattern.to_owned(), regex),
                Err(error) => self.invalid(path, "pattern", pattern, &format!("must be a valid regular expression, but isn't: {error}")),
            }
        }
    }

    fn nested(&mut self, props: &JSONSchemaProps, path: &str, int_or_string: bool) {
        self.junctors(props, path, int_or_string);
        if let Some(items) = item_props(props) {
            self.nested(items, &format!("{path}.items"), false);
        }
        for (name, props) in props.properties.iter().flatten() {
            self.nested(props, &format!("{path}.properties[{name}]"), false);
        }
        let empty = "must be empty to be structural";
        let undefined = "must be undefined to be structural";
        let false_ = "must be false to be structural";
        let given = [
            ("type", props.type_.is_some(), empty),
            ("additionalProperties", props.additional_properties.is_some(), undefined),
            ("default", props.default.is_some(), undefined),
            ("title", props.title.is_some(), empty),
            ("description", props.description.is_some(), empty),
            ("nullable", yes(props.nullable), false_),
            ("x-kubernetes-preserve-unknown-fields", yes(props.x_kubernetes_preserve_unknown_fields), false_),
            ("x-kubernetes-embedded-resource", yes(props.x_kubernetes_embedded_resource), false_),
            ("x-kubernetes-int-or-string", yes(props.x_kubernetes_int_or_string), false_),
            ("x-kubernetes-list-map-keys", props.x_kubernetes_list_map_keys.is_some(), empty),
            ("x-kubernetes-list-type", props.x_kubernetes_list_type.is_some(), undefined),
            ("x-kubernetes-map-type", props.x_kubernetes_map_type.is_some(), undefined),
            ("x-kubernetes-validations", props.x_kubernetes_validations.is_some(), empty),
        ];
        for (name, _, detail) in given.into_iter().filter(|(_, given, _)| *given) {
            self.forbid(path, name, detail);
        }
    }

    /// What is checked of every schema alone.
    fn node(&mut self, props: &JSONSchemaProps, path: &str) {
        let kind = props.type_.as_deref().unwrap_or_default();
        if !kind.is_empty() && !TYPES.contains(&kind) {
            self.causes.push(Cause::not_supported(&format!("{path}.type"), &kind.into(), TYPES));
        }
        let unsupported = [
            ("id", props.id.is_some()),
            ("additionalItems", props.additional_items.is_some()),
            ("patternProperties", props.pattern_properties.is_some()),
            ("definitions", props.definitions.is_some()),
            ("dependencies", props.dependencies.is_some()),
            ("$ref", props.ref_path.is_some()),
        ];
        for (name, _) in unsupported.into_iter().filter(|(_, given)| *given) {
            self.forbid(path, name, &format!("{name} is not supported"));
        }
        if kind == "null" {
            self.forbid(path, "type", "type cannot be set to null, use nullable as an alternative");
        }
        if matches!(&props.items, Some(JSONSchemaPropsOrArray::Schemas(schemas)) if !schemas.is_empty()) {
            self.forbid(path, "items", "items must be a schema object and not an array");
        }
        if yes(props.unique_items) {
            self.forbid(path, "uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
        }
        let exclusive = !matches!(props.additional_properties, None | Some(JSONSchemaPropsOrBool::Bool(true)));
        if exclusive && props.properties.as_ref().is_some_and(|known| !known.is_empty()) {
            self.forbid(path, "additionalProperties", "additionalProperties and properties are mutual exclusive");
        }
        if props.x_kubernetes_preserve_unknown_fields == Some(false) {
            self.invalid(path, "x-kubernetes-preserve-unknown-fields", false, "must be true or undefined");
        }
        self.merge_hint(path, kind, "x-kubernetes-map-type", props.x_kubernetes_map_type.as_deref(), "object", &["atomic", "granular"]);
        self.merge_hint(path, kind, "x-kubernetes-list-type", props.x_kubernetes_list_type.as_deref(), "array", &["atomic", "set", "map"]);
        self.list_type(props, path);
        for (index, rule) in props.x_kubernetes_validations.iter().flatten().enumerate() {
            self.rule_text(props, rule, &format!("{path}.x-kubernetes-validations[{index}]"));
        }
    }

    fn merge_hint(&mut self, path: &str, kind: &str, name: &str, hint: Option<&str>, wanted: &str, known: &[&str]) {
        let Some(hint) = hint else { return };
        let detail = format!("must be {wanted} if {name} is specified");
        if kind.is_empty() {
            self.require(path, "type", &detail);
        } else if kind != wanted {
            self.invalid(path, "type", kind, &detail);
        }
        if !known.contains(&hint) {
            self.causes.push(Cause::not_supported(&format!("{path}.{name}"), &hint.into(), known));
        }
    }

    fn list_type(&mut self, props: &JSONSchemaProps, path: &str) {
        let keys = props.x_kubernetes_list_map_keys.as_deref().unwrap_or_default();
        let hint = props.x_kubernetes_list_type.as_deref();
        let items = item_props(props);
        if !keys.is_empty() && hint != Some("map") {
            let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
            match hint {
                None => self.require(path, "x-kubernetes-list-type", detail),
                Some(hint) => self.invalid(path, "x-kubernetes-list-type", hint, detail),
            }
        }
        if let Some(items) = items.filter(|items| hint == Some("set") && items.type_.as_deref() == Some("object"))
            && items.x_kubernetes_map_type.as_deref() != Some("atomic")
        {
            let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
            self.invalid(path, "items.x-kubernetes-map-type", Value::Null, detail);
        }
        if items.is_some_and(|items| yes(items.nullable)) && matches!(hint, Some("set" | "map")) {
            let detail = format!("cannot be nullable when x-kubernetes-list-type is {}", hint.unwrap_or_default());
            self.forbid(path, "items.nullable", &detail);
        }
        if hint != Some("map") {
            return;
        }
        if keys.is_empty() {
            self.require(path, "x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map");
        }
        let Some(items) = items else {
            self.require(path, "items", "must have a schema if x-kubernetes-list-type is map");
            return;
        };
        let kind = items.type_.as_deref().unwrap_or_default();
        if kind != "object" {
            self.invalid(path, "items.type", kind, "must be object if parent array's x-kubernetes-list-type is map");
            return;
        }
        for key in keys {
            let Some(field) = items.properties.as_ref().and_then(|known| known.get(key)) else {
                self.invalid(path, "x-kubernetes-list-map-keys", json!(keys), "entries must all be names of item properties");
                continue;
            };
            let here = format!("{path}.items.properties[{key}]");
            if matches!(field.type_.as_deref(), Some("array" | "object")) {
                self.invalid(&here, "type", kind, "must be a scalar type if parent array's x-kubernetes-list-type is map");
            }
            if field.default.is_none() && !items.required.as_ref().is_some_and(|required| required.contains(key)) {
                let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
                self.require(&here, "default", detail);
            }
            if yes(field.nullable) {
                self.forbid(&here, "nullable", "this property is in x-kubernetes-list-map-keys, so it cannot be nullable");
            }
        }
    }

    fn rule_text(&mut self, props: &JSONSchemaProps, rule: &ValidationRule, path: &str) {
        let message = rule.message.as_deref().unwrap_or_default();
        if rule.rule.trim().is_empty() {
            self.require(path, "rule", "rule is not specified");
        } else if !message.is_empty() && message.trim().is_empty() {
            self.invalid(path, "message", message, "must be non-empty if specified");
        } else if message.trim().contains('\n') {
            self.invalid(path, "message", message, "must not contain line breaks");
        } else if rule.rule.trim().contains('\n') && message.is_empty() {
            self.require(path, "message", "message must be specified if rule contains line breaks");
        }
        if rule.message_expression.as_deref().is_some_and(|text| !text.is_empty() && text.trim().is_empty()) {
            self.require(path, "messageExpression", "messageExpression must be non-empty if specified");
        }
        if let Some(reason) = rule.reason.as_deref().filter(|reason| !REASONS.contains(reason)) {
            self.causes.push(Cause::not_supported(&format!("{path}.reason"), &reason.into(), REASONS));
        }
        if let Some(field) = rule.field_path.as_deref().filter(|field| !field.is_empty())
            && rules::field_path(props, field).is_none()
        {
            self.invalid(path, "fieldPath", field, "must be a valid path");
        }
    }
}

/// Calls `node` with every schema inside of a schema.
fn visit(props: &JSONSchemaProps, path: &str, node: &mut dyn FnMut(&JSONSchemaProps, &str)) {
    node(props, path);
    if let Some(props) = additional_props(props) {
        visit(props, &format!("{path}.additionalProperties"), node);
    }
    for (name, props) in props.properties.iter().flatten() {
        visit(props, &format!("{path}.properties[{name}]"), node);
    }
    if let Some(not) = &props.not {
        visit(not, &format!("{path}.not"), node);
    }
    for (name, schemas) in [("allOf", &props.all_of), ("oneOf", &props.one_of), ("anyOf", &props.any_of)] {
        for (index, props) in schemas.iter().flatten().enumerate() {
            visit(props, &format!("{path}.{name}[{index}]"), node);
        }
    }
    if let Some(props) = item_props(props) {
        visit(props, &format!("{path}.items"), node);
    }
}

/// Compiles the rules. `unordered` is the list around, whose items cannot be told apart across changes.
fn rules(
    props: &JSONSchemaProps,
    path: &str,
    unordered: Option<&str>,
    expressions: &mut HashMap<String, Expression>,
    causes: &mut Vec<Cause>,
) {
    for (index, rule) in props.x_kubernetes_validations.iter().flatten().enumerate() {
        let path = format!("{path}.x-kubernetes-validations[{index}]");
        match Expression::new(&rule.rule) {
            Ok(compiled) => {
                let about_change = compiled.uses_old_self;
                if let Some(unordered) = unordered.filter(|_| about_change) {
                    let detail = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {unordered}");
                    causes.push(Cause::invalid(&format!("{path}.rule"), &rule.rule.as_str().into(), &detail));
                } else if let Some(optional) = rule.optional_old_self.filter(|_| !about_change) {
                    let detail = "may not be set if oldSelf is not used in rule";
                    causes.push(Cause::invalid(&format!("{path}.optionalOldSelf"), &optional.into(), detail));
                }
                expressions.insert(rule.rule.clone(), compiled);
            }
            Err(error) => causes.push(uncompiled(rule, &format!("{path}.rule"), &format!("compilation failed: {error}"))),
        }
        if let Some(expression) = rule.message_expression.as_ref().filter(|text| !text.is_empty()) {
            match Expression::new(expression) {
                Ok(compiled) => _ = expressions.insert(expression.clone(), compiled),
                Err(error) => {
                    let detail = format!("messageExpression compilation failed: {error}");
                    causes.push(uncompiled(rule, &format!("{path}.messageExpression"), &detail));
                }
            }
        }
    }
    if let Some(props) = additional_props(props) {
        rules(props, &format!("{path}.additionalProperties"), unordered, expressions, causes);
    }
    for (name, props) in props.properties.iter().flatten() {
        rules(props, &format!("{path}.properties[{name}]"), unordered, expressions, causes);
    }
    if let Some(items) = item_props(props) {
        let here = unordered.or((props.x_kubernetes_list_type.as_deref() != Some("map")).then_some(path));
        rules(items, &format!("{path}.items"), here, expressions, causes);
    }
}

/// A rule as the server shows it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownRule<'a> {
    rule: &'a str,
    message: &'a str,
    message_expression: &'a str,
    reason: Option<&'a str>,
    field_path: &'a str,
    optional_old_self: Option<bool>,
}

fn uncompiled(rule: &ValidationRule, path: &str, detail: &str) -> Cause {
    let shown_rule = ShownRule {
        rule: &rule.rule,
        message: rule.message.as_deref().unwrap_or_default(),
        message_expression: rule.message_expression.as_deref().unwrap_or_default(),
        reason: rule.reason.as_deref(),
        field_path: rule.field_path.as_deref().unwrap_or_default(),
        optional_old_self: rule.optional_old_self,
    };
    let text = serde_json::to_string(&shown_rule).unwrap_or_default();
    Cause::plain("FieldValueInvalid", &format!("Invalid value: {}", super::html_safe(&text)), path, detail)
}
