//! A text that is read from its beginning to its end, and a place in it.

use std::io::BufRead;

use super::error::{Error, Problem};
use super::input::{Fault, Input};

/// A place: characters before it, line and column from 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub at: usize,
    pub line: usize,
    pub column: usize,
}

/// The characters that come next, of which about a block is held.
pub(super) struct Cursor<'r> {
    input: Input<'r>,
    window: String,
    /// The bytes of the window that are passed.
    passed: usize,
    ended: bool,
    /// The reason that the text ends early.
    fault: Option<Error>,
    pub mark: Mark,
}

/// Behind the end; the text itself has no such character.
pub(super) const END: char = '\0';

impl<'r> Cursor<'r> {
    pub(super) fn new(reader: impl BufRead + 'r) -> Self {
        Self { input: Input::new(reader), window: String::new(), passed: 0, ended: false, fault: None, mark: Mark::default() }
    }

    /// The character so many behind the next.
    #[inline]
    pub(super) fn peek(&mut self, ahead: usize) -> char {
        match self.window.as_bytes().get(self.passed..=self.passed + ahead) {
            Some(bytes) if bytes.is_ascii() => char::from(bytes[ahead]),
            _ => self.peek_far(ahead),
        }
    }

    /// As [`Cursor::peek`], beyond ASCII and the window, too.
    #[cold]
    fn peek_far(&mut self, ahead: usize) -> char {
        self.hold(ahead + 1);
        self.rest().chars().nth(ahead).unwrap_or(END)
    }

    /// Reads on until so many characters are at hand, or the text ends.
    pub(super) fn hold(&mut self, count: usize) {
        let is_held = |rest: &str| rest.len() >= 4 * count || rest.chars().take(count).count() == count;
        while !is_held(self.rest()) && self.fill() {}
    }

    fn rest(&self) -> &str {
        &self.window[self.passed..]
    }

    /// Reads a block more; false at the end.
    fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        self.window.drain(..self.passed);
        self.passed = 0;
        match self.input.read(&mut self.window) {
            Ok(more) => self.ended = !more,
            Err(Fault::Input(error)) => self.fail(error.into()),
            // What was decoded before the fault is in the window.
            Err(Fault::Text(problem)) => {
                let line = self.mark.line + self.window.matches('\n').count();
                self.fail(Error::Syntax(Problem::new(problem).in_line(line)));
            }
        }
        !self.ended
    }

    fn fail(&mut self, error: Error) {
        self.fault = Some(error);
        self.ended = true;
    }

    /// Fails if the text ended early since this was last asked, which spoils all that was made of its end.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        self.fault.take().map_or(Ok(()), Err)
    }

    pub(super) fn skip(&mut self) {
        self.passed += match self.window.as_bytes().get(self.passed) {
            Some(0..0x80) => 1,
            _ => self.rest().chars().next().map_or(0, char::len_utf8),
        };
        self.mark.at += 1;
        self.mark.column += 1;
    }

    /// Passes characters and appends them to `to`, up to the first that has a byte for which `stops` holds, which must be its first byte;
    /// gives their number. No line may end among them.
    pub(super) fn read_run(&mut self, to: &mut String, stops: impl Fn(u8) -> bool) -> usize {
        let from = self.mark.at;
        loop {
            let rest = self.rest();
            let length = rest.bytes().position(&stops).unwrap_or(rest.len());
            let (run, more) = rest.split_at(length);
            to.push_str(run);
            let (count, at_end) = (run.chars().count(), more.is_empty());
            self.passed += length;
            self.mark.at += count;
            self.mark.column += count;
            if !at_end || !self.fill() {
                return self.mark.at - from;
            }
        }
    }

    /// Passes a line's end, if there is one, and appends it to `to`: as `\n`, but for the two that only Unicode has.
    pub(super) fn read_break(&mut self, to: &mut String) {
        let c = self.peek(0);
        if !is_break(c) {
            return;
        }
        self.skip();
        if c == '\r' && self.peek(0) == '\n' {
            self.skip();
        }
        self.mark.line += 1;
        self.mark.column = 0;
        to.push(if matches!(c, '\u{2028}' | '\u{2029}') { c } else { '\n' });
    }

    pub(super) fn skip_break(&mut self) {
        self.read_break(&mut String::new());
    }

    pub(super) fn skip_spaces(&mut self) {
        loop {
            let rest = &self.window.as_bytes()[self.passed..];
            let (count, length) = (rest.iter().take_while(|byte| **byte == b' ').count(), rest.len());
            self.passed += count;
            self.mark.at += count;
            self.mark.column += count;
            if count < length || !self.fill() {
                return;
            }
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        while is_blank(self.peek(0)) {
            self.skip();
        }
    }

    pub(super) fn skip_comment(&mut self) {
        if self.peek(0) == '#' {
            while !is_break_or_end(self.peek(0)) {
                self.skip();
            }
        }
    }

    /// Says if `---` or `...` is here, at a line's beginning.
    pub(super) fn at_indicator(&mut self, mark: char) -> bool {
        self.mark.column == 0 && (0..3).all(|at| self.peek(at) == mark) && is_blank_or_end(self.peek(3))
    }

    /// An error of the scanner, which names its line as upstream does: none for the first.
    pub(super) fn problem(&self, problem: &str) -> Error {
        let line = self.mark.line;
        let problem = Problem::new(problem).in_line(line);
        Error::Syntax(if line == 0 { problem } else { problem.naming(line + 1) })
    }
}

/// The marks that end a line in YAML 1.1.
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

pub(super) fn is_break_or_end(c: char) -> bool {
    c == END || is_break(c)
}

pub(super) fn is_blank_or_end(c: char) -> bool {
    is_blank(c) || is_break_or_end(c)
}

/// The bytes that a blank or a line's end begins with, and those of a few other characters beyond ASCII.
pub(super) fn may_begin_gap(byte: u8) -> bool {
    is_blank(char::from(byte)) || may_begin_break(byte)
}

/// The bytes that a line's end begins with, and those of a few other characters beyond ASCII.
pub(super) fn may_begin_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0xc2 | 0xe2)
}
