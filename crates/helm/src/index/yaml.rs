//! YAML as Go's yaml/v2 reads it into untyped values: one document, aliases replayed, read from a stream.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};

use libyaml_safer::{EventData, Parser};

use super::fault::syntax;
use super::source::{Event, Kind, Number, Rules, Source};
use super::{Error, Limits};
use headwater_goyaml::{Scalar, resolve, resolve_tagged};

/// Up to this many nodes nearly all may come out of aliases, from [`LARGE`] on a tenth, between them a share that falls evenly.
const SMALL: u32 = 400_000;
const LARGE: u32 = 4_000_000;
/// How many events of anchored nodes are kept.
const TAPE: usize = 1_000_000;
/// The end of a node that has not ended.
const OPEN: usize = usize::MAX;

/// A YAML document as events. The source owns the text of the last scalar and a record of every anchored node.
pub(super) struct Yaml<R: BufRead> {
    parser: Parser<Lines<R>>,
    last: Last,
    tape: Vec<Step>,
    texts: String,
    anchors: HashMap<String, usize>,
    /// Where each anchored node begins and ends on the tape; one that is open ends at [`OPEN`].
    nodes: Vec<(usize, usize)>,
    /// The anchored collections that are open, with the depth at which each was begun.
    recording: Vec<(usize, u64)>,
    /// Where on the tape replays stand, the innermost last, and where each ends.
    replays: Vec<(usize, usize)>,
    depth: u64,
    /// Where the last event begins, counted from 1.
    line: u64,
    counts: Counts,
}

/// The last scalar.
#[derive(Default)]
struct Last {
    text: String,
    style: Style,
    value: Option<Number>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Style {
    #[default]
    Quoted,
    Plain,
    /// Replayed, tagged or a boolean: its kind is known.
    Known(Kind),
}

/// A recorded event.
#[derive(Clone, Copy)]
enum Step {
    Scalar { start: usize, end: usize, style: Style, value: Option<Number> },
    Alias { start: usize, end: usize },
    List,
    Map,
    End,
}

/// A stream that ends in a line break, which the parser relies on.
struct Lines<R> {
    inner: R,
    last: u8,
    state: Tail,
}

/// What has become of the end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    Ahead,
    /// A line break is given that the stream has not.
    Added,
    Over,
}

impl<R: BufRead> Read for Lines<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Lines<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.state == Tail::Ahead && self.inner.fill_buf()?.is_empty() {
            self.state = if matches!(self.last, b'\n' | b'\r') { Tail::Over } else { Tail::Added };
        }
        match self.state {
            Tail::Ahead => self.inner.fill_buf(),
            Tail::Added => Ok(b"\n"),
            Tail::Over => Ok(b""),
        }
    }

    fn consume(&mut self, count: usize) {
        match self.state {
            Tail::Ahead => {
                if let Some(last) = self.inner.fill_buf().ok().and_then(|b| b.get(count.checked_sub(1)?)) {
                    self.last = *last;
                }
                self.inner.consume(count);
            }
            Tail::Added if count > 0 => self.state = Tail::Over,
            Tail::Added | Tail::Over => {}
        }
    }
}

/// What guards against documents that explode.
struct Counts {
    nodes: u32,
    replayed: u32,
    /// Bytes of text that aliases may still bring in.
    bytes_left: u64,
}

impl<R: BufRead> Yaml<R> {
    /// A source of the first document in `reader`; `None` if there is none.
    pub(super) fn open(reader: R, limits: &Limits) -> Result<Option<Self>, Error> {
        let mut parser = Parser::new();
        parser.set_input(Lines { inner: reader, last: b'\n', state: Tail::Ahead });
        loop {
            match parser.parse().map_err(syntax)?.data {
                EventData::DocumentStart { .. } => break,
                EventData::StreamEnd => return Ok(None),
                _ => {}
            }
        }
        Ok(Some(Self {
            parser,
            last: Last::default(),
            tape: Vec::new(),
            texts: String::new(),
            anchors: HashMap::new(),
            nodes: Vec::new(),
            recording: Vec::new(),
            replays: Vec::new(),
            depth: 0,
            line: 0,
            counts: Counts { nodes: 1, replayed: 0, bytes_left: limits.file },
        }))
    }

    /// Checks that the document ends.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.parser.parse().map(drop).map_err(syntax)
    }

    /// Reads the rest of a document of which nothing is wanted any more, so that what is no YAML is told as such. Ends early where it
    /// is nested deeper than `deepest` from here on.
    pub(super) fn exhaust(&mut self, deepest: usize) -> Result<(), Error> {
        let mut open = 0_usize;
        while open <= deepest {
            match self.parser.parse().map_err(syntax)?.data {
                EventData::SequenceStart { .. } | EventData::MappingStart { .. } => open += 1,
                EventData::SequenceEnd | EventData::MappingEnd => open = open.saturating_sub(1),
                EventData::DocumentEnd { .. } | EventData::StreamEnd => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Error> {
        let counts = &mut self.counts;
        counts.nodes = counts.nodes.saturating_add(1);
        if !self.replays.is_empty() {
            counts.replayed = counts.replayed.saturating_add(1);
        }
        if counts.replayed > 100 && counts.nodes > 1000 {
            let large = f64::from(counts.nodes.clamp(SMALL, LARGE) - SMALL) / f64::from(LARGE - SMALL);
            if f64::from(counts.replayed) / f64::from(counts.nodes) > 0.99 - 0.89 * large {
                return Err(Error::yaml("document contains excessive aliasing"));
            }
        }
        Ok(())
    }

    /// Puts a step on the tape if anything that is open may be needed again.
    fn record(&mut self, step: Step) -> Result<(), Error> {
        if self.tape.len() >= TAPE {
            return Err(Error::yaml("document contains excessive aliasing"));
        }
        if !self.recording.is_empty() {
            self.tape.push(step);
        }
        Ok(())
    }

    /// Begins the record of an anchored node.
    fn anchor(&mut self, anchor: Option<String>) {
        if let Some(name) = anchor {
            self.anchors.insert(name, self.nodes.len());
            self.recording.push((self.nodes.len(), self.depth));
            self.nodes.push((self.tape.len(), OPEN));
        }
    }

    /// Ends the record of the nodes that were begun at this depth.
    fn complete(&mut self) {
        while let Some((node, depth)) = self.recording.last().copied()
            && depth == self.depth
        {
            self.recording.pop();
            if let Some((_, end)) = self.nodes.get_mut(node) {
                *end = self.tape.len();
            }
        }
    }

    fn scalar(&mut self, text: String, tag: Option<String>, plain: bool) -> Result<Event, Error> {
        self.last = Last { text, style: if plain { Style::Plain } else { Style::Quoted }, value: None };
        if let Some(tag) = tag {
            let value = resolve_tagged(&tag, &self.last.text).map_err(|e| Error::yaml(&e))?;
            self.adopt(value);
        }
        if !self.recording.is_empty() {
            let start = self.texts.len();
            self.texts.push_str(&self.last.text);
            let Last { style, value, .. } = self.last;
            self.record(Step::Scalar { start, end: self.texts.len(), style, value })?;
        }
        self.complete();
        Ok(Event::Scalar(self.kind()))
    }

    fn adopt(&mut self, value: Scalar) {
        let mut number = None;
        let kind = match value {
            Scalar::Null => Kind::Null,
            Scalar::Bool(truth) => Kind::Bool(truth.into()),
            Scalar::Int(n) => {
                number = Some(Number::Int(n));
                Kind::Number
            }
            Scalar::Uint(n) => {
                number = Some(Number::Uint(n));
                Kind::Number
            }
            Scalar::Float(n) => {
                number = Some(Number::Float(n));
                Kind::Number
            }
            Scalar::Text(text) => {
                self.last.text = text;
                Kind::Text
            }
        };
        self.last.value = number;
        self.last.style = Style::Known(kind);
    }

    /// What the last scalar is.
    fn kind(&mut self) -> Kind {
        match self.last.style {
            Style::Quoted => Kind::Text,
            Style::Known(kind) => kind,
            // No other text is more than text.
            Style::Plain if self.last.text.starts_with(|c: char| !c.is_ascii_digit() && !"+-.~yYnNtTfFoO".contains(c)) => Kind::Text,
            Style::Plain => match resolve(&self.last.text) {
                Scalar::Null => Kind::Null,
                Scalar::Bool(truth) => Kind::Bool(truth.into()),
                Scalar::Int(n) => self.keep(Number::Int(n)),
                Scalar::Uint(n) => self.keep(Number::Uint(n)),
                Scalar::Float(n) => self.keep(Number::Float(n)),
                Scalar::Text(_) => Kind::Text,
            },
        }
    }

    fn keep(&mut self, number: Number) -> Kind {
        self.last.value = Some(number);
        Kind::Number
    }

    /// Goes to where an alias leads.
    fn follow(&mut self, name: &str) -> Result<Event, Error> {
        let node = self.anchors.get(name).ok_or_else(|| Error::yaml(&format!("unknown anchor '{name}' referenced")))?;
        let Some((start, end)) = self.nodes.get(*node).copied().filter(|(_, end)| *end != OPEN) else {
            return Err(Error::yaml(&format!("anchor '{name}' value contains itself")));
        };
        self.record(Step::Alias { start, end })?;
        self.count()?;
        self.replays.push((start, end));
        self.replay()?.ok_or_else(|| Error::yaml("empty anchor"))
    }

    /// The next event of the innermost replay.
    fn replay(&mut self) -> Result<Option<Event>, Error> {
        while let Some((at, end)) = self.replays.last_mut() {
            if at == end {
                self.replays.pop();
                continue;
            }
            let step = self.tape.get(*at).copied();
            *at += 1;
            let event = match step {
                Some(Step::Scalar { start, end, style, value }) => {
                    let text = self.texts.get(start..end).unwrap_or_default();
                    self.counts.bytes_left = self
                        .counts
                        .bytes_left
                        .checked_sub(text.len() as u64)
                        .ok_or_else(|| Error::yaml("document contains excessive aliasing"))?;
                    text.clone_into(&mut self.last.text);
                    self.last.style = style;
                    self.last.value = value;
                    Event::Scalar(self.kind())
                }
                Some(Step::Alias { start, end }) => {
                    self.count()?;
                    self.replays.push((start, end));
                    continue;
                }
                Some(Step::List) => Event::List,
                Some(Step::Map) => Event::Map,
                Some(Step::End) | None => return Ok(Some(Event::End)),
            };
            self.count()?;
            return Ok(Some(event));
        }
        Ok(None)
    }
}

impl<R: BufRead> Source for Yaml<R> {
    fn next(&mut self) -> Result<Event, Error> {
        if let Some(event) = self.replay()? {
            return Ok(event);
        }
        let event = self.parser.parse().map_err(syntax)?;
        self.line = event.start_mark.line.saturating_add(1);
        match event.data {
            EventData::Alias { anchor } => self.follow(&anchor),
            EventData::Scalar { anchor, tag, value, plain_implicit, .. } => {
                self.count()?;
                self.anchor(anchor);
                self.scalar(value, tag, plain_implicit)
            }
            EventData::SequenceStart { anchor, .. } => {
                self.count()?;
                self.anchor(anchor);
                self.depth += 1;
                self.record(Step::List)?;
                Ok(Event::List)
            }
            EventData::MappingStart { anchor, .. } => {
                self.count()?;
                self.anchor(anchor);
                self.depth += 1;
                self.record(Step::Map)?;
                Ok(Event::Map)
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                self.record(Step::End)?;
                self.depth = self.depth.saturating_sub(1);
                self.complete();
                Ok(Event::End)
            }
            _ => Err(Error::yaml("attempted to go past the end of stream; corrupted value?")),
        }
    }

    fn text(&self) -> &str {
        &self.last.text
    }

    fn is_merge(&self) -> bool {
        self.last.text == "<<" && self.last.style == Style::Plain
    }

    fn number(&self) -> Number {
        self.last.value.unwrap_or(Number::Float(f64::NAN))
    }

    fn is_verbatim(&self) -> bool {
        true
    }

    fn line(&self) -> u64 {
        self.line
    }

    fn rules(&self) -> Rules {
        Rules::Yaml
    }
}
