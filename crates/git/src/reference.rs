//! References as objects name them, and the commits that they stand for.

/// A reference to check out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// The branch `master`, whatever the remote's HEAD says.
    Default,
    /// A branch by its short name.
    Branch(String),
    /// A tag by its short name; an annotated tag stands for the commit it leads to.
    Tag(String),
    /// The newest tag within a version range.
    Semver {
        /// The range.
        range: String,
        /// A regular expression that the names of tags have to match.
        filter: Option<String>,
    },
    /// Any reference by its full name, such as `refs/pull/7/head`.
    Name(String),
    /// One commit.
    Commit {
        /// 40 hexadecimal digits.
        id: String,
        /// A branch that must exist, and that the revision is named after.
        branch: Option<String>,
    },
}

/// The commit that a reference stands for at the remote now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The commit.
    pub id: gix::ObjectId,
    /// The revision as it is published: `main@sha1:…`, `refs/pull/7/head@sha1:…`, or `sha1:…` for a commit alone.
    pub revision: String,
    /// The tip of the branch whose history must hold the commit, where one was named.
    pub tip: Option<gix::ObjectId>,
    /// The tag that led to the commit.
    pub tag: Option<Tag>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its short name.
    pub name: String,
    /// Its own object, if it is an annotated one.
    pub object: Option<gix::ObjectId>,
}
