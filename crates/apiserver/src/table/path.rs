//! Where a column finds its value: JSONPath as Kubernetes writes it.

use chrono::{DateTime, Utc};
use headwater_golang::float::general;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::age;

/// A place in objects.
#[derive(Debug)]
pub struct Path(JsonPath);

impl Path {
    /// From Kubernetes' notation, such as `.status.conditions[?(@.type=="Ready")].status`. Nothing if it cannot be understood.
    pub fn parse(kubernetes: &str) -> Option<Self> {
        JsonPath::parse(&standard(kubernetes)).ok().map(Self)
    }

    /// The first value there.
    pub fn first<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.query(object).first()
    }
}

/// The path in the notation of RFC 9535: every name quoted, dots in names without their backslash.
fn standard(kubernetes: &str) -> String {
    let mut out = String::from("$");
    let mut rest = kubernetes;
    while let Some(next) = rest.chars().next() {
        match next {
            '[' => {
                let (inner, after) = rest[1..].split_at(closing(&rest[1..]));
                out.push('[');
                out.push_str(&if inner.starts_with(['\'', '"']) { inner.replace("\\.", ".") } else { inner.to_owned() });
                out.push(']');
                rest = after.strip_prefix(']').unwrap_or(after);
            }
            '.' => {
                rest = &rest[1..];
                if let Some(after) = rest.strip_prefix('.') {
                    out.push_str("..");
                    rest = after;
                }
            }
            _ => {
                let mut name = String::new();
                let mut chars = rest.chars();
                while let Some(c) = chars.next().filter(|c| !matches!(c, '.' | '[')) {
                    name.extend(if c == '\\' { chars.next() } else { Some(c) });
                    rest = chars.as_str();
                }
                let name = if name == "*" { name } else { Value::from(name).to_string() };
                out.extend(["[", &name, "]"]);
            }
        }
    }
    out
}

/// Where the bracket closes, brackets and quotes within passed over.
fn closing(text: &str) -> usize {
    let (mut depth, mut quote) = (0, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return at,
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// A value as a column of this type has it: nothing if it is of another.
pub fn show(value: &Value, shown_as: &str, now: DateTime<Utc>) -> Value {
    match (shown_as, value) {
        ("string", _) => print(value).into(),
        ("integer", Value::Number(number)) => number.as_i64().or_else(|| number.as_f64().map(truncate)).into(),
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(_)) => age::of(value, now),
        _ => Value::Null,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "that is what is asked for")]
fn truncate(number: f64) -> i64 {
    number as i64
}

fn print(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".into(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().map(general).unwrap_or_default(),
        Value::Number(number) => number.to_string(),
        Value::Bool(bool) => bool.to_string(),
        nested => headwater_golang::json::value(nested),
    }
}
