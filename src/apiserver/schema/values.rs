//! Checks values against the schema: types, bounds, patterns, formats, and combinations of schemas.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrBool};
use serde_json::{Map, Value};

use super::{Cause, Schema, additional_props, field_props, formats, item_props, joined, old_item, quoted, shown, yes};

/// What is wrong with a value, and how many checks it passed: of several failed alternatives, the one that passed most is told.
#[derive(Default)]
struct Findings {
    /// The text that tells a problem from others, and the problem. No text comes twice.
    problems: Vec<(String, Cause)>,
    passed: usize,
}

impl Findings {
    fn add(&mut self, text: impl Into<String>, cause: Cause) {
        let text = text.into();
        if !self.problems.iter().any(|(known, _)| *known == text) {
            self.problems.push((text, cause));
        }
    }

    /// A problem that names the field in its text only.
    fn add_nameless(&mut self, text: String) {
        let cause = Cause::invalid("", &Value::from(""), &text);
        self.add(text, cause);
    }

    fn merge(&mut self, other: Self) {
        self.passed += other.passed;
        for (text, cause) in other.problems {
            self.add(text, cause);
        }
    }

    fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A value before and after an update, with the schema that says how their parts belong together.
#[derive(Clone, Copy)]
struct Change<'a> {
    old: &'a Value,
    new: &'a Value,
    props: &'a JSONSchemaProps,
}

impl Change<'_> {
    fn field(self, name: &str) -> Option<Self> {
        Some(Self { old: self.old.get(name)?, new: self.new.get(name)?, props: field_props(self.props, name)? })
    }

    fn item(self, index: usize) -> Option<Self> {
        let new = self.new.get(index)?;
        Some(Self { old: old_item(self.props, Some(self.old), new)?, new, props: item_props(self.props)? })
    }
}

struct Checker<'a> {
    schema: &'a Schema,
}

/// What is wrong with `value`. Unchanged parts of an update are not told.
pub(super) fn check(schema: &Schema, props: &JSONSchemaProps, value: &Value, old: Option<&Value>) -> Vec<Cause> {
    let change = old.map(|old| Change { old, new: value, props });
    Checker { schema }.forgiving(props, value, "", change).problems.into_iter().map(|(_, cause)| cause).collect()
}

/// A path as problems name it in their field.
fn field(path: &str) -> &str {
    path.strip_prefix('.').unwrap_or(path)
}

impl Checker<'_> {
    /// Checks a value, and forgives what is wrong where nothing has changed.
    fn forgiving(&self, props: &JSONSchemaProps, value: &Value, path: &str, change: Option<Change>) -> Findings {
        let mut findings = self.strict(props, value, path, change);
        if !findings.is_valid() && change.is_some_and(|change| change.old == change.new) {
            findings.problems.clear();
        }
        findings
    }

    fn strict(&self, props: &JSONSchemaProps, value: &Value, path: &str, change: Option<Change>) -> Findings {
        let mut findings = Findings::default();
        let format = formats::of(props);
        let types = types(props);
        let has_type = !types.is_empty() || format.is_some();
        if value.is_null() {
            if !types.is_empty() && !yes(props.nullable) {
                wrong_type(&mut findings, path, &types.join(","), "null");
            } else {
                findings.passed += 1;
            }
            allowed_values(props, value, path, &mut findings);
            return findings;
        }
        if has_type {
            check_type(&types, format, value, path, &mut findings);
            findings.passed += 1;
        }
        self.combinations(props, value, path, change, &mut findings);
        findings.passed += 4;
        match value {
            Value::String(text) => {
                self.text(props, text, path, &mut findings);
                findings.passed += 1;
                if let Some(format) = format {
                    findings.passed += 1;
                    if !formats::matches(format, text) {
                        let detail = format!("{path} in body must be of type {format}: {}", quoted(text));
                        findings.add(detail.clone(), Cause::wrong_type(field(path), value, &detail));
                    }
                }
            }
            Value::Number(_) => {
                number(props, &types, format, value, path, &mut findings);
                findings.passed += 2;
            }
            Value::Array(items) => {
                self.list(props, items, path, change, &mut findings);
                findings.passed += 2;
            }
            _ => {}
        }
        allowed_values(props, value, path, &mut findings);
        if let Value::Object(fields) = value {
            self.object(props, fields, path, change, &mut findings);
            findings.passed += 1;
        }
        findings
    }

    /// anyOf, oneOf, allOf and not.
    fn combinations(&self, props: &JSONSchemaProps, value: &Value, path: &str, change: Option<Change>, findings: &mut Findings) {
        let every = |schemas: &Option<Vec<JSONSchemaProps>>| -> Vec<Findings> {
            schemas.iter().flatten().map(|props| self.strict(props, value, path, change)).collect()
        };
        let named = quoted(path);
        let any = every(&props.any_of);
        if !any.is_empty() {
            if !any.iter().any(Findings::is_valid) {
                findings.add_nameless(format!("{named} must validate at least one schema (anyOf)"));
            }
            findings.merge(best(any));
        }
        let one = every(&props.one_of);
        if !one.is_empty() {
            match one.iter().filter(|findings| findings.is_valid()).count() {
                1 => findings.merge(best(one)),
                0 => {
                    findings.add_nameless(format!("{named} must validate one and only one schema (oneOf). Found none valid"));
                    findings.merge(best(one));
                }
                valid => {
                    findings
                        .add_nameless(format!("{named} must validate one and only one schema (oneOf). Found {valid} valid alternatives"));
                }
            }
        }
        let all = every(&props.all_of);
        let valid = all.iter().filter(|findings| findings.is_valid()).count();
        let every_one = valid == all.len();
        for one in all {
            findings.merge(one);
        }
        if !every_one {
            let none = if valid == 0 { ". None validated" } else { "" };
            findings.add_nameless(format!("{named} must validate all the schemas (allOf){none}"));
        }
        if let Some(not) = &props.not
            && self.strict(not, value, path, change).is_valid()
        {
            findings.add_nameless(format!("{named} must not validate the schema (not)"));
        }
    }

    fn text(&self, props: &JSONSchemaProps, text: &str, path: &str, findings: &mut Findings) {
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        let mut wrong = |detail: String| findings.add(detail.clone(), Cause::invalid(field(path), &Value::from(text), &detail));
        if let Some(max) = props.max_length.filter(|max| length > *max) {
            findings.add(format!("{path} length"), Cause::too_long(field(path), max));
        } else if let Some(min) = props.min_length.filter(|min| length < *min) {
            wrong(format!("{path} in body should be at least {min} chars long"));
        } else if let Some(pattern) = props.pattern.as_ref().filter(|pattern| !pattern.is_empty())
            && !self.schema.patterns.get(pattern).is_some_and(|regex| regex.is_match(text))
        {
            wrong(format!("{path} in body should match '{pattern}'"));
        }
    }

    fn list(&self, props: &JSONSchemaProps, items: &[Value], path: &str, change: Option<Change>, findings: &mut Findings) {
        if let Some(props) = item_props(props) {
            for (index, item) in items.iter().enumerate() {
                let change = change.and_then(|change| change.item(index));
                findings.merge(self.forgiving(props, item, &format!("{path}[{index}]"), change));
            }
        }
        let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
        if let Some(min) = props.min_items.filter(|min| count < *min) {
            let detail = format!("{path} in body should have at least {min} items");
            findings.add(detail.clone(), Cause::invalid(field(path), &Value::from(count), &detail));
        }
        if let Some(max) = props.max_items.filter(|max| count > *max) {
            findings.add(format!("{path} items"), Cause::too_many(field(path), items.len(), max));
        }
    }

    fn object(&self, props: &JSONSchemaProps, fields: &Map<String, Value>, path: &str, change: Option<Change>, findings: &mut Findings) {
        let count = i64::try_from(fields.len()).unwrap_or(i64::MAX);
        if let Some(min) = props.min_properties.filter(|min| count < *min) {
            let detail = format!("{path} in body should have at least {min} properties");
            findings.add(detail.clone(), Cause::invalid(field(path), &Value::from(count), &detail));
        }
        if let Some(max) = props.max_properties.filter(|max| count > *max) {
            findings.add(format!("{path} properties"), Cause::too_many(field(path), fields.len(), max));
        }
        let none = BTreeMap::new();
        let known = props.properties.as_ref().unwrap_or(&none);
        // Additional fields are named with a dot even at the root, where it is taken away again.
        let additional = fields.iter().filter(|(name, _)| !known.contains_key(*name));
        if props.additional_properties == Some(JSONSchemaPropsOrBool::Bool(false)) {
            for (name, _) in additional {
                let detail = format!("{path}.{name} in body is a forbidden property");
                findings.add(detail.clone(), Cause::invalid(field(path), &Value::from(name.as_str()), &detail));
            }
        } else if let Some(props) = additional_props(props) {
            for (name, value) in additional {
                let change = change.and_then(|change| change.field(name));
                findings.merge(self.forgiving(props, value, &format!("{path}.{name}"), change));
            }
        }
        for (name, props) in known {
            if let Some(value) = fields.get(name) {
                let change = change.filter(|_| !path.is_empty() || !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
                let change = change.and_then(|change| change.field(name));
                findings.merge(self.forgiving(props, value, &joined(path, name), change));
            }
        }
        for name in props.required.iter().flatten().filter(|name| !fields.contains_key(*name)) {
            let path = format!("{path}.{name}");
            findings.add(format!("{path} required"), Cause::required(field(&path), ""));
        }
    }
}

/// The first that is valid, or else the one that passed most checks.
fn best(alternatives: Vec<Findings>) -> Findings {
    let mut best: Option<Findings> = None;
    for findings in alternatives {
        if findings.is_valid() {
            return findings;
        }
        if best.as_ref().is_none_or(|best| findings.passed > best.passed) {
            best = Some(findings);
        }
    }
    best.unwrap_or_default()
}

/// The types that a value may have.
fn types(props: &JSONSchemaProps) -> Cow<'_, [&str]> {
    if yes(props.x_kubernetes_int_or_string) {
        return Cow::Borrowed(&["integer", "string"]);
    }
    props.type_.as_deref().filter(|name| !name.is_empty()).map_or(Cow::Borrowed(&[]), |name| Cow::Owned(vec![name]))
}

fn wrong_type(findings: &mut Findings, path: &str, wanted: &str, found: &str) {
    let detail = format!("{path} in body must be of type {wanted}: {}", quoted(found));
    findings.add(detail.clone(), Cause::wrong_type(field(path), &Value::from(found), &detail));
}

fn check_type(types: &[&str], format: Option<&str>, value: &Value, path: &str, findings: &mut Findings) {
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
        Some(format) if !is_text && !fits && found_format != format => wrong_type(findings, path, format, found_format),
        Some(_) if is_text && !types.contains(&"number") && !types.contains(&"integer") => {}
        _ if fits => {}
        _ => wrong_type(findings, path, &types.join(","), found),
    }
    if findings.is_valid() {
        findings.passed += 1;
    }
}

/// Whether a number is an integer that JSON carries without loss.
fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0
}

fn allowed_values(props: &JSONSchemaProps, value: &Value, path: &str, findings: &mut Findings) {
    let Some(allowed) = props.enum_.as_ref().filter(|allowed| !allowed.is_empty()) else { return };
    let same = |allowed: &Value| allowed == value || (allowed.is_number() && allowed.as_f64() == value.as_f64());
    if value.is_null() || !allowed.iter().any(|allowed| same(&allowed.0)) {
        let allowed: Vec<String> =
            allowed.iter().map(|allowed| allowed.0.as_str().map_or_else(|| allowed.0.to_string(), str::to_owned)).collect();
        let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
        findings.add(format!("{path} enum"), Cause::not_supported(field(path), value, &allowed));
    }
}

/// Checks bounds. Integers are compared with the whole part of a bound, as the server does.
#[expect(clippy::cast_possible_truncation, reason = "integers are compared with the whole part of a bound")]
fn number(props: &JSONSchemaProps, types: &[&str], format: Option<&str>, value: &Value, path: &str, findings: &mut Findings) {
    let format = if types.len() == 1 { format } else { None };
    let in_range = |findings: &mut Findings, number: &Value, what: &str| {
        if !fits_format(types, format, number) {
            let kind = types.first().copied().unwrap_or_default();
            let format = format.map_or_else(|| "(default format)".to_owned(), |format| format!("with format {format}"));
            findings.add_nameless(format!("{what} value must be of type {kind} {format} in {path}"));
            return false;
        }
        true
    };
    let wrong = |findings: &mut Findings, value: &Value, detail: String| {
        findings.add(detail.clone(), Cause::invalid(field(path), value, &detail));
    };
    in_range(findings, value, "Checked");
    let number = value.as_f64().unwrap_or_default();
    if let Some(factor) = props.multiple_of {
        let native = in_range(findings, &Value::from(factor), "MultipleOf");
        let whole = value.as_i64().filter(|_| native).map(|value| (value, factor as i64));
        let (factor, fits) = match whole {
            Some((value, factor)) => (Value::from(factor), factor > 0 && value % factor == 0),
            None => (Value::from(factor), is_whole(if factor < 1.0 { 1.0 / factor * number } else { number / factor })),
        };
        if factor.as_f64().is_none_or(|factor| factor <= 0.0) {
            wrong(findings, &factor, format!("factor MultipleOf declared for {path} must be positive: {}", shown(&factor)));
        } else if !fits {
            wrong(findings, value, format!("{path} in body should be a multiple of {}", shown(&factor)));
        }
    }
    let bounds = [
        ("Minimum", props.minimum, props.exclusive_minimum, Ordering::Less, "greater than"),
        ("Maximum", props.maximum, props.exclusive_maximum, Ordering::Greater, "less than"),
    ];
    for (what, bound, exclusive, beyond, words) in bounds {
        let Some(bound) = bound else { continue };
        let native = in_range(findings, &Value::from(bound), &format!("{what} boundary"));
        let (order, bound) = match value.as_i64().filter(|_| native) {
            Some(value) => (Some(value.cmp(&(bound as i64))), Value::from(bound as i64)),
            None => (number.partial_cmp(&bound), Value::from(bound)),
        };
        if order == Some(beyond) || (yes(exclusive) && order == Some(Ordering::Equal)) {
            let or_equal = if yes(exclusive) { "" } else { " or equal to" };
            wrong(findings, value, format!("{path} in body should be {words}{or_equal} {}", shown(&bound)));
        }
    }
}

/// Whether a number is one that its type and format can hold.
#[expect(clippy::cast_possible_truncation, reason = "only whole numbers within the range are cast")]
fn fits_format(types: &[&str], format: Option<&str>, value: &Value) -> bool {
    let number = value.as_f64().unwrap_or_default();
    let whole = value.as_i64().or_else(|| (number.fract() == 0.0 && number.abs() < 9.2e18).then_some(number as i64));
    match (types, format) {
        (["integer"], Some("int32")) => whole.is_some_and(|whole| i32::try_from(whole).is_ok()),
        (["integer"], _) => whole.is_some(),
        (["number"], Some("float")) => number.abs() <= f64::from(f32::MAX),
        _ => true,
    }
}
