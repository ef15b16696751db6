//! Checks values against the schema: types, bounds, patterns, formats, and combinations of schemas.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use headwater_golang::{float, quote};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrBool};
use serde_json::{Map, Value};

use super::walk::old_item;
use super::{Cause, Schema, additional_props, formats, item_props, joined, yes};

/// What is wrong with `value`, none of it twice. Unchanged parts of an update are not told.
pub(super) fn check(schema: &Schema, props: &JSONSchemaProps, value: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Checker { schema }.forgiving(props, value, "", old);
    let mut known = HashSet::new();
    causes.retain(|cause| known.insert((cause.field.clone(), cause.message.clone())));
    causes
}

/// A path as problems name it in their field.
fn field(path: &str) -> &str {
    path.strip_prefix('.').unwrap_or(path)
}

/// A value that is wrong.
fn invalid(path: &str, value: impl Into<Value>, detail: &str) -> Cause {
    Cause::invalid(field(path), &value.into(), detail)
}

/// A value of another type or format; `found` is that, or the value.
fn mistyped(path: &str, wanted: &str, found: &str) -> Cause {
    let detail = format!("{path} in body must be of type {wanted}: {}", quote(found));
    Cause::wrong_type(field(path), &Value::from(found), &detail)
}

/// A problem that names the field in its text only.
fn nameless(text: &str) -> Cause {
    Cause::invalid("", &Value::from(""), text)
}

struct Checker<'a> {
    schema: &'a Schema,
}

impl Checker<'_> {
    /// Checks a value, and forgives what is wrong where nothing has changed.
    fn forgiving(&self, props: &JSONSchemaProps, value: &Value, path: &str, old: Option<&Value>) -> Vec<Cause> {
        let findings = self.strict(props, value, path, old);
        if !findings.is_empty() && old == Some(value) { Vec::new() } else { findings }
    }

    fn strict(&self, props: &JSONSchemaProps, value: &Value, path: &str, old: Option<&Value>) -> Vec<Cause> {
        let mut findings = Vec::new();
        let format = formats::of(props);
        let types = types(props);
        if value.is_null() {
            if !types.is_empty() && !yes(props.nullable) {
                findings.push(mistyped(path, &types.join(","), "null"));
            }
            allowed_values(props, value, path, &mut findings);
            return findings;
        }
        if !types.is_empty() || format.is_some() {
            check_type(&types, format, value, path, &mut findings);
        }
        self.combinations(props, value, path, old, &mut findings);
        match value {
            Value::String(text) => {
                self.text(props, text, path, &mut findings);
                if let Some(format) = format.filter(|format| !formats::matches(format, text)) {
                    findings.push(mistyped(path, format, text));
                }
            }
            Value::Number(_) => number(props, &types, format, value, path, &mut findings),
            Value::Array(items) => self.list(props, items, path, old, &mut findings),
            _ => {}
        }
        allowed_values(props, value, path, &mut findings);
        if let Value::Object(fields) = value {
            self.object(props, fields, path, old, &mut findings);
        }
        findings
    }

    /// anyOf, oneOf, allOf and not.
    fn combinations(&self, props: &JSONSchemaProps, value: &Value, path: &str, old: Option<&Value>, findings: &mut Vec<Cause>) {
        let every = |schemas: &Option<Vec<JSONSchemaProps>>| -> Vec<Vec<Cause>> {
            schemas.iter().flatten().map(|props| self.strict(props, value, path, old)).collect()
        };
        let named = quote(path);
        let any = every(&props.any_of);
        if !any.is_empty() && !any.iter().any(Vec::is_empty) {
            findings.push(nameless(&format!("{named} must validate at least one schema (anyOf)")));
            findings.extend(best(any));
        }
        let one = every(&props.one_of);
        let valid = one.iter().filter(|findings| findings.is_empty()).count();
        if !one.is_empty() && valid != 1 {
            let found = if valid == 0 { "none valid".to_owned() } else { format!("{valid} valid alternatives") };
            findings.push(nameless(&format!("{named} must validate one and only one schema (oneOf). Found {found}")));
            findings.extend(best(one));
        }
        let all = every(&props.all_of);
        if !all.iter().all(Vec::is_empty) {
            let none = if all.iter().any(Vec::is_empty) { "" } else { ". None validated" };
            findings.extend(all.into_iter().flatten());
            findings.push(nameless(&format!("{named} must validate all the schemas (allOf){none}")));
        }
        if let Some(not) = &props.not
            && self.strict(not, value, path, old).is_empty()
        {
            findings.push(nameless(&format!("{named} must not validate the schema (not)")));
        }
    }

    fn text(&self, props: &JSONSchemaProps, text: &str, path: &str, findings: &mut Vec<Cause>) {
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        if let Some(max) = props.max_length.filter(|max| length > *max) {
            findings.push(Cause::too_long(field(path), max));
        } else if let Some(min) = props.min_length.filter(|min| length < *min) {
            findings.push(invalid(path, text, &format!("{path} in body should be at least {min} chars long")));
        } else if let Some(pattern) = props.pattern.as_ref().filter(|pattern| !pattern.is_empty())
            && !self.schema.patterns.get(pattern).is_some_and(|regex| regex.is_match(text))
        {
            findings.push(invalid(path, text, &format!("{path} in body should match '{pattern}'")));
        }
    }

    fn list(&self, list: &JSONSchemaProps, items: &[Value], path: &str, old: Option<&Value>, findings: &mut Vec<Cause>) {
        if let Some(props) = item_props(list) {
            for (index, item) in items.iter().enumerate() {
                let old = old_item(list, old, item);
                findings.extend(self.forgiving(props, item, &format!("{path}[{index}]"), old));
            }
        }
        let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
        if let Some(min) = list.min_items.filter(|min| count < *min) {
            findings.push(invalid(path, count, &format!("{path} in body should have at least {min} items")));
        }
        if let Some(max) = list.max_items.filter(|max| count > *max) {
            findings.push(Cause::too_many(field(path), items.len(), max));
        }
    }

    fn object(&self, props: &JSONSchemaProps, fields: &Map<String, Value>, path: &str, old: Option<&Value>, findings: &mut Vec<Cause>) {
        let count = i64::try_from(fields.len()).unwrap_or(i64::MAX);
        if let Some(min) = props.min_properties.filter(|min| count < *min) {
            findings.push(invalid(path, count, &format!("{path} in body should have at least {min} properties")));
        }
        if let Some(max) = props.max_properties.filter(|max| count > *max) {
            findings.push(Cause::too_many(field(path), fields.len(), max));
        }
        let none = BTreeMap::new();
        let known = props.properties.as_ref().unwrap_or(&none);
        // Additional fields are named with a dot even at the root, where it is taken away again.
        let additional = fields.iter().filter(|(name, _)| !known.contains_key(*name));
        if props.additional_properties == Some(JSONSchemaPropsOrBool::Bool(false)) {
            for (name, _) in additional {
                findings.push(invalid(path, name.as_str(), &format!("{path}.{name} in body is a forbidden property")));
            }
        } else if let Some(props) = additional_props(props) {
            for (name, value) in additional {
                let old = old.and_then(|old| old.get(name));
                findings.extend(self.forgiving(props, value, &format!("{path}.{name}"), old));
            }
        }
        for (name, props) in known {
            if let Some(value) = fields.get(name) {
                let old = old.and_then(|old| old.get(name));
                findings.extend(self.forgiving(props, value, &joined(path, name), old));
            }
        }
        for name in props.required.iter().flatten().filter(|name| !fields.contains_key(*name)) {
            let path = format!("{path}.{name}");
            findings.push(Cause::required(field(&path), ""));
        }
    }
}

/// The one with the fewest problems.
fn best(alternatives: Vec<Vec<Cause>>) -> Vec<Cause> {
    alternatives.into_iter().min_by_key(Vec::len).unwrap_or_default()
}

/// The types that a value may have.
fn types(props: &JSONSchemaProps) -> Vec<&str> {
    if yes(props.x_kubernetes_int_or_string) {
        return vec!["integer", "string"];
    }
    props.type_.as_deref().into_iter().filter(|name| !name.is_empty()).collect()
}

fn check_type(types: &[&str], format: Option<&str>, value: &Value, path: &str, findings: &mut Vec<Cause>) {
    let (found, found_format) = match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::Number(number) if number.is_i64() => ("integer", "int64"),
        Value::Number(_) => ("number", "float64"),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
    };
    let whole = found == "number" && types.contains(&"integer") && value.as_f64().is_some_and(is_whole);
    let fits = types.contains(&found) || whole || (found == "integer" && types.contains(&"number"));
    let is_text = matches!(value, Value::String(_) | Value::Array(_));
    match format {
        Some(format) if !is_text && !fits && found_format != format => findings.push(mistyped(path, format, found_format)),
        Some(_) if is_text && !types.contains(&"number") && !types.contains(&"integer") => {}
        _ if fits => {}
        _ => findings.push(mistyped(path, &types.join(","), found)),
    }
}

/// Whether a number is an integer that JSON carries without loss.
fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0
}

fn allowed_values(props: &JSONSchemaProps, value: &Value, path: &str, findings: &mut Vec<Cause>) {
    let Some(allowed) = props.enum_.as_ref().filter(|allowed| !allowed.is_empty()) else { return };
    let same = |allowed: &Value| allowed == value || (allowed.is_number() && allowed.as_f64() == value.as_f64());
    if value.is_null() || !allowed.iter().any(|allowed| same(&allowed.0)) {
        let allowed: Vec<String> =
            allowed.iter().map(|allowed| allowed.0.as_str().map_or_else(|| allowed.0.to_string(), str::to_owned)).collect();
        let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
        findings.push(Cause::not_supported(field(path), value, &allowed));
    }
}

/// Checks that a number is one that its type and format can hold, and its bounds.
fn number(props: &JSONSchemaProps, types: &[&str], format: Option<&str>, value: &Value, path: &str, findings: &mut Vec<Cause>) {
    let number = value.as_f64().unwrap_or_default();
    let fits = match format {
        Some("int32") => (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number),
        _ => number.abs() < 9.3e18,
    };
    if types == ["integer"] && !(fits && number.fract() == 0.0) {
        let format = format.map_or_else(|| "(default format)".to_owned(), |format| format!("with format {format}"));
        findings.push(nameless(&format!("Checked value must be of type integer {format} in {path}")));
    }
    let mut wrong = |detail: String| findings.push(invalid(path, value.clone(), &detail));
    if let Some(factor) = props.multiple_of
        && !is_whole(if factor < 1.0 { 1.0 / factor * number } else { number / factor })
    {
        wrong(format!("{path} in body should be a multiple of {}", bound_for(value, factor)));
    }
    let bounds = [
        (props.minimum, props.exclusive_minimum, Ordering::Less, "greater than"),
        (props.maximum, props.exclusive_maximum, Ordering::Greater, "less than"),
    ];
    for (bound, exclusive, beyond, words) in bounds {
        let Some(bound) = bound else { continue };
        let order = number.partial_cmp(&bound);
        if order == Some(beyond) || (yes(exclusive) && order == Some(Ordering::Equal)) {
            let or_equal = if yes(exclusive) { "" } else { " or equal to" };
            wrong(format!("{path} in body should be {words}{or_equal} {}", bound_for(value, bound)));
        }
    }
}

/// A bound as the server names it, which takes it for an integer where the value is one.
fn bound_for(value: &Value, bound: f64) -> String {
    if value.is_i64() { float::fixed(bound) } else { float::general(bound) }
}
