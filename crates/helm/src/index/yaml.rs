//! YAML as a source of events.

use std::io::{self, BufRead};

use headwater_goyaml::{self as yaml, Meaning, Replay, Step};

use super::Limits;
use crate::decode::{Event, Fault, Kind, Number, Rules, Source};

/// The first YAML document of a stream as events.
pub(super) struct Yaml<'r> {
    replay: Replay<'r>,
    number: Number,
}

impl<'r> Yaml<'r> {
    /// A source of the first document in `reader`; `None` if there is none.
    pub(super) fn open(reader: impl BufRead + 'r, limits: &Limits) -> Result<Option<Self>, Fault> {
        let replay = Replay::open(reader, limits.file)?;
        Ok(replay.map(|replay| Self { replay, number: Number::Float(f64::NAN) }))
    }

    /// Checks that the document ends.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        Ok(self.replay.finish()?)
    }

    /// Reads the rest of a document of which nothing is wanted any more, so that what is no YAML is told as such. Ends early where it
    /// is nested deeper than `deepest` from here on.
    pub(super) fn exhaust(&mut self, deepest: usize) -> Result<(), Fault> {
        Ok(self.replay.exhaust(deepest)?)
    }

    fn kind(&mut self, meaning: Meaning) -> Kind {
        self.number = match meaning {
            Meaning::Null => return Kind::Null,
            Meaning::Bool(truth) => return Kind::Bool(truth),
            Meaning::Text => return Kind::Text,
            Meaning::Int(number) => Number::Int(number),
            Meaning::Uint(number) => Number::Uint(number),
            Meaning::Float(number) => Number::Float(number),
        };
        Kind::Number
    }
}

impl Source for Yaml<'_> {
    fn next(&mut self) -> Result<Event, Fault> {
        Ok(match self.replay.next()? {
            Step::Scalar(meaning) => Event::Scalar(self.kind(meaning)),
            Step::List => Event::List,
            Step::Map => Event::Map,
            Step::End => Event::End,
        })
    }

    fn text(&self) -> &str {
        self.replay.text()
    }

    fn is_merge(&self) -> bool {
        self.replay.is_merge()
    }

    fn number(&self) -> Number {
        self.number
    }

    fn line(&self) -> u64 {
        self.replay.line() as u64
    }

    fn rules(&self) -> Rules {
        Rules::Strict
    }
}

impl From<yaml::Error> for Fault {
    fn from(error: yaml::Error) -> Self {
        match error {
            yaml::Error::Syntax(problem) => Self::yaml(&problem.to_string()),
            yaml::Error::Input(error) => Self::Io(io::Error::new(error.kind(), error)),
            other => Self::Value(other.to_string()),
        }
    }
}
