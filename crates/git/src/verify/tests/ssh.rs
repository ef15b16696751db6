//! Signatures by ssh-keygen, and those it does not make.

use headwater_testing::{
    needs,
    ssh::{Pair, write_private},
};
use ssh_key::{
    Algorithm, HashAlg, PrivateKey, Signature, SigningKey, SshSig,
    public::{KeyData, SkEd25519},
    sha2::{Digest, Sha256},
};

use super::*;

/// A key of ssh-keygen, its public part, and the fingerprint that ssh-keygen prints.
struct Key {
    folder: tempfile::TempDir,
    public: String,
    fingerprint: String,
}

impl Key {
    /// One of the keys that are there already.
    fn fixed(name: &str) -> Self {
        let (folder, pair) = (tempfile::tempdir().unwrap(), Pair::fixed(name));
        write_private(&folder.path().join("key"), &pair.private);
        std::fs::write(
            folder.path().join("key.pub"),
            format!(
                "{} a comment
",
                pair.public
            ),
        )
        .unwrap();
        Self::of(folder)
    }

    /// An RSA key of so few bits that nobody should trust it.
    fn small() -> Self {
        let folder = tempfile::tempdir().unwrap();
        run("ssh-keygen", &["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", "key"], folder.path());
        Self::of(folder)
    }

    fn of(folder: tempfile::TempDir) -> Self {
        let public = std::fs::read_to_string(folder.path().join("key.pub")).unwrap();
        let printed = text("ssh-keygen", &["-l", "-f", "key.pub"], folder.path());
        let fingerprint = printed.split_whitespace().nth(1).unwrap().to_owned();
        Self { folder, public, fingerprint }
    }

    fn sign(&self, arguments: &[&str]) -> String {
        std::fs::write(self.folder.path().join("payload"), UNSIGNED).unwrap();
        let arguments = [&["-q", "-Y", "sign", "-f", "key"], arguments, &["payload"]].concat();
        run("ssh-keygen", &arguments, self.folder.path());
        let signature = std::fs::read_to_string(self.folder.path().join("payload.sig")).unwrap();
        std::fs::remove_file(self.folder.path().join("payload.sig")).unwrap();
        signature
    }
}

fn outcome(signature: &str, file: &str) -> Result<String, String> {
    verify(Object::Commit(&commit(signature)), &keys("a.sshpub", file), SystemTime::now()).map_err(|error| error.to_string())
}

fn refused(reason: &str) -> Result<String, String> {
    let prefix =
        "unable to verify Git commit SSH signature: unable to verify payload with any of the given authorized keys: no matching key";
    Err(format!("{prefix}{}{reason}", if reason.is_empty() { "" } else { "\n" }))
}

#[test]
fn git_signs_with_ssh() {
    needs!("ssh-keygen");
    let key = Key::fixed("one");
    let path = format!("user.signingkey={}", key.folder.path().join("key").display());
    let repository = Repository::new(&["gpg.format=ssh", &path]);
    signs_commits_and_tags(&repository, &keys("author.sshpub", key.public.as_str()), &key.fingerprint);
}

#[test]
fn every_kind_of_key_and_hash() {
    needs!("ssh-keygen");
    for name in ["one", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa"] {
        let key = Key::fixed(name);
        for hash in ["hashalg=sha256", "hashalg=sha512"] {
            assert_eq!(outcome(&key.sign(&["-n", "git", "-O", hash]), &key.public), Ok(key.fingerprint.clone()), "{name} {hash}");
        }
    }
    let small = Key::small();
    assert_eq!(outcome(&small.sign(&["-n", "git"]), &small.public), refused("RSA key is too small"));
}

#[test]
fn only_what_the_key_signed_for_git() {
    needs!("ssh-keygen");
    let (key, other) = (Key::fixed("one"), Key::fixed("two"));
    let signature = key.sign(&["-n", "git"]);
    assert_eq!(outcome(&key.sign(&["-n", "file"]), &key.public), refused("namespace does not match"));
    assert_eq!(outcome(&signature, &other.public), refused("public key does not match"));
    assert_eq!(outcome(&signature, ""), refused(""));
    let mut altered = commit(&signature);
    altered.extend(b"more");
    let error = verify(Object::Commit(&altered), &keys("a.sshpub", key.public.as_str()), SystemTime::now()).unwrap_err();
    assert_eq!(Err(error.to_string()), refused("ssh: signature did not verify"));
    // Another's signature under one's own key.
    let theirs = SshSig::from_pem(other.sign(&["-n", "git"])).unwrap();
    let own = SshSig::from_pem(&signature).unwrap();
    let mixed = SshSig::new(own.public_key().clone(), "git", HashAlg::Sha512, theirs.signature().clone()).unwrap();
    assert_eq!(outcome(&mixed.to_pem(ssh_key::LineEnding::LF).unwrap(), &key.public), refused("ssh: signature did not verify"));
    let broken = outcome("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----", &key.public).unwrap_err();
    assert!(broken.starts_with("unable to verify Git commit SSH signature: unable to unarmor SSH signature: "), "{broken}");
}

#[test]
fn files_are_read_as_authorized_keys() {
    needs!("ssh-keygen");
    let (key, other) = (Key::fixed("one"), Key::fixed("ecdsa-256"));
    let signature = key.sign(&["-n", "git"]);
    let plain = key.public.trim();
    let found = Ok(key.fingerprint.clone());
    let bare = plain.split(' ').take(2).collect::<Vec<_>>().join("\t");
    for file in [
        format!("# a comment\n\n  \n{}{plain}\n", other.public),
        format!("{plain} and more words\r\n"),
        bare,
        format!("restrict,command=\"say \\\"x y\\\" # z\",from=\"10.0.0.1, 10.0.0.2\" {plain}"),
        format!("no-touch-required\t{plain}"),
    ] {
        assert_eq!(outcome(&signature, &file), found, "{file}");
    }
    let prefix =
        "unable to verify Git commit SSH signature: unable to parse authorized keys: unable to parse authorized key: ssh: no key found";
    for file in
        [format!("{plain}\nnonsense"), format!("{plain}\nssh-ed25519 AAAA"), format!("{plain}\nssh-ed25519 !!"), "x=\" y z".to_owned()]
    {
        assert!(outcome(&signature, &file).unwrap_err().starts_with(prefix), "{file}");
    }
    // A file that cannot be read counts only when none can; comments may be of any encoding.
    let mut files =
        BTreeMap::from([("a.sshpub".to_owned(), b"nonsense".to_vec()), ("b.sshpub".to_owned(), key.public.clone().into_bytes())]);
    assert_eq!(verify(Object::Commit(&commit(&signature)), &Keys::new(&files), SystemTime::now()).ok(), Some(key.fingerprint.clone()));
    files.insert("b.sshpub".to_owned(), [plain.as_bytes(), b" \xff\xfe\n"].concat());
    assert_eq!(verify(Object::Commit(&commit(&signature)), &Keys::new(&files), SystemTime::now()).ok(), Some(key.fingerprint.clone()));
}

#[test]
fn certificates_do_not_sign() {
    needs!("ssh-keygen");
    let (key, authority) = (Key::fixed("one"), Key::fixed("two"));
    let authority_path = authority.folder.path().join("key");
    run("ssh-keygen", &["-q", "-s", authority_path.to_str().unwrap(), "-I", "id", "-n", "a", "key.pub"], key.folder.path());
    let certificate = std::fs::read_to_string(key.folder.path().join("key-cert.pub")).unwrap();
    let signature = key.sign(&["-n", "git"]);
    assert_eq!(outcome(&signature, &certificate), refused(""));
    assert_eq!(outcome(&signature, &format!("{certificate}{}", key.public)), Ok(key.fingerprint.clone()));
    assert_eq!(outcome(&signature, &format!("cert-authority {}", authority.public)), refused("public key does not match"));
}

fn raw(key: &impl SigningKey, data: &[u8]) -> Signature {
    key.try_sign(data).unwrap()
}

/// What a security key would make of an Ed25519 key, with the flags given.
fn security_key(flags: u8) -> (String, String) {
    let key = PrivateKey::from_openssh(Pair::fixed("one").private).unwrap();
    let public = SkEd25519::new(*key.public_key().key_data().ed25519().unwrap(), "ssh:");
    let message = SshSig::signed_data("git", HashAlg::Sha512, UNSIGNED.as_bytes()).unwrap();
    let signed = [Sha256::digest("ssh:").as_slice(), &[flags, 0, 0, 0, 7], Sha256::digest(message).as_slice()].concat();
    let signature = raw(&key, &signed);
    let signature = Signature::new(Algorithm::SkEd25519, [signature.as_bytes(), &[flags, 0, 0, 0, 7]].concat()).unwrap();
    let signature = SshSig::new(KeyData::SkEd25519(public.clone()), "git", HashAlg::Sha512, signature).unwrap();
    let public = ssh_key::PublicKey::new(KeyData::SkEd25519(public), "").to_openssh().unwrap();
    (signature.to_pem(ssh_key::LineEnding::LF).unwrap(), public)
}

#[test]
fn security_keys_must_be_touched() {
    let (signature, file) = security_key(1);
    assert!(outcome(&signature, &file).unwrap().starts_with("SHA256:"));
    let (signature, file) = security_key(0);
    assert_eq!(outcome(&signature, &file), refused("ssh: signature missing required user presence flag"));
}
