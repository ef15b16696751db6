//! Charts that are folders of a larger tree, such as a Git repository's.

use std::collections::HashMap;

use super::ignore::{Entry, FILE, Rules};
use super::load::File;
use super::text::joined;
use super::{Limits, Problem};

/// What a path of a [`Source`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file and its size in bytes.
    File {
        /// Bytes in the file.
        size: u64,
    },
    /// A folder.
    Folder,
}

/// A tree of files in which charts lie. It has no links.
///
/// Every path is relative to the root, clean and separated by `/`; the empty path is the root. Callers never ask for a path that
/// leads outside.
pub trait Source {
    /// What `path` is; `None` where nothing is.
    ///
    /// # Errors
    /// What keeps the tree from being read.
    fn kind(&self, path: &str) -> Result<Option<Kind>, Problem>;

    /// All files below `folder`, however deep, in any order: the path of each relative to `folder`, and its size in bytes.
    ///
    /// # Errors
    /// What keeps the tree from being read.
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Problem>;

    /// The contents of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// No such file, a larger one, or what keeps the tree from being read.
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Problem>;
}

/// Where `path`, as somebody wrote it, lies in a source: relative to the root and clean. What climbs above the root stays at the root.
pub fn located(path: &str) -> String {
    joined("", path)
}

/// A path of a source as messages show it: from the root, which itself is empty.
pub(super) fn shown(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

/// The files of the chart in `folder`, in the order of Helm's walk, without those that `.helmignore` leaves out.
pub(super) fn files(source: &impl Source, folder: &str, limits: &Limits) -> Result<Vec<File>, Problem> {
    let mut rules = rules(source, folder, limits).map_err(|problem| problem.within("cannot load ignore rules for chart"))?;
    walk(source, folder, &mut rules, limits)
        .map_err(|problem| problem.within(format!("failed to load files from {}", shown_folder(folder))))
}

/// A folder as the messages of its walk show it.
pub(super) fn shown_folder(folder: &str) -> String {
    format!("{}/", shown(folder))
}

fn rules(source: &impl Source, folder: &str, limits: &Limits) -> Result<Rules, Problem> {
    let path = joined(folder, FILE);
    match source.kind(&path)? {
        None => Rules::parse(b""),
        Some(Kind::Folder) => Err(Problem::new(format!("read {}: is a directory", shown(&path)))),
        Some(Kind::File { .. }) => Rules::parse(&source.read(&path, limits.file)?),
    }
}

fn walk(source: &impl Source, folder: &str, rules: &mut Rules, limits: &Limits) -> Result<Vec<File>, Problem> {
    let mut found = source.list(folder)?;
    // Folder by folder, names in byte order: a folder's files come where the folder's name does.
    found.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
    let mut left_out = HashMap::new();
    let mut total = 0_u64;
    let mut files = Vec::new();
    for (path, size) in &found {
        if inside_ignored(path, rules, &mut left_out)? || rules.ignore(path, Entry::File)? {
            continue;
        }
        if *size > limits.file {
            return Err(Problem::new(format!("cannot load file {path} as file size ({size}) exceeds limit ({})", limits.file)));
        }
        total = total.saturating_add(*size);
        if total > limits.total || files.len() >= limits.entries {
            return Err(Problem::new(format!(
                "chart has more than {} bytes in its files, or more than {} files",
                limits.total, limits.entries
            )));
        }
        let data = source.read(&joined(folder, path), limits.file).map_err(|problem| problem.within(format!("error reading {path}")))?;
        files.push(File::loaded(path.clone(), data, 0));
    }
    Ok(files)
}

/// Whether one of the folders above `path` is left out. Answers are kept in `known`.
fn inside_ignored<'a>(path: &'a str, rules: &mut Rules, known: &mut HashMap<&'a str, bool>) -> Result<bool, Problem> {
    for (at, _) in path.match_indices('/') {
        let folder = &path[..at];
        let left_out = match known.get(folder) {
            Some(left_out) => *left_out,
            None => rules.ignore(folder, Entry::Folder)?,
        };
        known.insert(folder, left_out);
        if left_out {
            return Ok(true);
        }
    }
    Ok(false)
}
