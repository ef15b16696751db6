//! Patterns of file names: `*` and `?` stop at `/`, `[a-z]` and `[^a-z]` take one character, `\` quotes.

use std::ops::RangeInclusive;

/// A compiled pattern of `filepath.Match`. It matches whole names.
///
/// Characters are those of UTF-8; what is none counts byte by byte. The time to match is at most the product of the two lengths.
#[derive(Clone, Debug)]
pub struct Pattern {
    tokens: Vec<Token>,
    shape: Shape,
}

/// A way to match without going through the tokens; most patterns have one.
#[derive(Clone, Debug)]
enum Shape {
    /// No more than this name.
    Literal(Box<[u8]>),
    /// One star with a beginning and an end.
    Affixes(Box<[u8]>, Box<[u8]>),
    Other,
}

/// Reason for no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The pattern has a class that is empty or does not end, or a `\` at its end.
    #[error("syntax error in pattern")]
    Malformed,
    /// The budget of steps is spent.
    #[error("the pattern takes too many steps")]
    Spent,
}

#[derive(Clone, Debug)]
enum Token {
    Byte(u8),
    /// `?`: any one character but `/`.
    Character,
    /// `*`: any number of bytes but `/`.
    Star,
    /// `[a-z]`, `[^a-z]`: one character.
    Class {
        negated: bool,
        ranges: Vec<RangeInclusive<char>>,
    },
    /// From the last star on the pattern is malformed.
    Malformed,
}

impl Pattern {
    /// Compiles a pattern. A malformed one is kept, because Go reports it only where a name gets as far as the fault: see
    /// [`Self::matches_within`].
    pub fn new(pattern: &[u8]) -> Self {
        let mut tokens = Vec::new();
        let mut rest = pattern;
        while let Some(token) = token(&mut rest) {
            if matches!(token, Token::Malformed) {
                // Go looks at the pattern from star to star, and refuses the whole of such a part.
                let star = tokens.iter().rposition(|token| matches!(token, Token::Star));
                tokens.truncate(star.map_or(0, |star| star + 1));
                rest = &[];
            }
            tokens.push(token);
        }
        Self { shape: Shape::of(&tokens), tokens }
    }

    /// Returns true if the pattern is malformed anywhere, so that it matches no name.
    pub fn is_malformed(&self) -> bool {
        matches!(self.tokens.last(), Some(Token::Malformed))
    }

    /// Returns true if the pattern matches the whole of `name`. A malformed one matches nothing.
    #[inline]
    pub fn matches(&self, name: &[u8]) -> bool {
        match &self.shape {
            Shape::Literal(literal) => literal.len() == name.len() && agree(literal.iter(), name.iter()),
            Shape::Affixes(start, end) => {
                let Some(middle) = name.len().checked_sub(start.len() + end.len()) else { return false };
                agree(end.iter().rev(), name.iter().rev())
                    && agree(start.iter(), name.iter())
                    && !name[start.len()..start.len() + middle].contains(&b'/')
            }
            Shape::Other => self.run(name, || true) == Ok(true),
        }
    }

    /// Answers as `filepath.Match`, within a budget: a step compares one part of the pattern with one position of `name`. The steps that were taken
    /// are taken off `steps`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a malformed pattern, if `name` matches what stands before the last star ahead of the fault;
    /// [`Refusal::Spent`] when no steps are left.
    pub fn matches_within(&self, name: &[u8], steps: &mut u64) -> Result<bool, Refusal> {
        self.run(name, || {
            let left = steps.checked_sub(1);
            *steps = left.unwrap_or(0);
            left.is_some()
        })
    }

    #[inline]
    fn run(&self, name: &[u8], mut step: impl FnMut() -> bool) -> Result<bool, Refusal> {
        let (mut token, mut at) = (0, 0);
        // Restart when stuck: after the last star, which then takes one byte more.
        let mut star: Option<(usize, usize)> = None;
        loop {
            if !step() {
                return Err(Refusal::Spent);
            }
            let width = match self.tokens.get(token) {
                None if at == name.len() => return Ok(true),
                None => None,
                Some(Token::Star) => {
                    star = Some((token + 1, at));
                    Some(0)
                }
                Some(Token::Malformed) => return Err(Refusal::Malformed),
                Some(single) => single.width(&name[at..]),
            };
            if let Some(width) = width {
                token += 1;
                at += width;
                continue;
            }
            match &mut star {
                Some((next, end)) if name.get(*end).is_some_and(|byte| *byte != b'/') => {
                    *end += 1;
                    (token, at) = (*next, *end);
                }
                _ => return Ok(false),
            }
        }
    }
}

/// Compares byte by byte as far as both go. Names are short and differ early: a call of `memcmp` would take longer.
#[inline]
fn agree<'a>(a: impl Iterator<Item = &'a u8>, b: impl Iterator<Item = &'a u8>) -> bool {
    a.zip(b).all(|(a, b)| a == b)
}

impl Shape {
    fn of(tokens: &[Token]) -> Self {
        let literal = |tokens: &[Token]| tokens.iter().map(Token::byte).collect::<Option<Box<[u8]>>>();
        let is_star = |token: &Token| matches!(token, Token::Star);
        let Some(first) = tokens.iter().position(is_star) else {
            return literal(tokens).map_or(Self::Other, Self::Literal);
        };
        let (start, rest) = tokens.split_at(first);
        let end = &rest[rest.iter().take_while(|token| is_star(token)).count()..];
        literal(start).zip(literal(end)).map_or(Self::Other, |(start, end)| Self::Affixes(start, end))
    }
}

impl Token {
    fn byte(&self) -> Option<u8> {
        if let Self::Byte(byte) = self { Some(*byte) } else { None }
    }

    /// Counts the bytes of the name that this takes, if it matches.
    #[inline]
    fn width(&self, name: &[u8]) -> Option<usize> {
        match self {
            Self::Byte(byte) => (name.first() == Some(byte)).then_some(1),
            Self::Character => character(name).filter(|(found, _)| *found != '/').map(|(_, width)| width),
            Self::Class { negated, ranges } => {
                let (found, width) = character(name)?;
                let within = ranges.iter().any(|range| range.contains(&found));
                (within != *negated).then_some(width)
            }
            Self::Star | Self::Malformed => None,
        }
    }
}

/// Reads the next part of a pattern, none at its end.
fn token(rest: &mut &[u8]) -> Option<Token> {
    let first = take(rest)?;
    Some(match first {
        b'*' => Token::Star,
        b'?' => Token::Character,
        b'[' => class(rest).unwrap_or(Token::Malformed),
        b'\\' => take(rest).map_or(Token::Malformed, Token::Byte),
        byte => Token::Byte(byte),
    })
}

/// Reads a class, after its opening bracket.
fn class(rest: &mut &[u8]) -> Option<Token> {
    let negated = rest.first() == Some(&b'^');
    if negated {
        take(rest)?;
    }
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && rest.first() == Some(&b']') {
            take(rest)?;
            return Some(Token::Class { negated, ranges });
        }
        let low = member(rest)?;
        let high = if rest.first() == Some(&b'-') {
            take(rest)?;
            member(rest)?
        } else {
            low
        };
        ranges.push(low..=high);
    }
}

/// Reads one character of a class, which may be escaped.
fn member(rest: &mut &[u8]) -> Option<char> {
    if matches!(rest.first()?, b'-' | b']') {
        return None;
    }
    if rest.first() == Some(&b'\\') {
        take(rest)?;
    }
    let (found, width) = character(rest)?;
    *rest = &rest[width..];
    let is_text = found != char::REPLACEMENT_CHARACTER || width > 1;
    is_text.then_some(found)
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

/// The first character of a name and its length in bytes; the replacement character, one byte long, for what is not UTF-8.
#[inline]
fn character(name: &[u8]) -> Option<(char, usize)> {
    match name.first()? {
        byte if byte.is_ascii() => Some((char::from(*byte), 1)),
        _ => Some(beyond_ascii(name)),
    }
}

fn beyond_ascii(name: &[u8]) -> (char, usize) {
    let window = &name[..name.len().min(4)];
    let valid = match std::str::from_utf8(window) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default(),
    };
    valid.chars().next().map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, c.len_utf8()))
}

#[cfg(test)]
mod tests;
