//! Texts as Go's standard library and upstream treat them.

use std::borrow::Cow;

use crate::fetch::helm::printable::sanitised;

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

/// Writes a JSON string as Go does, with `<`, `>`, `&` and the two line separators of Unicode escaped.
pub(super) fn write_json(text: &str, out: &mut Vec<u8>) {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let plain = rest.iter().take_while(|b| !matches!(b, 0..0x20 | b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2)).count();
        let (before, after) = rest.split_at(plain);
        out.extend_from_slice(before);
        rest = match after {
            [] => after,
            [0xe2, 0x80, last @ (0xa8 | 0xa9), after @ ..] => {
                out.extend_from_slice(b"\\u202");
                out.push(if *last == 0xa8 { b'8' } else { b'9' });
                after
            }
            [byte, after @ ..] => {
                match byte {
                    b'"' | b'\\' => out.extend([b'\\', *byte]),
                    b'\n' => out.extend(b"\\n"),
                    b'\r' => out.extend(b"\\r"),
                    b'\t' => out.extend(b"\\t"),
                    0x08 => out.extend(b"\\b"),
                    0x0c => out.extend(b"\\f"),
                    0xe2 => out.push(*byte),
                    byte => {
                        out.extend_from_slice(b"\\u00");
                        out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                    }
                }
                after
            }
        };
    }
    out.push(b'"');
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
    fn strings_are_escaped_as_go_does() {
        let mut out = Vec::new();
        write_json("a\"\\\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}<>&\u{2028}\u{2029}\u{2030}é/", &mut out);
        let wanted = "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\u{7f}\\u003c\\u003e\\u0026\\u2028\\u2029\u{2030}é/\"";
        assert_eq!(String::from_utf8_lossy(&out), wanted);
    }

    #[test]
    fn names_of_fields_are_folded() {
        assert_eq!(folded("APIVer\u{17f}ion"), "apiversion");
        assert_eq!(folded("\u{212a}eywords"), "keywords");
        assert_ne!(folded("ümlaut"), folded("Ümlaut"));
    }
}
