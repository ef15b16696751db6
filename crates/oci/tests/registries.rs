//! The client against a real registry: how it is let in, and what it finds there.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use headwater_http::{Basic, ClientCertificate, ClientPair, Clients, Proxies, Trust};
use headwater_oci::{Credentials, Descriptor, Digest, Error, IMAGE_INDEX, IMAGE_MANIFEST, Limits, Registry, Scheme};
use headwater_testing::{
    registry::{self, Access, Options, PASSWORD, USER},
    tls::Authority,
};
use serde_json::json;

const ARCHIVE: &[u8] = b"the archive of a chart";

fn clients(trust: &Trust) -> ClientPair {
    Clients::new(Ok(Proxies::default())).pair(trust, None).unwrap()
}

fn reader(server: &registry::Registry, credentials: Credentials) -> Registry {
    Registry::new(clients(&Trust::default()), &server.address, Scheme::Http, credentials, Limits::default()).unwrap()
}

fn basic(password: &str) -> Credentials {
    Credentials::Basic(Basic::new(USER, password))
}

/// The first layer of what a tag leads to.
async fn layer(reader: &Registry, repository: &str, tag: &str) -> Result<Vec<u8>, Error> {
    let image = reader.manifest(repository, tag).await?.image()?;
    reader.blob(repository, &image.layers[0], 100).await
}

#[tokio::test]
async fn referrers_are_found_under_the_tag_that_stands_in_for_the_api() {
    // The registry of the Distribution project has no API for referrers.
    let Some(server) = registry::start(Options::default()) else { return };
    let reader = reader(&server, Credentials::Anonymous);
    let config = server.push_blob("a", b"{}").await;
    let part = json!({"mediaType": "application/x", "digest": config, "size": 2});
    let image = json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": part, "layers": []}).to_string();
    server.push_manifest("a", "image", IMAGE_MANIFEST, image.as_bytes()).await;
    let inner = json!({"mediaType": IMAGE_MANIFEST, "digest": Digest::of(image.as_bytes()).as_str(), "size": image.len()});
    let index = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": [inner]}).to_string();
    let subject = Digest::of(b"subject");
    assert_eq!(reader.referrers("a", &subject, None).await.unwrap(), []);
    server.push_manifest("a", &subject.fallback_tag(), IMAGE_INDEX, index.as_bytes()).await;
    let referrers: Vec<Descriptor> = reader.referrers("a", &subject, None).await.unwrap();
    assert_eq!(referrers[0].digest, Digest::of(image.as_bytes()));
    let gone = Descriptor { digest: subject.clone(), ..referrers[0].clone() };
    assert!(matches!(reader.blob("a", &gone, 10_000).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn registries_let_in_who_they_know() {
    for access in [Access::Basic, Access::Token] {
        let Some(server) = registry::start(Options { access, ..Options::default() }) else { return };
        server.push_chart("charts", "podinfo", "0.1.0", ARCHIVE).await;
        let pulled = async |credentials| layer(&reader(&server, credentials), "charts/podinfo", "0.1.0").await;
        assert_eq!(pulled(basic(PASSWORD)).await.unwrap(), ARCHIVE);
        let tags = async |credentials| reader(&server, credentials).tags("charts/podinfo").await.unwrap_err().to_string();
        let place = format!("GET \"http://{}/v2/charts/podinfo/tags/list\"", server.address);
        let (wrong, nobody) = (tags(basic("wrong-password")).await, tags(Credentials::Anonymous).await);
        let denied = "authentication required: [map[Action:pull Class: Name:charts/podinfo Type:repository]]";
        let denied = format!("{place}: response status code 401: unauthorized: {denied}");
        if access == Access::Basic {
            assert_eq!(nobody, format!("{place}: basic credential not found"));
            assert_eq!(wrong, denied);
        } else {
            assert_eq!(pulled(Credentials::Refresh(PASSWORD.into())).await.unwrap(), ARCHIVE);
            assert!(wrong.ends_with("/token\": response status code 401: unauthorized: incorrect username or password"), "{wrong}");
            assert_eq!(nobody, denied);
        }
        assert!(![wrong, nobody].iter().any(|error| error.contains("wrong-password")));
    }
}

#[tokio::test]
async fn registries_are_reached_with_certificates() {
    let (authority, owner) = (Authority::new(), Authority::new());
    let options = Options { access: Access::Token, authority: Some(&authority), clients: Some(&owner), ..Options::default() };
    let Some(server) = registry::start(options) else { return };
    server.push_chart("charts", "podinfo", "0.1.0", ARCHIVE).await;
    let trusting = Trust { ca: Some(authority.pem().as_bytes().to_vec()), certificate: None };
    let (certificate, key) = owner.issue("client.test");
    let certificate = ClientCertificate::new(certificate.pem().into_bytes(), key.serialize_pem().into_bytes());
    let tags = async |trust: &Trust| {
        let reader = Registry::new(clients(trust), &server.address, Scheme::Https, basic(PASSWORD), Limits::default()).unwrap();
        reader.tags("charts/podinfo").await
    };
    assert_eq!(tags(&Trust { certificate: Some(certificate), ..trusting.clone() }).await.unwrap(), ["0.1.0"]);
    assert!(matches!(tags(&trusting).await, Err(Error::Unreachable { .. })));
    assert!(matches!(tags(&Trust::default()).await, Err(Error::Unreachable { .. })));
}
