//! Keys of GnuPG and of OpenSSH, and commits and tags that git signs with them.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;

use super::{ADDRESS, NAME, Repository, server::GitServer};
use crate::{
    command,
    ssh::{Pair, write_private},
};

/// The day on which the OpenPGP keys were made, and on which they sign.
const DAY: &str = "20200101";

/// A key that signs. The program that signs is started when something is to be signed, and not before.
#[derive(Debug)]
pub struct Key {
    /// The long id of an OpenPGP key, the fingerprint of an SSH key.
    pub id: String,
    /// The public half, as a Secret holds it.
    pub public: String,
    maker: Maker,
    home: OnceLock<Home>,
}

/// The program that a key is of.
#[derive(Debug)]
enum Maker {
    /// GnuPG, with the name of the key's files and its fingerprint.
    GnuPg(&'static str, &'static str),
    /// OpenSSH, with the private half.
    OpenSsh(String),
}

/// The folder of a program that signs.
#[derive(Debug)]
struct Home {
    folder: TempDir,
    /// `git -c` for each of them.
    settings: Vec<String>,
    agent: Agent,
}

/// The agent of GnuPG goes on for ever where nobody ends it.
#[derive(Debug, PartialEq)]
enum Agent {
    None,
    Running,
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.agent == Agent::Running {
            let _ = command("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.folder.path()).output();
        }
    }
}

impl Key {
    /// An OpenPGP key without an end.
    pub fn openpgp() -> Self {
        Self::of_gnupg("one", "3A7A6DE52A15F7303A80FA666B5D6CB5607ECAFB")
    }

    /// Another OpenPGP key without an end.
    pub fn other_openpgp() -> Self {
        Self::of_gnupg("two", "44E8DBF6F5D5C8095644737C534788F89B99B59A")
    }

    /// An OpenPGP key that ended long ago; it signs as if it were still the day before.
    pub fn expired() -> Self {
        Self::of_gnupg("expired", "8F26166FDB0F60A452CE6C0118B142E2DF6D94EA")
    }

    /// An SSH key.
    pub fn ssh() -> Self {
        Self::of_openssh(&Pair::fixed("one"))
    }

    /// Another SSH key.
    pub fn other_ssh() -> Self {
        Self::of_openssh(&Pair::fixed("two"))
    }

    fn of_gnupg(name: &'static str, fingerprint: &'static str) -> Self {
        let (id, public) = (fingerprint[24..].to_owned(), openpgp(name, "public"));
        Self { id, public, maker: Maker::GnuPg(name, fingerprint), home: OnceLock::new() }
    }

    fn of_openssh(pair: &Pair) -> Self {
        let maker = Maker::OpenSsh(pair.private.clone());
        Self { id: pair.fingerprint(), public: pair.public.clone(), maker, home: OnceLock::new() }
    }

    /// The public half of [`Self::openpgp`], revoked; what that signs is signed as before.
    pub fn revoked() -> String {
        openpgp("one", "revoked")
    }

    fn settings(&self) -> &[String] {
        let home = self.home.get_or_init(|| match &self.maker {
            Maker::GnuPg(name, fingerprint) => Home::of_gnupg(name, fingerprint),
            Maker::OpenSsh(private) => Home::of_openssh(private, &self.public),
        });
        &home.settings
    }
}

impl Home {
    fn of_gnupg(name: &str, fingerprint: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("then");
        let script = format!(
            "#!/bin/sh\nexec gpg --homedir '{}' --batch --no-auto-check-trustdb --faked-system-time '{DAY}T120000!' \"$@\"\n",
            folder.path().display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        run(command(&program).args(["--quiet", "--import"]), openpgp(name, "secret").as_bytes());
        let settings =
            vec!["gpg.format=openpgp".into(), format!("user.signingkey={fingerprint}"), format!("gpg.program={}", program.display())];
        Self { folder, settings, agent: Agent::Running }
    }

    fn of_openssh(private: &str, public: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_private(&path, private);
        fs::write(path.with_extension("pub"), public).unwrap();
        let settings = vec!["gpg.format=ssh".into(), format!("user.signingkey={}", path.display())];
        Self { folder, settings, agent: Agent::None }
    }
}

/// One of the files in `keys/openpgp`.
fn openpgp(name: &str, half: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("keys/openpgp/{name}.{half}.asc"));
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
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
        Self { url: server.url(&name), path: plain.path().to_owned(), plain }
    }

    /// Commits these files, and no others, onto `main`.
    pub fn commit(&self, key: &Key, files: &[(&str, &str)]) -> String {
        let unsigned = self.plain.commit_to("unsigned", files);
        let tree = format!("{unsigned}^{{tree}}");
        let parent = self.plain.head("refs/heads/main");
        let mut arguments = vec!["commit-tree", "-S", &tree, "-m", "a signed change"];
        arguments.extend(parent.iter().flat_map(|parent| ["-p", parent]));
        let commit = self.git(key.settings(), &arguments);
        self.plain.set_ref("refs/heads/main", &commit);
        commit
    }

    /// Tags the head of `main`, and answers the id of the tag.
    pub fn tag(&self, key: &Key, name: &str) -> String {
        self.git(key.settings(), &["tag", "-f", "-s", "-m", name, name, "main"]);
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
            .envs([("GIT_AUTHOR_NAME", NAME), ("GIT_AUTHOR_EMAIL", ADDRESS)])
            .envs([("GIT_COMMITTER_NAME", NAME), ("GIT_COMMITTER_EMAIL", ADDRESS)]);
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
