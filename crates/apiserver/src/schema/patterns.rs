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

/// The pattern in the syntax of the regex crate, where a bracket inside of brackets and a brace never stand for themselves.
fn translated(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut in_class = false;
    let mut chars = pattern.char_indices();
    while let Some((at, char)) = chars.next() {
        let tail = &pattern[at + char.len_utf8()..];
        match char {
            '\\' => {
                translated.push(char);
                translated.extend(chars.next().map(|(_, escaped)| escaped));
                continue;
            }
            '[' if in_class && !tail.starts_with(':') => translated.push('\\'),
            '{' if !in_class && !is_repetition(tail) => translated.push('\\'),
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        translated.push(char);
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
            (r"^\d+$", "12", true),
            (r"^[\w.]+$", "a_b.c", true),
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
