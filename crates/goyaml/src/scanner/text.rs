//! The scalars: plain, in quotes, and blocks.

use super::super::Error;
use super::super::cursor::{END, is_blank, is_blank_or_end, is_break, is_break_or_end, may_begin_break, may_begin_gap};
use super::{Scanner, Token, column};

/// The space and line ends between two words.
#[derive(Default)]
pub(super) struct Gap {
    spaces: String,
    /// The first line's end, if there is one.
    first: String,
    /// The ends of empty lines behind it.
    more: String,
    /// Words go over lines here, even where the first line's end was escaped.
    broken: bool,
}

impl Gap {
    /// What a gap comes to: one line's end is a space, more are one less.
    fn fold_into(&mut self, text: &mut String) {
        if !self.broken {
            text.push_str(&self.spaces);
        } else if !self.first.starts_with('\n') {
            text.push_str(&self.first);
            text.push_str(&self.more);
        } else if self.more.is_empty() {
            text.push(' ');
        } else {
            text.push_str(&self.more);
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.spaces.clear();
        self.first.clear();
        self.more.clear();
        self.broken = false;
    }
}

impl Scanner<'_> {
    /// Reads a gap's characters; a tab left of `indent` in a new line is an error.
    fn read_gap(&mut self, gap: &mut Gap, indent: isize) -> Result<(), Error> {
        loop {
            let c = self.cursor.peek(0);
            if is_blank(c) {
                if gap.broken && c == '\t' && column(self.cursor.mark) < indent {
                    return Err(self.cursor.problem("found a tab character that violates indentation"));
                }
                if !gap.broken {
                    gap.spaces.push(c);
                }
                self.cursor.skip();
            } else if is_break(c) {
                let to = if gap.broken { &mut gap.more } else { &mut gap.first };
                self.cursor.read_break(to);
                gap.broken = true;
            } else {
                return Ok(());
            }
        }
    }

    pub(super) fn scan_plain(&mut self) -> Result<Token, Error> {
        let mut gap = std::mem::take(&mut self.gap);
        let text = self.plain_text(&mut gap);
        self.key_allowed |= gap.broken;
        gap.clear();
        self.gap = gap;
        Ok(Token::Scalar { text: text?, plain: true })
    }

    fn plain_text(&mut self, gap: &mut Gap) -> Result<String, Error> {
        let indent = self.indent + 1;
        let flow = self.in_flow();
        let stops = |byte| may_begin_gap(byte) || byte == b':' || (flow && b",?[]{}".contains(&byte));
        let mut text = String::new();
        loop {
            if self.cursor.at_indicator('-') || self.cursor.at_indicator('.') || self.cursor.peek(0) == '#' {
                break;
            }
            loop {
                let c = self.cursor.peek(0);
                let colon = c == ':' && is_blank_or_end(self.cursor.peek(1));
                if is_blank_or_end(c) || colon || (flow && matches!(c, ',' | '?' | '[' | ']' | '{' | '}')) {
                    break;
                }
                gap.fold_into(&mut text);
                if self.cursor.read_run(&mut text, stops) == 0 {
                    text.push(c);
                    self.cursor.skip();
                }
            }
            let c = self.cursor.peek(0);
            if !(is_blank(c) || is_break(c)) {
                break;
            }
            self.read_gap(gap, indent)?;
            if !flow && column(self.cursor.mark) < indent {
                break;
            }
        }
        Ok(text)
    }

    pub(super) fn scan_quoted(&mut self, quote: char) -> Result<Token, Error> {
        let mut gap = std::mem::take(&mut self.gap);
        let text = self.quoted_text(quote, &mut gap);
        gap.clear();
        self.gap = gap;
        Ok(Token::Scalar { text: text?, plain: false })
    }

    fn quoted_text(&mut self, quote: char, gap: &mut Gap) -> Result<String, Error> {
        self.cursor.skip();
        let mut text = String::new();
        loop {
            if self.cursor.at_indicator('-') || self.cursor.at_indicator('.') {
                return Err(self.cursor.problem("found unexpected document indicator"));
            }
            if self.cursor.peek(0) == END {
                return Err(self.cursor.problem("found unexpected end of stream"));
            }
            loop {
                self.cursor.read_run(&mut text, |byte| may_begin_gap(byte) || matches!(byte, b'\'' | b'"' | b'\\'));
                let (c, next) = (self.cursor.peek(0), self.cursor.peek(1));
                if is_blank_or_end(c) {
                    break;
                }
                if c == '\'' && quote == '\'' && next == '\'' {
                    self.cursor.skip();
                } else if c == quote {
                    break;
                } else if c == '\\' && quote == '"' {
                    self.cursor.skip();
                    if is_break(next) {
                        self.cursor.skip_break();
                        gap.broken = true;
                        break;
                    }
                    text.push(self.escape()?);
                    continue;
                }
                text.push(c);
                self.cursor.skip();
            }
            if self.cursor.peek(0) == quote && !gap.broken {
                break;
            }
            // Tabs are allowed anywhere in quotes.
            self.read_gap(gap, 0)?;
            gap.fold_into(&mut text);
        }
        self.cursor.skip();
        Ok(text)
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char, Error> {
        let c = self.cursor.peek(0);
        let meaning = match c {
            '0' => '\0',
            'a' => '\u{7}',
            'b' => '\u{8}',
            't' | '\t' => '\t',
            'n' => '\n',
            'v' => '\u{b}',
            'f' => '\u{c}',
            'r' => '\r',
            'e' => '\u{1b}',
            ' ' | '"' | '\'' | '\\' => c,
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            'x' => return self.code(2),
            'u' => return self.code(4),
            'U' => return self.code(8),
            _ => return Err(self.cursor.problem("found unknown escape character")),
        };
        self.cursor.skip();
        Ok(meaning)
    }

    /// A character by its number in so many digits.
    fn code(&mut self, digits: usize) -> Result<char, Error> {
        self.cursor.skip();
        let mut code = 0;
        for at in 0..digits {
            let Some(digit) = self.cursor.peek(at).to_digit(16) else {
                return Err(self.cursor.problem("did not find expected hexdecimal number"));
            };
            code = code * 16 + digit;
        }
        let Some(c) = char::from_u32(code) else {
            return Err(self.cursor.problem("found invalid Unicode character escape code"));
        };
        (0..digits).for_each(|_| self.cursor.skip());
        Ok(c)
    }

    /// `|` or `>`.
    pub(super) fn scan_block(&mut self, kind: char) -> Result<Token, Error> {
        self.cursor.skip();
        let (chomp, increment) = self.block_header()?;
        let mut indent = increment.map(|more| self.indent.max(0) + more);
        let mut text = String::new();
        let (mut first, mut more) = (String::new(), String::new());
        let mut indented = false;
        let mut width = self.block_breaks(&mut indent, &mut more)?;
        while column(self.cursor.mark) == width && self.cursor.peek(0) != END {
            let indented_now = is_blank(self.cursor.peek(0));
            if kind == '>' && first.starts_with('\n') && !indented && !indented_now {
                if more.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(&first);
            }
            text.push_str(&more);
            first.clear();
            more.clear();
            indented = indented_now;
            self.cursor.read_run(&mut text, may_begin_break);
            while !is_break_or_end(self.cursor.peek(0)) {
                text.push(self.cursor.peek(0));
                self.cursor.skip();
                self.cursor.read_run(&mut text, may_begin_break);
            }
            self.cursor.read_break(&mut first);
            width = self.block_breaks(&mut indent, &mut more)?;
        }
        if chomp != Some('-') {
            text.push_str(&first);
        }
        if chomp == Some('+') {
            text.push_str(&more);
        }
        Ok(Token::Scalar { text, plain: false })
    }

    /// `+` or `-`, and how far the block is indented, in any order, to the line's end.
    fn block_header(&mut self) -> Result<(Option<char>, Option<isize>), Error> {
        let (mut chomp, mut increment) = (None, None);
        loop {
            match self.cursor.peek(0) {
                c @ ('+' | '-') if chomp.is_none() => chomp = Some(c),
                '0' if increment.is_none() => {
                    return Err(self.cursor.problem("found an indentation indicator equal to 0"));
                }
                c @ '1'..='9' if increment.is_none() => increment = c.to_digit(10).and_then(|digit| isize::try_from(digit).ok()),
                _ => break,
            }
            self.cursor.skip();
        }
        self.cursor.skip_blanks();
        self.cursor.skip_comment();
        if !is_break_or_end(self.cursor.peek(0)) {
            return Err(self.cursor.problem("did not find expected comment or line break"));
        }
        self.cursor.skip_break();
        Ok((chomp, increment))
    }

    /// Passes empty lines and the next line's indentation; gives the block's indentation, which is known at its first line with text.
    fn block_breaks(&mut self, indent: &mut Option<isize>, breaks: &mut String) -> Result<isize, Error> {
        let mut widest = 0;
        loop {
            let inside = |scanner: &Self| indent.is_none_or(|indent| column(scanner.cursor.mark) < indent);
            while inside(self) && self.cursor.peek(0) == ' ' {
                self.cursor.skip();
            }
            widest = widest.max(column(self.cursor.mark));
            if inside(self) && self.cursor.peek(0) == '\t' {
                return Err(self.cursor.problem("found a tab character where an indentation space is expected"));
            }
            if !is_break(self.cursor.peek(0)) {
                break;
            }
            self.cursor.read_break(breaks);
        }
        Ok(*indent.get_or_insert(widest.max(self.indent + 1).max(1)))
    }
}
