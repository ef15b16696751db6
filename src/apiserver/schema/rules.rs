//! Rules in the Common Expression Language.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, ValidationRule};
use kube_cel::cel::objects::{Key, Map, OptionalValue};
use kube_cel::cel::{ExecutionError, Value as Cel};
use serde_json::Value;

use super::{Cause, Schema, additional_props, field_props, formats, item_props, joined, old_item, yes};

mod expression;

pub(super) use expression::Expression;

/// The longest message that an expression may give, in bytes.
const MAX_MESSAGE: usize = 5 * 1024;

/// What the rules say about `object`.
pub(super) fn check(schema: &Schema, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut walk = Walk { schema, causes: Vec::new() };
    walk.value(&schema.props, object, old, Place { path: "", parent: None });
    walk.causes
}

/// Where a value is, and the part of an update around it.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a str,
    parent: Option<(&'a Value, &'a Value)>,
}

struct Walk<'a> {
    schema: &'a Schema,
    causes: Vec<Cause>,
}

impl Walk<'_> {
    fn value(&mut self, props: &JSONSchemaProps, value: &Value, old: Option<&Value>, place: Place) {
        let old = old.filter(|old| !old.is_null());
        if value.is_null() {
            return;
        }
        if let Some(rules) = props.x_kubernetes_validations.as_ref().filter(|rules| !rules.is_empty()) {
            let unchanged = old.map_or_else(|| place.parent.is_some_and(|(new, old)| new == old), |old| old == value);
            self.rules(props, rules, value, old, place.path, unchanged);
        }
        let parent = old.map_or(place.parent, |old| Some((value, old)));
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let old = old.and_then(|old| old.get(name));
                    if let Some(known) = props.properties.as_ref().and_then(|known| known.get(name)) {
                        self.value(known, value, old, Place { path: &joined(place.path, name), parent });
                    } else if let Some(props) = additional_props(props) {
                        self.value(props, value, old, Place { path: &format!("{}[{name}]", place.path), parent });
                    }
                }
            }
            Value::Array(items) => {
                let Some(inner) = item_props(props) else { return };
                for (index, item) in items.iter().enumerate() {
                    let old = old_item(props, old, item);
                    self.value(inner, item, old, Place { path: &format!("{}[{index}]", place.path), parent });
                }
            }
            _ => {}
        }
    }

    fn rules(
        &mut self,
        props: &JSONSchemaProps,
        rules: &[ValidationRule],
        value: &Value,
        old: Option<&Value>,
        path: &str,
        unchanged: bool,
    ) {
        let root = path.is_empty() || yes(props.x_kubernetes_embedded_resource);
        let own = to_cel(props, value, root);
        let old = old.map(|old| to_cel(props, old, root));
        for rule in rules {
            let Some(expression) = self.schema.expressions.get(&rule.rule) else { continue };
            let optional = yes(rule.optional_old_self);
            if expression.uses_old_self && old.is_none() && !optional {
                continue;
            }
            let before = match &old {
                Some(old) if optional => Some(Cel::Opaque(Arc::new(OptionalValue::of(old.clone())))),
                None if optional => Some(Cel::Opaque(Arc::new(OptionalValue::none()))),
                old => old.clone(),
            };
            match expression.run(&own, before) {
                Ok(Cel::Bool(true)) => {}
                Ok(_) if unchanged && !expression.uses_old_self => {}
                Ok(_) => {
                    let expression = rule.message_expression.as_ref().and_then(|text| self.schema.expressions.get(text));
                    let message = expression.and_then(|expression| message(expression.run(&own, old.clone()).ok()?));
                    let message = message.unwrap_or_else(|| default_message(rule));
                    self.causes.push(refused(props, rule, value, path, &message));
                }
                Err(error) => {
                    let kind = Value::from(props.type_.as_deref().unwrap_or_default());
                    self.causes.push(Cause::invalid(path, &kind, &failed(&error, short(rule))));
                }
            }
        }
    }
}

/// Why a rule could not be evaluated, in the words of the server.
fn failed(error: &ExecutionError, rule: &str) -> String {
    let error = match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::IndexOutOfBounds(Cel::Int(index)) => format!("index out of bounds: {index}"),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::FunctionError { function, .. } if function == "quantity" => {
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".to_owned()
        }
        ExecutionError::FunctionError { message, .. } => message.clone(),
        ExecutionError::UndeclaredReference(name) => format!("no such attribute(s): {name}"),
        _ => {
            return format!(
                "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: {rule}"
            );
        }
    };
    format!("{error} evaluating rule: {rule}")
}

/// What a message expression has given, if it can be shown.
fn message(value: Cel) -> Option<String> {
    let Cel::String(text) = value else { return None };
    let text = text.trim();
    (!text.is_empty() && text.len() <= MAX_MESSAGE && !text.contains('\n')).then(|| text.to_owned())
}

fn short(rule: &ValidationRule) -> &str {
    rule.message.as_deref().filter(|message| !message.is_empty()).unwrap_or(&rule.rule).trim()
}

fn default_message(rule: &ValidationRule) -> String {
    match rule.message.as_deref() {
        Some(message) if !message.is_empty() => message.trim().to_owned(),
        _ => format!("failed rule: {}", rule.rule.trim()),
    }
}

fn refused(props: &JSONSchemaProps, rule: &ValidationRule, value: &Value, path: &str, message: &str) -> Cause {
    let inner = rule.field_path.as_deref().and_then(|path| field_path(props, path));
    let path = inner.map_or_else(|| path.to_owned(), |inner| joined(path, &inner));
    let shows_value = !matches!(props.type_.as_deref(), Some("object" | "array"));
    match rule.reason.as_deref() {
        Some("FieldValueForbidden") => Cause::forbidden(&path, message),
        Some("FieldValueRequired") => Cause::required(&path, message),
        Some("FieldValueDuplicate") if shows_value => Cause::duplicate(&path, value),
        Some("FieldValueDuplicate") => Cause::plain("FieldValueDuplicate", "Duplicate value", &path, ""),
        _ if shows_value => Cause::invalid(&path, value, message),
        _ => Cause::plain("FieldValueInvalid", "Invalid value", &path, message),
    }
}

/// The path of a rule's field as it is told: `.a['b.c']` is `a.b.c`, and keys of maps are in brackets. None if there is no such field.
pub(super) fn field_path(props: &JSONSchemaProps, path: &str) -> Option<String> {
    let mut told = String::new();
    let mut props = props;
    let mut rest = path.trim();
    while !rest.is_empty() {
        let name;
        (name, rest) = if let Some(plain) = rest.strip_prefix('.') {
            let end = plain.find(['.', '[']).unwrap_or(plain.len());
            (plain[..end].to_owned(), &plain[end..])
        } else {
            let (name, rest) = rest.strip_prefix("['")?.split_once("']")?;
            (name.replace("\\'", "'"), rest)
        };
        if props.properties.is_some() {
            told = joined(&told, &name);
            props = props.properties.as_ref()?.get(&name)?;
        } else {
            told = format!("{told}[{name}]");
            props = additional_props(props)?;
        }
    }
    Some(told)
}

/// A value as rules see it. Of the metadata of a whole object they see the names only.
fn to_cel(props: &JSONSchemaProps, value: &Value, root: bool) -> Cel {
    let kind = props.type_.as_deref().unwrap_or_default();
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if kind != "number" => Cel::Int(whole),
            _ => Cel::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => text_to_cel(props, text),
        Value::Array(items) => {
            let none = JSONSchemaProps::default();
            let props = item_props(props).unwrap_or(&none);
            Cel::List(Arc::new(items.iter().map(|item| to_cel(props, item, yes(props.x_kubernetes_embedded_resource))).collect()))
        }
        Value::Object(fields) => {
            let none = JSONSchemaProps::default();
            let is_map = props.properties.is_none() && !root;
            let mut map = HashMap::with_capacity(fields.len());
            for (name, value) in fields {
                let Some(key) = (if is_map { Some(name.clone()) } else { escaped(name) }) else { continue };
                let inner = field_props(props, name).unwrap_or(&none);
                let value = match value {
                    Value::Object(metadata) if root && name == "metadata" => {
                        let names = metadata.iter().filter(|(name, _)| matches!(name.as_str(), "name" | "generateName"));
                        let names: serde_json::Map<_, _> = names.map(|(name, value)| (name.clone(), value.clone())).collect();
                        to_cel(&none, &names.into(), false)
                    }
                    value => to_cel(inner, value, yes(inner.x_kubernetes_embedded_resource)),
                };
                map.insert(Key::String(Arc::new(key)), value);
            }
            Cel::Map(Map { map: Arc::new(map) })
        }
    }
}

fn text_to_cel(props: &JSONSchemaProps, text: &str) -> Cel {
    let plain = || Cel::String(Arc::new(text.to_owned()));
    if props.type_.as_deref() != Some("string") {
        return plain();
    }
    match props.format.as_deref() {
        Some("date-time") => formats::date_time(text).map_or_else(plain, Cel::Timestamp),
        Some("date") => {
            let time = formats::date(text).and_then(|date| date.and_hms_opt(0, 0, 0));
            time.map_or_else(plain, |time| Cel::Timestamp(time.and_utc().fixed_offset()))
        }
        Some("duration") => formats::duration(text).map_or_else(plain, Cel::Duration),
        Some("byte") => {
            STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).map_or_else(|_| plain(), |bytes| Cel::Bytes(Arc::new(bytes)))
        }
        _ => plain(),
    }
}

/// The name of a field in expressions. None for names that cannot be written there.
fn escaped(name: &str) -> Option<String> {
    const RESERVED: &[&str] = &[
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ];
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let known = |char: char| char.is_ascii_alphanumeric() || "_-./".contains(char);
    if name.starts_with(|char: char| char.is_ascii_digit()) || name.is_empty() || !name.chars().all(known) {
        return None;
    }
    Some(name.replace("__", "__underscores__").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__"))
}
