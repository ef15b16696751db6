//! The value forms of Go's flag packages.

use std::time::Duration;

use clap::builder::{StringValueParser, TypedValueParser};

/// Any text; an empty one, as from an empty environment variable, stands for the default.
pub(super) fn or(default: &'static str) -> impl TypedValueParser<Value = String> {
    StringValueParser::new().map(move |text| if text.is_empty() { default.to_owned() } else { text })
}

/// A duration as Go writes it, such as `30s` or `1h0m0s`. Negative ones are refused.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    headwater_api::duration::parse(text).map_err(|error| error.to_string())
}

/// A switch's value, in every spelling that Go accepts.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    headwater_golang::bool::parse(text).ok_or_else(|| "expected true or false".to_owned())
}

/// A label selector: checked for its form, passed on as it is.
pub(super) fn selector(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    for requirement in requirements(text)? {
        requirement_form(requirement.trim())?;
    }
    Ok(text.to_owned())
}

/// Splits at the commas that are not between parentheses.
fn requirements(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        match (byte, inside) {
            (b'(', false) => inside = true,
            (b')', true) => inside = false,
            (b'(' | b')', _) => return Err("unbalanced parentheses in the label selector".to_owned()),
            (b',', false) => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err("unbalanced parentheses in the label selector".to_owned());
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// One of `key`, `!key`, `key=value`, `key==value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`.
fn requirement_form(text: &str) -> Result<(), String> {
    if let Some((left, right)) = text.split_once('(') {
        let values = right.strip_suffix(')').ok_or("unexpected text after ')' in the label selector")?;
        let (key, operator) =
            left.trim_end().rsplit_once(char::is_whitespace).ok_or_else(|| format!("expected 'in' or 'notin' before {text:?}"))?;
        if !matches!(operator, "in" | "notin") {
            return Err(format!("unknown operator {operator:?} in the label selector"));
        }
        label_key(key)?;
        return values.split(',').try_for_each(label_value);
    }
    if let Some(key) = text.strip_prefix('!') {
        return label_key(key);
    }
    for operator in ["!=", "==", "="] {
        if let Some((key, value)) = text.split_once(operator) {
            label_key(key)?;
            return label_value(value);
        }
    }
    label_key(text)
}

/// A key is a name of at most 63 characters, with a domain before a slash if need be.
fn label_key(key: &str) -> Result<(), String> {
    let key = key.trim();
    let (domain, name) = key.split_once('/').unwrap_or(("d", key));
    if domain.is_empty() || domain.len() > 253 || name.is_empty() || !label_text(domain) || !label_text(name) {
        return Err(format!("invalid label key {key:?}"));
    }
    Ok(())
}

/// A value is empty or at most 63 characters.
fn label_value(value: &str) -> Result<(), String> {
    let value = value.trim();
    if value.len() > 63 || !label_text(value) {
        return Err(format!("invalid label value {value:?}"));
    }
    Ok(())
}

fn label_text(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && !text.starts_with(['-', '_', '.'])
        && !text.ends_with(['-', '_', '.'])
}
