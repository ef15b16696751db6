//! From Go's syntax to that of the crate `regex`.

use std::fmt::Write as _;

/// Rewrites `text` in the syntax of `regex`, so that it means what it means to Go. `regex` is left to refuse what Go refuses.
pub(super) fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut class = Class::Outside;
    while let Some(sign) = take(&mut rest) {
        let before = class;
        class = match (sign, before) {
            ('\\', _) => {
                escape(&mut rest, before, &mut out);
                before.go_on()
            }
            ('[', Class::Outside) => {
                out.push('[');
                if let Some(after) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = after;
                }
                Class::Opened
            }
            ('[', _) => {
                match rest.find(":]").filter(|_| rest.starts_with(':')) {
                    Some(end) => {
                        out.extend(["[", &rest[..end + 2]]);
                        rest = &rest[end + 2..];
                    }
                    None => out.push_str(r"\["),
                }
                Class::Within
            }
            // Right after the opening, it stands for itself.
            (']', Class::Opened) => {
                out.push_str(r"\]");
                Class::Within
            }
            (']', _) => {
                out.push(']');
                Class::Outside
            }
            // At the start, and as the end of a range, it stands for itself.
            ('-', Class::Opened | Class::Range) => {
                out.push_str(r"\-");
                Class::Within
            }
            ('-', Class::Within) => {
                out.push('-');
                Class::Range
            }
            ('&' | '~', Class::Opened | Class::Within | Class::Range) => {
                out.extend(['\\', sign]);
                Class::Within
            }
            ('{', Class::Outside) if !repeats(rest) => {
                out.push_str(r"\{");
                Class::Outside
            }
            _ => {
                out.push(sign);
                before.go_on()
            }
        };
    }
    out
}

/// The position in a bracketed class.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Outside,
    /// After `[` or `[^`.
    Opened,
    Within,
    /// After the `-` of a range.
    Range,
}

impl Class {
    /// The position after one more character.
    fn go_on(self) -> Self {
        if self == Self::Outside { Self::Outside } else { Self::Within }
    }
}

/// Translates the escape after a backslash.
fn escape(rest: &mut &str, class: Class, out: &mut String) {
    let after = *rest;
    let Some(escaped) = take(rest) else {
        out.push('\\');
        return;
    };
    match escaped {
        'Q' if class == Class::Outside => {
            let (quoted, after) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            *rest = after;
        }
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        's' => out.push_str(r"[\t\n\x0C\r ]"),
        'S' => out.push_str(r"[^\t\n\x0C\r ]"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        'b' | 'B' if class == Class::Outside => out.extend(["(?-u:\\", escaped.encode_utf8(&mut [0; 4]), ")"]),
        '<' | '>' => out.push(escaped),
        'p' | 'P' if rest.starts_with("{^") => {
            out.push_str(if escaped == 'p' { "\\P{" } else { "\\p{" });
            *rest = &rest[2..];
            brace(rest, out);
        }
        'x' | 'p' | 'P' if rest.starts_with('{') => {
            out.extend(['\\', escaped]);
            brace(rest, out);
        }
        // One octal digit other than 0 is a reference to a group, which is refused.
        '0'..='7' if escaped == '0' || rest.starts_with(|next| matches!(next, '0'..='7')) => {
            let digits = after.bytes().take(3).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
            let code = u32::from_str_radix(&after[..digits], 8).unwrap_or_default();
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{{{code:x}}}");
            *rest = &after[digits..];
        }
        other => out.extend(['\\', other]),
    }
}

/// Copies up to and with the closing brace.
fn brace(rest: &mut &str, out: &mut String) {
    let end = rest.find('}').map_or(rest.len(), |at| at + 1);
    out.push_str(&rest[..end]);
    *rest = &rest[end..];
}

/// Returns true if a text goes on as a repetition does after its brace: `2}`, `2,}` or `2,3}`.
fn repeats(rest: &str) -> bool {
    let counts = rest.split_once('}').map(|(counts, _)| counts).unwrap_or_default();
    let (least, most) = counts.split_once(',').unwrap_or((counts, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

fn take(rest: &mut &str) -> Option<char> {
    let first = rest.chars().next()?;
    *rest = &rest[first.len_utf8()..];
    Some(first)
}
