//! An index in memory, to find versions of charts in.

use std::path::Path;

use headwater_golang::time;

use super::document::{Charts, Document};
use super::entry::Entry;
use super::shelf::{Shelf, Slot, read_text, write_text};
use super::{Error, Limits};
use headwater_version::{self as version, Range};

/// What can be installed from a repository: of every version its name, its URLs, its digest and its time. About 200 bytes a version.
pub struct Index {
    charts: Charts,
    shelf: Shelf,
}

/// A version of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version<'i> {
    /// The chart's name as the version itself has it; mostly the one it is listed under.
    pub name: &'i str,
    /// The version as it is written.
    pub version: &'i str,
    /// Where the archive is, absolute or relative to the repository; may be empty.
    pub urls: Vec<&'i str>,
    /// When the version was added, in RFC 3339; the year 1 if the index does not say.
    pub created: &'i str,
    /// The archive's SHA-256 in hexadecimal, or empty.
    pub digest: &'i str,
}

/// Why no version was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// The index has no chart of that name.
    #[error("no chart name found")]
    Chart,
    /// The chart has no version at all.
    #[error("no chart version found")]
    Versions,
    /// The range is none.
    #[error(transparent)]
    Range(#[from] version::Error),
    /// No version lies in the range.
    #[error("no '{chart}' chart with version matching '{range}' found")]
    Match {
        /// The chart's name.
        chart: String,
        /// The range that was asked for; may be empty.
        range: String,
    },
}

impl Index {
    /// Reads an index, one that [`super::normalise`] has stored or any other.
    ///
    /// # Errors
    /// As [`super::normalise`].
    pub fn load(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let document = Document::read(path, limits, pack)?;
        Ok(Self { charts: document.entries.unwrap_or_default(), shelf: document.shelf })
    }

    /// How many versions the index has.
    pub fn len(&self) -> usize {
        self.charts.values().flatten().map(Vec::len).sum()
    }

    /// Whether the index has no version.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds the version that is written as `range`, or else the newest that lies in it. An empty range and `*` mean any version that
    /// is no pre-release. Of versions that differ in build metadata alone, the one created last is taken.
    ///
    /// # Errors
    /// [`NotFound`], worded as upstream.
    pub fn find(&self, chart: &str, range: &str) -> Result<Version<'_>, NotFound> {
        let slots = self.charts.get(chart).ok_or(NotFound::Chart)?.as_deref().unwrap_or_default();
        let versions = || slots.iter().copied().filter(|slot| !slot.is_null());
        if slots.is_empty() {
            return Err(NotFound::Versions);
        }
        if let Some(slot) = versions().find(|slot| !range.is_empty() && self.shelf.get(*slot).0 == range) {
            return Ok(self.version(slot));
        }
        let wanted = Range::parse(if range.is_empty() { "*" } else { range })?;
        let mut best: Option<(version::Version, Slot)> = None;
        for slot in versions() {
            let Ok(version) = version::Version::parse_tag(self.shelf.get(slot).0) else { continue };
            if !wanted.matches(&version) {
                continue;
            }
            // The versions are sorted: once one is older, all that follow are.
            match &best {
                Some((newest, _)) if version < *newest => break,
                Some((newest, other)) if version == *newest && self.created(slot) < self.created(*other) => {}
                _ => best = Some((version, slot)),
            }
        }
        let missing = || NotFound::Match { chart: chart.to_owned(), range: range.to_owned() };
        best.map(|(_, slot)| self.version(slot)).ok_or_else(missing)
    }

    fn created(&self, slot: Slot) -> Option<(i64, u32)> {
        time::instant(self.version(slot).created)
    }

    fn version(&self, slot: Slot) -> Version<'_> {
        let (version, rest) = self.shelf.get(slot);
        let (name, rest) = read_text(rest);
        let (created, rest) = read_text(rest);
        let (digest, mut rest) = read_text(rest);
        let mut urls = Vec::new();
        while !rest.is_empty() {
            let (url, after) = read_text(rest);
            urls.push(url);
            rest = after;
        }
        Version { name, version, urls, created, digest }
    }
}

fn pack(entry: &Entry, out: &mut Vec<u8>) {
    for text in [&entry.metadata.name, &entry.created, &entry.digest].into_iter().chain(entry.urls.iter().flatten()) {
        write_text(text, out);
    }
}
