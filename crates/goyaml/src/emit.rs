//! Writes strings, knowing the column: the layout of libyaml's emitter, lines broken at column 80.

use super::cursor::is_break;
use super::style::{Style, is_printable};

/// Lines are broken at the first space behind this column.
const WIDTH: usize = 80;

/// The text so far and where its end is.
pub(super) struct Emitter {
    pub out: String,
    column: usize,
    /// How far the lines of the current list or map are indented; none before the first.
    pub indent: Option<usize>,
    /// Nothing but space, or what needs no space behind it, is before the end.
    whitespace: bool,
    /// Nothing but indentation (`- ` and `? ` count as such) is in the last line.
    pub indention: bool,
}

impl Emitter {
    pub(super) fn new() -> Self {
        Self { out: String::new(), column: 0, indent: None, whitespace: true, indention: true }
    }

    /// Begins a line at the current indentation, unless the end is there.
    pub(super) fn line(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put('\n');
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    /// `-`, `?` or `:` at a line's beginning: what follows may begin a list or map in the same line.
    pub(super) fn bullet(&mut self, mark: char) {
        self.space();
        self.put(mark);
        self.whitespace = false;
    }

    /// A mark without space before it, inside of a line.
    pub(super) fn mark(&mut self, mark: char) {
        self.put(mark);
        self.whitespace = false;
        self.indention = false;
    }

    /// `[]`, `{}`, or a word that is no string.
    pub(super) fn word(&mut self, word: &str) {
        self.space();
        word.chars().for_each(|c| self.put(c));
        self.whitespace = false;
        self.indention = false;
    }

    /// A string in a style; `may_break` says whether its lines may be broken.
    pub(super) fn text(&mut self, text: &str, style: Style, lines: Lines) {
        let outer = self.indent;
        self.indent = Some(outer.map_or(2, |indent| indent + 2));
        match style {
            Style::Plain => {
                self.space();
                self.folded(text, lines, Quotes::None);
            }
            Style::Single => {
                self.space();
                self.mark('\'');
                self.folded(text, lines, Quotes::Single);
                self.mark('\'');
            }
            Style::Double => self.double(text, lines),
            Style::Literal => self.literal(text),
        }
        if style != Style::Literal {
            self.whitespace = false;
            self.indention = false;
        }
        self.indent = outer;
    }

    /// Plain and single-quoted text.
    fn folded(&mut self, text: &str, lines: Lines, quotes: Quotes) {
        let last = text.len().saturating_sub(1);
        let (mut spaces, mut breaks) = (false, false);
        for (at, c) in text.char_indices() {
            if c == ' ' {
                let inner = quotes == Quotes::None || (at > 0 && at < last);
                let alone = !spaces && !text[at + 1..].starts_with(' ');
                if lines == Lines::Breakable && self.column > WIDTH && inner && alone {
                    self.line();
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.put('\n');
                }
                self.put(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.line();
                }
                if c == '\'' && quotes == Quotes::Single {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                (spaces, breaks) = (false, false);
            }
        }
    }

    fn double(&mut self, text: &str, lines: Lines) {
        self.space();
        self.mark('"');
        // Upstream looks for the byte order mark at the text's beginning, whichever character it is at.
        let all_escaped = text.starts_with('\u{feff}');
        let last = text.len().saturating_sub(1);
        let mut spaces = false;
        for (at, c) in text.char_indices() {
            if all_escaped || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                escape(c).chars().for_each(|c| self.put(c));
                spaces = false;
            } else if c == ' ' {
                if lines == Lines::Breakable && !spaces && self.column > WIDTH && at > 0 && at < last {
                    self.line();
                    if text[at + 1..].starts_with(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.put(c);
                spaces = false;
            }
        }
        self.mark('"');
    }

    fn literal(&mut self, text: &str) {
        self.space();
        self.mark('|');
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.mark('2');
        }
        let mut ends = text.chars().rev();
        match (ends.next().is_some_and(is_break), ends.next().is_none_or(is_break)) {
            (false, _) => self.mark('-'),
            (true, true) => self.mark('+'),
            (true, false) => {}
        }
        self.put('\n');
        self.indention = true;
        self.whitespace = true;
        let mut breaks = true;
        for c in text.chars() {
            if !is_break(c) && breaks {
                self.line();
            }
            self.put(c);
            breaks = is_break(c);
            self.indention = breaks;
        }
    }

    fn space(&mut self) {
        if !self.whitespace {
            self.put(' ');
        }
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column = if is_break(c) { 0 } else { self.column + 1 };
    }
}

/// Whether a text may go over several lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Breakable,
    One,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
}

/// A character of a double-quoted text, escaped.
fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}
