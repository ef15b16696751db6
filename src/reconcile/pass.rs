//! One pass over one object: what it learns on the way, and how it ends.

use headwater_api::artifact::Artifact;

/// What a pass has learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The artifact that the status names is not in storage, or not intact.
    ArtifactLost,
    /// The upstream was read without an error.
    Fetched,
    /// The upstream is at a revision other than the artifact's.
    NewRevision(String),
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

    /// The checksum of the configuration that shaped the artifact.
    pub fn checksum(&self) -> &str {
        match self {
            Self::Stored { checksum, .. } | Self::Unchanged { checksum, .. } => checksum,
        }
    }
}

/// The facts of one pass, in the order in which they were learnt. Append-only.
#[derive(Debug, Default)]
pub struct Pass {
    facts: Vec<Fact>,
}

impl Pass {
    /// Records a fact.
    pub fn learnt(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// What was learnt so far.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }
}
