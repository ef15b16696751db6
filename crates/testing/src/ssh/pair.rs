//! Keys of OpenSSH.

use std::{fs, path::Path, process::Stdio};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};
use sha2::{Digest as _, Sha256};

use crate::command;

/// A key pair as its two files would hold it.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The private half, in a format of its maker's choice.
    pub private: String,
    /// The public half: its type, its blob and nothing else.
    pub public: String,
}

impl Pair {
    /// One of the pairs in `keys/ssh`, by the name of its file: the same in every run, and nothing has to make it.
    pub fn fixed(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys/ssh").join(name);
        let private = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { private, public: public(&path.with_extension("pub")) }
    }

    /// The digest of the public half, as OpenSSH prints it.
    pub fn fingerprint(&self) -> String {
        let blob = BASE64_STANDARD.decode(self.public.split(' ').nth(1).unwrap()).unwrap();
        format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(blob)))
    }

    /// The same pair, with its private half written anew by `ssh-keygen -p` with these arguments.
    #[must_use]
    pub fn rewritten(&self, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_private(&path, &self.private);
        keygen(&[&["-p", "-q", "-P", "", "-f", path.to_str().unwrap()], arguments].concat());
        Self { private: fs::read_to_string(&path).unwrap(), public: self.public.clone() }
    }
}

/// Runs `ssh-keygen`, and answers its standard output.
pub fn keygen(arguments: &[&str]) -> String {
    let output = command("ssh-keygen").args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("there is no ssh-keygen: the test has to look for it with needs! ({e})"));
    assert!(output.status.success(), "ssh-keygen {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Writes a key that OpenSSH's programs are willing to read.
pub fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// The type and the blob of a public key in a file.
fn public(path: &Path) -> String {
    fs::read_to_string(path).unwrap().split(' ').take(2).collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needs;

    #[test]
    fn openssh_knows_the_pairs_and_prints_their_fingerprints() {
        needs!("ssh-keygen");
        let folder = tempfile::tempdir().unwrap();
        for name in ["client", "host-ecdsa", "rsa"] {
            let (pair, path) = (Pair::fixed(name), folder.path().join(name));
            write_private(&path, &pair.rewritten(&["-m", "PKCS8", "-N", ""]).private);
            assert_eq!(keygen(&["-y", "-f", path.to_str().unwrap()]).trim(), pair.public, "{name}");
            assert_eq!(keygen(&["-l", "-f", path.to_str().unwrap()]).split(' ').nth(1), Some(pair.fingerprint().as_str()), "{name}");
        }
    }
}
