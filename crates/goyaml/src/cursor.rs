//! A text as characters, and a place in it.

use std::borrow::Cow;

use super::Error;

/// A place: characters before it, line and column from 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub at: usize,
    pub line: usize,
    pub column: usize,
}

/// A text that is read from its beginning to its end.
pub(super) struct Cursor {
    chars: Vec<char>,
    pub mark: Mark,
}

/// Behind the end; the text itself has no such character.
pub(super) const END: char = '\0';

impl Cursor {
    /// The text in UTF-8, or in UTF-16 if a byte order mark says so.
    pub(super) fn new(text: &[u8]) -> Result<Cursor, Error> {
        let chars: Vec<char> = utf8(text)?.chars().collect();
        let allowed =
            |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
        if chars.iter().all(allowed) {
            return Ok(Cursor { chars, mark: Mark::default() });
        }
        Err(syntax("control characters are not allowed"))
    }

    /// The character so many behind the next.
    pub(super) fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.mark.at + ahead).copied().unwrap_or(END)
    }

    pub(super) fn skip(&mut self) {
        self.mark.at += 1;
        self.mark.column += 1;
    }

    /// Passes a line's end, if there is one, and appends it to `to`: as `\n`, but for the two that only Unicode has.
    pub(super) fn read_break(&mut self, to: &mut String) {
        let c = self.peek(0);
        if !is_break(c) {
            return;
        }
        self.mark.at += if c == '\r' && self.peek(1) == '\n' { 2 } else { 1 };
        self.mark.line += 1;
        self.mark.column = 0;
        to.push(if matches!(c, '\u{2028}' | '\u{2029}') { c } else { '\n' });
    }

    pub(super) fn skip_break(&mut self) {
        self.read_break(&mut String::new());
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

    /// Whether `---` or `...` is here, at a line's beginning.
    pub(super) fn at_indicator(&self, mark: char) -> bool {
        self.mark.column == 0 && (0..3).all(|at| self.peek(at) == mark) && is_blank_or_end(self.peek(3))
    }

    /// An error of the scanner, which names its line as upstream does: none for the first.
    pub(super) fn problem(&self, problem: &str) -> Error {
        match self.mark.line {
            0 => syntax(problem),
            line => Error::Syntax(format!("line {}: {problem}", line + 1)),
        }
    }
}

pub(super) fn syntax(problem: &str) -> Error {
    Error::Syntax(problem.to_owned())
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

fn utf8(text: &[u8]) -> Result<Cow<'_, str>, Error> {
    let unit = match text {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => {
            let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
            return std::str::from_utf8(text).map(Cow::Borrowed).map_err(|problem| {
                let at = text.get(problem.valid_up_to()).copied().unwrap_or_default();
                syntax(match (problem.error_len(), at) {
                    (None, _) => "incomplete UTF-8 octet sequence",
                    (Some(_), 0xc2..=0xf7) => "invalid trailing UTF-8 octet",
                    (Some(_), _) => "invalid leading UTF-8 octet",
                })
            });
        }
    };
    let (units, rest) = text[2..].as_chunks::<2>();
    if !rest.is_empty() {
        return Err(syntax("incomplete UTF-16 character"));
    }
    let decoded: Result<String, _> = char::decode_utf16(units.iter().map(|pair| unit(*pair))).collect();
    decoded.map(Cow::Owned).map_err(|_| syntax("unexpected low surrogate area"))
}
