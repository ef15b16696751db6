//! Strings, numbers and values as `json.Marshal` writes them.

use crate::float;

#[cfg(feature = "serde_json")]
mod value;

#[cfg(feature = "serde_json")]
pub use value::value;

/// Writes a JSON string, in double quotes, with `<`, `>`, `&` and the two line separators of Unicode escaped.
pub fn string(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends the same as [`string`].
pub fn write_string(text: &str, out: &mut Vec<u8>) {
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

/// Writes a number with the fewest digits that read back as the same one: with an exponent below 1e-6 and from 1e21 on, else without. `None` for
/// infinities and NaN, which JSON cannot say.
pub fn number(number: f64) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    let scientific = float::scientific(number);
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Some(float::plain(&scientific));
    }
    let (digits, exponent) = float::split(&scientific);
    Some(format!("{digits}e{exponent:+}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_does() {
        let wanted = "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\u{7f}\\u003c\\u003e\\u0026\\u2028\\u2029\u{2030}é/\"";
        assert_eq!(string("a\"\\\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}<>&\u{2028}\u{2029}\u{2030}é/"), wanted);
    }
}
