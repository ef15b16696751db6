//! The parts of a commit that are wanted.

/// The parts of a commit that go into a checkout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Treatment of submodules.
    pub submodules: Submodules,
    /// Folders to take; all if there is none. Relative, with slashes.
    pub sparse: Vec<String>,
    /// Treatment of files that Git LFS keeps elsewhere.
    pub lfs: Lfs,
    /// Treatment of symbolic links.
    pub symlinks: Symlinks,
}

/// Treatment of submodules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Submodules {
    /// They are empty folders.
    #[default]
    Empty,
    /// They are fetched, and those within them.
    Recursive,
}

/// Treatment of files that Git LFS keeps elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lfs {
    /// They stay the pointers that Git knows.
    #[default]
    Pointers,
    /// They are fetched.
    Files,
}

/// Treatment of symbolic links.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// They are left out.
    #[default]
    Skip,
    /// Those that stay inside the tree are kept.
    Keep,
}
