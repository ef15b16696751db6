//! Keys of GnuPG and of OpenSSH, and commits and tags that git signs with them.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{Repository, server::GitServer};
use crate::{
    command,
    ssh::{Pair, keygen, write_private},
};

/// A key that signs.
#[derive(Debug)]
pub struct Key {
    /// The long id of an OpenPGP key, the fingerprint of an SSH key.
    pub id: String,
    /// The public half, as a Secret holds it.
    pub public: String,
    /// `git -c` for each of them.
    settings: Vec<String>,
    /// GnuPG's home, or the folder of the SSH key.
    home: TempDir,
}

impl Drop for Key {
    fn drop(&mut self) {
        // The agent of GnuPG goes on for ever where nobody ends it.
        let _ = command("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.home.path()).output();
    }
}

impl Key {
    /// An OpenPGP key without an end.
    pub fn openpgp() -> Self {
        Self::openpgp_of("20200101", "never")
    }

    /// An OpenPGP key that ended long ago; it signs as if it were still the day before.
    pub fn expired() -> Self {
        Self::openpgp_of("20200101", "2d")
    }

    /// An OpenPGP key made on that day, `YYYYMMDD`, on which it signs as well.
    fn openpgp_of(day: &str, lifetime: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("then");
        let script = format!(
            "#!/bin/sh\nexec gpg --homedir '{}' --batch --no-auto-check-trustdb --faked-system-time '{day}T120000!' \"$@\"\n",
            home.path().display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let program = program.display().to_string();
        let run = |program: &str, arguments: &[&str]| run(command(program).args(arguments).env("GNUPGHOME", home.path()), b"");
        run(&program, &["--passphrase", "", "--quick-gen-key", "T <t@example.com>", "ed25519", "sign", lifetime]);
        let list = run("gpg", &["--batch", "--list-keys", "--with-colons"]);
        let fingerprint = list.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':').to_owned();
        let public = run("gpg", &["--batch", "--armor", "--export"]);
        let settings = vec!["gpg.format=openpgp".into(), format!("user.signingkey={fingerprint}"), format!("gpg.program={program}")];
        Self { id: fingerprint[24..].to_owned(), public, settings, home }
    }

    /// An SSH key.
    pub fn ssh() -> Self {
        let (pair, home) = (Pair::new(&["-t", "ed25519"]), tempfile::tempdir().unwrap());
        let path = home.path().join("key");
        write_private(&path, &pair.private);
        fs::write(path.with_extension("pub"), &pair.public).unwrap();
        let path = path.display().to_string();
        let id = keygen(&["-l", "-f", &path]).split_whitespace().nth(1).unwrap().to_owned();
        Self { id, public: pair.public, settings: vec!["gpg.format=ssh".into(), format!("user.signingkey={path}")], home }
    }

    /// Revokes the OpenPGP key with the certificate that GnuPG made along with it; what it signs is signed as before.
    pub fn revoked(&self) -> String {
        let revocations = self.home.path().join("openpgp-revocs.d");
        let path = fs::read_dir(revocations).unwrap().next().unwrap().unwrap().path();
        // A colon keeps it from being imported by mistake.
        let certificate = fs::read_to_string(path).unwrap().replace("\n:-----BEGIN", "\n-----BEGIN");
        let other = tempfile::tempdir().unwrap();
        let gpg = |arguments: &[&str], input: &str| {
            run(command("gpg").arg("--batch").args(arguments).env("GNUPGHOME", other.path()), input.as_bytes())
        };
        gpg(&["-q", "--import"], &self.public);
        gpg(&["-q", "--import"], &certificate);
        let public = gpg(&["--armor", "--export"], "");
        run(command("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", other.path()), b"");
        public
    }
}

/// A repository on a Git server, to which signed objects can be added.
#[derive(Debug)]
pub struct Signed {
    /// The same repository, for unsigned objects.
    pub plain: Repository,
    /// Its URL.
    pub url: String,
    path: PathBuf,
}

impl Signed {
    /// A new empty repository.
    pub fn init(server: &GitServer) -> Self {
        let name = format!("{}.git", uuid::Uuid::new_v4().simple());
        let plain = server.repository(&name);
        Self { plain, url: server.url(&name), path: server.root().join(name) }
    }

    /// Commits these files, and no others, onto `main`.
    pub fn commit(&self, key: &Key, files: &[(&str, &str)]) -> String {
        let unsigned = self.plain.commit_to("unsigned", files);
        let tree = format!("{unsigned}^{{tree}}");
        let parent = self.git(&[], &["for-each-ref", "--format=%(objectname)", "refs/heads/main"]);
        let parent: &[&str] = if parent.is_empty() { &[] } else { &["-p", &parent] };
        let commit = self.git(&key.settings, &[&["commit-tree", "-S", &tree, "-m", "a signed change"], parent].concat());
        self.plain.set_ref("refs/heads/main", &commit);
        commit
    }

    /// Tags the head of `main`, and answers the id of the tag.
    pub fn tag(&self, key: &Key, name: &str) -> String {
        self.git(&key.settings, &["tag", "-f", "-s", "-m", name, name, "main"]);
        self.id(name)
    }

    /// The id of the object of a reference, which is the tag where that is annotated.
    pub fn id(&self, name: &str) -> String {
        self.git(&[], &["rev-parse", name])
    }

    fn git(&self, settings: &[String], arguments: &[&str]) -> String {
        let mut git = command("git");
        git.args(settings.iter().flat_map(|setting| ["-c", setting]))
            .args(arguments)
            .env("GIT_DIR", &self.path)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "T"), ("GIT_AUTHOR_EMAIL", "t@example.com")])
            .envs([("GIT_COMMITTER_NAME", "T"), ("GIT_COMMITTER_EMAIL", "t@example.com")]);
        run(&mut git, b"")
    }
}

fn run(command: &mut Command, input: &[u8]) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
