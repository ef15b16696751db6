//! One pass over one object: what it learns on the way, and how it ends.

use headwater_api::artifact::Artifact;
use headwater_api::reason;
use tokio::time::Instant;

/// What a pass has learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The artifact that the status names is not in storage, or not intact.
    ArtifactLost,
    /// All that the object takes from others is there.
    Included(Includes),
    /// The upstream was read without an error.
    Fetched,
    /// No signatures are asked for.
    Unverified,
    /// The signatures that are asked for are good.
    Verified {
        /// Which ones, and by which keys.
        message: String,
        /// What was verified, as the object names it.
        mode: String,
    },
    /// The artifact is not what it is to become.
    Outdated {
        /// The reason of the condition.
        reason: &'static str,
        /// What it is to become.
        message: String,
    },
    /// The revision of the source artifact that the object's artifact is made from.
    Source(String),
    /// The chart could be built.
    Built,
    /// What is special of a chart that was stored.
    Chart {
        /// Its name.
        name: String,
        /// The values files that went into it, where some may be missing.
        values_files: Vec<String>,
    },
}

impl Fact {
    /// The upstream is at a revision other than the artifact's.
    pub fn new_revision(revision: &str) -> Self {
        Self::Outdated { reason: reason::NEW_REVISION, message: format!("new upstream revision '{revision}'") }
    }
}

/// Whether what an object takes from others is what its artifact was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Includes {
    /// It is.
    Same,
    /// It is not, and the artifact was made without any.
    New,
    /// It is not.
    Changed,
}

/// How a pass ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// An artifact was written.
    Stored(Kept),
    /// The artifact of before is still the right one.
    Unchanged(Kept),
}

/// The artifact that an object has after a pass, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The artifact, its URL as it is served now.
    pub artifact: Artifact,
    /// The reason of conditions and events, where it says more than that there is an artifact.
    pub reason: Option<&'static str>,
    /// What the condition says.
    pub condition: String,
    /// What events say.
    pub event: String,
    /// The checksum of the configuration that shaped it.
    pub checksum: String,
    /// The artifacts that went into it.
    pub included: Vec<Artifact>,
}

impl Done {
    /// What there is now.
    pub fn kept(&self) -> &Kept {
        match self {
            Self::Stored(kept) | Self::Unchanged(kept) => kept,
        }
    }

    /// The artifact that the object has now.
    pub fn artifact(&self) -> &Artifact {
        &self.kept().artifact
    }

    /// The artifacts that went into a new one; none for one of before.
    pub fn included(&self) -> Option<&[Artifact]> {
        match self {
            Self::Stored(kept) => Some(&kept.included),
            Self::Unchanged(_) => None,
        }
    }
}

/// The facts of one pass, in the order in which they were learnt. Append-only.
#[derive(Debug)]
pub struct Pass {
    asked: Instant,
    facts: Vec<Fact>,
}

impl Pass {
    /// A pass that was asked for at `asked`: what is learnt from others must not be older.
    pub fn new(asked: Instant) -> Self {
        Self { asked, facts: Vec::new() }
    }

    /// When the pass was asked for.
    pub fn asked(&self) -> Instant {
        self.asked
    }

    /// Records a fact.
    pub fn learnt(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// What was learnt so far.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }
}
