//! The names of mirrors. They must never change: what is on disk is found by them.

use headwater_http::{Basic, Credentials, Fingerprint};
use secrecy::ExposeSecret as _;

use crate::Remote;

/// A name for a remote together with the credentials for it and the way there: 64 hexadecimal digits that say nothing about either
/// to whoever does not know `salt`.
pub(super) fn name(salt: &[u8], remote: &Remote) -> String {
    // Credentials that are exchanged for others from time to time are known by whose they are.
    let credentials = if remote.identity.is_some() { &Credentials::Anonymous } else { &remote.credentials };
    let certificate = remote.trust.certificate.as_ref();
    let ssh = remote.ssh.as_ref();
    let mut name = Fingerprint::default();
    name.add(Some(salt)).add(Some(remote.url.as_str().as_bytes())).add(remote.identity.as_deref().map(str::as_bytes));
    add_basic(&mut name, credentials.as_basic());
    name.add(credentials.as_bearer().map(|token| token.expose_secret().as_bytes()))
        .add(remote.trust.ca.as_deref())
        .add(certificate.map(|certificate| certificate.key.expose_secret()))
        .add(certificate.map(|certificate| certificate.chain.as_slice()))
        .add(ssh.map(|ssh| ssh.user.as_bytes()))
        .add(ssh.map(|ssh| ssh.identity.expose_secret()))
        .add(ssh.and_then(|ssh| ssh.passphrase.as_ref()).map(|passphrase| passphrase.expose_secret().as_bytes()))
        .add(ssh.map(|ssh| ssh.known_hosts.as_slice()))
        .add(remote.proxy.as_ref().map(|proxy| proxy.url.as_str().as_bytes()));
    add_basic(&mut name, remote.proxy.as_ref().and_then(|proxy| proxy.basic.as_ref()));
    hex::encode(name.finish())
}

fn add_basic(name: &mut Fingerprint, basic: Option<&Basic>) {
    name.add(basic.map(|basic| basic.user.expose_secret().as_bytes())).add(basic.map(|basic| basic.password.expose_secret().as_bytes()));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use headwater_http::{ClientCertificate, Proxy, SafeUrl, Trust};

    use super::*;
    use crate::Ssh;
    use crate::tests::remote;

    /// The names are those that mirrors on disk have had since there are mirrors.
    #[test]
    fn names_of_mirrors_stay_what_they_were() {
        let plain = remote("https://git.example/r.git?q=1");
        let with_basic = Remote { credentials: Credentials::basic("me", "pa ss"), ..plain.clone() };
        let with_token = Remote { credentials: Credentials::bearer("token"), ..plain.clone() };
        let issued = |remote: &Remote| Remote { identity: Some("me".into()), ..remote.clone() };
        let proxy = |url: &str| Some(Proxy::at(SafeUrl::parse(url).unwrap()));
        let with_ca = |certificate| Trust { ca: Some(b"CA".to_vec()), certificate };
        let certificate = ClientCertificate::new(b"CHAIN".to_vec(), b"KEY".to_vec());
        let ssh =
            Ssh { user: "git".into(), identity: b"ID".to_vec().into(), passphrase: Some("phrase".into()), known_hosts: b"HOSTS".to_vec() };
        let over_ssh = |ssh: Ssh| Remote { ssh: Some(ssh), ..remote("ssh://deploy@git.example/r.git") };
        for (remote, expected) in [
            (plain.clone(), "e6a87e66580d340343e3329aa6c23ea3843ca2518fe713c744d58b7b429c8f82"),
            (with_basic.clone(), "602f86522635dc33dd9f87ac3daf32793c6e2826515a18511503b5652f4fa793"),
            (with_token.clone(), "6bb29afc704558ed73ae834cf36373f81e912040578f2db4cc2560647ce85e2c"),
            (issued(&with_basic), "f8487b3a614003047fdd4aacd1027ee0a4f9b711228cbcfd49f548c39bcc51be"),
            (issued(&with_token), "f8487b3a614003047fdd4aacd1027ee0a4f9b711228cbcfd49f548c39bcc51be"),
            (
                Remote { trust: with_ca(Some(certificate)), proxy: proxy("http://u:p@proxy:3128"), ..with_basic },
                "ff2283e39bdbb33ddcfbdb16ebbdc8dccadf33fc36440ff89cac7823bf525381",
            ),
            (
                Remote { trust: with_ca(None), proxy: proxy("http://proxy:3128"), ..plain },
                "cb8d3e0fab372c57c36cb22ac77aba0ac32adc19fac9e811567bd4264644ce56",
            ),
            (over_ssh(ssh.clone()), "fcd06ebc6ecd5ef02634645162886450ae17f2773a3e2939faa160551671a217"),
            (over_ssh(Ssh { passphrase: None, ..ssh }), "badccea4125e136b8c65a763edd8a6bec65e21fe3d36a6c72488fe401dbfa692"),
        ] {
            assert_eq!(name(b"salt", &remote), expected, "{remote:?}");
        }
    }
}
