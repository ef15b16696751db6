//! The notations of charts and indexes behind one interface: a stream of events.

use super::Fault;

/// One step through a document. The text of a scalar is in the source that gave the event, until its next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Scalar(Kind),
    List,
    Map,
    /// The list or the map that was begun last ends.
    End,
}

/// The kind of a scalar; its text is as it is written in the source, strings without quotes and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number,
    Text,
}

/// A document as events.
pub(crate) trait Source {
    /// The next event.
    fn next(&mut self) -> Result<Event, Fault>;

    /// The text of the scalar that came last.
    fn text(&self) -> &str;

    /// Says if the notation merges a map into the one it stands in, and the scalar that came last asks for that.
    fn is_merge(&self) -> bool {
        false
    }

    /// The value of the number that came last.
    fn number(&self) -> Number;

    /// Says if the scalar that came last is written as its text reads, without escapes.
    fn is_verbatim(&self) -> bool {
        true
    }

    /// The line on which what came last begins, counted from 1; 0 where nobody is told.
    fn line(&self) -> u64 {
        0
    }

    /// The rules of the notation beyond its syntax.
    fn rules(&self) -> Rules;
}

/// The ways in which upstream decodes a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// An index in YAML: unknown and repeated keys are errors; numbers and booleans may stand for strings in some places.
    Strict,
    /// An index in JSON: unknown keys are passed over, of repeated ones the last counts.
    Json,
    /// A chart's file: unknown keys are passed over; numbers and booleans may stand for strings everywhere. Errors name the field.
    Typed,
}

/// A number, wide enough for what upstream makes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Uint(u64),
    Float(f64),
}

impl Number {
    /// The nearest float.
    #[expect(clippy::cast_precision_loss, reason = "upstream keeps numbers as floats")]
    pub(super) fn as_float(self) -> f64 {
        match self {
            Self::Int(n) => n as f64,
            Self::Uint(n) => n as f64,
            Self::Float(n) => n,
        }
    }
}
