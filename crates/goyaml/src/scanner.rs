//! From characters to tokens: YAML 1.1 with the algorithm of libyaml's family, where a key without mark is known only at its colon, and
//! so is inserted before it.

mod names;
mod text;

use std::collections::VecDeque;
use std::io::BufRead;

use super::Error;
use super::cursor::{Cursor, END, Mark, is_blank, is_blank_or_end, is_break};
use text::Gap;

/// How many characters a key may have that is followed by its colon.
const LONGEST_KEY: usize = 1024;
/// How deep blocks or flows may nest.
const DEEPEST: usize = 10_000;

#[derive(Debug)]
pub(super) enum Token {
    End,
    Version(String),
    TagPrefix { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockListStart,
    BlockMapStart,
    BlockEnd,
    FlowListStart,
    FlowListEnd,
    FlowMapStart,
    FlowMapEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { text: String, plain: bool },
}

/// A token and its line.
pub(super) struct Placed {
    pub token: Token,
    pub line: usize,
}

/// A token that turns out to be a key if a colon follows.
#[derive(Clone, Copy)]
struct Candidate {
    /// The number of its first token.
    token: usize,
    mark: Mark,
    /// How many flows are open around it.
    flows: usize,
    /// It stands where only a key may stand.
    required: bool,
}

pub(super) struct Scanner<'r> {
    cursor: Cursor<'r>,
    /// Tokens that are known, but were not taken.
    tokens: VecDeque<Placed>,
    taken: usize,
    /// The first token is what it is.
    decided: bool,
    /// The column of the current block; -1 outside of all.
    indent: isize,
    indents: Vec<isize>,
    /// How many flows are open.
    flows: usize,
    /// At most one for the block, and for each flow that is open in it; none was taken.
    candidates: VecDeque<Candidate>,
    key_allowed: bool,
    ended: bool,
    /// Memory that is used again.
    gap: Gap,
}

impl<'r> Scanner<'r> {
    pub(super) fn new(reader: impl BufRead + 'r) -> Self {
        Self {
            cursor: Cursor::new(reader),
            tokens: VecDeque::new(),
            taken: 0,
            decided: false,
            indent: -1,
            indents: Vec::new(),
            flows: 0,
            candidates: VecDeque::new(),
            key_allowed: true,
            ended: false,
            gap: Gap::default(),
        }
    }

    /// The next token; behind the last, the last again.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<&mut Placed, Error> {
        if !self.decided {
            self.decide()?;
        }
        Ok(&mut self.tokens[0])
    }

    /// Reads on until the first token is what it is.
    fn decide(&mut self) -> Result<(), Error> {
        while !self.is_decided()? {
            let fetched = self.fetch();
            self.cursor.check()?;
            fetched?;
        }
        if self.tokens.is_empty() {
            self.push(Token::End);
        }
        self.decided = true;
        Ok(())
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Result<Placed, Error> {
        self.peek()?;
        self.taken += 1;
        self.decided = false;
        Ok(self.tokens.pop_front().unwrap_or(Placed { token: Token::End, line: self.cursor.mark.line }))
    }

    /// Says if the first token is known and no key can come before it any more.
    fn is_decided(&mut self) -> Result<bool, Error> {
        let may_be_key = match self.candidates.front().copied() {
            Some(candidate) if candidate.token == self.taken => {
                let valid = self.is_valid(candidate)?;
                if !valid {
                    self.candidates.pop_front();
                }
                valid
            }
            _ => false,
        };
        Ok(self.ended || (!self.tokens.is_empty() && !may_be_key))
    }

    fn push(&mut self, token: Token) {
        self.tokens.push_back(Placed { token, line: self.cursor.mark.line });
    }

    /// A token of so many characters.
    fn push_mark(&mut self, token: Token, length: usize) {
        self.push(token);
        (0..length).for_each(|_| self.cursor.skip());
    }

    fn in_flow(&self) -> bool {
        self.flows > 0
    }

    /// The candidate of the innermost flow, or of the block if none is open.
    fn candidate(&self) -> Option<Candidate> {
        self.candidates.back().copied().filter(|candidate| candidate.flows == self.flows)
    }

    fn fetch(&mut self) -> Result<(), Error> {
        self.skip_space();
        self.unroll(column(self.cursor.mark));
        self.cursor.hold(4);
        let (c, next) = (self.cursor.peek(0), self.cursor.peek(1));
        let flow = self.in_flow();
        match c {
            END => self.fetch_end(),
            '%' if self.cursor.mark.column == 0 => {
                self.leave_block()?;
                let line = self.cursor.mark.line;
                let token = self.scan_directive()?;
                self.tokens.push_back(Placed { token, line });
                Ok(())
            }
            '-' if self.cursor.at_indicator('-') => self.fetch_indicator(Token::DocumentStart),
            '.' if self.cursor.at_indicator('.') => self.fetch_indicator(Token::DocumentEnd),
            '[' => self.open_flow(Token::FlowListStart),
            '{' => self.open_flow(Token::FlowMapStart),
            ']' => self.close_flow(Token::FlowListEnd),
            '}' => self.close_flow(Token::FlowMapEnd),
            ',' => {
                self.drop_candidate()?;
                self.key_allowed = true;
                self.push_mark(Token::FlowEntry, 1);
                Ok(())
            }
            '-' if is_blank_or_end(next) => self.fetch_entry(),
            '?' if flow || is_blank_or_end(next) => self.fetch_key(),
            ':' if flow || is_blank_or_end(next) => self.fetch_value(),
            '*' | '&' | '!' | '\'' | '"' => {
                self.save_candidate()?;
                self.key_allowed = false;
                let line = self.cursor.mark.line;
                let token = match c {
                    '*' => Token::Alias(self.scan_name()?),
                    '&' => Token::Anchor(self.scan_name()?),
                    '!' => self.scan_tag()?,
                    _ => self.scan_quoted(c)?,
                };
                self.tokens.push_back(Placed { token, line });
                Ok(())
            }
            '|' | '>' if !flow => {
                self.drop_candidate()?;
                self.key_allowed = true;
                let line = self.cursor.mark.line;
                let token = self.scan_block(c)?;
                self.tokens.push_back(Placed { token, line });
                Ok(())
            }
            _ if self.starts_plain() => {
                self.save_candidate()?;
                self.key_allowed = false;
                let line = self.cursor.mark.line;
                let token = self.scan_plain()?;
                self.tokens.push_back(Placed { token, line });
                Ok(())
            }
            _ => Err(self.cursor.problem("found character that cannot start any token")),
        }
    }

    fn skip_space(&mut self) {
        loop {
            let tabs = self.in_flow() || !self.key_allowed;
            self.cursor.skip_spaces();
            while tabs && self.cursor.peek(0) == '\t' {
                self.cursor.skip();
                self.cursor.skip_spaces();
            }
            self.cursor.skip_comment();
            if !is_break(self.cursor.peek(0)) {
                return;
            }
            self.cursor.skip_break();
            self.key_allowed |= !self.in_flow();
        }
    }

    /// Says if a plain scalar may begin here.
    fn starts_plain(&mut self) -> bool {
        let next = self.cursor.peek(1);
        match self.cursor.peek(0) {
            '-' => !is_blank(next),
            '?' | ':' => !self.in_flow() && !is_blank_or_end(next),
            ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => false,
            c => !is_blank_or_end(c),
        }
    }

    /// Says if a candidate can still become a key; an error if it cannot and must.
    fn is_valid(&self, candidate: Candidate) -> Result<bool, Error> {
        let here = self.cursor.mark;
        let valid = candidate.mark.line == here.line && candidate.mark.at + LONGEST_KEY >= here.at;
        if candidate.required && !valid { Err(self.cursor.problem("could not find expected ':'")) } else { Ok(valid) }
    }

    fn save_candidate(&mut self) -> Result<(), Error> {
        if !self.key_allowed {
            return Ok(());
        }
        self.drop_candidate()?;
        let mark = self.cursor.mark;
        let token = self.taken + self.tokens.len();
        let required = !self.in_flow() && self.indent == column(mark);
        self.candidates.push_back(Candidate { token, mark, flows: self.flows, required });
        Ok(())
    }

    fn drop_candidate(&mut self) -> Result<(), Error> {
        let Some(candidate) = self.candidate() else { return Ok(()) };
        self.candidates.pop_back();
        if candidate.required { Err(self.cursor.problem("could not find expected ':'")) } else { Ok(()) }
    }

    /// Begins a block in a column right of the current one, before the token of that number.
    fn roll(&mut self, mark: Mark, before: Option<usize>, token: Token) -> Result<(), Error> {
        if self.in_flow() || self.indent >= column(mark) {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column(mark);
        if self.indents.len() > DEEPEST {
            return Err(self.cursor.problem("exceeded max depth of 10000"));
        }
        let at = before.map_or(self.tokens.len(), |number| number - self.taken);
        self.tokens.insert(at, Placed { token, line: mark.line });
        Ok(())
    }

    /// Ends the blocks right of a column.
    fn unroll(&mut self, column: isize) {
        while !self.in_flow() && self.indent > column {
            self.push(Token::BlockEnd);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    /// Ends all blocks.
    fn leave_block(&mut self) -> Result<(), Error> {
        self.unroll(-1);
        self.drop_candidate()?;
        self.key_allowed = false;
        Ok(())
    }

    fn fetch_end(&mut self) -> Result<(), Error> {
        if self.cursor.mark.column != 0 {
            self.cursor.mark.column = 0;
            self.cursor.mark.line += 1;
        }
        self.leave_block()?;
        self.push(Token::End);
        self.ended = true;
        Ok(())
    }

    fn fetch_indicator(&mut self, token: Token) -> Result<(), Error> {
        self.leave_block()?;
        self.push_mark(token, 3);
        Ok(())
    }

    fn open_flow(&mut self, token: Token) -> Result<(), Error> {
        self.save_candidate()?;
        self.flows += 1;
        if self.flows > DEEPEST {
            return Err(self.cursor.problem("exceeded max depth of 10000"));
        }
        self.key_allowed = true;
        self.push_mark(token, 1);
        Ok(())
    }

    fn close_flow(&mut self, token: Token) -> Result<(), Error> {
        self.drop_candidate()?;
        self.flows = self.flows.saturating_sub(1);
        self.key_allowed = false;
        self.push_mark(token, 1);
        Ok(())
    }

    fn fetch_entry(&mut self) -> Result<(), Error> {
        if !self.in_flow() && !self.key_allowed {
            return Err(self.cursor.problem("block sequence entries are not allowed in this context"));
        }
        self.roll(self.cursor.mark, None, Token::BlockListStart)?;
        self.drop_candidate()?;
        self.key_allowed = true;
        self.push_mark(Token::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Error> {
        if !self.in_flow() && !self.key_allowed {
            return Err(self.cursor.problem("mapping keys are not allowed in this context"));
        }
        self.roll(self.cursor.mark, None, Token::BlockMapStart)?;
        self.drop_candidate()?;
        self.key_allowed = !self.in_flow();
        self.push_mark(Token::Key, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Error> {
        let candidate = self.candidate();
        if candidate.is_some() {
            self.candidates.pop_back();
        }
        let key = match candidate {
            Some(key) if self.is_valid(key)? => Some(key),
            _ => None,
        };
        if let Some(key) = key {
            self.tokens.insert(key.token - self.taken, Placed { token: Token::Key, line: key.mark.line });
            self.roll(key.mark, Some(key.token), Token::BlockMapStart)?;
            self.key_allowed = false;
        } else {
            if !self.in_flow() && !self.key_allowed {
                return Err(self.cursor.problem("mapping values are not allowed in this context"));
            }
            self.roll(self.cursor.mark, None, Token::BlockMapStart)?;
            self.key_allowed = !self.in_flow();
        }
        self.push_mark(Token::Value, 1);
        Ok(())
    }
}

fn column(mark: Mark) -> isize {
    isize::try_from(mark.column).unwrap_or(isize::MAX)
}
