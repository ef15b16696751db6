//! Which files are Git LFS's, by what `.gitattributes` say.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bstr::{BStr, BString, ByteSlice as _};
use gix::attrs::search::{MetadataCollection, Outcome};
use gix::attrs::{Search, StateRef};
use gix::glob::pattern::Case;

/// A file with more bytes than this does not count, as it does not for Git.
const MAX_FILE: usize = 100 << 20;
/// A longer line does not count, as it does not for Git; in bytes.
const MAX_LINE: usize = 2048;
/// A pattern with more double asterisks than this does not count: the time that they take grows with each, in deep folders.
const MAX_STARS: usize = 4;
/// The attribute that counts.
const FILTER: &str = "filter";

/// The `.gitattributes` of a tree.
pub(crate) struct Attributes {
    /// By their directories.
    files: HashMap<BString, Search>,
    names: MetadataCollection,
}

impl Attributes {
    /// Reads the `.gitattributes` files of a tree, each given with its directory, which is empty for the root. Lines that do not parse
    /// are skipped, as Git does, and so are those that would take long to match.
    pub(crate) fn new<'a>(files: impl IntoIterator<Item = (&'a BStr, &'a [u8])>) -> Self {
        let mut names = MetadataCollection::default();
        let mut read = HashMap::new();
        for (directory, text) in files.into_iter().filter(|(_, text)| text.len() <= MAX_FILE) {
            let (source, root) = place(directory);
            let mut search = Search::default();
            // Only the root's file may define macros. This fails only for a source without a directory.
            let at_root = directory.is_empty();
            if search.add_patterns_buffer(&bounded(text), source, Some(root), &mut names, at_root).is_ok() {
                read.insert(directory.to_owned(), search);
            }
        }
        Self { files: read, names }
    }

    /// Whether the file at `path` has `filter=lfs`.
    pub(crate) fn is_lfs(&self, path: &BStr) -> bool {
        let mut outcome = Outcome::default();
        outcome.initialize_with_selection(&self.names, [FILTER]);
        // What is nearer counts more, and what is decided stays so.
        let mut directory = path;
        while let Some(parent) = parent(directory) {
            directory = parent;
            if let Some(file) = self.files.get(directory) {
                file.pattern_matching_relative_path(path, Case::Sensitive, Some(false), &mut outcome);
            }
        }
        let mut found = outcome.iter_selected().map(|found| found.assignment.state);
        matches!(found.next(), Some(StateRef::Value(value)) if value.as_bstr() == "lfs")
    }
}

/// The directory that `path` is in, empty for the root; nothing for the root itself.
fn parent(path: &BStr) -> Option<&BStr> {
    if path.is_empty() {
        return None;
    }
    Some(path.rfind_byte(b'/').map_or(BStr::new(""), |slash| path[..slash].as_bstr()))
}

/// The lines of `text` that can be matched in little time.
fn bounded(text: &[u8]) -> Vec<u8> {
    let stars = |line: &[u8]| line.find_iter("**").count() + MAX_STARS * line.find_iter("\\052").count();
    let lines = text.lines_with_terminator();
    lines.filter(|line| line.len() <= MAX_LINE && stars(line) <= MAX_STARS).flatten().copied().collect()
}

/// Where the file of `directory` is, and the root, in terms that make patterns count from `directory`.
fn place(directory: &BStr) -> (PathBuf, &'static Path) {
    let root = Path::new("/");
    (root.join(directory.to_path_lossy()).join(".gitattributes"), root)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use headwater_testing::command;
    use std::fs;

    use super::*;

    /// What Git itself says.
    fn by_git(root: &Path, path: &str) -> bool {
        let args = ["-c", "core.attributesFile=/dev/null", "check-attr", "-z", "filter", "--", path];
        let out = command("git").current_dir(root).args(args).env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap();
        assert!(out.status.success(), "{out:?}");
        out.stdout.split(|byte| *byte == 0).nth(2).unwrap() == b"lfs"
    }

    #[test]
    fn files_are_chosen_as_git_chooses_them() {
        let files: [(&str, &[u8]); 5] = [
            (
                "",
                b"# all\n[attr]big filter=lfs diff=lfs merge=lfs -text\n*.bin filter=lfs diff=lfs\n*.dat big\n\"a b*\" filter=lfs\n\
                /top.txt filter=lfs\ndeep/**/x filter=lfs\nno.bin -filter\nnot.bin !filter\nset.bin filter\nother.bin filter=crypt\n\
                *.two filter=lfs\n*.two filter=x\n!bad filter=lfs\nbad name= filter=lfs\nfolder/ filter=lfs\nq?[ab].z filter=lfs\r\n\
                back.two big\n*.exe big -filter\n",
            ),
            ("sub", b"*.bin -filter\nkeep.bin filter=lfs\nx/y.txt filter=lfs\n/only.txt filter=lfs\n[attr]mine filter=lfs\nm.txt mine\n"),
            ("sub/x", b"*.bin filter=lfs\n*.dat !filter\n"),
            ("subway", b"* filter=lfs\n"),
            ("empty", b"\xef\xbb\xbf*.txt filter=lfs\nlast filter=lfs"),
        ];
        let paths = [
            "a.bin",
            "a.dat",
            "a b",
            "a bc/d",
            "top.txt",
            "sub/top.txt",
            "deep/x",
            "deep/a/b/x",
            "deep/y",
            "no.bin",
            "not.bin",
            "set.bin",
            "other.bin",
            "f.two",
            "back.two",
            "bad",
            "!bad",
            "name=",
            "folder/f",
            "folder",
            "q1a.z",
            "q/a.z",
            "q1c.z",
            "sub/a.bin",
            "sub/keep.bin",
            "sub/x/y.txt",
            "sub/only.txt",
            "sub/x/only.txt",
            "sub/m.txt",
            "sub/x/a.bin",
            "sub/x/no.bin",
            "sub/x/keep.bin",
            "sub/x/a.dat",
            "sub/a.dat",
            "subway/any",
            "subway/x/y.bin",
            "subways/any",
            "empty/a.txt",
            "empty/last",
            "A.BIN",
            "a.bin/b",
            ".gitattributes",
            "x.exe",
            "sub/x/z/a.bin",
        ];
        let root = tempfile::tempdir().unwrap();
        assert!(command("git").current_dir(root.path()).args(["init", "-q"]).status().unwrap().success());
        for (directory, text) in files {
            fs::create_dir_all(root.path().join(directory)).unwrap();
            fs::write(root.path().join(directory).join(".gitattributes"), text).unwrap();
        }
        for backwards in [false, true] {
            let mut files = files.map(|(directory, text)| (BStr::new(directory), text));
            if backwards {
                files.reverse();
            }
            let attributes = Attributes::new(files);
            let wrong: Vec<_> = paths.iter().filter(|path| attributes.is_lfs(BStr::new(path)) != by_git(root.path(), path)).collect();
            assert!(wrong.is_empty(), "{wrong:?}");
        }
        assert!(!Attributes::new([]).is_lfs(BStr::new("a.bin")));
    }

    #[test]
    fn no_pattern_takes_forever() {
        let begun = std::time::Instant::now();
        let cases = [("*a", "a".repeat(250)), ("**/a/", "a/".repeat(1000)), ("*[a-z]?", "a".repeat(250)), ("a**", "a".repeat(250))];
        for ((part, name), count) in cases.iter().flat_map(|case| [1, 2, 3, 4, 5, 10, 60].map(|count| (case, count))) {
            let many = format!("{}b filter=lfs\n", part.repeat(count)).repeat(20);
            let attributes = Attributes::new([(BStr::new(""), many.as_bytes())]);
            assert!(!attributes.is_lfs(BStr::new(&format!("{name}c"))));
        }
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }
}
