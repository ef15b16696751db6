//! What a request asks for: its path, its parameters and its body.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use headwater_golang::{json, quote};
use headwater_goyaml as yaml;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::refusal::Refusal;

/// The most bytes of a body, as of a real server.
pub const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// How deep an object may be nested. Many readers, this server's own among them, take 127 levels, and lists and watches add some.
const DEPTH: usize = 100;
/// How long the names of the fields may be together that lead to a value, in bytes.
const PATH: usize = 4096;

/// The most mistakes of one kind that a client is told of.
pub const MISTAKES: usize = 100;

/// The bounds on YAML. Deeper objects than [`DEPTH`] are refused as those in JSON are.
const YAML_LIMITS: yaml::Limits = yaml::Limits { bytes: BODY_LIMIT, depth: 200, nodes: 1_000_000 };

/// The media type of server-side apply.
pub const APPLY: &str = "application/apply-patch+yaml";
/// The media type in which clients write built-in kinds.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Objects named by a path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind by its plural.
    pub plural: String,
    /// The namespace, where the path names one.
    pub namespace: Option<String>,
    /// The object, where the path names one.
    pub name: Option<String>,
    /// What of the object is meant, such as `status`.
    pub subresource: Option<String>,
}

impl Target {
    /// Reads `/api/v1/…` and `/apis/GROUP/VERSION/…`; nothing when the path names no objects.
    pub fn parse(path: &str) -> Option<Self> {
        let decoded: Option<Vec<String>> = path.split('/').skip(1).map(decoded).collect();
        let mut parts = decoded?.into_iter();
        let group = match parts.next()?.as_str() {
            "api" => String::new(),
            "apis" => parts.next()?,
            _ => return None,
        };
        let version = parts.next()?;
        let rest: Vec<String> = parts.collect();
        if rest.iter().any(String::is_empty) {
            return None;
        }
        let mut rest = rest.into_iter();
        let first = rest.next()?;
        // `namespaces/x/y` are objects in a namespace unless y is a part of the namespace itself.
        let remaining: Vec<String> = rest.collect();
        let in_namespace = first == "namespaces" && remaining.len() >= 2 && !["status", "finalize"].contains(&&*remaining[1]);
        let mut remaining = remaining.into_iter();
        let (namespace, plural) = if in_namespace { (remaining.next(), remaining.next()?) } else { (None, first) };
        let target = Self { group, version, plural, namespace, name: remaining.next(), subresource: remaining.next() };
        remaining.next().is_none().then_some(target)
    }
}

fn decoded(part: &str) -> Option<String> {
    let pair = format!("x={}", part.replace('+', "%2B"));
    Some(url::form_urlencoded::parse(pair.as_bytes()).next()?.1.into_owned())
}

/// The parameters of a request.
#[derive(Debug, Default)]
pub struct Query(HashMap<String, String>);

impl Query {
    /// Reads a query string; of a repeated parameter the first counts.
    pub fn parse(text: &str) -> Self {
        let mut found = HashMap::new();
        for (key, value) in url::form_urlencoded::parse(text.as_bytes()) {
            found.entry(key.into_owned()).or_insert_with(|| value.into_owned());
        }
        Self(found)
    }

    /// The value of a parameter; empty where it is not set.
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Whether a parameter is given, and means yes.
    pub fn is_on(&self, key: &str) -> bool {
        matches!(self.0.get(key).map(|value| value.to_ascii_lowercase()).as_deref(), Some("true" | "1" | "t" | ""))
    }

    /// A number; nothing where it is not set or negative.
    pub fn number(&self, key: &str) -> Result<Option<u64>, Refusal> {
        match self.text(key) {
            "" => Ok(None),
            text => {
                let parsed: Result<i64, _> = text.parse();
                let invalid = |_| Refusal::bad_request(format!("strconv.ParseInt: parsing {}: invalid syntax", quote(text)));
                parsed.map(|number| u64::try_from(number).ok()).map_err(invalid)
            }
        }
    }

    /// The version that a list or a watch starts from; nothing where none or any is asked for.
    pub fn version(&self) -> Result<Option<u64>, Refusal> {
        match self.text("resourceVersion") {
            "" | "0" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                let text = quote(text);
                Refusal::bad_request(format!(
                    "invalid resource version: resourceVersion: Invalid value: {text}: strconv.ParseUint: parsing {text}: invalid syntax"
                ))
            }),
        }
    }
}

/// What is to be done about fields that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValidation {
    /// Drop them.
    Ignore,
    /// Drop them, and say so.
    Warn,
    /// Refuse the object.
    Strict,
}

/// Whether the outcome is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// It is kept.
    No,
    /// It is only answered.
    All,
}

/// How a write is to be done.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// Whether the outcome is kept.
    pub dry_run: DryRun,
    /// What is to be done about unknown fields.
    pub validation: FieldValidation,
    /// Who writes; from the user agent where it is not said.
    pub manager: String,
    /// Whether the manager was named.
    pub named: bool,
    /// Whether an apply takes over fields of others.
    pub force: Option<bool>,
}

impl WriteOptions {
    /// Reads the parameters of a write; `options` is what a real server calls them, such as `PatchOptions`.
    pub fn parse(query: &Query, headers: &HeaderMap, options: &str) -> Result<Self, Refusal> {
        let dry_run = match query.text("dryRun") {
            "" => DryRun::No,
            "All" => DryRun::All,
            other => {
                let message = format!("Unsupported value: [{}]: supported values: \"All\"", json::string(other));
                return Err(Refusal::options(options, "FieldValueNotSupported", "dryRun", &message));
            }
        };
        let validation = match query.text("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let message = format!("Unsupported value: {}: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"", quote(other));
                return Err(Refusal::options(options, "FieldValueNotSupported", "fieldValidation", &message));
            }
        };
        let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let named = query.text("fieldManager");
        if named.chars().count() > 128 || named.chars().any(char::is_control) {
            let message = format!("Invalid value: {}: should be at most 128 printable characters", quote(named));
            return Err(Refusal::options(options, "FieldValueInvalid", "fieldManager", &message));
        }
        let manager =
            if named.is_empty() { agent.split('/').next().unwrap_or_default().chars().take(128).collect() } else { named.to_owned() };
        let force = (!query.text("force").is_empty()).then(|| query.is_on("force"));
        Ok(Self { dry_run, validation, manager, named: !named.is_empty(), force })
    }
}

/// The form in which objects are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As they are.
    Object,
    /// As rows for a terminal.
    Table,
    /// Their metadata alone.
    Partial,
}

/// Which of the accepted forms is answered: the first that this server knows.
pub fn shape(headers: &HeaderMap) -> Result<Shape, Refusal> {
    let Some(accept) = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()) else { return Ok(Shape::Object) };
    for wanted in accept.split(',') {
        let mut parts = wanted.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        if !["application/json", "*/*", "application/*", "application/yaml", ""].contains(&media) {
            continue;
        }
        match parts.find_map(|part| part.strip_prefix("as=")) {
            None => return Ok(Shape::Object),
            Some("Table") => return Ok(Shape::Table),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Ok(Shape::Partial),
            Some(_) => {}
        }
    }
    Err(Refusal::not_acceptable("application/json"))
}

/// The content type of the body, without parameters; JSON where none is given.
pub fn media_type(headers: &HeaderMap) -> &str {
    let text = headers.get(CONTENT_TYPE).and_then(|text| text.to_str().ok()).unwrap_or("application/json");
    text.split(';').next().unwrap_or_default().trim()
}

/// Reads JSON or YAML. Of keys that an object has twice the last counts.
pub fn value(body: &[u8], media_type: &str) -> Result<Value, String> {
    let value = match json_value(body, media_type) {
        Some(json) => json.map_err(|error| error.to_string())?,
        None => yaml::parse_exact(body, YAML_LIMITS).map_err(|error| error.to_string())?,
    };
    unwieldy(&value).map_or(Ok(value), |why| Err(why.to_owned()))
}

/// A body that is read as JSON: also YAML that is JSON, which most clients send.
fn json_value(body: &[u8], media_type: &str) -> Option<Result<Value, serde_json::Error>> {
    if !media_type.ends_with("yaml") {
        return Some(serde_json::from_slice(body));
    }
    let looks_like_it = body.trim_ascii_start().starts_with(b"{");
    looks_like_it.then(|| serde_json::from_slice(body)).filter(Result::is_ok)
}

/// Why a value is not handled, although it can be read: work on it would take far more than its size.
pub fn unwieldy(value: &Value) -> Option<&'static str> {
    fn walk(value: &Value, depth: usize, path: usize) -> Option<&'static str> {
        if depth > DEPTH {
            return Some("it is nested more than 100 levels deep");
        }
        match value {
            Value::Object(fields) => fields.iter().find_map(|(name, value)| match path + name.len() {
                path if path > PATH => Some("the names of fields that lead to a value are longer than 4096 bytes"),
                path => walk(value, depth + 1, path),
            }),
            Value::Array(items) => items.iter().find_map(|item| walk(item, depth + 1, path)),
            _ => None,
        }
    }
    walk(value, 0, 0)
}

/// A text that is no longer than what is told of a mistake.
pub fn shortened(text: &str) -> &str {
    text.char_indices().nth(256).map_or(text, |(end, _)| &text[..end])
}

/// The fields that stand twice in a JSON text, as a strict reader tells them.
pub fn duplicates(body: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    // A text that cannot be read is refused elsewhere.
    drop(Duplicates { path: &mut String::new(), found: &mut found }.deserialize(&mut serde_json::Deserializer::from_slice(body)));
    found
}

/// The keys that stand twice in a YAML text, as a strict reader tells them, each with its line.
pub fn yaml_duplicates(body: &[u8]) -> Vec<String> {
    if json_value(body, "yaml").is_some() && duplicates(body).is_empty() {
        return Vec::new();
    }
    match yaml::parse_strict(body, YAML_LIMITS) {
        Err(yaml::Error::Repeated(keys)) => keys.iter().take(MISTAKES).map(|key| shortened(&key.to_string()).to_owned()).collect(),
        _ => Vec::new(),
    }
}

/// Walks a text and remembers the keys of each object.
struct Duplicates<'a> {
    path: &'a mut String,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Duplicates<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Duplicates<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let length = self.path.len();
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            if !keys.insert(key) && self.found.len() < MISTAKES {
                self.found.push(format!("duplicate field {}", quote(shortened(self.path))));
            }
            map.next_value_seed(Duplicates { path: &mut *self.path, found: &mut *self.found })?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let length = self.path.len();
        for at in 0.. {
            // A text never fails to be written to.
            let _ = write!(self.path, "[{at}]");
            let more = list.next_element_seed(Duplicates { path: &mut *self.path, found: &mut *self.found })?.is_some();
            self.path.truncate(length);
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn paths_name_objects() {
        let told = |path: &str| {
            Target::parse(path).map(|t| {
                let or = |part: Option<String>| part.unwrap_or("-".into());
                format!("{} {} {} {} {} {}", t.group, t.version, or(t.namespace), t.plural, or(t.name), or(t.subresource))
            })
        };
        for (path, expected) in [
            ("/api/v1/namespaces", " v1 - namespaces - -"),
            ("/api/v1/namespaces/x", " v1 - namespaces x -"),
            ("/api/v1/namespaces/x/status", " v1 - namespaces x status"),
            ("/api/v1/namespaces/x/secrets", " v1 x secrets - -"),
            ("/api/v1/namespaces/x/secrets/y", " v1 x secrets y -"),
            ("/api/v1/secrets", " v1 - secrets - -"),
            ("/apis/g.io/v2/namespaces/x/things/y/status", "g.io v2 x things y status"),
            ("/apis/g.io/v2/things/a%2Bb", "g.io v2 - things a+b -"),
        ] {
            assert_eq!(told(path).as_deref(), Some(expected), "{path}");
        }
        for path in ["/", "/api", "/api/v1", "/apis/g/v1", "/api/v1/secrets/", "/api/v1/namespaces/x/secrets/y/a/b", "/foo/v1/x"] {
            assert_eq!(told(path), None, "{path}");
        }
    }

    #[test]
    fn yaml_means_what_it_means_to_a_real_server() {
        let read = |text: &str| value(text.as_bytes(), "application/yaml");
        let text = "a: yes\nb: 0x10\nc: 1.0\nd: 1\nd: 2\ne: {<<: {f: 1}, f: 2}\n---\nanother: document\n";
        assert_eq!(read(text), Ok(json!({"a": true, "b": 16, "c": 1, "d": 2, "e": {"f": 2}})));
        // JSON, and what looks like it.
        assert_eq!(read(r#"{"a":"\/\ud83d\ude00"}"#), Ok(json!({"a": "/😀"})));
        assert_eq!(read("{a: 'b',}"), Ok(json!({"a": "b"})));
        assert_eq!(read("a: b: c").unwrap_err(), "error converting YAML to JSON: yaml: mapping values are not allowed in this context");
        assert!(value(b"{a: b}", "application/json").is_err());
    }

    #[test]
    fn keys_that_stand_twice_in_yaml_are_found_with_their_lines() {
        assert_eq!(
            yaml_duplicates(b"a: 1\nb: {c: 1, c: 2}\na: 2\n"),
            [r#"line 2: key "c" already set in map"#, r#"line 3: key "a" already set in map"#]
        );
        assert_eq!(yaml_duplicates(br#"{"a":1,"a":2}"#), [r#"line 1: key "a" already set in map"#]);
        assert_eq!(yaml_duplicates(br#"{"a":1,"b":"\/"}"#), Vec::<String>::new());
        assert_eq!(yaml_duplicates(b"a: [1"), Vec::<String>::new());
    }

    #[test]
    fn the_first_known_form_is_answered() {
        let of = |accept: &'static str| shape(&HeaderMap::from_iter([(ACCEPT, axum::http::HeaderValue::from_static(accept))])).ok();
        assert_eq!(
            of("application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"),
            Some(Shape::Table)
        );
        assert_eq!(
            of(
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
            ),
            Some(Shape::Partial)
        );
        assert_eq!(of("application/vnd.kubernetes.protobuf, */*"), Some(Shape::Object));
        assert_eq!(of("application/vnd.kubernetes.protobuf"), None);
        assert_eq!(of("text/html"), None);
    }
}
