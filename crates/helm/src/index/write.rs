//! Writing JSON as Go does: compact while an index is kept, indented when it is stored.

use std::collections::BTreeMap;
use std::io::{self, Write};

use headwater_golang::json;
use serde_json::Value;

use super::entry::Entry;
use crate::chart::metadata::{Part, Parts};

/// A JSON object under construction, without white space.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    /// Writes a key and gives the place for its value.
    pub(super) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        json::write_string(key, self.out);
        self.out.push(b':');
        self.out
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        json::write_string(value, self.key(key));
    }

    /// Writes a string unless it is empty.
    pub(super) fn some_text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    /// Writes a boolean unless it is false.
    pub(super) fn some_truth(&mut self, key: &str, value: bool) {
        if value {
            self.key(key).extend_from_slice(b"true");
        }
    }

    /// Writes a list unless it is empty.
    pub(super) fn some_list<T>(&mut self, key: &str, items: &[T], each: impl FnMut(&T, &mut Vec<u8>)) {
        if !items.is_empty() {
            list(items, self.key(key), each);
        }
    }

    /// Writes a map unless it is empty.
    pub(super) fn some_map<T>(&mut self, key: &str, items: &BTreeMap<String, T>, each: impl FnMut(&T, &mut Vec<u8>)) {
        if !items.is_empty() {
            map(items, self.key(key), each);
        }
    }

    /// Writes the fields of a struct.
    fn parts(&mut self, node: &dyn Parts) {
        node.each(&mut |name, part| {
            if part.is_left_away() {
                return;
            }
            let out = self.key(name);
            match part {
                Part::Text(text) | Part::Required(text) => json::write_string(text, out),
                Part::Flag(flag) => any(&flag.into(), out),
                Part::Texts(texts) => list(texts, out, string),
                Part::Map(texts) => map(texts, out, string),
                Part::Values(values) => list(values, out, any),
                Part::Nodes(nodes) => list(&nodes, out, |node, out| match node {
                    Some(node) => {
                        let mut object = Object::begin(out);
                        object.parts(*node);
                        object.end();
                    }
                    None => out.extend_from_slice(b"null"),
                }),
            }
        });
    }
}

fn list<T>(items: &[T], out: &mut Vec<u8>, mut each: impl FnMut(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        each(item, out);
    }
    out.push(b']');
}

fn map<'m, T: 'm>(items: impl IntoIterator<Item = (&'m String, &'m T)>, out: &mut Vec<u8>, mut each: impl FnMut(&T, &mut Vec<u8>)) {
    let mut object = Object::begin(out);
    for (key, value) in items {
        each(value, object.key(key));
    }
    object.end();
}

/// Writes a string.
#[expect(clippy::ptr_arg, reason = "lists and maps of strings are written with it")]
pub(super) fn string(text: &String, out: &mut Vec<u8>) {
    json::write_string(text, out);
}

/// Writes any value.
pub(super) fn any(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Number(value) => out.extend_from_slice(value.as_f64().and_then(json::number).as_deref().unwrap_or("null").as_bytes()),
        Value::String(text) => json::write_string(text, out),
        Value::Array(items) => list(items, out, any),
        Value::Object(items) => map(items.iter().collect::<BTreeMap<_, _>>(), out, any),
    }
}

/// Writes an entry, its fields in upstream's order.
pub(super) fn entry(entry: &Entry, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.parts(&entry.metadata);
    let urls = object.key("urls");
    match &entry.urls {
        Some(items) => list(items, urls, string),
        None => urls.extend_from_slice(b"null"),
    }
    object.text("created", &entry.created);
    object.some_truth("removed", entry.removed);
    object.some_text("digest", &entry.digest);
    object.some_text("checksum", &entry.checksum);
    object.some_text("engine", &entry.engine);
    object.some_text("tillerVersion", &entry.tiller_version);
    object.some_text("url", &entry.url);
    object.end();
}

/// Passes compact JSON on with line breaks and two spaces a level.
pub(super) struct Indenter<'w> {
    to: &'w mut dyn Write,
    buffer: Vec<u8>,
    depth: usize,
    /// Bytes passed on.
    written: u64,
}

/// When a buffer is passed on, in bytes.
const FLUSH: usize = 64 * 1024;

impl<'w> Indenter<'w> {
    pub(super) fn new(to: &'w mut dyn Write) -> Self {
        Self { to, buffer: Vec::with_capacity(FLUSH + FLUSH / 4), depth: 0, written: 0 }
    }

    /// Writes a piece of JSON that begins and ends outside of strings. An empty list or map may not be split between two pieces.
    pub(super) fn piece(&mut self, json: &[u8]) -> io::Result<()> {
        let mut rest = json;
        while let [first, after @ ..] = rest {
            rest = after;
            match (first, after.first()) {
                (b'"', _) => {
                    let end = string_end(after);
                    let (string, after) = after.split_at(end);
                    self.buffer.push(b'"');
                    self.buffer.extend_from_slice(string);
                    rest = after;
                }
                (b'{', Some(b'}')) | (b'[', Some(b']')) => {
                    self.buffer.extend(after.first().map(|last| [*first, *last]).into_iter().flatten());
                    rest = after.get(1..).unwrap_or_default();
                }
                (b'{' | b'[', _) => {
                    self.buffer.push(*first);
                    self.depth += 1;
                    self.line();
                }
                (b'}' | b']', _) => {
                    self.depth = self.depth.saturating_sub(1);
                    self.line();
                    self.buffer.push(*first);
                }
                (b',', _) => {
                    self.buffer.push(b',');
                    self.line();
                }
                (b':', _) => self.buffer.extend_from_slice(b": "),
                _ => self.buffer.push(*first),
            }
            if self.buffer.len() >= FLUSH {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn line(&mut self) {
        self.buffer.push(b'\n');
        self.buffer.resize(self.buffer.len() + 2 * self.depth, b' ');
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left; returns the number of bytes written in all.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        Ok(self.written)
    }
}

/// The length of the rest of a string, its closing quote included.
fn string_end(rest: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match rest.get(at) {
            None => return rest.len(),
            Some(b'"') => return at + 1,
            Some(b'\\') => at = (at + 2).min(rest.len()),
            Some(_) => at += 1,
        }
    }
}
