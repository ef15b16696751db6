//! How a string is written: plain, in quotes or as a block.

use super::cursor::{is_blank, is_break};
use super::scalar::reads_as_text;

/// A way to write a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    /// `|`
    Literal,
}

/// Where a string stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A key on one line with its colon.
    Key,
    /// Anything else.
    Value,
}

/// What may stand in a text as it is; nothing beyond the first 65,536 characters may.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != '\u{feff}'
}

/// Whether a key is written as `? key` with its colon in the next line.
pub(super) fn is_complex_key(key: &str) -> bool {
    key.len() > 128 || key.chars().any(is_break)
}

/// The style for a string.
pub(super) fn choose(text: &str, place: Place) -> Style {
    let shape = Shape::of(text);
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if reads_as_text(text) {
        Style::Plain
    } else {
        Style::Double
    };
    match wanted {
        Style::Plain if shape.plain => Style::Plain,
        Style::Plain if shape.single => Style::Single,
        Style::Literal if shape.literal && place == Place::Value => Style::Literal,
        _ => Style::Double,
    }
}

/// The styles that a text's characters allow.
struct Shape {
    plain: bool,
    single: bool,
    literal: bool,
}

impl Shape {
    fn of(text: &str) -> Shape {
        let edge = |c: char| c == ' ' || is_break(c);
        let at_edge = text.starts_with(edge) || text.ends_with(edge);
        let special = text.chars().any(|c| !is_printable(c));
        let pair =
            |first: fn(char) -> bool, second: fn(char) -> bool| text.chars().zip(text.chars().skip(1)).any(|(a, b)| first(a) && second(b));
        let is_space: fn(char) -> bool = |c| c == ' ';
        let break_then_space = pair(is_break, is_space);
        let space_then_break = pair(is_space, is_break);
        let one_line = !text.contains(is_break);
        Shape {
            plain: !at_edge && !special && one_line && !has_indicators(text),
            single: !special && !break_then_space && !space_then_break,
            literal: !special && !space_then_break && !text.ends_with(' '),
        }
    }
}

/// Whether a plain text would be taken for something else of the syntax.
fn has_indicators(text: &str) -> bool {
    let mut before = None;
    let mut rest = text.chars();
    if text.starts_with("---") || text.starts_with("...") {
        return true;
    }
    while let Some(c) = rest.next() {
        let last_or_blank_next = rest.as_str().chars().next().is_none_or(is_blank);
        let found = match (c, before) {
            ('#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`', None) => true,
            ('?' | '-', None) | (':', _) => last_or_blank_next,
            ('#', Some(before)) => is_blank(before) || is_break(before),
            _ => false,
        };
        if found {
            return true;
        }
        before = Some(c);
    }
    false
}
