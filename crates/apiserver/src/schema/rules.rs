//! Rules in the Common Expression Language.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, ValidationRule};
use kube_cel::cel::objects::{Key, Map, OptionalValue};
use kube_cel::cel::{ExecutionError, Value as Cel};
use serde_json::Value;

use super::walk::Part;
use super::{Cause, Schema, field_props, formats, item_props, joined, yes};

mod expression;

pub(super) use expression::Expression;

/// The longest message that an expression may give, in bytes.
const MAX_MESSAGE: usize = 5 * 1024;

/// Of what no schema is known.
static UNKNOWN: LazyLock<JSONSchemaProps> = LazyLock::new(JSONSchemaProps::default);

/// What the rules say about `object`.
pub(super) fn check(schema: &Schema, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    Part::whole(&schema.props, object, old).walk(&mut |part| {
        if part.value.is_null() {
            return;
        }
        let Some(rules) = part.props.x_kubernetes_validations.as_ref().filter(|rules| !rules.is_empty()) else { return };
        let root = part.path.is_empty() || yes(part.props.x_kubernetes_embedded_resource);
        let own = to_cel(part.props, part.value, root);
        let old = part.old.map(|old| to_cel(part.props, old, root));
        causes.extend(rules.iter().filter_map(|rule| broken(schema, rule, part, &own, old.as_ref())));
    });
    causes
}

/// What a rule says about a part of an object, which is `own` in expressions and was `old`.
fn broken(schema: &Schema, rule: &ValidationRule, part: Part, own: &Cel, old: Option<&Cel>) -> Option<Cause> {
    let expression = schema.expressions.get(&rule.rule)?;
    let before = if yes(rule.optional_old_self) {
        Some(Cel::Opaque(Arc::new(old.map_or_else(OptionalValue::none, |old| OptionalValue::of(old.clone())))))
    } else {
        old.cloned()
    };
    if expression.uses_old_self && before.is_none() {
        return None;
    }
    match expression.run(own, before) {
        Ok(Cel::Bool(true)) => None,
        Ok(_) if !expression.uses_old_self && part.is_unchanged() => None,
        Ok(_) => {
            let expression = rule.message_expression.as_ref().and_then(|text| schema.expressions.get(text));
            let given = expression.and_then(|expression| message(expression.run(own, old.cloned()).ok()?));
            let message = given.unwrap_or_else(|| match rule.message.as_deref() {
                Some(message) if !message.is_empty() => message.trim().to_owned(),
                _ => format!("failed rule: {}", rule.rule.trim()),
            });
            Some(refused(part, rule, &message))
        }
        Err(error) => {
            let kind = Value::from(part.props.type_.as_deref().unwrap_or_default());
            let rule = rule.message.as_deref().filter(|message| !message.is_empty()).unwrap_or(&rule.rule).trim();
            Some(Cause::invalid(part.path, &kind, &failed(&error, rule)))
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

fn refused(part: Part, rule: &ValidationRule, message: &str) -> Cause {
    let inner = rule.field_path.as_deref().and_then(|path| path.trim().strip_prefix('.'));
    let path = inner.map_or_else(|| part.path.to_owned(), |inner| joined(part.path, inner));
    let shows_value = !matches!(part.props.type_.as_deref(), Some("object" | "array"));
    match rule.reason.as_deref() {
        Some("FieldValueForbidden") => Cause::forbidden(&path, message),
        Some("FieldValueRequired") => Cause::required(&path, message),
        Some("FieldValueDuplicate") if shows_value => Cause::duplicate(&path, part.value),
        Some("FieldValueDuplicate") => Cause::plain("FieldValueDuplicate", "Duplicate value", &path, ""),
        _ if shows_value => Cause::invalid(&path, part.value, message),
        _ => Cause::plain("FieldValueInvalid", "Invalid value", &path, message),
    }
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
            let props = item_props(props).unwrap_or(&UNKNOWN);
            Cel::List(Arc::new(items.iter().map(|item| to_cel(props, item, yes(props.x_kubernetes_embedded_resource))).collect()))
        }
        Value::Object(fields) => {
            let is_map = props.properties.is_none() && !root;
            let mut map = HashMap::with_capacity(fields.len());
            for (name, value) in fields {
                let Some(key) = (if is_map { Some(name.clone()) } else { escaped(name) }) else { continue };
                let value = if root && name == "metadata" {
                    let names = ["name", "generateName"].into_iter().filter_map(|name| Some((name, value.get(name)?.clone())));
                    to_cel(&UNKNOWN, &names.map(|(name, value)| (name.to_owned(), value)).collect(), false)
                } else {
                    let props = field_props(props, name).unwrap_or(&UNKNOWN);
                    to_cel(props, value, yes(props.x_kubernetes_embedded_resource))
                };
                map.insert(Key::String(Arc::new(key)), value);
            }
            Cel::Map(Map { map: Arc::new(map) })
        }
    }
}

fn text_to_cel(props: &JSONSchemaProps, text: &str) -> Cel {
    let given = match props.format.as_deref().filter(|_| props.type_.as_deref() == Some("string")) {
        Some("date-time") => formats::date_time(text).map(Cel::Timestamp),
        Some("date") => {
            formats::date(text).and_then(|date| date.and_hms_opt(0, 0, 0)).map(|time| Cel::Timestamp(time.and_utc().fixed_offset()))
        }
        Some("duration") => formats::duration(text).map(Cel::Duration),
        Some("byte") => STANDARD.decode(text).ok().map(|bytes| Cel::Bytes(Arc::new(bytes))),
        _ => None,
    };
    given.unwrap_or_else(|| Cel::String(Arc::new(text.to_owned())))
}

/// The name of a field in expressions. None for names that cannot be written there.
fn escaped(name: &str) -> Option<String> {
    let reserved =
        "true false null in as break const continue else for function if import let loop package namespace return var void while";
    if reserved.split(' ').any(|word| word == name) {
        return Some(format!("__{name}__"));
    }
    let known = |char: char| char.is_ascii_alphanumeric() || "_-./".contains(char);
    if name.starts_with(|char: char| char.is_ascii_digit()) || name.is_empty() || !name.chars().all(known) {
        return None;
    }
    Some(name.replace("__", "__underscores__").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__"))
}
