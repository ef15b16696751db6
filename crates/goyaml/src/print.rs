//! Writes a value as `yaml.Marshal` does, which goes through JSON and reads that as YAML before it writes.

use std::borrow::Cow;

use headwater_golang::float::general;
use headwater_golang::json;
use serde_json::{Map, Number, Value};

use super::Error;
use super::emit::{Emitter, Lines};
use super::float::whole;
use super::order::sort;
use super::style::{Place, choose, is_complex_key};

/// How long a key may be, in characters of its JSON form.
const LONGEST_KEY: usize = 1024;

/// Writes a value as `yaml.Marshal` does, byte for byte.
///
/// # Errors
/// [`Error::Print`] with upstream's message for what it refuses as well: control characters from U+007F to U+009F, U+FFFE and U+FFFF,
/// and keys of more than 1,024 characters.
pub fn print(value: &Value) -> Result<String, Error> {
    let mut emitter = Emitter::new();
    node(&mut emitter, value, Parent::None)?;
    emitter.indent = None;
    emitter.line();
    Ok(emitter.out)
}

/// What a value stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parent {
    None,
    List,
    Map,
}

fn node(emitter: &mut Emitter, value: &Value, parent: Parent) -> Result<(), Error> {
    match value {
        Value::Null => emitter.word("null"),
        Value::Bool(truth) => emitter.word(if *truth { "true" } else { "false" }),
        Value::Number(value) => emitter.word(&number(value)),
        Value::String(text) => {
            let text = through_json(text)?;
            emitter.text(&text, choose(&text, Place::Value), Lines::Breakable);
        }
        Value::Array(items) if items.is_empty() => emitter.word("[]"),
        Value::Object(map) if map.is_empty() => emitter.word("{}"),
        Value::Array(items) => list(emitter, items, parent)?,
        Value::Object(entries) => map(emitter, entries)?,
    }
    Ok(())
}

fn list(emitter: &mut Emitter, items: &[Value], parent: Parent) -> Result<(), Error> {
    let outer = emitter.indent;
    // A list behind `key:` is not indented against its key.
    let indentless = parent == Parent::Map && !emitter.indention;
    emitter.indent = Some(outer.map_or(0, |indent| if indentless { indent } else { indent + 2 }));
    for item in items {
        emitter.line();
        emitter.bullet('-');
        node(emitter, item, Parent::List)?;
    }
    emitter.indent = outer;
    Ok(())
}

fn map(emitter: &mut Emitter, entries: &Map<String, Value>) -> Result<(), Error> {
    let outer = emitter.indent;
    emitter.indent = Some(outer.map_or(0, |indent| indent + 2));
    let mut sorted = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if json::string(key).chars().count() > LONGEST_KEY || key.contains('\u{85}') {
            return Err(Error::Print("did not find expected ',' or '}'"));
        }
        sorted.push((through_json(key)?.chars().collect::<Vec<char>>(), value));
    }
    sort(&mut sorted);
    for (key, value) in sorted {
        let key: String = key.into_iter().collect();
        emitter.line();
        if is_complex_key(&key) {
            emitter.bullet('?');
            emitter.text(&key, choose(&key, Place::Value), Lines::Breakable);
            emitter.line();
            emitter.bullet(':');
        } else {
            emitter.text(&key, choose(&key, Place::Key), Lines::One);
            emitter.mark(':');
        }
        node(emitter, value, Parent::Map)?;
    }
    emitter.indent = outer;
    Ok(())
}

fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => whole(float).map_or_else(|| general(float), |whole| whole.to_string()),
        _ => number.to_string(),
    }
}

/// What is left of a text after it was written as JSON and that read as YAML 1.1: the line mark U+0085 is folded into space.
fn through_json(text: &str) -> Result<Cow<'_, str>, Error> {
    let refused = |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(refused) {
        return Err(Error::Print("control characters are not allowed"));
    }
    if !text.contains('\u{85}') {
        return Ok(Cow::Borrowed(text));
    }
    let mut folded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\u{85}') {
        folded.push_str(rest[..at].trim_end_matches(' '));
        let behind = rest[at..].trim_start_matches([' ', '\u{85}']);
        let gap = &rest[at..rest.len() - behind.len()];
        let indicator = ["---", "..."].iter().find_map(|mark| behind.strip_prefix(mark));
        if gap.ends_with('\u{85}') && indicator.is_some_and(|behind| behind.starts_with([' ', '\u{85}'])) {
            return Err(Error::Print("found unexpected document indicator"));
        }
        let breaks = gap.matches('\u{85}').count();
        if breaks == 1 {
            folded.push(' ');
        } else {
            folded.extend(std::iter::repeat_n('\n', breaks - 1));
        }
        rest = behind;
    }
    folded.push_str(rest);
    Ok(Cow::Owned(folded))
}
