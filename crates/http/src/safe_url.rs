//! URLs that print without their secrets.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;

use percent_encoding::percent_decode_str;
use url::{ParseError, Url};

use crate::{Basic, Secrets};

/// Stands for a URL of which nothing but the scheme is certain to be no secret.
const HIDDEN: &str = "***";

/// A URL that prints without user, password, query and fragment, in `Display` and in `Debug`.
///
/// A path that looks like the rest of a password, because there is a `:` and later an `@`, is printed from the last `@` on:
/// `http://user/na:me@host/charts` is a valid URL, and prints as `http://host/charts`. What the URL really is, is reached through
/// [`Url`]; `as_str` of that has the secrets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SafeUrl {
    url: Url,
    /// The certainty about the text that was parsed; unknown where none was.
    certainty: Option<Certainty>,
}

/// The text is no URL. Printed without what may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parse \"{url}\": {cause}")]
pub struct InvalidUrl {
    /// The text as [`printable_url`] has it.
    pub url: String,
    /// The flaw.
    pub cause: ParseError,
}

impl SafeUrl {
    /// Parses a text.
    ///
    /// # Errors
    /// [`InvalidUrl`], for the same texts as [`Url::parse`].
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let url = Url::parse(text).map_err(|cause| InvalidUrl { url: print(text, None), cause })?;
        let has_user = url.as_str() != without_user(url.clone()).as_str();
        let certainty = match is_plain(text, &url) {
            true => Text::new(text, Some(&url)).print().1,
            false if text.matches('@').count() > usize::from(has_user) => Certainty::Doubtful,
            false => Certainty::Certain,
        };
        Ok(Self { url, certainty: Some(certainty) })
    }

    /// A URL whose path may be the rest of a password, although nothing of the URL says so.
    pub fn doubtful(url: Url) -> Self {
        Self { url, certainty: Some(Certainty::Doubtful) }
    }

    /// The user and the password, if there are any, and the URL without them.
    pub fn split(self) -> (Option<Basic>, Self) {
        (Basic::of_url(&self.url), Self { url: without_user(self.url), ..self })
    }

    /// Texts of the URL that must not be printed, whoever says them: the password; and where the host may have been a user, host and
    /// port, and the path up to its last `@`.
    pub fn secrets(&self) -> Secrets {
        let mut secrets: Secrets = [decode(self.url.password().unwrap_or_default())].into_iter().collect();
        if self.is_doubtful() {
            let host = self.url.host_str().unwrap_or_default();
            let port = self.url.port().map(|port| port.to_string()).unwrap_or_default();
            let path = self.url.path().rsplit_once('@').map_or("", |(path, _)| path.trim_start_matches('/'));
            secrets.extend([format!("{host}:{port}").as_str(), path, host, &port].into_iter().filter(|text| *text != ":").collect());
        }
        secrets
    }

    /// True where the host may have been a user in the text that was parsed.
    pub fn is_doubtful(&self) -> bool {
        self.certainty.unwrap_or_else(|| Text::new(self.url.as_str(), Some(&self.url)).print().1) == Certainty::Doubtful
    }

    /// The same URL with some parts changed; it is printed with the same care.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Url)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.url);
        changed
    }

    /// The URL with all its secrets.
    pub fn into_url(self) -> Url {
        self.url
    }
}

impl From<Url> for SafeUrl {
    fn from(url: Url) -> Self {
        Self { url, certainty: None }
    }
}

impl Deref for SafeUrl {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.url
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_str();
        match self.certainty {
            None => f.write_str(&print(url, Some(&self.url))),
            Some(Certainty::Certain) => {
                let mut url = without_user(self.url.clone());
                url.set_query(None);
                url.set_fragment(None);
                f.write_str(url.as_str())
            }
            Some(Certainty::Doubtful) if self.url.path().contains('@') => f.write_str(&print(url, None)),
            // Parsing has removed what followed the user.
            Some(Certainty::Doubtful) => write!(f, "{}://{HIDDEN}", self.url.scheme()),
        }
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

/// A text that should be a URL, as it was written, but printed as [`SafeUrl`] is. Of a text that is no URL, the scheme and what
/// follows the last `@` are printed; of one that has an `@` after its `?` or `#`, too, the scheme alone.
///
/// A digest (`@sha256:…`, `@sha512:…`) at the end is no host.
pub fn printable_url(text: &str) -> String {
    if !text.contains(['@', '?', '#']) {
        return text.to_owned();
    }
    match SafeUrl::parse(text) {
        Ok(url) if is_plain(text, &url) => print(text, Some(&url)),
        Ok(url) => url.to_string(),
        Err(error) => error.url,
    }
}

/// Undoes percent-encoding.
pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// `url` without user and password.
pub fn without_user(mut url: Url) -> Url {
    // These fail only for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

fn print(text: &str, url: Option<&Url>) -> String {
    Text::new(text, url).print().0
}

/// The certainty about the parts of a text that was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Certainty {
    Certain,
    Doubtful,
}

/// A text, taken apart as far as it is certain what its parts are.
struct Text<'a> {
    /// With `://`; empty where the text has none.
    scheme: &'a str,
    /// The rest, without the user of a valid URL.
    rest: &'a str,
    is_url: bool,
    /// Set where a user was taken off `rest`.
    had_user: bool,
}

impl<'a> Text<'a> {
    /// `url` is the URL that `text` is, if it is one and [`is_plain`].
    fn new(text: &'a str, url: Option<&Url>) -> Self {
        // `mailto:x@y` is a URL; so is `user:password@host`.
        let is_url = url.is_some_and(|url| !url.cannot_be_a_base());
        let (scheme, rest) = split_scheme(text);
        let user = rest[..authority(rest)].rfind('@').filter(|_| is_url);
        Self { scheme, rest: user.map_or(rest, |at| &rest[at + 1..]), is_url, had_user: user.is_some() }
    }

    /// True where host and port may be a user and the beginning of a password.
    fn port_may_be_password(&self) -> bool {
        let host = &self.rest[..authority(self.rest)];
        let host = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((host, _)) => host,
            None => host.split(':').next().unwrap_or_default(),
        };
        !self.had_user && host != "localhost" && host.parse::<IpAddr>().is_err()
    }

    /// True where `before`, which an `@` follows, may be a user and a password.
    fn may_be_user(&self, before: &str) -> bool {
        let start = if self.port_may_be_password() { 0 } else { authority(before) };
        if self.is_url { before[start..].contains(':') } else { !before.is_empty() }
    }

    fn print(&self) -> (String, Certainty) {
        let (main, tail) = self.rest.split_at(self.rest.find(['?', '#']).unwrap_or(self.rest.len()));
        if let Some(at) = tail.rfind('@')
            && self.may_be_user(&self.rest[..main.len() + at])
        {
            return (format!("{}{HIDDEN}", self.scheme), Certainty::Doubtful);
        }
        let (main, digest) = split_digest(main);
        let (main, certainty) = match main.rfind('@') {
            Some(at) if self.may_be_user(&main[..at]) => (&main[at + 1..], Certainty::Doubtful),
            _ => (main, Certainty::Certain),
        };
        (format!("{}{main}{digest}", self.scheme), certainty)
    }
}

/// True where `text` is written as URLs usually are, so that its parts are where they are in `url`.
fn is_plain(text: &str, url: &Url) -> bool {
    let (scheme, rest) = split_scheme(text);
    let is_odd = |c: char| c == '\\' || c.is_whitespace() || c.is_control();
    scheme.strip_suffix("://").is_some_and(|scheme| scheme.eq_ignore_ascii_case(url.scheme()))
        && !rest.starts_with('/')
        && !text.contains(is_odd)
}

/// The scheme with `://`, and the rest.
fn split_scheme(text: &str) -> (&str, &str) {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    match text.find("://") {
        Some(end) if is_scheme(&text[..end]) => text.split_at(end + 3),
        _ => ("", text),
    }
}

/// The length of the authority at the beginning of `rest`.
fn authority(rest: &str) -> usize {
    rest.find(['/', '?', '#']).unwrap_or(rest.len())
}

/// Takes a digest off the end of a path, with the `@` before it.
fn split_digest(main: &str) -> (&str, &str) {
    let is_digest = |text: &str| {
        let digits = text.strip_prefix("sha256:").or_else(|| text.strip_prefix("sha512:"));
        digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    match main.rfind('@') {
        Some(at) if main[..at].contains('/') && is_digest(&main[at + 1..]) => main.split_at(at),
        _ => (main, ""),
    }
}

#[cfg(test)]
mod tests;
