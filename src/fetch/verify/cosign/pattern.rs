//! Regular expressions as Go's `regexp` reads them (RE2), by a crate that reads nearly the same.
//!
//! What differs: Perl's classes are of ASCII in Go; `\Q…\E` quotes; and within brackets `[`, `&` and `~` stand for themselves, as does a brace
//! that opens no repetition.

use regex::{Regex, RegexBuilder};

/// A compiled pattern may be this large, in bytes.
const LARGEST: usize = 1 << 20;

#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    text: String,
}

impl Pattern {
    pub fn new(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(&translated(text)).octal(true).size_limit(LARGEST).build();
        regex.map(|regex| Self { regex, text: text.to_owned() }).map_err(|why| format!("error parsing regexp: {why}"))
    }

    /// Whether it is found anywhere in a text.
    pub fn is_in(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    // Whether the last sign was the opening of a class, and whether one is open.
    let (mut opened, mut within) = (false, false);
    // Whether the last sign was that of a range within a class.
    let mut range = false;
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        let first = std::mem::take(&mut opened);
        let ranging = std::mem::take(&mut range);
        match sign {
            '\\' => {
                let Some(escaped) = rest.chars().next() else {
                    out.push('\\');
                    break;
                };
                rest = &rest[escaped.len_utf8()..];
                match escaped {
                    'Q' if !within => {
                        let (quoted, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                        out.push_str(&regex::escape(quoted));
                        rest = after;
                    }
                    'd' => out.push_str("[0-9]"),
                    'D' => out.push_str("[^0-9]"),
                    's' => out.push_str(r"[\t\n\x0C\r ]"),
                    'S' => out.push_str(r"[^\t\n\x0C\r ]"),
                    'w' => out.push_str("[0-9A-Za-z_]"),
                    'W' => out.push_str("[^0-9A-Za-z_]"),
                    'b' | 'B' if !within => out.extend(["(?-u:\\", escaped.encode_utf8(&mut [0; 4]), ")"]),
                    '<' | '>' => out.push(escaped),
                    'x' | 'p' | 'P' if rest.starts_with('{') => {
                        let end = rest.find('}').map_or(rest.len(), |at| at + 1);
                        out.extend(["\\", escaped.encode_utf8(&mut [0; 4]), &rest[..end]]);
                        rest = &rest[end..];
                    }
                    other => out.extend(['\\', other]),
                }
            }
            '[' if within => match rest.find(":]").filter(|_| rest.starts_with(':')) {
                Some(end) => {
                    out.extend(["[", &rest[..end + 2]]);
                    rest = &rest[end + 2..];
                }
                None => out.push_str(r"\["),
            },
            '[' => {
                out.push('[');
                (opened, within) = (true, true);
                if let Some(after) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = after;
                }
            }
            // Right after the opening, it stands for itself.
            ']' if within && first => out.push_str(r"\]"),
            ']' => {
                out.push(']');
                within = false;
            }
            '&' | '~' if within => out.extend(['\\', sign]),
            '-' if within && (first || ranging) => out.push_str(r"\-"),
            '-' if within => {
                out.push('-');
                range = true;
            }
            '{' if !within && !repeats(rest) => out.push_str(r"\{"),
            other => out.push(other),
        }
    }
    out
}

/// Whether a text goes on as a repetition does after its brace: `2}`, `2,}` or `2,3}`.
fn repeats(rest: &str) -> bool {
    let counts = rest.split_once('}').map(|(counts, _)| counts).unwrap_or_default();
    let (least, most) = counts.split_once(',').unwrap_or((counts, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}
