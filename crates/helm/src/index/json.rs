//! JSON as Go's `encoding/json` accepts it, read from a stream with constant memory.

use std::io::BufRead;

use crate::decode::{Event, Fault, Kind, Number, Rules, Source};

/// How deep lists and maps may nest, as in Go.
const DEPTH: usize = 10_000;

/// A JSON document as events. Maps give their keys as scalars.
pub(super) struct Json<R> {
    reader: R,
    text: String,
    raw: Vec<u8>,
    escaped: bool,
    open: Vec<Open>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    List,
    Map,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value.
    Value,
    /// The first key, value or the end of what was just opened.
    First,
    /// The colon after a key, and the value.
    Colon,
    /// A comma or an end.
    More,
}

impl<R: BufRead> Json<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, text: String::new(), raw: Vec::new(), escaped: false, open: Vec::new(), state: State::Value }
    }

    /// Checks that nothing follows the document.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        match self.after_space()? {
            None => Ok(()),
            Some(_) => Err(Fault::NotJson),
        }
    }

    fn peek(&mut self) -> Result<Option<u8>, Fault> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    fn bump(&mut self) -> Result<u8, Fault> {
        let byte = self.peek()?.ok_or(Fault::NotJson)?;
        self.reader.consume(1);
        Ok(byte)
    }

    fn after_space(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let spaces = buffer.iter().take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')).count();
            let found = buffer.get(spaces).copied();
            self.reader.consume(spaces);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn close(&mut self) -> Event {
        self.reader.consume(1);
        self.open.pop();
        self.state = State::More;
        Event::End
    }

    fn begin(&mut self, what: Open) -> Result<Event, Fault> {
        self.reader.consume(1);
        if self.open.len() >= DEPTH {
            return Err(Fault::NotJson);
        }
        self.open.push(what);
        self.state = State::First;
        Ok(if what == Open::List { Event::List } else { Event::Map })
    }

    fn key(&mut self, first: u8) -> Result<Event, Fault> {
        if first != b'"' {
            return Err(Fault::NotJson);
        }
        self.string()?;
        self.state = State::Colon;
        Ok(Event::Scalar(Kind::Text))
    }

    fn value(&mut self, first: u8) -> Result<Event, Fault> {
        self.state = State::More;
        let kind = match first {
            b'{' => return self.begin(Open::Map),
            b'[' => return self.begin(Open::List),
            b'"' => {
                self.string()?;
                Kind::Text
            }
            b'-' | b'0'..=b'9' => {
                self.digits()?;
                Kind::Number
            }
            b't' => self.word("true", Kind::Bool(true))?,
            b'f' => self.word("false", Kind::Bool(false))?,
            b'n' => self.word("null", Kind::Null)?,
            _ => return Err(Fault::NotJson),
        };
        Ok(Event::Scalar(kind))
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, Fault> {
        for wanted in word.bytes() {
            if self.bump()? != wanted {
                return Err(Fault::NotJson);
            }
        }
        word.clone_into(&mut self.text);
        Ok(kind)
    }

    /// Reads a number of the form that JSON prescribes.
    fn digits(&mut self) -> Result<(), Fault> {
        self.text.clear();
        if self.peek()? == Some(b'-') {
            self.take()?;
        }
        match self.peek()? {
            Some(b'0') => self.take()?,
            _ => self.run()?,
        }
        if self.peek()? == Some(b'.') {
            self.take()?;
            self.run()?;
        }
        if matches!(self.peek()?, Some(b'e' | b'E')) {
            self.take()?;
            if matches!(self.peek()?, Some(b'+' | b'-')) {
                self.take()?;
            }
            self.run()?;
        }
        Ok(())
    }

    fn take(&mut self) -> Result<(), Fault> {
        let byte = self.bump()?;
        self.text.push(char::from(byte));
        Ok(())
    }

    /// One digit or more.
    fn run(&mut self) -> Result<(), Fault> {
        let before = self.text.len();
        while matches!(self.peek()?, Some(b'0'..=b'9')) {
            self.take()?;
        }
        if self.text.len() == before { Err(Fault::NotJson) } else { Ok(()) }
    }

    /// Reads a string; bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD each.
    fn string(&mut self) -> Result<(), Fault> {
        self.reader.consume(1);
        self.raw.clear();
        self.escaped = false;
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Err(Fault::NotJson);
            }
            let plain = buffer.iter().take_while(|b| !matches!(b, b'"' | b'\\' | 0..0x20)).count();
            self.raw.extend_from_slice(&buffer[..plain]);
            let found = buffer.get(plain).copied();
            self.reader.consume(plain);
            match found {
                None => {}
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(Fault::NotJson),
            }
        }
        self.reader.consume(1);
        self.text.clear();
        let mut rest = self.raw.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    self.text.push_str(valid);
                    return Ok(());
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.text.push_str(&String::from_utf8_lossy(valid));
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    rest = after.get(1..).unwrap_or_default();
                }
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.reader.consume(1);
        self.escaped = true;
        let kind = self.bump()?;
        if kind == b'u' { self.unicode() } else { self.short_escape(kind) }
    }

    fn short_escape(&mut self, kind: u8) -> Result<(), Fault> {
        let byte = match kind {
            b'"' | b'\\' | b'/' => kind,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return Err(Fault::NotJson),
        };
        self.raw.push(byte);
        Ok(())
    }

    /// The character of `\u`, and of those directly after it as long as they are surrogates.
    fn unicode(&mut self) -> Result<(), Fault> {
        let mut unit = self.hex()?;
        loop {
            if !(0xd800..0xe000).contains(&unit) {
                self.put(char::from_u32(unit));
                return Ok(());
            }
            if self.peek()? != Some(b'\\') {
                self.put(None);
                return Ok(());
            }
            self.reader.consume(1);
            let kind = self.bump()?;
            if kind != b'u' {
                self.put(None);
                return self.short_escape(kind);
            }
            let second = self.hex()?;
            if unit < 0xdc00 && (0xdc00..0xe000).contains(&second) {
                self.put(char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00)));
                return Ok(());
            }
            self.put(None);
            unit = second;
        }
    }

    fn put(&mut self, character: Option<char>) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        self.raw.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = char::from(self.bump()?).to_digit(16).ok_or(Fault::NotJson)?;
            value = value * 16 + digit;
        }
        Ok(value)
    }
}

impl<R: BufRead> Source for Json<R> {
    fn next(&mut self) -> Result<Event, Fault> {
        let found = self.after_space()?.ok_or(Fault::NotJson)?;
        let inside = self.open.last().copied();
        match (self.state, inside, found) {
            (State::First | State::More, Some(Open::List), b']') | (State::First | State::More, Some(Open::Map), b'}') => Ok(self.close()),
            (State::First, Some(Open::Map), _) => self.key(found),
            (State::First | State::Value, ..) => self.value(found),
            (State::Colon, _, b':') => {
                self.reader.consume(1);
                let first = self.after_space()?.ok_or(Fault::NotJson)?;
                self.value(first)
            }
            (State::More, Some(inside), b',') => {
                self.reader.consume(1);
                let first = self.after_space()?.ok_or(Fault::NotJson)?;
                if inside == Open::Map { self.key(first) } else { self.value(first) }
            }
            _ => Err(Fault::NotJson),
        }
    }

    fn text(&self) -> &str {
        &self.text
    }

    fn number(&self) -> Number {
        Number::Float(self.text.parse().unwrap_or(f64::INFINITY))
    }

    fn is_verbatim(&self) -> bool {
        !self.escaped
    }

    fn rules(&self) -> Rules {
        Rules::Json
    }
}
