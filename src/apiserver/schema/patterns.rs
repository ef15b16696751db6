//! Patterns as Go writes them.

use regex::Regex;

/// Compiles a pattern.
///
/// # Errors
/// Why it is none.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(&translated(pattern)).map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        format!("error parsing regexp: {}: `{pattern}`", reason.strip_prefix("error: ").unwrap_or(reason))
    })
}

/// The pattern in the syntax of the regex crate: where Go knows ASCII only, where it has no nested classes, and where it takes a brace for itself.
fn translated(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut in_class = false;
    let mut rest = pattern;
    while let Some(char) = rest.chars().next() {
        let tail = &rest[char.len_utf8()..];
        let mut taken = char.len_utf8();
        match char {
            '\\' => {
                let next = tail.chars().next();
                taken += next.map_or(0, char::len_utf8);
                match next {
                    Some('d') => translated.push_str("[0-9]"),
                    Some('D') => translated.push_str("[^0-9]"),
                    Some('w') => translated.push_str("[0-9A-Za-z_]"),
                    Some('W') => translated.push_str("[^0-9A-Za-z_]"),
                    Some('s') => translated.push_str("[\\t\\n\\f\\r ]"),
                    Some('S') => translated.push_str("[^\\t\\n\\f\\r ]"),
                    Some(boundary @ ('b' | 'B')) if !in_class => {
                        translated.push_str("(?-u:\\");
                        translated.push(boundary);
                        translated.push(')');
                    }
                    _ => translated.push_str(&rest[..taken]),
                }
            }
            '[' if in_class => {
                if let Some(end) = tail.strip_prefix(':').and_then(|name| name.find(":]")) {
                    taken += end + 3;
                    translated.push_str(&rest[..taken]);
                } else {
                    translated.push_str("\\[");
                }
            }
            '[' => {
                in_class = true;
                // A bracket that comes first stands for itself.
                let start = if tail.starts_with("^]") { 2 } else { usize::from(tail.starts_with([']', '^'])) };
                taken += start;
                translated.push_str(&rest[..taken].replace(']', "\\]"));
            }
            ']' if in_class => {
                in_class = false;
                translated.push(']');
            }
            '&' | '~' if in_class => {
                translated.push('\\');
                translated.push(char);
            }
            '{' if !in_class && !is_repetition(tail) => translated.push_str("\\{"),
            char => translated.push(char),
        }
        rest = &rest[taken..];
    }
    translated
}

/// Whether a brace opens a number of repetitions.
fn is_repetition(tail: &str) -> bool {
    let Some((inside, _)) = tail.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    !least.is_empty() && least.bytes().chain(most.bytes()).all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::compile;

    #[test]
    fn patterns_mean_what_they_mean_to_go() {
        let cases: &[(&str, &str, bool)] = &[
            (r"^\d+$", "١", false),
            (r"^\d+$", "12", true),
            (r"^[\w.]+$", "a_b.c", true),
            (r"^[\w.]+$", "ä", false),
            (r"^[^\s]+$", "a b", false),
            (r"^[[a]+$", "[a", true),
            (r"^[]a]+$", "]a", true),
            (r"^[^]a]+$", "]", false),
            (r"^[[:alpha:]&]+$", "a&", true),
            (r"^{.*}$", "{x}", true),
            (r"^a{2,3}$", "aaa", true),
            (r"^a{,3}$", "a{,3}", true),
            (r"^\[x\]$", "[x]", true),
            (r"^(http|https)://.*$", "http://x", true),
        ];
        for (pattern, text, matches) in cases {
            assert_eq!(compile(pattern).unwrap().is_match(text), *matches, "{pattern} {text}");
        }
        assert!(compile("^(a").is_err());
        assert!(compile("(?=a)").is_err());
    }
}
