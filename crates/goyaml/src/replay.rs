//! The first document of a stream step by step, aliases replaced by what they stand for.

use std::collections::HashMap;
use std::io::BufRead;

use super::budget::{Budget, Origin};
use super::error::{Error, Problem};
use super::events::{Event, Events};
use super::scalar::{Scalar, is_merge, resolve_tagged, typed};

/// The most steps of anchored nodes that are kept.
const TAPE: usize = 1_000_000;
/// The end of a node that has not ended.
const OPEN: usize = usize::MAX;

/// A step through a document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// A scalar, whose text is in [`Replay::text`].
    Scalar(Meaning),
    /// A list begins; its items follow, and [`Step::End`].
    List,
    /// A map begins; keys and values follow by turns, and [`Step::End`].
    Map,
    /// The list or the map that was begun last ends.
    End,
}

/// The meaning of a scalar: a [`Scalar`] without its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning {
    /// As [`Scalar::Null`].
    Null,
    /// As [`Scalar::Bool`].
    Bool(bool),
    /// As [`Scalar::Int`].
    Int(i64),
    /// As [`Scalar::Uint`].
    Uint(u64),
    /// As [`Scalar::Float`].
    Float(f64),
    /// As [`Scalar::Text`].
    Text,
}

/// A document that is read step by step.
///
/// Memory grows with what is anchored, up to a bound, and not with the rest of the document. Texts that consist of aliases are refused as
/// upstream refuses them; beyond that there may be no more than 1,000,000 steps in anchored nodes.
pub struct Replay<'r> {
    events: Events<'r>,
    last: Last,
    tape: Vec<Record>,
    texts: String,
    anchors: HashMap<String, usize>,
    /// Where each anchored node begins and ends on the tape; one that is open ends at [`OPEN`].
    nodes: Vec<(usize, usize)>,
    /// The anchored nodes that are open, with the depth at which each was begun.
    recording: Vec<(usize, usize)>,
    /// Where on the tape replays stand, the innermost last, and where each ends.
    replays: Vec<(usize, usize)>,
    depth: usize,
    budget: Budget,
    /// Bytes of text that aliases may still bring in.
    text_left: u64,
}

/// The last scalar.
struct Last {
    text: String,
    meaning: Meaning,
    /// It merges a map where it is a key.
    is_merge: bool,
}

/// A recorded step.
#[derive(Clone, Copy)]
enum Record {
    Scalar { start: usize, end: usize, meaning: Meaning, is_merge: bool },
    Alias { start: usize, end: usize },
    List,
    Map,
    End,
}

impl<'r> Replay<'r> {
    /// The first document of what `reader` gives; none if it has none. Aliases may bring in so many bytes of text.
    ///
    /// # Errors
    /// Those of [`Events::next`].
    pub fn open(reader: impl BufRead + 'r, alias_text: u64) -> Result<Option<Self>, Error> {
        let mut events = Events::new(reader);
        if events.next()?.is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            events,
            last: Last { text: String::new(), meaning: Meaning::Null, is_merge: false },
            tape: Vec::new(),
            texts: String::new(),
            anchors: HashMap::new(),
            nodes: Vec::new(),
            recording: Vec::new(),
            replays: Vec::new(),
            depth: 0,
            budget: Budget::default(),
            text_left: alias_text,
        }))
    }

    /// The next step.
    ///
    /// # Errors
    /// [`Error::Syntax`], worded as upstream; [`Error::Input`] if the reader fails. A step behind the document is an error, too.
    #[expect(clippy::should_implement_trait, reason = "an iterator would have an end that no caller looks for")]
    pub fn next(&mut self) -> Result<Step, Error> {
        if let Some(step) = self.replay()? {
            return Ok(step);
        }
        match self.events.next()? {
            Some(Event::Alias(name)) => self.follow(&name),
            Some(Event::Scalar { anchor, tag, text, plain }) => {
                self.spend()?;
                self.anchor(anchor);
                self.scalar(text, tag.as_deref(), plain)
            }
            Some(Event::ListStart { anchor }) => self.begin(anchor, Record::List, Step::List),
            Some(Event::MapStart { anchor }) => self.begin(anchor, Record::Map, Step::Map),
            Some(Event::End) => {
                self.record(Record::End)?;
                self.depth = self.depth.saturating_sub(1);
                self.complete();
                Ok(Step::End)
            }
            Some(Event::DocumentStart | Event::DocumentEnd) | None => {
                Err(Error::Syntax(Problem::new("attempted to go past the end of stream; corrupted value?")))
            }
        }
    }

    /// The text of the scalar that came last, without quotes and escapes.
    pub fn text(&self) -> &str {
        &self.last.text
    }

    /// Says if the scalar that came last, where it is a key, merges the map behind it, or those of a list, into the map it stands in.
    pub fn is_merge(&self) -> bool {
        self.last.is_merge
    }

    /// The line, from 1, of what was read last.
    pub fn line(&self) -> usize {
        self.events.line() + 1
    }

    /// Checks that the document ends.
    ///
    /// # Errors
    /// Those of [`Events::next`].
    pub fn finish(&mut self) -> Result<(), Error> {
        self.events.next().map(drop)
    }

    /// Passes over the rest of the document, so that what is no YAML is found. Ends early where it is nested deeper than `deepest` from
    /// here on.
    ///
    /// # Errors
    /// Those of [`Events::next`].
    pub fn exhaust(&mut self, deepest: usize) -> Result<(), Error> {
        let mut open = 0_usize;
        while open <= deepest {
            match self.events.next()? {
                Some(Event::ListStart { .. } | Event::MapStart { .. }) => open += 1,
                Some(Event::End) => open = open.saturating_sub(1),
                Some(Event::DocumentEnd) | None => return Ok(()),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Counts a value.
    fn spend(&mut self) -> Result<(), Error> {
        self.budget.spend(if self.replays.is_empty() { Origin::Text } else { Origin::Alias })
    }

    fn begin(&mut self, anchor: Option<String>, record: Record, step: Step) -> Result<Step, Error> {
        self.spend()?;
        self.anchor(anchor);
        self.depth += 1;
        self.record(record)?;
        Ok(step)
    }

    /// Puts a step on the tape if anything that is open may be needed again.
    fn record(&mut self, record: Record) -> Result<(), Error> {
        if self.tape.len() >= TAPE {
            return Err(Budget::exceeded());
        }
        if !self.recording.is_empty() {
            self.tape.push(record);
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

    fn scalar(&mut self, text: String, tag: Option<&str>, plain: bool) -> Result<Step, Error> {
        let is_merge = is_merge(&text, tag, plain);
        self.last = match tag {
            None => Last { meaning: if plain { typed(&text).map_or(Meaning::Text, Meaning::from) } else { Meaning::Text }, text, is_merge },
            Some(tag) => match resolve_tagged(tag, &text) {
                Ok(Scalar::Text(text)) => Last { text, meaning: Meaning::Text, is_merge },
                Ok(scalar) => Last { text, meaning: Meaning::from(scalar), is_merge },
                Err(message) => return Err(Error::Syntax(Problem::of_tag(message).in_line(self.events.line()))),
            },
        };
        if !self.recording.is_empty() {
            let start = self.texts.len();
            self.texts.push_str(&self.last.text);
            self.record(Record::Scalar { start, end: self.texts.len(), meaning: self.last.meaning, is_merge })?;
            self.complete();
        }
        Ok(Step::Scalar(self.last.meaning))
    }

    /// Goes to where an alias leads.
    fn follow(&mut self, name: &str) -> Result<Step, Error> {
        let line = self.events.line();
        let fail = |message: String| Err(Error::Syntax(Problem::new(message).in_line(line)));
        let Some(node) = self.anchors.get(name) else {
            return fail(format!("unknown anchor '{name}' referenced"));
        };
        let Some((start, end)) = self.nodes.get(*node).copied().filter(|(_, end)| *end != OPEN) else {
            return fail(format!("anchor '{name}' value contains itself"));
        };
        self.record(Record::Alias { start, end })?;
        self.spend()?;
        self.replays.push((start, end));
        match self.replay()? {
            Some(step) => Ok(step),
            None => fail("empty anchor".to_owned()),
        }
    }

    /// The next step of the innermost replay.
    fn replay(&mut self) -> Result<Option<Step>, Error> {
        while let Some((at, end)) = self.replays.last_mut() {
            if at == end {
                self.replays.pop();
                continue;
            }
            let record = self.tape.get(*at).copied();
            *at += 1;
            let step = match record {
                Some(Record::Scalar { start, end, meaning, is_merge }) => {
                    let text = self.texts.get(start..end).unwrap_or_default();
                    self.text_left = self.text_left.checked_sub(text.len() as u64).ok_or_else(Budget::exceeded)?;
                    text.clone_into(&mut self.last.text);
                    (self.last.meaning, self.last.is_merge) = (meaning, is_merge);
                    Step::Scalar(meaning)
                }
                Some(Record::Alias { start, end }) => {
                    self.spend()?;
                    self.replays.push((start, end));
                    continue;
                }
                Some(Record::List) => Step::List,
                Some(Record::Map) => Step::Map,
                Some(Record::End) | None => return Ok(Some(Step::End)),
            };
            self.spend()?;
            return Ok(Some(step));
        }
        Ok(None)
    }
}

impl From<Scalar> for Meaning {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Bool(truth) => Self::Bool(truth),
            Scalar::Int(number) => Self::Int(number),
            Scalar::Uint(number) => Self::Uint(number),
            Scalar::Float(number) => Self::Float(number),
            Scalar::Text(_) => Self::Text,
        }
    }
}
