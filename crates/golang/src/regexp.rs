//! Regular expressions as Go's `regexp` reads them (RE2), by a crate that reads nearly the same.
//!
//! The differences that are translated: Perl's classes and `\b` are of ASCII in Go; `\Q…\E` quotes; escapes may be octal; within brackets `[`, `&` and
//! `~` stand for themselves, as does a brace that opens no repetition. Taken here but refused by Go are repetitions of repetitions (`a**`) and beyond
//! 1,000, the flags `x` and `u`, the escapes `\u` and `\U`, and unknown names in `[[:name:]]`. Refused here but taken by Go are two groups of one name
//! and repetitions of nothing (`a(?i)*`).

mod translate;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct Regexp {
    regex: regex::Regex,
    text: String,
}

/// A text is no regular expression, or one that is too large.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{text}`")]
pub struct Error {
    reason: String,
    text: String,
}

impl Regexp {
    /// The most bytes that compiled expressions usually may take.
    pub const LARGEST: usize = 10 << 20;

    /// Compiles an expression that takes at most `largest` bytes when compiled.
    ///
    /// # Errors
    /// [`Error`] with the reason, in words of its own and not in Go's.
    pub fn new(text: &str, largest: usize) -> Result<Self, Error> {
        let compiled = regex::RegexBuilder::new(&translate::translate(text)).size_limit(largest).build();
        compiled
            .map(|regex| Self { regex, text: text.to_owned() })
            .map_err(|error| Error { reason: last_line(&error), text: text.to_owned() })
    }

    /// Returns true if the expression matches anywhere in `text`, as `MatchString` does.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Error {
    /// Names the fault on one line, without the expression.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// The line of an error that says what is wrong; those before show where, in the translation.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn expressions_that_grow_too_large_are_refused() {
        let wide = format!("(({}){{1000}}){{1000}}", "a".repeat(50));
        assert_eq!(Regexp::new(&wide, 1 << 20).unwrap_err().reason(), "Compiled regex exceeds size limit of 1048576 bytes.");
        assert!(Regexp::new("a{1000}", 1 << 20).is_ok());
    }

    #[test]
    fn a_refusal_names_reason_and_expression() {
        let error = Regexp::new("a(", Regexp::LARGEST).unwrap_err();
        assert_eq!((error.reason(), error.to_string().as_str()), ("unclosed group", "error parsing regexp: unclosed group: `a(`"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in r"\PC{0,40}|[\[\]\\^{}:&~a-cQEdDsSwWbBxpP0-9,-]{0,20}", other in "\\PC{0,20}") {
            if let Ok(regexp) = Regexp::new(&text, Regexp::LARGEST) {
                regexp.is_match(&other);
                prop_assert_eq!(regexp.as_str(), text);
            }
        }
    }
}
