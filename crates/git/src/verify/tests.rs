//! Objects signed by the tools that users sign with.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod forged;
mod mutated;
mod openpgp;
mod ssh;

use std::{collections::BTreeMap, path::Path, process::Output, time::SystemTime};

use headwater_testing::command;

use super::*;

const HEAD: &str =
    "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@x.org> 1700000000 +0000\ncommitter A <a@x.org> 1700000000 +0000\n";
const UNSIGNED: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@x.org> 1700000000 +0000\ncommitter A <a@x.org> 1700000000 +0000\n\na change\n";

/// A commit whose payload is `UNSIGNED`.
fn commit(signature: &str) -> Vec<u8> {
    format!("{HEAD}gpgsig {}\n\na change\n", signature.trim_end().replace('\n', "\n ")).into_bytes()
}

fn keys(name: &str, content: impl Into<Vec<u8>>) -> Keys {
    Keys::new(&BTreeMap::from([(name.to_owned(), content.into())]))
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> Output {
    let output = command(program)
        .args(arguments)
        .current_dir(folder)
        .env("GNUPGHOME", folder.join("gnupg"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn text(program: &str, arguments: &[&str], folder: &Path) -> String {
    String::from_utf8(run(program, arguments, folder).stdout).unwrap()
}

/// A repository with `arguments` for every `git`, and a home for `gpg`.
struct Repository {
    folder: tempfile::TempDir,
    settings: Vec<String>,
}

impl Repository {
    fn new(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        run("git", &["init", "-q", "-b", "main"], folder.path());
        let settings = ["user.name=A", "user.email=a@x.org"].iter().chain(settings).map(|&setting| setting.to_owned()).collect();
        Self { folder, settings }
    }

    fn git(&self, arguments: &[&str]) -> Vec<u8> {
        let settings = self.settings.iter().flat_map(|setting| ["-c", setting.as_str()]);
        let arguments: Vec<&str> = settings.chain(arguments.iter().copied()).collect();
        run("git", &arguments, self.folder.path()).stdout
    }

    fn object(&self, kind: &str, name: &str) -> Vec<u8> {
        self.git(&["cat-file", kind, name])
    }
}

/// What every repository is asked, however it signs: a commit, a tag, a merge of a signed tag, and what is no longer what was signed.
fn signs_commits_and_tags(repository: &Repository, keys: &Keys, id: &str) {
    // A signature is never made after it is judged, however long the programs take.
    let now = SystemTime::now;
    repository.git(&["commit", "-q", "--allow-empty", "-S", "-m", "one"]);
    repository.git(&["checkout", "-q", "-b", "side"]);
    repository.git(&["commit", "-q", "--allow-empty", "-m", "two"]);
    repository.git(&["tag", "-s", "v1", "-m", "a tag\n\nof two paragraphs"]);
    repository.git(&["checkout", "-q", "main"]);
    repository.git(&["merge", "-q", "-S", "--no-ff", "-m", "merged", "v1"]);
    let (first, merge, tag) = (repository.object("commit", "main~1"), repository.object("commit", "main"), repository.object("tag", "v1"));
    assert!(String::from_utf8_lossy(&merge).contains("\nmergetag object "));
    for object in [Object::Commit(&first), Object::Commit(&merge), Object::Tag(&tag)] {
        assert!(is_signed(object));
        assert_eq!(verify(object, keys, now()).as_deref(), Ok(id), "{object:?}");
    }
    let plain = repository.object("commit", "side");
    assert!(!is_signed(Object::Commit(&plain)));
    assert_eq!(verify(Object::Commit(&plain), keys, now()).unwrap_err().to_string(), "unsupported signature type: empty");

    let tampered = |object: &[u8], from: &str, to: &str| String::from_utf8(object.to_vec()).unwrap().replacen(from, to, 1).into_bytes();
    for altered in
        [tampered(&first, "\n\none", "\n\nOne"), tampered(&merge, "\nparent ", "\nparent 0"), tampered(&merge, "mergetag", "merge-tag")]
    {
        assert!(verify(Object::Commit(&altered), keys, now()).unwrap_err().to_string().contains(": no matching key"));
    }
    for altered in [tampered(&tag, "two paragraphs", "two paragraph"), tampered(&tag, "tag v1", "tag v2")] {
        assert!(verify(Object::Tag(&altered), keys, now()).unwrap_err().to_string().contains(": no matching key"));
    }
    // Names and messages are of any encoding.
    std::fs::write(repository.folder.path().join("message"), b"caf\xe9\n").unwrap();
    repository.git(&["-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-S", "-F", "message"]);
    let latin = repository.object("commit", "main");
    assert!(std::str::from_utf8(&latin).is_err());
    assert_eq!(verify(Object::Commit(&latin), keys, now()).as_deref(), Ok(id));
    // A signature is of one kind of object: what a commit says is not what a tag says.
    assert!(verify(Object::Tag(&first), keys, now()).is_err());
    assert!(verify(Object::Commit(&tag), keys, now()).is_err());
}

#[test]
fn other_kinds_of_signatures_are_named() {
    let keys = keys("a.asc", "");
    let cases = [
        ("-----BEGIN SIGNED MESSAGE-----\nMII=\n-----END SIGNED MESSAGE-----", "unsupported signature type: x509"),
        ("-----BEGIN PGP MESSAGE-----\n\nMII=\n-----END PGP MESSAGE-----", "unsupported signature type: unknown"),
        ("garbage", "unsupported signature type: unknown"),
        (
            "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----",
            "SSH signature detected but no SSH public keys found in secret (keys with .sshpub suffix)",
        ),
    ];
    for (signature, message) in cases {
        let error = verify(Object::Commit(&commit(signature)), &keys, SystemTime::now()).unwrap_err();
        assert_eq!(error.to_string(), message);
        if signature.starts_with('-') {
            let tag = format!("object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\n\nmessage\n{signature}\n");
            assert_eq!(verify(Object::Tag(tag.as_bytes()), &keys, SystemTime::now()).unwrap_err().to_string(), message);
        }
    }
    let openpgp = commit("-----BEGIN PGP SIGNATURE-----\n\nMII=\n-----END PGP SIGNATURE-----");
    let error = verify(Object::Commit(&openpgp), &Keys::new(&BTreeMap::new()), SystemTime::now()).unwrap_err();
    assert_eq!(error.to_string(), "PGP signature detected but no PGP public keys found in secret (keys with .asc suffix)");
}

#[test]
fn objects_are_taken_apart_as_git_does() {
    let raw = format!(
        "{HEAD}gpgsig-sha256 other\n  more\nencoding x\ngpgsig one\n two\n  three\n \nextra value\n gpgsig no\n\ngpgsig body\n more\n"
    );
    let signed = Signed::split(Object::Commit(raw.as_bytes())).unwrap();
    assert_eq!(signed.signature, b"one\ntwo\n three\n\n");
    assert_eq!(String::from_utf8(signed.payload).unwrap(), format!("{HEAD}encoding x\nextra value\n gpgsig no\n\ngpgsig body\n more\n"));

    let body = "first\n-----BEGIN PGP SIGNATURE-----\nin the message\n-----END PGP SIGNATURE-----\n";
    let raw = format!("object 1\ntag v1\ngpgsig x\n y\n\n{body}-----BEGIN SSH SIGNATURE-----\nlast\n");
    let signed = Signed::split(Object::Tag(raw.as_bytes())).unwrap();
    assert_eq!(signed.signature, b"-----BEGIN SSH SIGNATURE-----\nlast\n");
    assert_eq!(String::from_utf8(signed.payload).unwrap(), format!("object 1\ntag v1\n\n{body}"));

    for empty in ["", "\n", "gpgsig", "gpgsig\n", " gpgsig x", "\n\ngpgsig x"] {
        assert!(!is_signed(Object::Commit(empty.as_bytes())), "{empty:?}");
        assert!(!is_signed(Object::Tag(empty.as_bytes())), "{empty:?}");
    }
}

#[test]
fn signatures_that_no_one_makes_are_refused() {
    let now = SystemTime::now();
    let two = format!("{HEAD}gpgsig one\ngpgsig two\n\na change\n");
    let error = verify(Object::Commit(two.as_bytes()), &keys("a.asc", ""), now).unwrap_err();
    assert_eq!(error.to_string(), "unable to verify Git commit: more than one signature");
    let block = "-----BEGIN PGP SIGNATURE-----\n\nMII=\n-----END PGP SIGNATURE-----\n";
    let error = verify(Object::Commit(&commit(&block.repeat(2))), &keys("a.asc", ""), now).unwrap_err();
    assert_eq!(error.to_string(), "unable to verify Git commit: more than one signature");
    let large = commit(&format!("-----BEGIN SSH SIGNATURE-----\n{}", "A".repeat(10 * 1024 * 1024)));
    let error = verify(Object::Commit(&large), &keys("a.sshpub", ""), now).unwrap_err();
    assert_eq!(error.to_string(), "unable to verify Git commit: signature of more than 262144 bytes");
}
