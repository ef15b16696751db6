//! Private keys, in the formats that OpenSSH writes and reads.

use russh::keys::ssh_key::Kdf;
use russh::keys::{PrivateKey, decode_secret_key};
use secrecy::ExposeSecret as _;

use crate::Ssh;

/// Longer texts are no private keys.
const MAX_LENGTH: usize = 64 << 10;
/// The most rounds of bcrypt that a key may ask for (`ssh-keygen -a`): seconds of work.
const MAX_ROUNDS: u32 = 1000;
const NO_KEY: &str = "ssh: no key found: the identity is not a private key in the format of OpenSSH, PKCS#8, PKCS#1 or SEC1";
const LOCKED: &str = "ssh: this private key is passphrase protected: give its passphrase";
const WRONG: &str = "x509: decryption password incorrect: the passphrase does not open the private key";

impl Ssh {
    /// Whether the private key needs a passphrase, and none is given.
    pub fn lacks_passphrase(&self) -> bool {
        self.passphrase.as_ref().is_none_or(|passphrase| passphrase.expose_secret().is_empty())
            && is_encrypted(&tidy(self.identity.expose_secret()))
    }
}

/// The private key in `identity`, decrypted with `passphrase` if it needs one.
pub(super) fn read(identity: &[u8], passphrase: Option<&str>) -> Result<PrivateKey, String> {
    if identity.len() > MAX_LENGTH {
        return Err(NO_KEY.into());
    }
    let text = tidy(identity);
    let passphrase = passphrase.filter(|text| !text.is_empty());
    if !is_encrypted(&text) {
        return decode_secret_key(&text, None).map_err(|_| NO_KEY.into());
    }
    let Some(passphrase) = passphrase else { return Err(LOCKED.into()) };
    if text.contains("Proc-Type:") && !(text.contains("DEK-Info: AES-128-CBC,") && text.contains("BEGIN RSA PRIVATE KEY")) {
        return Err("ssh: the private key is encrypted in a way that is not supported: write it anew with 'ssh-keygen -p -f <file>'".into());
    }
    match open_ssh(&text).map(|key| key.kdf().clone()) {
        Some(Kdf::Bcrypt { rounds, .. }) if rounds > MAX_ROUNDS => {
            Err(format!("ssh: the private key is encrypted with more than {MAX_ROUNDS} rounds of bcrypt"))
        }
        _ => decode_secret_key(&text, Some(passphrase)).map_err(|_| WRONG.into()),
    }
}

/// The text without what people leave around lines.
fn tidy(identity: &[u8]) -> String {
    let text = String::from_utf8_lossy(identity);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).fold(String::new(), |all, line| all + line + "\n")
}

fn is_encrypted(text: &str) -> bool {
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
        || open_ssh(text).is_some_and(|key| key.is_encrypted())
}

fn open_ssh(text: &str) -> Option<PrivateKey> {
    PrivateKey::from_openssh(text).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use headwater_testing::{needs, ssh::Pair};

    use super::*;

    #[test]
    fn every_format_of_openssh_is_read_with_and_without_passphrase() {
        use russh::keys::PublicKeyBase64 as _;
        needs!("ssh-keygen");
        for kind in ["one", "ecdsa-384", "rsa"] {
            for format in ["RFC4716", "PEM", "PKCS8"] {
                for passphrase in ["", "open sesame"] {
                    let name = format!("{kind}-{format}-{}", passphrase.len());
                    let pair = Pair::fixed(kind).rewritten(&["-m", format, "-N", passphrase, "-a", "2"]);
                    let identity = pair.private.clone().into_bytes();
                    let ssh = Ssh { user: String::new(), identity: identity.clone().into(), passphrase: None, known_hosts: Vec::new() };
                    let locked = !passphrase.is_empty();
                    assert_eq!(ssh.lacks_passphrase(), locked, "{name}");
                    if locked && kind == "ecdsa-384" && format == "PEM" {
                        assert!(read(&identity, Some(passphrase)).unwrap_err().contains("ssh-keygen -p"));
                        continue;
                    }
                    let key = read(&identity, Some(passphrase)).map(|key| key.public_key_base64());
                    assert_eq!(key.as_deref(), Ok(pair.public.split(' ').nth(1).unwrap()), "{name}");
                    if locked {
                        assert_eq!(read(&identity, None).unwrap_err(), LOCKED, "{name}");
                        assert_eq!(read(&identity, Some("wrong")).unwrap_err(), WRONG, "{name}");
                    } else {
                        let indented = String::from_utf8(identity).unwrap().replace('\n', " \r\n  ");
                        assert!(read(indented.as_bytes(), None).is_ok(), "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_key_is_called_so() {
        for text in
            ["", "no key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", &"x".repeat(MAX_LENGTH + 1)]
        {
            assert_eq!(read(text.as_bytes(), Some("x")).unwrap_err(), NO_KEY);
        }
    }
}
