//! Texts as Go's standard library and upstream treat them.

use std::borrow::Cow;

use crate::printable::sanitised;

/// A key in the form in which JSON's field names are compared: ASCII letters and the two characters beyond it that fold to one.
pub(super) fn folded(key: &str) -> String {
    key.chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

/// Makes every white space a plain space and drops what cannot be printed.
pub(super) fn sanitise(text: &mut String) {
    if let Cow::Owned(other) = sanitised(text) {
        *text = other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_sanitised_as_upstream_does() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("a\tb\nc\u{b}d\u{85}e\u{a0}f\u{2028}g\u{3000}h", "a b c d e f g h"),
            ("bell\u{7}zero\u{0}wide\u{200b}soft\u{ad}bom\u{feff}private\u{e000}", "bellzerowidesoftbomprivate"),
            ("ünïcödé 漢字 🎉 \u{fffd} e\u{301}", "ünïcödé 漢字 🎉 \u{fffd} e\u{301}"),
            ("unassigned\u{378}", "unassigned"),
        ] {
            let mut text = text.to_owned();
            sanitise(&mut text);
            assert_eq!(text, wanted);
        }
    }

    #[test]
    fn names_of_fields_are_folded() {
        assert_eq!(folded("APIVer\u{17f}ion"), "apiversion");
        assert_eq!(folded("\u{212a}eywords"), "keywords");
        assert_ne!(folded("ümlaut"), folded("Ümlaut"));
    }
}
