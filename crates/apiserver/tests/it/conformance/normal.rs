//! Puts the same word for what may differ from server to server: uids, versions, the time, tokens and generated names.

use std::{collections::HashMap, sync::LazyLock};

use chrono::{DateTime, Utc};
use regex::Regex;
use serde_json::{Map, Value};

/// What was seen of one server so far.
pub struct Normal {
    /// The namespace whose objects count in lists of all namespaces.
    namespace: String,
    uids: Vec<String>,
    /// The versions of an object, in the order in which they were seen.
    versions: HashMap<String, Vec<String>>,
}

static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\b(gen-|Gen_)[a-z0-9]{5}\b", "${1}SUFFIX"),
        (r"hash=[0-9A-F]+", "hash=HASH"),
        (r"too old resource version: (\d+) \(\d+\)", "too old resource version: $1 (OLDEST)"),
        (r"ResourceVersion in record \(\d+\)", "ResourceVersion in record (VERSION)"),
        (r"Too large resource version: (\d+), current: \d+", "Too large resource version: $1, current: VERSION"),
    ]
    .map(|(pattern, word)| (Regex::new(pattern).unwrap(), word))
    .into()
});
static TIME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap());
static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\d+s$").unwrap());

impl Normal {
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), uids: Vec::new(), versions: HashMap::new() }
    }

    /// Changes an answer so that it can be compared.
    pub fn apply(&mut self, answer: &mut Value) {
        for list in ["items", "rows"] {
            if let Some(items) = answer.pointer_mut(&format!("/body/{list}")).and_then(Value::as_array_mut) {
                items.retain(|item| {
                    let metadata = if item["object"].is_object() { &item["object"]["metadata"] } else { &item["metadata"] };
                    metadata["namespace"].as_str().is_none_or(|namespace| namespace == self.namespace)
                });
            }
        }
        self.see(answer);
        self.visit(answer);
        // Events of a watch that starts with what is there come in any order.
        if let Some(events) = answer["body"].as_array_mut() {
            events.sort_by_key(ToString::to_string);
        }
    }

    /// Remembers uids in the order in which they are seen.
    fn see(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(uid) = fields.get("uid").and_then(Value::as_str)
                    && fields.contains_key("creationTimestamp")
                    && !self.uids.iter().any(|seen| seen == uid)
                {
                    self.uids.push(uid.to_owned());
                }
                fields.values().for_each(|value| self.see(value));
            }
            Value::Array(items) => items.iter().for_each(|value| self.see(value)),
            _ => {}
        }
    }

    fn visit(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => self.fields(fields),
            Value::Array(items) => items.iter_mut().for_each(|value| self.visit(value)),
            Value::String(text) => self.text(text),
            _ => {}
        }
    }

    fn fields(&mut self, fields: &mut Map<String, Value>) {
        // Neither means anything to a client.
        fields.remove("storageVersionHash");
        if let Some(Value::Array(verbs)) = fields.get_mut("verbs") {
            verbs.sort_by_key(ToString::to_string);
        }
        if let Some(Value::Array(required)) = fields.get_mut("required") {
            required.sort_by_key(ToString::to_string);
        }
        // Several causes come in any order, and some of them twice.
        if let Some(causes) =
            fields.get_mut("details").and_then(|details| details.get_mut("causes")?.as_array_mut()).filter(|all| !all.is_empty())
        {
            causes.sort_by_key(ToString::to_string);
            causes.dedup();
            if let Some(Value::String(message)) = fields.get_mut("message") {
                let mut parts: Vec<_> = message.trim_end_matches(']').split(['[', ',']).map(str::trim).collect();
                parts.sort_unstable();
                *message = parts.join(", ");
            }
        }
        let uid = fields.get("uid").and_then(Value::as_str).map(str::to_owned);
        for (key, value) in fields.iter_mut() {
            match (key.as_str(), &mut *value) {
                ("resourceVersion", Value::String(version)) if !version.is_empty() => {
                    let word = match uid.as_ref().filter(|uid| self.uids.contains(uid)) {
                        Some(uid) => {
                            let seen = self.versions.entry(uid.clone()).or_default();
                            if seen.last() == Some(version) {
                                "VERSION, the same".to_owned()
                            } else if seen.contains(version) {
                                "VERSION, an earlier one".to_owned()
                            } else {
                                seen.push(version.clone());
                                "VERSION, another".to_owned()
                            }
                        }
                        None => "VERSION".to_owned(),
                    };
                    *version = word;
                }
                ("continue", Value::String(token)) if !token.is_empty() => "CONTINUE".clone_into(token),
                ("cells", Value::Array(cells)) => {
                    for cell in cells {
                        match cell {
                            Value::String(text) if AGE.is_match(text) => "AGE".clone_into(text),
                            cell => self.visit(cell),
                        }
                    }
                }
                ("managedFields", Value::Array(entries)) => {
                    for entry in entries.iter_mut() {
                        self.visit(entry);
                    }
                    entries.sort_by_key(|e| format!("{} {} {} {}", e["operation"], e["manager"], e["subresource"], e["apiVersion"]));
                }
                _ => self.visit(value),
            }
        }
    }

    fn text(&self, text: &mut String) {
        if text.len() > 100_000 {
            return;
        }
        for (at, uid) in self.uids.iter().enumerate() {
            if text.contains(uid) {
                *text = text.replace(uid, &format!("UID {at}"));
            }
        }
        if text.contains('Z') && TIME.is_match(text) {
            *text = TIME
                .replace_all(text, |found: &regex::Captures<'_>| {
                    let time = DateTime::parse_from_rfc3339(&found[0]).unwrap();
                    let is_now = Utc::now().signed_duration_since(time).num_hours().abs() < 12;
                    if is_now { format!("NOW{}", if found.get(1).is_some() { ".micro" } else { "" }) } else { found[0].to_owned() }
                })
                .into_owned();
        }
        for (pattern, word) in RULES.iter() {
            if pattern.is_match(text) {
                *text = pattern.replace_all(text, *word).into_owned();
            }
        }
    }
}
