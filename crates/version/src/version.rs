//! Versions and their precedence.

use std::cmp::Ordering;

use crate::Range;
use crate::error::{Error, VERSION_LENGTH};

/// A version as tags and charts write it: an optional `v`, one to three numbers, a pre-release, build metadata.
///
/// Two versions are equal when neither has precedence over the other: build metadata and the way of writing do not count.
#[derive(Debug, Clone)]
pub struct Version {
    pub(crate) major: u64,
    pub(crate) minor: u64,
    pub(crate) patch: u64,
    pub(crate) pre: String,
    original: String,
}

impl Version {
    /// Reads a version leniently: `v1`, `1.2` and `01.2.3` are versions; missing numbers are zero.
    ///
    /// # Errors
    /// [`Error::Version`] for anything else, numbers beyond 64 bits among it; [`Error::VersionTooLong`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > VERSION_LENGTH {
            return Err(Error::VersionTooLong);
        }
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (rest, build) = rest.split_once('+').map_or((rest, None), |(a, b)| (a, Some(b)));
        let (core, pre) = rest.split_once('-').map_or((rest, None), |(a, b)| (a, Some(b)));
        let mut numbers = [0; 3];
        let mut parts = core.split('.');
        for (at, number) in numbers.iter_mut().enumerate() {
            match parts.next() {
                Some(part) if part.bytes().all(|b| b.is_ascii_digit()) => {
                    *number = part.parse().map_err(|_| Error::Version)?;
                }
                None if at > 0 => {}
                _ => return Err(Error::Version),
            }
        }
        let leading_zero = |p: &str| p.len() > 1 && p.starts_with('0') && p.bytes().all(|b| b.is_ascii_digit());
        if parts.next().is_some()
            || !build.is_none_or(identifiers)
            || !pre.is_none_or(|p| identifiers(p) && !p.split('.').any(leading_zero))
        {
            return Err(Error::Version);
        }
        let [major, minor, patch] = numbers;
        let pre = pre.unwrap_or_default().to_owned();
        Ok(Self { major, minor, patch, pre, original: text.to_owned() })
    }

    /// Reads the name of a Git tag as a version: as [`Version::parse`], but all three numbers must be written.
    ///
    /// # Errors
    /// [`Error::Version`] for names that are no versions.
    pub fn parse_tag(name: &str) -> Result<Self, Error> {
        if name.split('.').count() < 3 {
            return Err(Error::Version);
        }
        Self::parse(name)
    }

    /// The text that was parsed.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// True for a pre-release, such as `1.0.0-rc.1`.
    pub(crate) fn is_prerelease(&self) -> bool {
        !self.pre.is_empty()
    }
}

/// Picks the newest of the tag names that `range` matches; names that are not versions are passed over.
///
/// Among tags that are equal as versions (`v1.0.0` and `1.0.0`, or two builds of one version) the name that sorts last wins:
/// the answer depends on the names alone and is found without fetching a single commit.
pub fn newest_tag<'a>(names: impl IntoIterator<Item = &'a str>, range: &Range) -> Option<&'a str> {
    names
        .into_iter()
        .filter_map(|name| Some((Version::parse_tag(name).ok()?, name)))
        .filter(|(version, _)| range.matches(version))
        .max()
        .map(|(_, name)| name)
}

/// True if `text` is dot-separated runs of ASCII letters, digits and hyphens.
fn identifiers(text: &str) -> bool {
    text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |v: &Self| (v.major, v.minor, v.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| match (self.pre.as_str(), other.pre.as_str()) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (a, b) => compare_pre(a, b),
        })
    }
}

/// Compares two pre-releases identifier by identifier: numbers as numbers and before words, fewer before more.
pub(crate) fn compare_pre(a: &str, b: &str) -> Ordering {
    a.split('.')
        .map(|part| match part.parse::<u64>() {
            Ok(number) => (0, number, ""),
            Err(_) => (1, 0, part),
        })
        .cmp(b.split('.').map(|part| match part.parse::<u64>() {
            Ok(number) => (0, number, ""),
            Err(_) => (1, 0, part),
        }))
}
