//! References to what is in a registry, as Helm reads them: `oci://host[:port]/repository[:tag][@digest]`.

use std::fmt;

use headwater_http::printable_url;

use super::Digest;

/// A reference may be this long, in bytes.
const LONGEST: usize = 1024;
/// The name of a repository may be this long, in bytes.
const LONGEST_REPOSITORY: usize = 255;
/// A tag may be this long, in bytes.
const LONGEST_TAG: usize = 128;

/// A place in a registry. There is no default registry, and no default tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The host of the registry, with its port if it has one.
    pub registry: String,
    /// The repository.
    pub repository: String,
    /// The tag; `_` stands for the `+` of a version.
    pub tag: Option<String>,
    /// The digest of the manifest.
    pub digest: Option<Digest>,
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid reference: {0}")]
pub struct Error(String);

impl Error {
    fn about(what: &str, text: &str) -> Self {
        let text: String = text.chars().take(LONGEST_REPOSITORY).collect();
        Self(format!("invalid {what} {text:?}"))
    }

    pub(super) fn registry(text: &str) -> Self {
        Self::about("registry", text)
    }

    pub(super) fn repository(text: &str) -> Self {
        // It may hold the rest of a password that had a slash.
        Self::about("repository", &printable_url(text))
    }

    pub(super) fn tag(text: &str) -> Self {
        Self::about("tag", text)
    }
}

impl Reference {
    /// Reads a reference, with or without `oci://`. A `+` in the tag is written `_`, because tags cannot hold one.
    ///
    /// # Errors
    /// Which part is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix("oci://").unwrap_or(text);
        if text.len() > LONGEST {
            return Err(Error(format!("more than {LONGEST} bytes")));
        }
        let (registry, path) = text.split_once('/').ok_or_else(|| Error("missing registry or repository".to_owned()))?;
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) => (path, Some(Digest::parse(digest).ok_or_else(|| Error::about("digest", digest))?)),
            None => (path, None),
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag_of(tag))),
            None => (path, None),
        };
        if !is_registry(registry) {
            return Err(Error::registry(registry));
        }
        if !is_repository(repository) {
            return Err(Error::repository(repository));
        }
        if let Some(tag) = tag.as_deref().filter(|tag| !is_tag(tag)) {
            return Err(Error::tag(tag));
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// The tag under which Helm keeps `version`.
pub fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

/// Whether `text` is a host name or an address, with or without a port.
pub(super) fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rfind(':').filter(|_| !text.ends_with(']')) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    is_host && text.len() <= LONGEST && port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// Whether `text` is the name of a repository: components of lower-case letters and digits, with single separators between them.
pub(super) fn is_repository(text: &str) -> bool {
    let is_component = |component: &str| {
        let mut rest = component;
        loop {
            let word = rest.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit()).unwrap_or(rest.len());
            if word == 0 {
                return false;
            }
            rest = &rest[word..];
            let separator = rest.find(|c: char| !".-_".contains(c)).unwrap_or(rest.len());
            match &rest[..separator] {
                "" => return rest.is_empty(),
                "." | "_" | "__" => {}
                dashes if dashes.bytes().all(|byte| byte == b'-') => {}
                _ => return false,
            }
            rest = &rest[separator..];
        }
    };
    text.len() <= LONGEST_REPOSITORY && text.split('/').all(is_component)
}

/// Whether `text` is a tag.
pub(super) fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= LONGEST_TAG
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn references_are_taken_apart_and_put_together() {
        let whole = Reference::parse(&format!("oci://ghcr.io:443/stefanprodan/charts/podinfo:6.5.4+build.1@{EMPTY}")).unwrap();
        assert_eq!(whole.registry, "ghcr.io:443");
        assert_eq!(whole.repository, "stefanprodan/charts/podinfo");
        assert_eq!(whole.tag.as_deref(), Some("6.5.4_build.1"));
        assert_eq!(whole.digest.as_ref().map(Digest::as_str), Some(EMPTY));
        assert_eq!(whole.to_string(), format!("ghcr.io:443/stefanprodan/charts/podinfo:6.5.4_build.1@{EMPTY}"));
        for good in ["localhost/a", "[::1]:5000/a", "127.0.0.1:5000/a/b__c-d.e--f", "Host_x.example/a1:V1.2-x_y"] {
            assert_eq!(Reference::parse(good).unwrap().to_string(), good);
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_with_the_part_that_is_wrong() {
        let refused = |text: &str| Reference::parse(text).unwrap_err().to_string();
        assert_eq!(refused("podinfo"), "invalid reference: missing registry or repository");
        assert_eq!(refused("oci://host/"), r#"invalid reference: invalid repository """#);
        assert_eq!(refused("host/Upper"), r#"invalid reference: invalid repository "Upper""#);
        assert_eq!(refused("host/a:"), r#"invalid reference: invalid tag """#);
        assert_eq!(refused("host/a:-x"), r#"invalid reference: invalid tag "-x""#);
        assert_eq!(refused("host/a:b:c"), r#"invalid reference: invalid tag "b:c""#);
        assert_eq!(refused("host/a@sha256:0"), r#"invalid reference: invalid digest "sha256:0""#);
        assert_eq!(refused("user@host/a"), r#"invalid reference: invalid registry "user@host""#);
        assert_eq!(Error::repository("na:me@host/charts").to_string(), r#"invalid reference: invalid repository "host/charts""#);
        for bad in ["/a", ":5000/a", "host:/", "host:x/a", "host:99999/a", "[::1/a", "[x]/a", "ho st/a", "h?q/a", "h\u{e4}/a"] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
        for bad in ["h/a//b", "h/a/", "h/.a", "h/a.", "h/a..b", "h/a___b", "h/a._b", "h/../b", "h/a b", "h/a%2fb", "h/a?b"] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
        assert!(Reference::parse(&format!("h/{}", "a".repeat(256))).is_err());
        assert!(Reference::parse(&format!("h/a:{}", "a".repeat(129))).is_err());
        assert!(Reference::parse(&"a".repeat(2000)).is_err());
    }
}
