//! Bare repositories with commits that are the same in every run, made by git itself.

use std::{
    cell::Cell,
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// One bare repository.
pub struct Repository {
    path: PathBuf,
    clock: Cell<u64>,
}

impl Repository {
    /// An empty repository whose HEAD is `main`.
    pub fn init(path: &Path) -> Self {
        let repository = Self { path: path.to_owned(), clock: Cell::new(1_700_000_000) };
        std::fs::create_dir_all(path).unwrap();
        repository.git(&["init", "-q", "--bare", "-b", "main", "."], b"");
        repository.git(&["config", "uploadpack.allowAnySHA1InWant", "true"], b"");
        repository.git(&["config", "uploadpack.allowFilter", "true"], b"");
        repository
    }

    /// Commits these files, and no others, onto `main`.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        self.commit_to("main", files)
    }

    /// Like [`Self::commit`], with files that need not be text.
    pub fn commit_bytes(&self, files: &[(String, Vec<u8>)]) -> String {
        let files: Vec<_> = files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
        self.commit_all("main", &files)
    }

    /// Commits these files, and no others, onto a branch.
    pub fn commit_to(&self, branch: &str, files: &[(&str, &str)]) -> String {
        let files: Vec<_> = files.iter().map(|(path, content)| (*path, content.as_bytes())).collect();
        self.commit_all(branch, &files)
    }

    fn commit_all(&self, branch: &str, files: &[(&str, &[u8])]) -> String {
        let mut index = String::new();
        for (path, content) in files {
            let blob = self.blob(content);
            writeln!(index, "100644 {blob}\t{path}").unwrap();
        }
        self.git(&["read-tree", "--empty"], b"");
        self.git(&["update-index", "--add", "--index-info"], index.as_bytes());
        let tree = self.git(&["write-tree"], b"");
        self.commit_tree(branch, &tree)
    }

    /// Commits a tree that was made by hand onto a branch.
    pub fn commit_tree(&self, branch: &str, tree: &str) -> String {
        let reference = format!("refs/heads/{branch}");
        let mut command = vec!["commit-tree", tree, "-m", "a change"];
        let parent = self.git(&["for-each-ref", "--format=%(objectname)", &reference], b"");
        if !parent.is_empty() {
            command.extend(["-p", &parent]);
        }
        self.clock.set(self.clock.get() + 60);
        let commit = self.git(&command, b"");
        self.git(&["update-ref", &reference, &commit], b"");
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
            tree.extend_from_slice(mode.as_bytes());
            tree.push(b' ');
            tree.extend_from_slice(name);
            tree.push(0);
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
        self.clock.set(self.clock.get() + 60);
        self.git(&["tag", "-a", "-m", name, name, "main"], b"");
    }

    fn git(&self, arguments: &[&str], input: &[u8]) -> String {
        let date = format!("{} +0000", self.clock.get());
        let mut child = Command::new("git")
            .args(arguments)
            .current_dir(&self.path)
            .env("GIT_DIR", &self.path)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "T"), ("GIT_AUTHOR_EMAIL", "t@example.com"), ("GIT_AUTHOR_DATE", &date)])
            .envs([("GIT_COMMITTER_NAME", "T"), ("GIT_COMMITTER_EMAIL", "t@example.com"), ("GIT_COMMITTER_DATE", &date)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
