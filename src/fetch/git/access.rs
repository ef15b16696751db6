//! How to be let in: credentials, trust, and the way there. Printed without secrets.

use std::fmt;

use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use url::Url;

/// Credentials for a remote and what is trusted of it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Auth {
    /// User name and password, for http and https.
    pub basic: Option<(String, String)>,
    /// A bearer token, for http and https; wins over `basic`.
    pub bearer: Option<String>,
    /// PEM certificates that are trusted beside the system's.
    pub ca: Option<Vec<u8>>,
    /// The certificate that is shown to servers that ask for one.
    pub certificate: Option<Certificate>,
    /// What ssh needs.
    pub ssh: Option<Ssh>,
    /// Who this is, where credentials are exchanged for others from time to time. Without it, the credentials themselves say so.
    pub identity: Option<String>,
}

/// A client certificate.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// PEM: the certificate and those that lead to its authority.
    pub chain: Vec<u8>,
    /// PEM: its private key.
    pub key: Vec<u8>,
}

/// Credentials and trust for ssh.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Ssh {
    /// The user where the URL names none; `git` if this is empty, too.
    pub user: String,
    /// The private key, in any format that OpenSSH writes or reads.
    pub identity: Vec<u8>,
    /// Decrypts the key.
    pub passphrase: Option<String>,
    /// The host keys that are trusted, in the format of OpenSSH's `known_hosts`. No other is.
    pub known_hosts: Vec<u8>,
}

/// The algorithms that ssh offers, the preferred first; the defaults where a list is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Algorithms {
    /// Key exchange (`--ssh-kex-algos`).
    pub key_exchange: Vec<String>,
    /// Host keys (`--ssh-hostkey-algos`).
    pub host_keys: Vec<String>,
}

/// A proxy on the way to a remote.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// `http`, `https`, `socks5` or `socks5h`, without user and password.
    pub url: Url,
    /// User name and password.
    pub basic: Option<(String, String)>,
}

/// Undoes percent-encoding.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Proxy {
    /// The proxy at `url`, whose user and password it may hold.
    pub fn at(mut url: Url) -> Self {
        let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
        // These fail only for URLs that cannot have any.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Self { url, basic: (!user.is_empty() || !password.is_empty()).then_some((user, password)) }
    }
}

impl Auth {
    /// Whether nothing is known that could be given away.
    pub fn is_anonymous(&self) -> bool {
        self.basic.is_none() && self.bearer.is_none() && self.certificate.is_none() && self.ssh.is_none()
    }

    /// A name for `url` together with these credentials and the way there: 64 hexadecimal digits that say nothing about either to
    /// whoever does not know `salt`.
    pub(super) fn name(&self, salt: &[u8], url: &Url, proxy: Option<&Proxy>) -> String {
        let mut digest = Sha256::new();
        let mut add = |part: Option<&[u8]>| {
            digest.update([u8::from(part.is_some())]);
            let part = part.unwrap_or_default();
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        };
        add(Some(salt));
        add(Some(url.as_str().as_bytes()));
        add(self.identity.as_deref().map(str::as_bytes));
        let named = self.identity.is_some();
        let (user, password) =
            self.basic.as_ref().filter(|_| !named).map(|(user, password)| (user.as_bytes(), password.as_bytes())).unzip();
        add(user);
        add(password);
        add(self.bearer.as_ref().filter(|_| !named).map(String::as_bytes));
        add(self.ca.as_deref());
        add(self.certificate.as_ref().map(|certificate| certificate.key.as_slice()));
        add(self.certificate.as_ref().map(|certificate| certificate.chain.as_slice()));
        add(self.ssh.as_ref().map(|ssh| ssh.user.as_bytes()));
        add(self.ssh.as_ref().map(|ssh| ssh.identity.as_slice()));
        add(self.ssh.as_ref().and_then(|ssh| ssh.passphrase.as_deref()).map(str::as_bytes));
        add(self.ssh.as_ref().map(|ssh| ssh.known_hosts.as_slice()));
        add(proxy.map(|proxy| proxy.url.as_str().as_bytes()));
        let (user, password) =
            proxy.and_then(|proxy| proxy.basic.as_ref()).map(|(user, password)| (user.as_bytes(), password.as_bytes())).unzip();
        add(user);
        add(password);
        hex::encode(digest.finalize())
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("basic", &self.basic.is_some())
            .field("bearer", &self.bearer.is_some())
            .field("ca", &self.ca.is_some())
            .field("certificate", &self.certificate.is_some())
            .field("ssh", &self.ssh.is_some())
            .field("identity", &self.identity)
            .finish()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("url", &self.url.as_str()).field("basic", &self.basic.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Mirrors on disk are found by these names, so they must never change.
    #[test]
    fn names_of_mirrors_stay_what_they_were() {
        let url = Url::parse("https://git.example/r.git?q=1").unwrap();
        let ssh_url = Url::parse("ssh://deploy@git.example/r.git").unwrap();
        let certificate = Certificate { chain: b"CHAIN".to_vec(), key: b"KEY".to_vec() };
        let basic = || Some(("me".to_owned(), "pa ss".to_owned()));
        let open_proxy = Proxy { url: Url::parse("http://proxy:3128").unwrap(), basic: None };
        let proxy = Proxy { basic: Some(("u".into(), "p".into())), ..open_proxy.clone() };
        let ssh = Ssh { user: "git".into(), identity: b"ID".to_vec(), passphrase: Some("phrase".into()), known_hosts: b"HOSTS".to_vec() };
        let unlocked = Ssh { passphrase: None, ..ssh.clone() };
        let issued = |auth: Auth| Auth { identity: Some("me".into()), ..auth };
        let with_basic = Auth { basic: basic(), ..Auth::default() };
        let with_token = Auth { bearer: Some("token".into()), ..Auth::default() };
        let with_ca = Auth { ca: Some(b"CA".to_vec()), ..Auth::default() };
        let with_certificate = Auth { basic: basic(), certificate: Some(certificate), ..with_ca.clone() };
        for (auth, url, proxy, name) in [
            (Auth::default(), &url, None, "e6a87e66580d340343e3329aa6c23ea3843ca2518fe713c744d58b7b429c8f82"),
            (with_basic.clone(), &url, None, "602f86522635dc33dd9f87ac3daf32793c6e2826515a18511503b5652f4fa793"),
            (with_token.clone(), &url, None, "6bb29afc704558ed73ae834cf36373f81e912040578f2db4cc2560647ce85e2c"),
            (issued(with_basic), &url, None, "f8487b3a614003047fdd4aacd1027ee0a4f9b711228cbcfd49f548c39bcc51be"),
            (issued(with_token), &url, None, "f8487b3a614003047fdd4aacd1027ee0a4f9b711228cbcfd49f548c39bcc51be"),
            (with_certificate, &url, Some(&proxy), "ff2283e39bdbb33ddcfbdb16ebbdc8dccadf33fc36440ff89cac7823bf525381"),
            (with_ca, &url, Some(&open_proxy), "cb8d3e0fab372c57c36cb22ac77aba0ac32adc19fac9e811567bd4264644ce56"),
            (
                Auth { ssh: Some(ssh), ..Auth::default() },
                &ssh_url,
                None,
                "fcd06ebc6ecd5ef02634645162886450ae17f2773a3e2939faa160551671a217",
            ),
            (
                Auth { ssh: Some(unlocked), ..Auth::default() },
                &ssh_url,
                None,
                "badccea4125e136b8c65a763edd8a6bec65e21fe3d36a6c72488fe401dbfa692",
            ),
        ] {
            assert_eq!(auth.name(b"salt", url, proxy), name, "{auth:?}");
        }
    }
}
