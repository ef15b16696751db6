//! Git servers that want to see a certificate of their clients.

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
use serde_json::{Value, json};

use crate::support::{
    cluster::{Server, embedded, on_each_server},
    namespace::message,
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n")];

/// A world, a server that admits those with a certificate of an authority, and what a Secret for it holds.
struct Guarded {
    world: World,
    git: GitServer,
    authority: Authority,
    clients: Authority,
    certificate: String,
    key: String,
}

impl Guarded {
    async fn new(test: &str) -> Self {
        let world = World::with(embedded(), test, &["--concurrent=8", "--log-level=trace"]).await;
        let (authority, clients) = (Authority::new(), Authority::new());
        let git = GitServer::start_mutual_tls(&authority, &clients).await;
        git.repository("r.git").commit(FILES);
        let (certificate, key) = clients.issue("client.test");
        Self { world, git, authority, clients, certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A source with a Secret of these keys and the server's authority.
    async fn source(&self, name: &str, data: &[(&str, &str)]) {
        let ca = self.authority.pem();
        self.world.space.secret(name, &[&[("ca.crt", ca.as_str())], data].concat()).await;
        self.world.space.source(name, self.spec(name)).await;
    }

    fn spec(&self, secret: &str) -> Value {
        json!({"url": self.git.url("r.git"), "timeout": "10s", "ref": {"branch": "main"}, "secretRef": {"name": secret}})
    }

    /// Waits until the source has failed, and answers why.
    async fn refused(&self, name: &str) -> String {
        let object = self.world.space.wait(name, "not Ready", |object| !message(object, "FetchFailed").is_empty()).await;
        assert!(object["status"]["artifact"].is_null());
        let text = message(&object, "FetchFailed").to_owned();
        assert!(text.len() < 2_000 && !text.contains(['\n', '\0']), "{text:?}");
        text
    }
}

on_each_server!(a_certificate_of_the_secret_opens_a_repository_on_each_api_server);
async fn a_certificate_of_the_secret_opens_a_repository_on_each_api_server(server: &Server) {
    let world = World::new(server, "mtls").await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let git = GitServer::start_mutual_tls(&authority, &clients).await;
    git.repository("r.git").commit(FILES);
    let (certificate, key) = clients.issue("client.test");
    let data = [("tls.crt", certificate.pem()), ("tls.key", key.serialize_pem()), ("ca.crt", authority.pem())];
    world.space.secret("s", &data.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
    let spec = json!({"url": git.url("r.git"), "ref": {"branch": "main"}, "secretRef": {"name": "s"}});
    world.space.source("x", spec).await;
    world.space.ready("x").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_of_the_right_authority_is_admitted() {
    let guarded = Guarded::new("mtls-wrong").await;
    let (stranger, its_key) = Authority::new().issue("client.test");
    guarded.source("right", &[("tls.crt", &guarded.certificate), ("tls.key", &guarded.key)]).await;
    guarded.source("stranger", &[("tls.crt", &stranger.pem()), ("tls.key", &its_key.serialize_pem())]).await;
    guarded.source("none", &[]).await;
    guarded.source("basic", &[("username", "user"), ("password", "pass")]).await;
    guarded.world.space.ready("right").await;
    for name in ["stranger", "none", "basic"] {
        guarded.world.space.failed(name, "GitOperationFailed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_is_none_is_refused_and_tells_no_secret() {
    let guarded = Guarded::new("mtls-pair").await;
    let (_, other_key) = guarded.clients.issue("client.test");
    let cases: [(&str, &[(&str, &str)]); 7] = [
        ("key-alone", &[("tls.key", &guarded.key)]),
        ("certificate-alone", &[("tls.crt", &guarded.certificate)]),
        ("other-key", &[("tls.crt", &guarded.certificate), ("tls.key", &other_key.serialize_pem())]),
        ("swapped", &[("tls.crt", &guarded.key), ("tls.key", &guarded.certificate)]),
        ("key-nonsense", &[("tls.crt", &guarded.certificate), ("tls.key", "nonsense")]),
        ("certificate-nonsense", &[("tls.crt", "nonsense"), ("tls.key", &guarded.key)]),
        ("torn", &[("tls.crt", &guarded.certificate), ("tls.key", &guarded.key[..guarded.key.len() / 2])]),
    ];
    for (name, data) in cases {
        guarded.source(name, data).await;
    }
    let mut told = String::new();
    for (name, _) in cases {
        let text = guarded.refused(name).await;
        assert!(text.contains("tls.") || text.contains("certificate") || text.contains("key"), "{name}: {text}");
        told += &text;
    }
    let World { space, controller, .. } = &guarded.world;
    let elsewhere = [format!("{:?}", space.events().await), controller.log(), format!("{:?}", controller.events.posted())];
    told += &elsewhere.concat();
    for line in guarded.key.lines().chain(other_key.serialize_pem().lines()).filter(|line| line.len() > 20 && !line.contains('-')) {
        assert!(!told.contains(line), "a line of the key is told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_format_of_a_key_and_each_way_to_sign_in_beside_it_work() {
    needs!("ssh-keygen");
    let guarded = Guarded::new("mtls-formats").await;
    let ecdsa = Pair { private: guarded.key.clone(), public: String::new() };
    let rsa = Pair::fixed("rsa");
    let pkcs8 = rsa.rewritten(&["-m", "PKCS8", "-N", ""]).private;
    let of_rsa = guarded.clients.sign(&["client.test"], &KeyPair::from_pem(&pkcs8).unwrap()).pem();
    let (sec1, pkcs1) = (ecdsa.rewritten(&["-m", "PEM", "-N", ""]).private, rsa.rewritten(&["-m", "PEM", "-N", ""]).private);
    assert!(sec1.contains("EC PRIVATE KEY") && pkcs1.contains("RSA PRIVATE KEY"));
    let chain = format!("{}{}", guarded.certificate, guarded.clients.pem());
    guarded.source("sec1", &[("tls.crt", &guarded.certificate), ("tls.key", &sec1)]).await;
    guarded.source("pkcs8", &[("tls.crt", &of_rsa), ("tls.key", &pkcs8)]).await;
    guarded.source("pkcs1", &[("tls.crt", &of_rsa), ("tls.key", &pkcs1)]).await;
    guarded.source("chain", &[("tls.crt", &chain), ("tls.key", &guarded.key)]).await;
    // `ca.crt` wins over its older name.
    guarded.source("names", &[("tls.crt", &guarded.certificate), ("tls.key", &guarded.key), ("caFile", "nonsense")]).await;
    for name in ["sec1", "pkcs8", "pkcs1", "chain", "names"] {
        guarded.world.space.ready(name).await;
    }

    guarded.git.set_access(Access::Basic("user", "pass"));
    let (crt, key) = (("tls.crt", guarded.certificate.as_str()), ("tls.key", guarded.key.as_str()));
    guarded.source("basic", &[crt, key, ("username", "user"), ("password", "pass")]).await;
    guarded.source("basic-not", &[crt, key]).await;
    guarded.world.space.ready("basic").await;
    assert!(guarded.refused("basic-not").await.contains("authentication required"));
    guarded.git.set_access(Access::Bearer("a-token"));
    guarded.source("bearer", &[crt, key, ("bearerToken", "a-token")]).await;
    guarded.world.space.ready("bearer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_shown_to_the_server_behind_a_proxy() {
    let guarded = Guarded::new("mtls-proxy").await;
    let proxy = HttpProxy::start(Guests::Anyone, &[("git.test:443", guarded.git.address())]).await;
    let (key, certificate, ca) = (&guarded.key, &guarded.certificate, guarded.authority.pem());
    guarded.world.space.secret("s", &[("tls.crt", certificate), ("tls.key", key), ("ca.crt", &ca)]).await;
    guarded.world.space.secret("p", &[("address", &proxy.url)]).await;
    let mut spec = guarded.spec("s");
    spec["url"] = json!("https://git.test/r.git");
    spec["proxySecretRef"] = json!({"name": "p"});
    guarded.world.space.source("x", spec).await;
    guarded.world.space.ready("x").await;
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
