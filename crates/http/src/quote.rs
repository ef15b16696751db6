//! The words of servers, fit for errors and logs.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// Stands where a secret was.
const REDACTED: &str = "***";
/// The most characters of [`Excerpt::Short`].
const SHORT: usize = 256;
/// The most characters of [`Excerpt::Line`].
const LINE: usize = 500;

/// Texts that must not be printed.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Vec<SecretString>);

/// The length and the form of what is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excerpt {
    /// The first 256 characters, with a space in place of each control character.
    Short,
    /// The first 500 characters of its words, with one space between them; `…` says that more followed.
    Line,
}

impl Secrets {
    /// Adds the secrets of others.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// `text` with `***` in place of each secret.
    pub fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), REDACTED))
    }
}

/// Empty texts are left out.
impl<T: AsRef<str>> FromIterator<T> for Secrets {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        Self(texts.into_iter().filter(|text| !text.as_ref().is_empty()).map(|text| SecretString::from(text.as_ref())).collect())
    }
}

/// Foreign text as it may be printed: without `secrets` and control characters, and shortened.
pub fn quote(text: impl fmt::Display, secrets: &Secrets, excerpt: Excerpt) -> String {
    let text = secrets.redact(&text.to_string());
    match excerpt {
        Excerpt::Short => text.chars().take(SHORT).map(|c| if c.is_control() { ' ' } else { c }).collect(),
        Excerpt::Line => {
            let words: Vec<_> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
            let line = words.join(" ");
            match line.char_indices().nth(LINE) {
                Some((end, _)) => format!("{}…", &line[..end]),
                None => line,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_short_and_without_secrets() {
        let secrets = Secrets::from_iter(["s3cret", ""]);
        assert_eq!(quote("a\r\n b\u{7}c  s3cret d\t", &secrets, Excerpt::Line), "a b c *** d");
        assert_eq!(quote("a\r\n b\u{7}c  s3cret d\t", &secrets, Excerpt::Short), "a   b c  *** d ");
        let long = "\u{e4}".repeat(600);
        assert_eq!(quote(&long, &secrets, Excerpt::Line), format!("{}…", "\u{e4}".repeat(LINE)));
        assert_eq!(quote(&long, &secrets, Excerpt::Short), "\u{e4}".repeat(SHORT));
    }

    #[test]
    fn a_secret_at_the_border_is_not_printed_in_part() {
        let text = format!("{}s3cret", "x".repeat(SHORT - 2));
        assert!(!quote(text, &Secrets::from_iter(["s3cret"]), Excerpt::Short).contains("s3"));
    }

    #[test]
    fn secrets_are_joined_and_printed_nowhere() {
        let mut secrets = Secrets::from_iter(["a1"]);
        secrets.extend(Secrets::from_iter(["b2".to_owned()]));
        assert_eq!(secrets.redact("a1 b2 c3"), "*** *** c3");
        assert!(!format!("{secrets:?}").contains("a1"));
    }
}
