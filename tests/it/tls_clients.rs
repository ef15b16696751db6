//! Git servers that want to see a certificate of their clients, which is in the Secret of an object.

use headwater_testing::{git::server::GitServer, tls::Authority};
use serde_json::json;

use crate::support::{
    cluster::{Server, embedded, on_each_server},
    namespace::message,
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n")];

on_each_server!(a_certificate_of_the_secret_opens_a_repository_on_each_api_server);
async fn a_certificate_of_the_secret_opens_a_repository_on_each_api_server(server: &Server) {
    let world = World::new(server, "mtls").await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let git = GitServer::start_mutual_tls(&authority, &clients).await;
    git.repository("r.git").commit(FILES);
    let (certificate, key) = clients.issue("client.test");
    // `ca.crt` wins over its older name.
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    let data = [("tls.crt", certificate), ("tls.key", key), ("ca.crt", authority.pem()), ("caFile", "nonsense".to_owned())];
    world.space.secret("s", &data.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
    let spec = json!({"url": git.url("r.git"), "ref": {"branch": "main"}, "secretRef": {"name": "s"}});
    world.space.source("x", spec).await;
    world.space.ready("x").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_is_none_is_refused_and_tells_no_secret() {
    let world = World::with(embedded(), "mtls-pair", &["--log-level=trace"]).await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let git = GitServer::start_mutual_tls(&authority, &clients).await;
    git.repository("r.git").commit(FILES);
    let (certificate, key) = clients.issue("client.test");
    let (certificate, key, ca) = (certificate.pem(), key.serialize_pem(), authority.pem());
    let other_key = clients.issue("client.test").1.serialize_pem();
    let cases: [(&str, &[(&str, &str)]); 4] = [
        ("key-alone", &[("tls.key", &key)]),
        ("certificate-alone", &[("tls.crt", &certificate)]),
        ("other-key", &[("tls.crt", &certificate), ("tls.key", &other_key)]),
        ("torn", &[("tls.crt", &certificate), ("tls.key", &key[..key.len() / 2])]),
    ];
    for (name, data) in cases {
        world.space.secret(name, &[&[("ca.crt", ca.as_str())], data].concat()).await;
        let spec = json!({"url": git.url("r.git"), "timeout": "10s", "ref": {"branch": "main"}, "secretRef": {"name": name}});
        world.space.source(name, spec).await;
    }
    let mut told = String::new();
    for (name, _) in cases {
        let object = world.space.wait(name, "not Ready", |object| !message(object, "FetchFailed").is_empty()).await;
        assert!(object["status"]["artifact"].is_null());
        let text = message(&object, "FetchFailed");
        assert!(text.len() < 2_000 && !text.contains(['\n', '\0']), "{text:?}");
        assert!(text.contains("tls.") || text.contains("certificate") || text.contains("key"), "{name}: {text}");
        told += text;
    }
    let World { space, controller, .. } = &world;
    let elsewhere = [format!("{:?}", space.events().await), controller.log(), format!("{:?}", controller.events.posted())];
    told += &elsewhere.concat();
    for line in key.lines().chain(other_key.lines()).filter(|line| line.len() > 20 && !line.contains('-')) {
        assert!(!told.contains(line), "a line of the key is told");
    }
}
