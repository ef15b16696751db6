//! Charts in a real registry: which versions there are, what is pulled, and what is no chart.

mod hostile;
mod versions;

use headwater_helm::pull;
use headwater_http::{Clients, Proxies, Trust};
use headwater_oci::{Credentials, Digest, IMAGE_INDEX, IMAGE_MANIFEST, Limits, Registry, Scheme};
use headwater_testing::registry::{self, Options};
use serde_json::json;

const ARCHIVE: &[u8] = b"the archive of a chart";

fn reader(server: &registry::Registry) -> Registry {
    reader_of(&server.address)
}

/// The registry at `address`, in the clear and without credentials.
fn reader_of(address: &str) -> Registry {
    let clients = Clients::new(Ok(Proxies::default())).pair(&Trust::default(), None).unwrap();
    Registry::new(clients, address, Scheme::Http, Credentials::Anonymous, Limits::default()).unwrap()
}

#[tokio::test]
async fn charts_are_listed_and_pulled() {
    let Some(server) = registry::start(Options { page: Some(2), ..Options::default() }) else { return };
    let mut digest = String::new();
    for version in ["0.1.0", "1.0.0-rc.1", "0.2.0+build.1", "0.10.0"] {
        digest = server.push_chart("charts", "podinfo", version, ARCHIVE).await;
    }
    let reader = reader(&server);
    let versions = pull::versions(&reader, "charts/podinfo").await.unwrap();
    assert_eq!(versions, ["1.0.0-rc.1", "0.10.0", "0.2.0+build.1", "0.1.0"]);
    let found = async |repository: &str, wanted: &str| pull::resolve(&reader, repository, "podinfo", wanted).await;
    assert_eq!(found("charts/podinfo", "").await.unwrap(), "0.10.0");
    assert_eq!(found("charts/podinfo", "<0.10.0").await.unwrap(), "0.2.0+build.1");
    assert_eq!(found("charts/none", "7.0.0").await.unwrap(), "7.0.0", "one version is not looked up");
    let nothing = found("charts/podinfo", ">1").await.unwrap_err().to_string();
    assert_eq!(nothing, "could not locate a version matching provided version string >1");
    let unknown = found("charts/none", "*").await.unwrap_err().to_string();
    let url = format!("oci://{}/charts/none", server.address);
    assert!(unknown.starts_with(&format!("could not get tags for \"podinfo\": could not fetch tags for \"{url}\": GET ")), "{unknown}");
    for version in ["0.10.0", "0.2.0+build.1"] {
        assert_eq!(pull::pull(&reader, "charts/podinfo", version, 100).await.unwrap().bytes, ARCHIVE);
    }
    let pulled = pull::pull(&reader, "charts/podinfo", "0.10.0", 100).await.unwrap();
    assert_eq!(pulled.digest.as_str(), digest);

    let missing = pull::pull(&reader, "charts/podinfo", "9.9.9", 100).await.unwrap_err().to_string();
    let expected = format!(
        "failed to get 'oci://{0}/charts/podinfo:9.9.9': failed to perform \"FetchReference\" on source: {0}/charts/podinfo:9.9.9: not found",
        server.address
    );
    assert_eq!(missing, expected);
    let large = pull::pull(&reader, "charts/podinfo", "0.1.0", 10).await.unwrap_err().to_string();
    assert!(large.ends_with(": content size 22 exceeds the limit of 10 bytes"), "{large}");
    let unknown = reader.tags("charts/none").await.unwrap_err().to_string();
    let expected = "response status code 404: name unknown: repository name not known to registry: map[name:charts/none]";
    assert_eq!(unknown, format!("GET \"http://{}/v2/charts/none/tags/list\": {expected}", server.address));

    server.delete_manifest("charts/podinfo", &digest).await;
    assert_eq!(pull::versions(&reader, "charts/podinfo").await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_no_chart_is_told_from_one() {
    let Some(server) = registry::start(Options::default()) else { return };
    let config = server.push_blob("a", b"{}").await;
    let other = server.push_blob("a", b"rubbish").await;
    let part = |kind: &str, digest: &str, size: usize| json!({"mediaType": kind, "digest": digest, "size": size});
    let image = |config, layers: Vec<_>| json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": config, "layers": layers});
    let image_config = part("application/vnd.oci.image.config.v1+json", &config, 2);
    let cases = [
        ("image", image(image_config.clone(), vec![])),
        ("headless", image(image_config, vec![part(pull::CHART, &other, 7)])),
        ("empty", image(part(pull::CONFIG, &config, 2), vec![part("application/x", &other, 7)])),
        ("rubbish", image(part(pull::CONFIG, &other, 7), vec![part(pull::CHART, &other, 7)])),
        ("legacy", image(part(pull::CONFIG, &config, 2), vec![part(pull::LEGACY_CHART, &other, 7)])),
    ];
    for (tag, manifest) in &cases {
        server.push_manifest("a", tag, IMAGE_MANIFEST, manifest.to_string().as_bytes()).await;
    }
    let legacy = cases[4].1.to_string();
    let inner = json!({"mediaType": IMAGE_MANIFEST, "digest": Digest::of(legacy.as_bytes()).as_str(), "size": legacy.len()});
    let index = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": [inner]}).to_string();
    server.push_manifest("a", "index", IMAGE_INDEX, index.as_bytes()).await;

    let reader = reader(&server);
    let refused = async |tag: &str| {
        let error = pull::pull(&reader, "a", tag, 100).await.unwrap_err().to_string();
        error.strip_prefix(&format!("failed to get 'oci://{}/a:{tag}': ", server.address)).unwrap().to_owned()
    };
    assert_eq!(refused("image").await, "manifest does not contain minimum number of descriptors (2), descriptors found: 1");
    assert_eq!(refused("headless").await, "could not load config with mediatype application/vnd.cncf.helm.config.v1+json");
    let no_layer = "manifest does not contain a layer with mediatype application/vnd.cncf.helm.chart.content.v1.tar+gzip";
    assert_eq!(refused("empty").await, no_layer);
    assert_eq!(refused("rubbish").await, "invalid character 'r' looking for beginning of value");
    for good in ["legacy", "index"] {
        assert_eq!(pull::pull(&reader, "a", good, 100).await.unwrap().bytes, b"rubbish");
    }
}
