//! Git servers that want to see a certificate of their clients.

use headwater_git::Error;
use headwater_http::{ClientCertificate, Credentials, Proxy, SafeUrl, Trust};
use headwater_testing::{
    git::{
        client::clone,
        server::{Access, GitServer},
    },
    needs,
    proxy::{http::HttpProxy, socks::Guests},
    ssh::{Pair, write_private},
    tls::Authority,
};
use rcgen::KeyPair;

use crate::client::{Client, main};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n")];

/// A server that admits those with a certificate of an authority, and a certificate that it admits.
struct Guarded {
    git: GitServer,
    authority: Authority,
    clients: Authority,
    certificate: String,
    key: String,
}

impl Guarded {
    async fn new() -> Self {
        let (authority, clients) = (Authority::new(), Authority::new());
        let git = GitServer::start_mutual_tls(&authority, &clients).await;
        git.repository("r.git").commit(FILES);
        let (certificate, key) = clients.issue("client.test");
        Self { git, authority, clients, certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that trusts the server, without a certificate.
    fn stranger(&self) -> Client {
        let mut client = Client::new(&self.git.url("r.git"));
        client.remote.trust = Trust { ca: Some(self.authority.pem().into_bytes()), certificate: None };
        client
    }

    /// A client that trusts the server, with this certificate.
    fn client(&self, certificate: &str, key: &str) -> Client {
        let mut client = self.stranger();
        client.remote.trust.certificate = Some(ClientCertificate::new(certificate.into(), key.as_bytes().to_vec()));
        client
    }

    /// A client that the server admits.
    fn guest(&self) -> Client {
        self.client(&self.certificate, &self.key)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_of_the_right_authority_is_admitted() {
    let guarded = Guarded::new().await;
    let (stranger, its_key) = Authority::new().issue("client.test");
    guarded.guest().get(&main()).await.unwrap();
    guarded.client(&stranger.pem(), &its_key.serialize_pem()).get(&main()).await.unwrap_err();
    guarded.stranger().get(&main()).await.unwrap_err();
    let mut basic = guarded.stranger();
    basic.remote.credentials = Credentials::basic("user", "pass");
    basic.get(&main()).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_is_none_is_refused_and_tells_no_secret() {
    let guarded = Guarded::new().await;
    let other_key = guarded.clients.issue("client.test").1.serialize_pem();
    let (certificate, key) = (guarded.certificate.as_str(), guarded.key.as_str());
    let lines: Vec<_> = key.lines().chain(other_key.lines()).filter(|line| line.len() > 20 && !line.contains('-')).collect();
    assert!(!lines.is_empty());
    for (name, certificate, key) in [
        ("other-key", certificate, other_key.as_str()),
        ("swapped", key, certificate),
        ("key-nonsense", certificate, "nonsense"),
        ("certificate-nonsense", "nonsense", key),
        ("torn", certificate, &key[..key.len() / 2]),
    ] {
        let client = guarded.client(certificate, key);
        let error = client.get(&main()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("tls.") || text.contains("certificate") || text.contains("key"), "{name}: {text}");
        assert!(text.len() < 2_000 && !text.contains(['\n', '\0']), "{text:?}");
        let told = format!("{text}{error:?}{:?}", client.remote.trust.certificate.as_ref().map(|pair| &pair.key));
        assert!(!lines.iter().any(|line| told.contains(line)), "{name}: a line of the key is told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_format_of_a_key_and_each_way_to_sign_in_beside_it_work() {
    needs!("ssh-keygen");
    let guarded = Guarded::new().await;
    let ecdsa = Pair { private: guarded.key.clone(), public: String::new() };
    let rsa = Pair::fixed("rsa");
    let pkcs8 = rsa.rewritten(&["-m", "PKCS8", "-N", ""]).private;
    let of_rsa = guarded.clients.sign(&["client.test"], &KeyPair::from_pem(&pkcs8).unwrap()).pem();
    let (sec1, pkcs1) = (ecdsa.rewritten(&["-m", "PEM", "-N", ""]).private, rsa.rewritten(&["-m", "PEM", "-N", ""]).private);
    assert!(sec1.contains("EC PRIVATE KEY") && pkcs1.contains("RSA PRIVATE KEY"));
    let chain = format!("{}{}", guarded.certificate, guarded.clients.pem());
    for (name, certificate, key) in
        [("sec1", &guarded.certificate, &sec1), ("pkcs8", &of_rsa, &pkcs8), ("pkcs1", &of_rsa, &pkcs1), ("chain", &chain, &guarded.key)]
    {
        guarded.client(certificate, key).get(&main()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    guarded.git.set_access(Access::Basic("user", "pass"));
    let mut guest = guarded.guest();
    let error = guest.get(&main()).await.unwrap_err();
    assert!(matches!(error, Error::AuthenticationRequired { .. }) && error.to_string().contains("authentication required"), "{error}");
    guest.remote.credentials = Credentials::basic("user", "pass");
    guest.get(&main()).await.unwrap();
    guarded.git.set_access(Access::Bearer("a-token"));
    guest.remote.credentials = Credentials::bearer("a-token");
    guest.get(&main()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_shown_to_the_server_behind_a_proxy() {
    let guarded = Guarded::new().await;
    let proxy = HttpProxy::start(Guests::Anyone, &[("git.test:443", guarded.git.address())]).await;
    let mut guest = guarded.guest();
    guest.set_url("https://git.test/r.git");
    guest.remote.proxy = Some(Proxy::at(SafeUrl::parse(&proxy.url).unwrap()));
    guest.get(&main()).await.unwrap();
    assert!(!proxy.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn git_itself_needs_the_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let git = GitServer::start_mutual_tls(&authority, &clients).await;
    git.repository("r.git").commit(FILES);
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = clients.issue("client.test");
    let file = |name: &str, text: &str| {
        write_private(&folder.path().join(name), text);
        folder.path().join(name).display().to_string()
    };
    let ca = format!("http.sslCAInfo={}", file("ca.pem", &authority.pem()));
    let certificate = format!("http.sslCert={}", file("crt.pem", &certificate.pem()));
    let key = format!("http.sslKey={}", file("key.pem", &key.serialize_pem()));
    assert!(clone(git.url("r.git"), &folder.path().join("none"), &[&ca], &[]).await.is_err());
    clone(git.url("r.git"), &folder.path().join("right"), &[&ca, &certificate, &key], &[]).await.unwrap();
}
