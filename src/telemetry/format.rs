//! One event, one line: JSON as controller-runtime's logger writes it, or columns.

use std::{error::Error, fmt, io::Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    fmt::MakeWriter,
    layer::{Context, Layer},
    registry::LookupSpan,
};

use crate::settings::Encoding;

/// The longest line, in bytes, its end included. Longer ones lose fields; what reads logs may stop at them.
pub const MAX_LINE: usize = 16 * 1024;
/// The longest message or error, in bytes as encoded.
const MAX_TEXT: usize = 6 * 1024;
/// The longest value of any other field, in bytes as encoded.
const MAX_FIELD: usize = 1024;

/// The span of one pass over one object: its fields `kind`, `namespace`, `name` and `reconcile_id` say which.
const PASS: &str = "reconcile";
/// The API group of every kind.
const GROUP: &str = "source.toolkit.fluxcd.io";

/// A layer that writes each event as a line to what `W` makes, in one write.
#[derive(Debug)]
pub struct Lines<W> {
    encoding: Encoding,
    writer: W,
}

impl<W> Lines<W> {
    /// Lines in this encoding.
    pub fn new(encoding: Encoding, writer: W) -> Self {
        Self { encoding, writer }
    }
}

/// Fields in order of their arrival; a later one of the same name replaces the earlier.
#[derive(Debug, Default)]
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn put(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.as_str())
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        self.put(field.name(), text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !field.name().starts_with("log.") {
            self.put(field.name(), format!("{value:?}").into());
        }
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            let extensions = span.extensions();
            let Some(known) = extensions.get::<Fields>() else { continue };
            if span.name() == PASS {
                pass(known, &mut fields);
            } else {
                known.0.iter().for_each(|(name, value)| fields.put(name, value.clone()));
            }
        }
        event.record(&mut fields);
        let mut line = match self.encoding {
            Encoding::Json => json(event.metadata(), Utc::now(), fields),
            Encoding::Console => console(event.metadata(), Utc::now(), fields),
        };
        line.push('\n');
        // Nowhere is left to report a log that cannot be written.
        drop(self.writer.make_writer_for(event.metadata()).write_all(line.as_bytes()));
    }
}

/// Says which object a pass is over, in the words of controller-runtime.
fn pass(known: &Fields, fields: &mut Fields) {
    let text = |name| known.text(name).unwrap_or_default();
    let (kind, namespace, name) = (text("kind"), text("namespace"), text("name"));
    fields.put("controller", kind.to_lowercase().into());
    fields.put("controllerGroup", GROUP.into());
    fields.put("controllerKind", kind.into());
    let mut object = Map::new();
    object.insert("name".to_owned(), name.into());
    object.insert("namespace".to_owned(), namespace.into());
    fields.put(kind, Value::Object(object));
    fields.put("namespace", namespace.into());
    fields.put("name", name.into());
    fields.put("reconcileID", text("reconcile_id").into());
    for (name, value) in &known.0 {
        if !matches!(name.as_str(), "kind" | "namespace" | "name" | "reconcile_id") {
            fields.put(name, value.clone());
        }
    }
}

/// The level as Flux's tools know it: they know no warnings.
fn level(metadata: &Metadata<'_>) -> &'static str {
    match *metadata.level() {
        tracing::Level::TRACE => "trace",
        tracing::Level::DEBUG => "debug",
        tracing::Level::INFO | tracing::Level::WARN => "info",
        tracing::Level::ERROR => "error",
    }
}

/// What the targets of our own crates begin with.
pub(super) fn own() -> &'static str {
    module_path!().split("::").next().unwrap_or_default()
}

/// Tells targets of our own crates, `headwater` and `headwater_…`, from those of libraries.
pub(super) fn is_own(target: &str) -> bool {
    target.strip_prefix(own()).is_some_and(|rest| rest.is_empty() || rest.starts_with('_') || rest.starts_with("::"))
}

/// The logger that the event names, else the library that it comes from, if it is one.
fn logger(metadata: &Metadata<'_>, fields: &mut Fields) -> Option<Value> {
    fields.take("logger").or_else(|| (!is_own(metadata.target())).then(|| metadata.target().into()))
}

fn json(metadata: &Metadata<'_>, now: DateTime<Utc>, mut fields: Fields) -> String {
    let mut line = String::with_capacity(512);
    line.push_str("{\"level\":\"");
    line.push_str(level(metadata));
    line.push_str("\",\"ts\":\"");
    line.push_str(&now.to_rfc3339_opts(SecondsFormat::Millis, true));
    line.push('"');
    if let Some(name) = logger(metadata, &mut fields) {
        push(&mut line, "logger", &bounded(name, MAX_FIELD));
    }
    let message = fields.take("message").unwrap_or_else(|| "".into());
    push(&mut line, "msg", &bounded(message, MAX_TEXT));
    let error = fields.take("error").map(|error| bounded(error, MAX_TEXT));
    let room = MAX_LINE - error.as_ref().map_or(0, String::len) - r#","error":}"#.len() - 1;
    rest(&mut line, fields, room);
    if let Some(error) = error {
        push(&mut line, "error", &error);
    }
    line.push('}');
    line
}

fn console(metadata: &Metadata<'_>, now: DateTime<Utc>, mut fields: Fields) -> String {
    let mut line = format!("{}\t{}", now.to_rfc3339_opts(SecondsFormat::Millis, true), level(metadata).to_uppercase());
    let plain = |value: Value, most| {
        // What would break the line stays escaped; quotes need not.
        let text = bounded(value, most);
        let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&text);
        inner.replace("\\\"", "\"").replace("\\\\", "\\")
    };
    if let Some(name) = logger(metadata, &mut fields) {
        line.push('\t');
        line.push_str(&plain(name, MAX_FIELD));
    }
    line.push('\t');
    line.push_str(&plain(fields.take("message").unwrap_or_else(|| "".into()), MAX_TEXT));
    let error = fields.take("error").map(|error| bounded(error, MAX_TEXT));
    let mut object = String::new();
    let room = MAX_LINE - line.len() - error.as_ref().map_or(0, String::len) - r#"	{,"error":}"#.len() - 1;
    rest(&mut object, fields, room);
    if let Some(error) = error {
        push(&mut object, "error", &error);
    }
    if let Some(object) = object.strip_prefix(',') {
        line.push_str("\t{");
        line.push_str(object);
        line.push('}');
    }
    line
}

/// Appends the fields that there is room for.
fn rest(line: &mut String, fields: Fields, room: usize) {
    for (name, value) in fields.0 {
        if matches!(name.as_str(), "level" | "ts" | "msg") || name.is_empty() {
            continue;
        }
        let value = bounded(value, MAX_FIELD);
        if line.len() + name.len() + value.len() + r#","":"#.len() <= room {
            push(line, &name, &value);
        }
    }
}

fn push(line: &mut String, name: &str, value: &str) {
    line.push(',');
    line.push_str(&Value::from(name).to_string());
    line.push(':');
    line.push_str(value);
}

/// The value as JSON; a text that would take more than `most` bytes is cut.
fn bounded(value: Value, most: usize) -> String {
    let encoded = value.to_string();
    if encoded.len() <= most {
        return encoded;
    }
    let Value::String(text) = value else { return "\"…\"".to_owned() };
    let mut keep = text.len().min(most);
    loop {
        keep = text.floor_char_boundary(keep * 3 / 4);
        let encoded = Value::from(format!("{}…", &text[..keep])).to_string();
        if encoded.len() <= most || keep == 0 {
            return encoded;
        }
    }
}
