//! The two notations of an index behind one interface: a stream of events.

use super::Error;

/// One step through a document. The text of a scalar is in the source that gave the event, until its next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Scalar(Kind),
    List,
    Map,
    /// The list or the map that was begun last ends.
    End,
}

/// What a scalar is; its text is as it is written in the source, strings without quotes and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool(Truth),
    Number,
    Text,
}

/// A boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// A document as events.
pub(super) trait Source {
    /// The next event.
    fn next(&mut self) -> Result<Event, Error>;

    /// The text of the scalar that came last.
    fn text(&self) -> &str;

    /// Whether the notation merges a map into the one it stands in, and the scalar that came last asks for that.
    fn is_merge(&self) -> bool;

    /// The value of the number that came last.
    fn number(&self) -> Number;

    /// Whether the scalar that came last is written as its text reads, without escapes.
    fn is_verbatim(&self) -> bool;

    /// The line on which what came last begins, counted from 1; 0 where nobody is told.
    fn line(&self) -> u64 {
        0
    }

    /// Which rules the notation has beyond its syntax.
    fn rules(&self) -> Rules;
}

/// How strictly upstream reads a notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// Unknown and repeated keys are errors; numbers and booleans may stand for strings in some places.
    Yaml,
    /// Unknown keys are passed over, of repeated ones the last counts.
    Json,
}

/// A number, wide enough for what upstream makes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
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
