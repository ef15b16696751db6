//! Names of anchors, tags and directives.

use super::super::Error;
use super::super::cursor::{is_blank, is_blank_or_end, is_break_or_end};
use super::{Scanner, Token};

impl Scanner<'_> {
    /// The name behind `&` or `*`.
    pub(super) fn scan_name(&mut self) -> Result<String, Error> {
        self.cursor.skip();
        let name = self.word();
        let next = self.cursor.peek(0);
        if !name.is_empty() && (is_blank_or_end(next) || "?:,]}%@`".contains(next)) {
            return Ok(name);
        }
        Err(self.cursor.problem("did not find expected alphabetic or numeric character"))
    }

    /// `!<uri>`, `!suffix`, `!!suffix` or `!handle!suffix`.
    pub(super) fn scan_tag(&mut self) -> Result<Token, Error> {
        let (handle, suffix) = if self.cursor.peek(1) == '<' {
            self.cursor.skip();
            self.cursor.skip();
            let suffix = self.uri("")?;
            if self.cursor.peek(0) != '>' {
                return Err(self.cursor.problem("did not find the expected '>'"));
            }
            self.cursor.skip();
            (String::new(), suffix)
        } else {
            let handle = self.handle()?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.uri("")?;
                (handle, suffix)
            } else {
                match self.uri(&handle)? {
                    suffix if suffix.is_empty() => (suffix, String::from("!")),
                    suffix => (String::from("!"), suffix),
                }
            }
        };
        if !is_blank_or_end(self.cursor.peek(0)) {
            return Err(self.cursor.problem("did not find expected whitespace or line break"));
        }
        Ok(Token::Tag { handle, suffix })
    }

    /// `%YAML` or `%TAG`, to its line's end.
    pub(super) fn scan_directive(&mut self) -> Result<Token, Error> {
        self.cursor.skip();
        let name = self.word();
        if name.is_empty() {
            return Err(self.cursor.problem("could not find expected directive name"));
        }
        if !is_blank_or_end(self.cursor.peek(0)) {
            return Err(self.cursor.problem("found unexpected non-alphabetical character"));
        }
        let token = match name.as_str() {
            "YAML" => self.version()?,
            "TAG" => self.tag_prefix()?,
            _ => return Err(self.cursor.problem("found unknown directive name")),
        };
        self.cursor.skip_blanks();
        self.cursor.skip_comment();
        if !is_break_or_end(self.cursor.peek(0)) {
            return Err(self.cursor.problem("did not find expected comment or line break"));
        }
        self.cursor.skip_break();
        Ok(token)
    }

    fn version(&mut self) -> Result<Token, Error> {
        self.cursor.skip_blanks();
        let major = self.version_number()?;
        if self.cursor.peek(0) != '.' {
            return Err(self.cursor.problem("did not find expected digit or '.' character"));
        }
        self.cursor.skip();
        let minor = self.version_number()?;
        Ok(Token::Version(format!("{major}.{minor}")))
    }

    fn version_number(&mut self) -> Result<u32, Error> {
        let mut number = None;
        let mut length = 0;
        while let Some(digit) = self.cursor.peek(0).to_digit(10) {
            length += 1;
            if length > 2 {
                return Err(self.cursor.problem("found extremely long version number"));
            }
            number = Some(number.unwrap_or(0) * 10 + digit);
            self.cursor.skip();
        }
        number.ok_or_else(|| self.cursor.problem("did not find expected version number"))
    }

    fn tag_prefix(&mut self) -> Result<Token, Error> {
        self.cursor.skip_blanks();
        let handle = self.handle()?;
        if handle != "!" && !(handle.len() > 1 && handle.ends_with('!')) {
            return Err(self.cursor.problem("did not find expected '!'"));
        }
        if !is_blank(self.cursor.peek(0)) {
            return Err(self.cursor.problem("did not find expected whitespace"));
        }
        self.cursor.skip_blanks();
        let prefix = self.uri("")?;
        if !is_blank_or_end(self.cursor.peek(0)) {
            return Err(self.cursor.problem("did not find expected whitespace or line break"));
        }
        Ok(Token::TagPrefix { handle, prefix })
    }

    /// `!`, `!word` or `!word!`.
    fn handle(&mut self) -> Result<String, Error> {
        if self.cursor.peek(0) != '!' {
            return Err(self.cursor.problem("did not find expected '!'"));
        }
        self.cursor.skip();
        let mut handle = format!("!{}", self.word());
        if self.cursor.peek(0) == '!' {
            self.cursor.skip();
            handle.push('!');
        }
        Ok(handle)
    }

    /// The rest of a tag whose beginning was read as a handle.
    fn uri(&mut self, handle: &str) -> Result<String, Error> {
        let mut bytes = handle.as_bytes().get(1..).unwrap_or_default().to_vec();
        let empty = handle.is_empty();
        let mut any = !empty;
        loop {
            let c = self.cursor.peek(0);
            if c == '%' {
                let (high, low) = (self.cursor.peek(1).to_digit(16), self.cursor.peek(2).to_digit(16));
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(self.cursor.problem("did not find URI escaped octet"));
                };
                bytes.extend(u8::try_from(high * 16 + low));
                (0..3).for_each(|_| self.cursor.skip());
            } else if is_word(c) || ";/?:@&=+$.,!~*'()[]".contains(c) {
                bytes.extend(u8::try_from(c));
                self.cursor.skip();
            } else {
                break;
            }
            any = true;
        }
        if !any {
            return Err(self.cursor.problem("did not find expected tag URI"));
        }
        String::from_utf8(bytes).map_err(|_| self.cursor.problem("found an incorrect trailing UTF-8 octet"))
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while is_word(self.cursor.peek(0)) {
            word.push(self.cursor.peek(0));
            self.cursor.skip();
        }
        word
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}
