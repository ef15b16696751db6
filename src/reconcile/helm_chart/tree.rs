//! A stored archive as a tree in which charts are looked for.

use std::collections::BTreeMap;

use bstr::ByteSlice as _;
use headwater_storage::{Contents as _, Entry, Mode, Unpacked};

use headwater_helm::chart::{Kind, Problem, Source};

/// The files of an archive. Symbolic links and names that are not UTF-8 are none of them.
pub struct Tree {
    unpacked: Unpacked,
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    /// The tree of what was unpacked.
    pub fn new(unpacked: Unpacked) -> Self {
        let plain = |entry: &&Entry| entry.mode != Mode::Link;
        let named = |entry: &Entry| entry.path.to_str().ok().map(|path| (path.to_owned(), entry.clone()));
        let entries = unpacked.entries().iter().filter(plain).filter_map(named).collect();
        Self { unpacked, entries }
    }
}

impl Source for Tree {
    fn kind(&self, path: &str) -> Result<Option<Kind>, Problem> {
        Ok(match self.entries.get(path) {
            _ if path.is_empty() => Some(Kind::Folder),
            Some(entry) if entry.mode == Mode::Directory => Some(Kind::Folder),
            Some(entry) => Some(Kind::File { size: entry.size }),
            None => below(&self.entries, path).next().map(|_| Kind::Folder),
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Problem> {
        let files = below(&self.entries, folder).filter(|(_, entry)| entry.mode != Mode::Directory);
        Ok(files.map(|(path, entry)| (path.to_owned(), entry.size)).collect())
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Problem> {
        let entry = self.entries.get(path).filter(|entry| entry.mode != Mode::Directory);
        let entry = entry.ok_or_else(|| Problem::new(format!("open /{path}: no such file or directory")))?;
        if entry.size > limit {
            return Err(Problem::new(format!("read /{path}: larger than {limit} bytes")));
        }
        let mut bytes = Vec::new();
        let mut reader = self.unpacked.reader();
        reader(entry, &mut bytes).map_err(|error| Problem::new(format!("read /{path}: {error}")))?;
        Ok(bytes)
    }
}

/// What is below a folder, each with its path from there.
fn below<'a>(entries: &'a BTreeMap<String, Entry>, folder: &str) -> impl Iterator<Item = (&'a str, &'a Entry)> {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let found = entries.range(prefix.clone()..);
    found.map_while(move |(path, entry)| path.strip_prefix(&prefix).map(|rest| (rest, entry))).filter(|(rest, _)| !rest.is_empty())
}
