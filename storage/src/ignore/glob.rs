//! Shell patterns for one part of a path, as Go's `filepath.Match` reads them.

use std::ops::RangeInclusive;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Glob(Vec<Token>);

#[derive(Clone, Debug)]
enum Token {
    Byte(u8),
    /// `?`: any one character.
    Character,
    /// `*`: any number of bytes.
    Star,
    /// `[a-z]`, `[^a-z]`: one character.
    Class {
        negated: bool,
        ranges: Vec<RangeInclusive<char>>,
    },
}

impl Glob {
    /// None for a pattern that is malformed, and so matches nothing.
    pub(super) fn compile(pattern: &[u8]) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut rest = pattern;
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            tokens.push(match first {
                b'*' => Token::Star,
                b'?' => Token::Character,
                b'[' => class(&mut rest)?,
                b'\\' => {
                    let (&escaped, after) = rest.split_first()?;
                    rest = after;
                    Token::Byte(escaped)
                }
                byte => Token::Byte(byte),
            });
        }
        Some(Self(tokens))
    }

    /// Whether the pattern matches the whole of `name`.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        let (mut token, mut at) = (0, 0);
        // Where to go on when stuck: after the last star, which then takes one byte more.
        let mut star: Option<(usize, usize)> = None;
        loop {
            let step = match self.0.get(token) {
                None if at == name.len() => return true,
                None => None,
                Some(Token::Star) => {
                    star = Some((token + 1, at));
                    Some(0)
                }
                Some(single) => single.width(&name[at..]),
            };
            if let Some(width) = step {
                token += 1;
                at += width;
                continue;
            }
            match &mut star {
                Some((next, end)) if *end < name.len() => {
                    *end += 1;
                    (token, at) = (*next, *end);
                }
                _ => return false,
            }
        }
    }
}

impl Token {
    /// How many bytes of the name this takes, if it matches.
    fn width(&self, name: &[u8]) -> Option<usize> {
        match self {
            Self::Byte(byte) => (name.first() == Some(byte)).then_some(1),
            Self::Character => character(name).map(|(_, width)| width),
            Self::Class { negated, ranges } => {
                let (found, width) = character(name)?;
                let within = ranges.iter().any(|range| range.contains(&found));
                (within != *negated).then_some(width)
            }
            Self::Star => None,
        }
    }
}

/// Reads a class, after its opening bracket.
fn class(rest: &mut &[u8]) -> Option<Token> {
    let negated = rest.first() == Some(&b'^');
    if negated {
        *rest = &rest[1..];
    }
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && rest.first() == Some(&b']') {
            *rest = &rest[1..];
            return Some(Token::Class { negated, ranges });
        }
        let low = member(rest)?;
        let high = if rest.first() == Some(&b'-') {
            *rest = &rest[1..];
            member(rest)?
        } else {
            low
        };
        ranges.push(low..=high);
    }
}

/// Reads one character of a class, which may be escaped.
fn member(rest: &mut &[u8]) -> Option<char> {
    match rest.first()? {
        b'-' | b']' => return None,
        b'\\' => *rest = &rest[1..],
        _ => {}
    }
    let (found, width) = bstr::decode_utf8(*rest);
    *rest = &rest[width..];
    found
}

/// The first character of a name and its length in bytes; what is not UTF-8 counts byte by byte.
fn character(name: &[u8]) -> Option<(char, usize)> {
    match bstr::decode_utf8(name) {
        (_, 0) => None,
        (Some(found), width) => Some((found, width)),
        (None, _) => Some((char::REPLACEMENT_CHARACTER, 1)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn matches_whole_names() {
        for (pattern, name, expected) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("", "", true),
            ("*", "", true),
            ("*c", "abc", true),
            ("a*", "abc", true),
            ("a*b*c", "axbxbxc", true),
            ("a*b*c", "axbxbx", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a??b", "a☺b", false),
            ("[\\]a]", "]", true),
            ("[\\-x]", "-", true),
            ("[*]x", "*x", true),
            ("[!a]", "!", true),
            ("**", "x", true),
        ] {
            let glob = Glob::compile(pattern.as_bytes()).unwrap();
            assert_eq!(glob.matches(name.as_bytes()), expected, "{pattern} {name}");
        }
        assert!(Glob::compile(b"a?b").unwrap().matches(b"a\xffb"));
        assert!(!Glob::compile(b"a?b").unwrap().matches(b"a\xff\xffb"));
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["[", "[^", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "a[", "\\", "[^bc", "a*["] {
            assert!(Glob::compile(pattern.as_bytes()).is_none(), "{pattern}");
        }
        assert!(Glob::compile(b"[\xff]").is_none());
    }
}
