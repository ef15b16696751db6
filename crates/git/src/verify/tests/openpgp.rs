//! Signatures by GnuPG. Keys are made in 2020 or so, by its clock, to be judged at any time since.

use std::{process::Stdio, time::Duration};

use headwater_testing::needs;

use super::*;

/// A home of GnuPG with its agent, which ends with it.
pub(super) struct Gpg {
    pub(super) folder: tempfile::TempDir,
}

impl Drop for Gpg {
    fn drop(&mut self) {
        run("gpgconf", &["--kill", "all"], self.folder.path());
    }
}

impl Gpg {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        Self { folder }
    }

    pub(super) fn gpg(&self, day: &str, arguments: &[&str], input: &str) -> Vec<u8> {
        gpg(self.folder.path(), day, arguments, input)
    }

    /// Makes a key on the day and answers its fingerprint.
    pub(super) fn key(&self, day: &str, user: &str, usage: &str, lifetime: &str) -> String {
        self.gpg(day, &["--passphrase", "", "--quick-gen-key", user, "ed25519", usage, lifetime], "");
        fingerprint(self.folder.path(), user)
    }

    pub(super) fn export(&self, user: &str) -> Vec<u8> {
        self.gpg("20200101", &["--armor", "--export", user], "")
    }

    /// A signature over the payload of `commit`.
    pub(super) fn sign(&self, day: &str, arguments: &[&str]) -> String {
        let arguments = [arguments, &["--armor", "--detach-sign"]].concat();
        String::from_utf8(self.gpg(day, &arguments, UNSIGNED)).unwrap()
    }

    /// Has the key edited, by the answers to what is asked, one a line.
    fn edit(&self, day: &str, key: &str, answers: &str) {
        self.gpg(day, &["--passphrase", "", "--pinentry-mode", "loopback", "--command-fd", "0", "--edit-key", key], answers);
    }
}

fn prepare(folder: &Path) {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(folder.join("gnupg")).unwrap();
}

fn gpg(folder: &Path, day: &str, arguments: &[&str], input: &str) -> Vec<u8> {
    let time = format!("{day}T120000!");
    let mut child = command("gpg")
        .args(["--batch", "--yes", "--no-auto-check-trustdb", "--faked-system-time", &time])
        .args(arguments)
        .env("GNUPGHOME", folder.join("gnupg"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn fingerprint(folder: &Path, user: &str) -> String {
    let list = text("gpg", &["--list-keys", "--with-colons", user], folder);
    list.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':').to_owned()
}

/// Noon of a day, `YYYYMMDD`.
pub(super) fn day(day: &str) -> SystemTime {
    let noon = chrono::NaiveDate::parse_from_str(day, "%Y%m%d").unwrap().and_hms_opt(12, 0, 0).unwrap().and_utc();
    UNIX_EPOCH + Duration::from_secs(u64::try_from(noon.timestamp()).unwrap())
}

/// The key that signed, or why there is none.
pub(super) fn outcome(signature: &str, ring: &[u8], now: &str) -> Result<String, Refusal> {
    match verify(Object::Commit(&commit(signature)), &keys("a.asc", ring), day(now)) {
        Ok(id) => Ok(id),
        Err(error @ Error::OpenPgp(..)) => {
            let message = "unable to verify Git commit: unable to verify payload with any of the given key rings: no matching key";
            assert_eq!(error.to_string(), message);
            let Error::OpenPgp(_, OpenPgpError::NoMatchingKey(refusal)) = error else { panic!("{error:?}") };
            Err(refusal)
        }
        Err(error) => panic!("{error}"),
    }
}

pub(super) fn id(fingerprint: &str) -> String {
    fingerprint[24..].to_owned()
}

#[test]
fn git_signs_with_openpgp() {
    needs!("gpg");
    let repository = Repository::new(&[]);
    let folder = repository.folder.path();
    prepare(folder);
    run("gpg", &["--batch", "--passphrase", "", "--quick-gen-key", "A <a@x.org>", "ed25519", "sign", "never"], folder);
    let ring = text("gpg", &["--armor", "--export"], folder);
    // Any name but those of SSH keys will do.
    signs_commits_and_tags(&repository, &keys("author", ring), &id(&fingerprint(folder, "a@x.org")));
    run("gpgconf", &["--kill", "all"], folder);
}

#[test]
fn rings_of_many_keys() {
    needs!("gpg");
    let gpg = Gpg::new();
    let (one, two) = (gpg.key("20200101", "one", "sign", "never"), gpg.key("20200101", "two", "sign", "never"));
    let (ring_one, ring_two) = (gpg.export("one"), gpg.export("two"));
    let signature = gpg.sign("20200102", &["-u", "two"]);
    let both = gpg.gpg("20200101", &["--armor", "--export"], "");
    let secret = gpg.gpg("20200101", &["--armor", "--passphrase", "", "--pinentry-mode", "loopback", "--export-secret-keys", "two"], "");
    let joined = [ring_one.as_slice(), b"a word\n", &ring_two].concat();
    let noisy = [b"\xff\xfe not armor\n".as_slice(), &ring_two].concat();
    let lines = String::from_utf8(ring_two.clone()).unwrap();
    let (windows, headed) =
        (lines.replace('\n', "\r\n").into_bytes(), lines.replacen('\n', "\nVersion: 1\nComment: a: b\n", 1).into_bytes());
    for ring in [&ring_two, &both, &secret, &joined, &noisy, &windows, &headed] {
        assert_eq!(outcome(&signature, ring, "20200103"), Ok(id(&two)), "{}", String::from_utf8_lossy(ring));
    }
    assert_eq!(outcome(&signature.replace('\n', "\r\n"), &ring_two, "20200103"), Ok(id(&two)));
    assert_eq!(outcome(&signature, &ring_one, "20200103"), Err(Refusal::UnknownKey));
    assert_eq!(outcome(&gpg.sign("20200102", &["-u", "one"]), &both, "20200103"), Ok(id(&one)));

    let prefix = "unable to verify Git commit: unable to read armored key ring: openpgp: invalid argument: ";
    for (ring, message) in [
        ("", "no armored data found"),
        ("garbage \u{fffd}", "no armored data found"),
        (signature.as_str(), "expected public or private key block, got: PGP SIGNATURE"),
    ] {
        let mut files = BTreeMap::from([("a.asc".to_owned(), ring.as_bytes().to_vec())]);
        let error = verify(Object::Commit(&commit(&signature)), &Keys::new(&files), day("20200103")).unwrap_err();
        assert_eq!(error.to_string(), format!("{prefix}{message}"));
        files.insert("b.asc".to_owned(), ring_two.clone());
        assert!(verify(Object::Commit(&commit(&signature)), &Keys::new(&files), day("20200103")).is_ok());
    }
}

#[test]
fn damaged_signatures() {
    needs!("gpg");
    let gpg = Gpg::new();
    gpg.key("20200101", "one", "sign", "never");
    let (ring, signature) = (gpg.export("one"), gpg.sign("20200102", &[]));
    let mut altered = commit(&signature);
    altered.extend(b"more");
    let error = verify(Object::Commit(&altered), &keys("a.asc", ring.clone()), day("20200103")).unwrap_err();
    assert_eq!(error, Error::OpenPgp("commit".to_owned(), OpenPgpError::NoMatchingKey(Refusal::Mismatch)));
    let lines: Vec<&str> = signature.lines().collect();
    for cut in 1..lines.len() {
        let short = lines[..cut].join("\n");
        assert!(outcome(&short, &ring, "20200103").is_err() || cut + 2 >= lines.len(), "{short}");
    }
    assert_eq!(outcome("-----BEGIN PGP SIGNATURE-----\n\n!!\n-----END PGP SIGNATURE-----", &ring, "20200103"), Err(Refusal::Unreadable));
    let key = String::from_utf8(ring.clone()).unwrap().replace("PUBLIC KEY BLOCK", "SIGNATURE");
    assert_eq!(outcome(&key, &ring, "20200103"), Err(Refusal::Unreadable));
}

#[test]
fn times() {
    needs!("gpg");
    let gpg = Gpg::new();
    let (old, young) = (gpg.key("20200101", "old", "sign", "1y"), gpg.key("20200601", "young", "sign", "never"));
    let ring = gpg.gpg("20200101", &["--armor", "--export"], "");
    let signature = gpg.sign("20200301", &["-u", "old"]);
    assert_eq!(outcome(&signature, &ring, "20200302"), Ok(id(&old)));
    assert_eq!(outcome(&signature, &ring, "20210302"), Err(Refusal::KeyExpired));
    assert_eq!(outcome(&signature, &ring, "20200229"), Err(Refusal::SignatureExpired));
    assert_eq!(outcome(&signature, &ring, "20191231"), Err(Refusal::KeyExpired));
    let early = gpg.sign("20200301", &["-u", "young", "--ignore-time-conflict", "--ignore-valid-from"]);
    assert_eq!(outcome(&early, &ring, "20200701"), Err(Refusal::OlderThanKey));
    let brief = gpg.sign("20200701", &["-u", "young", "--default-sig-expire", "10d"]);
    assert_eq!(outcome(&brief, &ring, "20200705"), Ok(id(&young)));
    assert_eq!(outcome(&brief, &ring, "20200715"), Err(Refusal::SignatureExpired));
    // What a newer self-signature says of the lifetime counts.
    gpg.gpg("20200701", &["--passphrase", "", "--quick-set-expire", &old, "5y"], "");
    assert_eq!(outcome(&signature, &gpg.export("old"), "20210302"), Ok(id(&old)));
}

#[test]
fn kinds_of_signatures() {
    needs!("gpg");
    let gpg = Gpg::new();
    gpg.gpg("20200101", &["--passphrase", "", "--quick-gen-key", "one", "rsa2048", "sign", "never"], "");
    let key = fingerprint(gpg.folder.path(), "one");
    let ring = gpg.export("one");
    let now = "20200103";
    for accepted in [&["--textmode"][..], &["--digest-algo", "SHA512"], &["--digest-algo", "SHA1"], &["--sig-notation", "a@x.org=b"]] {
        assert_eq!(outcome(&gpg.sign("20200102", accepted), &ring, now), Ok(id(&key)), "{accepted:?}");
    }
    for weak in [&["--digest-algo", "RIPEMD160"][..], &["--digest-algo", "MD5", "--allow-weak-digest-algos"]] {
        assert_eq!(outcome(&gpg.sign("20200102", weak), &ring, now), Err(Refusal::UnknownKey));
    }
    assert_eq!(outcome(&gpg.sign("20200102", &["--sig-notation", "!a@x.org=b"]), &ring, now), Err(Refusal::CriticalNotation));
}

#[test]
fn revoked_keys() {
    needs!("gpg");
    let gpg = Gpg::new();
    let key = gpg.key("20200101", "one", "sign", "never");
    let signature = gpg.sign("20200102", &[]);
    gpg.gpg("20200103", &["--passphrase", "", "--quick-add-uid", &key, "two"], "");
    assert_eq!(outcome(&signature, &gpg.export("one"), "20200110"), Ok(id(&key)));
    // One of the user ids is left.
    gpg.gpg("20200104", &["--passphrase", "", "--quick-revoke-uid", &key, "two"], "");
    assert_eq!(outcome(&signature, &gpg.export("one"), "20200110"), Ok(id(&key)));
    let arguments = ["--armor", "--export-filter", "keep-uid=uid=two", "--export", "two"];
    assert_eq!(outcome(&signature, &gpg.gpg("20200105", &arguments, ""), "20200110"), Err(Refusal::KeyRevoked));

    let other = gpg.key("20200101", "other", "sign", "never");
    let signature = gpg.sign("20200102", &["-u", "other"]);
    let certificate = gpg.folder.path().join(format!("gnupg/openpgp-revocs.d/{other}.rev"));
    let certificate = std::fs::read_to_string(certificate).unwrap().replace(":-----BEGIN", "-----BEGIN");
    assert_eq!(outcome(&signature, &gpg.export("other"), "20200110"), Ok(id(&other)));
    gpg.gpg("20200105", &["--import"], &certificate);
    assert_eq!(outcome(&signature, &gpg.export("other"), "20200110"), Err(Refusal::KeyRevoked));
}

#[test]
fn subkeys() {
    needs!("gpg");
    let gpg = Gpg::new();
    let key = gpg.key("20200101", "one", "cert", "never");
    gpg.gpg("20200101", &["--passphrase", "", "--quick-add-key", &key, "ed25519", "sign", "1y"], "");
    let signature = gpg.sign("20200301", &[]);
    let ring = gpg.export("one");
    assert_eq!(outcome(&signature, &ring, "20200302"), Ok(id(&key)));
    assert_eq!(outcome(&signature, &ring, "20210302"), Err(Refusal::KeyExpired));

    gpg.edit("20200401", &key, "key 1\nchange-usage\nS\nA\nQ\nsave\n");
    assert_eq!(outcome(&signature, &gpg.export("one"), "20200402"), Err(Refusal::NotForSigning));
    gpg.edit("20200402", &key, "key 1\nrevkey\ny\n0\n\ny\nsave\n");
    assert_eq!(outcome(&signature, &gpg.export("one"), "20200403"), Err(Refusal::NotForSigning));

    gpg.gpg("20200101", &["--passphrase", "", "--quick-add-key", &key, "ed25519", "sign", "never"], "");
    let signature = gpg.sign("20200301", &[]);
    assert_eq!(outcome(&signature, &gpg.export("one"), "20200403"), Ok(id(&key)));
    gpg.edit("20200402", &key, "key 2\nrevkey\ny\n0\n\ny\nsave\n");
    assert_eq!(outcome(&signature, &gpg.export("one"), "20200403"), Err(Refusal::KeyRevoked));
}

#[test]
fn a_primary_key_that_only_certifies() {
    needs!("gpg");
    let gpg = Gpg::new();
    let key = gpg.key("20200101", "one", "sign,cert", "never");
    let signature = gpg.sign("20200102", &[]);
    assert_eq!(outcome(&signature, &gpg.export("one"), "20200104"), Ok(id(&key)));
    gpg.edit("20200103", &key, "change-usage\nS\nQ\nsave\n");
    assert_eq!(outcome(&signature, &gpg.export("one"), "20200104"), Err(Refusal::NotForSigning));
}
