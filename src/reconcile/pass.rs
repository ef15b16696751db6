//! One pass over one object: what it learns on the way, and how it ends.

use headwater_api::artifact::Artifact;
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
    /// The upstream is at a revision other than the artifact's.
    NewRevision(String),
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
    Stored {
        /// The artifact.
        artifact: Artifact,
        /// What the event says.
        message: String,
        /// The checksum of the configuration that shaped it.
        checksum: String,
        /// The artifacts that went into it.
        included: Vec<Artifact>,
    },
    /// The artifact of before is still the right one.
    Unchanged {
        /// The artifact, its URL refreshed.
        artifact: Artifact,
        /// What the event says if this pass ended a failure.
        message: String,
        /// The checksum of the configuration that shaped it.
        checksum: String,
    },
}

impl Done {
    /// The artifact that the object has now.
    pub fn artifact(&self) -> &Artifact {
        match self {
            Self::Stored { artifact, .. } | Self::Unchanged { artifact, .. } => artifact,
        }
    }

    /// What events say of it.
    pub fn message(&self) -> &str {
        match self {
            Self::Stored { message, .. } | Self::Unchanged { message, .. } => message,
        }
    }

    /// The artifacts that went into a new one; none for one of before.
    pub fn included(&self) -> Option<&[Artifact]> {
        match self {
            Self::Stored { included, .. } => Some(included),
            Self::Unchanged { .. } => None,
        }
    }

    /// The checksum of the configuration that shaped the artifact.
    pub fn checksum(&self) -> &str {
        match self {
            Self::Stored { checksum, .. } | Self::Unchanged { checksum, .. } => checksum,
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
