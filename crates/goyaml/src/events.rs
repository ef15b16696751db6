//! From tokens to events: the grammar.

use std::io::BufRead;

use super::error::{Error, Problem};
use super::scanner::{Scanner, Token};

/// A step through a stream of YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A document begins; exactly one node follows.
    DocumentStart,
    /// The document is over.
    DocumentEnd,
    /// The node that an anchor names.
    Alias(String),
    /// A scalar.
    Scalar {
        /// The name by which aliases refer to it.
        anchor: Option<String>,
        /// The tag in its long form, as [`super::resolve_tagged`] wants it.
        tag: Option<String>,
        /// The text, without quotes and escapes.
        text: String,
        /// It is neither quoted nor tagged, or tagged with a lone `!`.
        plain: bool,
    },
    /// A list begins; its items follow, and [`Event::End`].
    ListStart {
        /// The name by which aliases refer to it.
        anchor: Option<String>,
    },
    /// A map begins; keys and values follow by turns, and [`Event::End`].
    MapStart {
        /// The name by which aliases refer to it.
        anchor: Option<String>,
    },
    /// The list or the map that was begun last ends.
    End,
}

/// The events of a stream of YAML 1.1, read block by block: memory does not grow with the stream, but with its longest scalar and with how
/// deep it is nested (10,000 levels at most).
///
/// Text is UTF-8, or UTF-16 where a byte order mark says so. Names of anchors are not resolved.
pub struct Events<'r> {
    scanner: Scanner<'r>,
    /// What is to be read, the next last.
    states: Vec<State>,
    /// Handles of tags and what they stand for, in this document.
    prefixes: Vec<(String, String)>,
    line: usize,
}

/// A part of the grammar that can be read.
#[derive(Clone, Copy)]
enum State {
    Document(Documents),
    /// The root of a document that began with `---`.
    Root,
    DocumentEnd,
    Node(Place),
    /// `- a`, in a block of its own.
    BlockItem,
    /// `- a`, as far left as the key before it.
    PlainItem,
    BlockKey,
    BlockValue,
    FlowItem(Items),
    PairKey,
    PairValue,
    PairEnd,
    FlowKey(Items),
    FlowValue,
    /// The value of a key that was no key by its mark.
    NoValue,
}

/// The documents before one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Documents {
    None,
    Some,
}

/// The items before one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Items {
    None,
    Some,
}

/// Which nodes may stand at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Block,
    /// Also a list that is not indented.
    BlockOrList,
    Flow,
}

/// An anchor and a tag.
type Properties = (Option<String>, Option<String>);

impl<'r> Events<'r> {
    /// The events of what `reader` gives.
    pub fn new(reader: impl BufRead + 'r) -> Self {
        Self { scanner: Scanner::new(reader), states: vec![State::Document(Documents::None)], prefixes: Vec::new(), line: 0 }
    }

    /// The next event; none at the end of the stream, and behind an error.
    ///
    /// # Errors
    /// [`Error::Syntax`], worded as upstream; [`Error::Input`] if the reader fails.
    #[expect(clippy::should_implement_trait, reason = "an iterator would have to go on behind an error")]
    pub fn next(&mut self) -> Result<Option<Event>, Error> {
        let Some(state) = self.states.pop() else { return Ok(None) };
        let event = self.read(state);
        if event.is_err() {
            self.states.clear();
        }
        event
    }

    /// The line in which the last event begins, from 0; not of the ends of documents, lists and maps.
    pub fn line(&self) -> usize {
        self.line
    }

    fn read(&mut self, state: State) -> Result<Option<Event>, Error> {
        match state {
            State::Document(before) => return self.document(before),
            State::Root => self.node_unless(ends_document, Place::Block),
            State::DocumentEnd => self.document_end(),
            State::Node(place) => self.node(place),
            State::BlockItem => self.block_item(),
            State::PlainItem => self.plain_item(),
            State::BlockKey => self.block_key(),
            State::BlockValue => {
                self.states.push(State::BlockKey);
                self.value(ends_block_entry, Place::BlockOrList)
            }
            State::FlowItem(before) => self.flow_item(before),
            State::PairKey => self.pair_key(),
            State::PairValue => {
                self.states.push(State::PairEnd);
                self.value(ends_pair, Place::Flow)
            }
            State::PairEnd => Ok(Event::End),
            State::FlowKey(before) => self.flow_key(before),
            State::FlowValue => {
                self.states.push(State::FlowKey(Items::Some));
                self.value(ends_flow_entry, Place::Flow)
            }
            State::NoValue => {
                self.states.push(State::FlowKey(Items::Some));
                self.empty()
            }
        }
        .map(Some)
    }

    fn document(&mut self, before: Documents) -> Result<Option<Event>, Error> {
        if before == Documents::Some {
            while self.skip_if(|token| matches!(token, Token::DocumentEnd))? {}
        }
        self.line = self.next_line()?;
        match self.token()? {
            Token::End => return Ok(None),
            Token::Version(_) | Token::TagPrefix { .. } | Token::DocumentStart => {}
            _ if before == Documents::None => {
                self.states.extend([State::DocumentEnd, State::Node(Place::Block)]);
                return Ok(Some(Event::DocumentStart));
            }
            _ => {}
        }
        self.directives()?;
        if !self.skip_if(|token| matches!(token, Token::DocumentStart))? {
            return Err(self.problem("did not find expected <document start>"));
        }
        self.states.extend([State::DocumentEnd, State::Root]);
        Ok(Some(Event::DocumentStart))
    }

    fn directives(&mut self) -> Result<(), Error> {
        let mut versions = 0;
        loop {
            match self.token()? {
                Token::Version(_) if versions > 0 => return Err(self.problem("found duplicate %YAML directive")),
                Token::Version(version) if version != "1.1" => return Err(self.problem("found incompatible YAML document")),
                Token::Version(_) => versions += 1,
                Token::TagPrefix { handle, prefix } => {
                    let entry = (handle.clone(), prefix.clone());
                    if self.prefixes.iter().any(|(handle, _)| *handle == entry.0) {
                        return Err(self.problem("found duplicate %TAG directive"));
                    }
                    self.prefixes.push(entry);
                }
                _ => return Ok(()),
            }
            self.scanner.next()?;
        }
    }

    /// The end of a document; a token that cannot be read behind it spoils it, too.
    fn document_end(&mut self) -> Result<Event, Error> {
        self.skip_if(|token| matches!(token, Token::DocumentEnd))?;
        self.prefixes.clear();
        self.states.push(State::Document(Documents::Some));
        Ok(Event::DocumentEnd)
    }

    /// A node, or nothing (null) before a token that can only follow one.
    fn node_unless(&mut self, follows: fn(&Token) -> bool, place: Place) -> Result<Event, Error> {
        if follows(self.token()?) { self.empty() } else { self.node(place) }
    }

    /// What stands behind a colon, if there is one.
    fn value(&mut self, follows: fn(&Token) -> bool, place: Place) -> Result<Event, Error> {
        if self.skip_if(|token| matches!(token, Token::Value))? { self.node_unless(follows, place) } else { self.empty() }
    }

    fn node(&mut self, place: Place) -> Result<Event, Error> {
        self.line = self.next_line()?;
        if let Token::Alias(name) = self.token()? {
            let name = std::mem::take(name);
            self.scanner.next()?;
            return Ok(Event::Alias(name));
        }
        let (anchor, tag) = self.properties()?;
        let (state, event) = match self.token()? {
            Token::Scalar { .. } => return self.scalar(anchor, tag),
            Token::BlockEntry if place == Place::BlockOrList => {
                self.states.push(State::PlainItem);
                return Ok(Event::ListStart { anchor });
            }
            Token::FlowListStart => (State::FlowItem(Items::None), Event::ListStart { anchor }),
            Token::FlowMapStart => (State::FlowKey(Items::None), Event::MapStart { anchor }),
            Token::BlockListStart if place != Place::Flow => (State::BlockItem, Event::ListStart { anchor }),
            Token::BlockMapStart if place != Place::Flow => (State::BlockKey, Event::MapStart { anchor }),
            _ if anchor.is_some() || tag.is_some() => {
                let plain = tag.is_none();
                return Ok(Event::Scalar { anchor, tag, text: String::new(), plain });
            }
            _ => return Err(self.problem("did not find expected node content")),
        };
        self.scanner.next()?;
        self.states.push(state);
        Ok(event)
    }

    fn scalar(&mut self, anchor: Option<String>, tag: Option<String>) -> Result<Event, Error> {
        let Token::Scalar { text, plain } = self.scanner.next()?.token else {
            return Err(self.problem("did not find expected node content"));
        };
        let plain = tag.as_ref().map_or(plain, |tag| tag == "!");
        Ok(Event::Scalar { anchor, tag, text, plain })
    }

    /// An anchor and a tag, in any order.
    fn properties(&mut self) -> Result<Properties, Error> {
        let (mut anchor, mut tag) = (None, None);
        loop {
            let line = self.next_line()?;
            match self.token()? {
                Token::Anchor(name) if anchor.is_none() => anchor = Some(std::mem::take(name)),
                Token::Tag { handle, suffix } if tag.is_none() => tag = Some((std::mem::take(handle), std::mem::take(suffix), line)),
                _ => break,
            }
            self.scanner.next()?;
        }
        let tag = tag.map(|(handle, suffix, line)| self.resolve_handle(&handle, suffix, line)).transpose()?;
        Ok((anchor, tag.filter(|tag| !tag.is_empty())))
    }

    fn resolve_handle(&self, handle: &str, suffix: String, line: usize) -> Result<String, Error> {
        let own = self.prefixes.iter().find(|(known, _)| known == handle).map(|(_, prefix)| prefix.as_str());
        let prefix = match (own, handle) {
            (_, "") => return Ok(suffix),
            (Some(prefix), _) => prefix,
            (None, "!") => "!",
            (None, "!!") => "tag:yaml.org,2002:",
            (None, _) => return Err(problem_in(line, "found undefined tag handle")),
        };
        Ok(format!("{prefix}{suffix}"))
    }

    fn block_item(&mut self) -> Result<Event, Error> {
        if self.skip_if(|token| matches!(token, Token::BlockEntry))? {
            self.states.push(State::BlockItem);
            return self.node_unless(|token| matches!(token, Token::BlockEntry | Token::BlockEnd), Place::Block);
        }
        self.block_end("did not find expected '-' indicator")
    }

    fn plain_item(&mut self) -> Result<Event, Error> {
        if self.skip_if(|token| matches!(token, Token::BlockEntry))? {
            self.states.push(State::PlainItem);
            return self.node_unless(|token| matches!(token, Token::BlockEntry) || ends_block_entry(token), Place::Block);
        }
        Ok(Event::End)
    }

    fn block_key(&mut self) -> Result<Event, Error> {
        if self.skip_if(|token| matches!(token, Token::Key))? {
            self.states.push(State::BlockValue);
            return self.node_unless(ends_block_entry, Place::BlockOrList);
        }
        self.block_end("did not find expected key")
    }

    fn block_end(&mut self, problem: &str) -> Result<Event, Error> {
        if self.skip_if(|token| matches!(token, Token::BlockEnd))? { Ok(Event::End) } else { Err(self.problem(problem)) }
    }

    /// Says if a flow ends here; passes the comma that must stand before a further item.
    fn flow_ends(&mut self, before: Items, end: fn(&Token) -> bool, problem: &str) -> Result<bool, Error> {
        if self.skip_if(end)? {
            return Ok(true);
        }
        if before == Items::None {
            return Ok(false);
        }
        if !self.skip_if(|token| matches!(token, Token::FlowEntry))? {
            return Err(self.problem(problem));
        }
        self.skip_if(end)
    }

    fn flow_item(&mut self, before: Items) -> Result<Event, Error> {
        if self.flow_ends(before, |token| matches!(token, Token::FlowListEnd), "did not find expected ',' or ']'")? {
            return Ok(Event::End);
        }
        self.states.push(State::FlowItem(Items::Some));
        let line = self.next_line()?;
        if !self.skip_if(|token| matches!(token, Token::Key))? {
            return self.node(Place::Flow);
        }
        // `a: b` in a list.
        self.line = line;
        self.states.push(State::PairKey);
        Ok(Event::MapStart { anchor: None })
    }

    fn pair_key(&mut self) -> Result<Event, Error> {
        self.states.push(State::PairValue);
        let token = self.token()?;
        if matches!(token, Token::Value) || ends_pair(token) {
            // Upstream loses the token behind a key that is not there.
            self.scanner.next()?;
            return self.empty();
        }
        self.node(Place::Flow)
    }

    fn flow_key(&mut self, before: Items) -> Result<Event, Error> {
        if self.flow_ends(before, |token| matches!(token, Token::FlowMapEnd), "did not find expected ',' or '}'")? {
            return Ok(Event::End);
        }
        if self.skip_if(|token| matches!(token, Token::Key))? {
            self.states.push(State::FlowValue);
            return self.node_unless(|token| matches!(token, Token::Value) || ends_flow_entry(token), Place::Flow);
        }
        self.states.push(State::NoValue);
        self.node(Place::Flow)
    }

    fn empty(&mut self) -> Result<Event, Error> {
        self.line = self.next_line()?;
        Ok(Event::Scalar { anchor: None, tag: None, text: String::new(), plain: true })
    }

    fn token(&mut self) -> Result<&mut Token, Error> {
        self.scanner.peek().map(|placed| &mut placed.token)
    }

    fn next_line(&mut self) -> Result<usize, Error> {
        self.scanner.peek().map(|placed| placed.line)
    }

    fn skip_if(&mut self, wanted: fn(&Token) -> bool) -> Result<bool, Error> {
        let found = wanted(self.token()?);
        if found {
            self.scanner.next()?;
        }
        Ok(found)
    }

    /// An error at the next token. Upstream counts its line from 0, and does not name the first.
    fn problem(&mut self, problem: &str) -> Error {
        match self.next_line() {
            Ok(line) => problem_in(line, problem),
            Err(error) => error,
        }
    }
}

fn problem_in(line: usize, problem: &str) -> Error {
    let problem = Problem::new(problem).in_line(line);
    Error::Syntax(if line == 0 { problem } else { problem.naming(line) })
}

fn ends_document(token: &Token) -> bool {
    matches!(token, Token::Version(_) | Token::TagPrefix { .. } | Token::DocumentStart | Token::DocumentEnd | Token::End)
}

fn ends_block_entry(token: &Token) -> bool {
    matches!(token, Token::Key | Token::Value | Token::BlockEnd)
}

fn ends_pair(token: &Token) -> bool {
    matches!(token, Token::FlowEntry | Token::FlowListEnd)
}

fn ends_flow_entry(token: &Token) -> bool {
    matches!(token, Token::FlowEntry | Token::FlowMapEnd)
}
