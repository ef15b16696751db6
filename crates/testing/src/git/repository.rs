//! A bare repository, and its commits.

use std::{
    cell::Cell,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use super::{ADDRESS, NAME};
use crate::command;

/// The message of commits that need none of their own.
const MESSAGE: &str = "a change";

/// The settings of each repository.
const CONFIG: &str = "[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n";

/// One entry of a commit: its mode, its path, and its content. The content of mode `160000` is the id of the commit, in hexadecimal digits.
pub type Entry<'a> = (&'a str, &'a str, &'a [u8]);

/// One bare repository.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
    clock: Cell<u64>,
}

/// The files of a branch that a commit leaves alone.
#[derive(Clone, Copy, PartialEq)]
enum Others {
    Stay,
    Go,
}

impl Repository {
    /// An empty repository whose HEAD is `main`.
    pub fn init(path: &Path) -> Self {
        let repository = Self { path: path.to_owned(), clock: Cell::new(1_700_000_000) };
        fs::create_dir_all(path).unwrap();
        repository.git(&["init", "-q", "--bare", "--template=", "-b", "main", "."], b"");
        let mut config = fs::OpenOptions::new().append(true).open(path.join("config")).unwrap();
        config.write_all(CONFIG.as_bytes()).unwrap();
        repository
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Commits these files, and no others, onto `main`. Answers the id of the commit, as all of its kin do.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        self.commit_to("main", files)
    }

    /// Like [`Self::commit`], with files that need not be text.
    pub fn commit_bytes(&self, files: &[(String, Vec<u8>)]) -> String {
        let entries: Vec<_> = files.iter().map(|(path, content)| ("100644", path.as_str(), content.as_slice())).collect();
        self.commit_entries("main", MESSAGE, &entries)
    }

    /// Commits these files, and no others, onto a branch.
    pub fn commit_to(&self, branch: &str, files: &[(&str, &str)]) -> String {
        let entries: Vec<_> = files.iter().map(|(path, content)| ("100644", *path, content.as_bytes())).collect();
        self.commit_entries(branch, MESSAGE, &entries)
    }

    /// Commits these entries, and no others, onto a branch.
    pub fn commit_entries(&self, branch: &str, message: &str, entries: &[Entry<'_>]) -> String {
        self.import(branch, message, entries, Others::Go)
    }

    /// Commits these entries onto a branch; all others stay.
    pub fn change(&self, branch: &str, message: &str, entries: &[Entry<'_>]) -> String {
        self.import(branch, message, entries, Others::Stay)
    }

    /// Commits a tree that was made by hand onto a branch.
    pub fn commit_tree(&self, branch: &str, tree: &str) -> String {
        let reference = format!("refs/heads/{branch}");
        let parent = self.head(&reference);
        let mut arguments = vec!["commit-tree", tree, "-m", MESSAGE];
        arguments.extend(parent.iter().flat_map(|parent| ["-p", parent]));
        self.tick();
        let commit = self.git(&arguments, b"");
        self.set_ref(&reference, &commit);
        commit
    }

    /// Writes a blob.
    pub fn blob(&self, content: &[u8]) -> String {
        self.git(&["hash-object", "-w", "--stdin"], content)
    }

    /// Writes a tree with exactly these entries (mode, name, object), however little sense they make.
    pub fn raw_tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut tree = Vec::new();
        for (mode, name, object) in entries {
            tree.extend([mode.as_bytes(), b" ", name, b"\0"].concat());
            tree.extend(hex::decode(object).unwrap());
        }
        self.git(&["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], &tree)
    }

    /// Points any reference at an object.
    pub fn set_ref(&self, name: &str, object: &str) {
        self.git(&["update-ref", name, object], b"");
    }

    /// A lightweight tag of the head of `main`.
    pub fn tag(&self, name: &str) {
        self.git(&["tag", name, "main"], b"");
    }

    /// An annotated tag of the head of `main`.
    pub fn annotated_tag(&self, name: &str) {
        self.tick();
        self.git(&["tag", "-a", "-m", name, name, "main"], b"");
    }

    /// The id of the object that a reference, named in full, points at.
    pub(super) fn head(&self, reference: &str) -> Option<String> {
        if let Ok(id) = fs::read_to_string(self.path.join(reference)) {
            return Some(id.trim().to_owned());
        }
        let packed = fs::read_to_string(self.path.join("packed-refs")).unwrap_or_default();
        let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(_, name)| *name == reference).map(|(id, _)| id.to_owned())
    }

    /// One process for the whole commit, however many files it has.
    fn import(&self, branch: &str, message: &str, entries: &[Entry<'_>], others: Others) -> String {
        self.tick();
        let reference = format!("refs/heads/{branch}");
        let (who, length) = (format!("{NAME} <{ADDRESS}> {} +0000", self.clock.get()), message.len() + 1);
        let mut stream = format!("commit {reference}\nmark :1\nauthor {who}\ncommitter {who}\ndata {length}\n{message}\n").into_bytes();
        if let Some(parent) = self.head(&reference) {
            stream.extend(format!("from {parent}\n").into_bytes());
        }
        if others == Others::Go {
            stream.extend(b"deleteall\n");
        }
        for (mode, path, content) in entries {
            if *mode == "160000" {
                stream.extend([b"M 160000 ", *content, b" ", path.as_bytes(), b"\n"].concat());
            } else {
                stream.extend(format!("M {mode} inline {path}\ndata {}\n", content.len()).into_bytes());
                stream.extend([content, b"\n".as_slice()].concat());
            }
        }
        stream.extend(b"get-mark :1\n");
        // One pack, rather than another process that makes loose objects of it; and no waiting for the disk.
        self.git(&["-c", "fastimport.unpackLimit=0", "-c", "core.fsync=none", "fast-import", "--quiet"], &stream)
    }

    /// A minute passes.
    fn tick(&self) {
        self.clock.set(self.clock.get() + 60);
    }

    fn git(&self, arguments: &[&str], input: &[u8]) -> String {
        let date = format!("{} +0000", self.clock.get());
        let mut child = command("git")
            .args(arguments)
            .current_dir(&self.path)
            .env("GIT_DIR", &self.path)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", NAME), ("GIT_AUTHOR_EMAIL", ADDRESS), ("GIT_AUTHOR_DATE", &date)])
            .envs([("GIT_COMMITTER_NAME", NAME), ("GIT_COMMITTER_EMAIL", ADDRESS), ("GIT_COMMITTER_DATE", &date)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that fails may not read all of it: then its status is the complaint.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::git, *};

    fn repository(folder: &Path) -> Repository {
        Repository::init(&folder.join("r.git"))
    }

    #[test]
    fn a_commit_is_the_same_in_every_run() {
        let folder = tempfile::tempdir().unwrap();
        let repository = repository(folder.path());
        // As `git commit-tree` makes them of the same files at the same times.
        assert_eq!(repository.commit(&[("a.yaml", "a: 1\n")]), "b8cc47c0f66c34a9ff6c216bde46f8e3c521e199");
        assert_eq!(repository.commit(&[("b c/ü.yaml", "b: 1\n")]), "ae8839a6ebabd708e2f8bb36ff2361f6fb39abd5");
        assert_eq!(git(repository.path(), &["-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", "main"]), "b c/ü.yaml");
        assert_eq!(git(repository.path(), &["rev-list", "--count", "main"]), "2");
        assert_eq!(git(repository.path(), &["log", "-1", "--format=%B|%an|%ce|%ct", "main"]), "a change\n|T|t@example.com|1700000120");
    }

    #[test]
    fn other_files_stay_in_a_change_and_go_in_a_commit() {
        let folder = tempfile::tempdir().unwrap();
        let repository = repository(folder.path());
        let list = || git(repository.path(), &["ls-tree", "-r", "--format=%(objectmode) %(path)", "main"]);
        let id = repository.commit(&[("a", "1"), ("b", "1")]);
        repository.change("main", "links", &[("120000", "link", b"a"), ("100755", "dir/run", b"#!"), ("160000", "sub", id.as_bytes())]);
        assert_eq!(list(), "100644 a\n100644 b\n100755 dir/run\n120000 link\n160000 sub");
        git(repository.path(), &["pack-refs", "--all"]);
        repository.commit(&[("c", "1")]);
        assert_eq!(list(), "100644 c");
        assert_eq!(git(repository.path(), &["rev-list", "--count", "main"]), "3", "packed references are parents, too");
    }

    #[test]
    fn what_is_made_by_hand_is_as_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let repository = repository(folder.path());
        let blob = repository.blob(b"x");
        let tree = repository.raw_tree(&[("100644", b"a/b", &blob)]);
        repository.commit_tree("main", &tree);
        repository.commit_tree("main", &tree);
        repository.tag("light");
        repository.annotated_tag("heavy");
        repository.set_ref("refs/pull/1/head", "main");
        assert_eq!(git(repository.path(), &["rev-list", "--count", "main"]), "2");
        assert_eq!(git(repository.path(), &["cat-file", "-t", "heavy"]), "tag");
        assert_eq!(git(repository.path(), &["for-each-ref", "--format=%(refname)"]).lines().count(), 4);
        assert_eq!(repository.head("refs/pull/1/head"), repository.head("refs/heads/main"));
    }
}
