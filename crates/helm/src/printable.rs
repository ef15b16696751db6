//! Texts without what cannot be printed.

use std::borrow::Cow;

use headwater_golang::unicode::is_print;

/// A text on one line: every white space is a plain space, what cannot be printed is gone.
pub(super) fn sanitised(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return Cow::Borrowed(text);
    }
    text.chars().filter_map(|c| if c.is_whitespace() { Some(' ') } else { is_print(c).then_some(c) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_sanitised_as_upstream_does() {
        assert_eq!(sanitised("a\tb\u{a0}c\u{200b}d\u{7f}é\u{2028}"), "a b cdé ");
    }
}
