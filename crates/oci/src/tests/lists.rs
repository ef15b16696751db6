//! Tags, manifests and referrers.

use super::*;
use crate::manifest::DOCKER_MANIFEST;

fn page(tags: &[&str]) -> String {
    serde_json::json!({"name": "a/b", "tags": tags}).to_string()
}

#[tokio::test]
async fn tags_come_on_several_pages() {
    let fake = Fake::start(|asked| match asked.target() {
        "/v2/a/b/tags/list" => answer(200, &[("link", "</v2/a/b/tags/list?last=y&n=2>; rel=\"next\"")], page(&["x", "y"])),
        "/v2/a/b/tags/list?last=y&n=2" => answer(200, &[("link", "<?last=z>; rel=\"next\"")], page(&["z", "not a tag", &"l".repeat(129)])),
        _ => answer(200, &[], r#"{"tags": null}"#),
    });
    let fake = fake.await;
    assert_eq!(fake.registry(Credentials::Anonymous).tags("a/b").await.unwrap(), ["x", "y", "z"]);
    assert_eq!(fake.targets(), ["/v2/a/b/tags/list", "/v2/a/b/tags/list?last=y&n=2", "/v2/a/b/tags/list?last=z"]);
}

#[tokio::test]
async fn lists_that_never_end_are_cut() {
    let fake = Fake::start(|asked| {
        let n: usize = asked.target().split_once("n=").map_or(0, |(_, n)| n.parse().unwrap());
        answer(200, &[("link", &format!("</v2/a/tags/list?n={}>", n + 1))], page(&["x", "y", "z"]))
    });
    let fake = fake.await;
    let cut = async |limits: Limits| fake.limited(Credentials::Anonymous, limits).tags("a").await.unwrap_err().to_string();
    let place = format!("GET \"http://{}/v2/a/tags/list\"", fake.address);
    let pages = cut(Limits { pages: 5, ..Limits::default() }).await;
    assert_eq!(pages, format!("{place}: the list has more than 200000 entries or 5 pages"));
    assert_eq!(fake.asked().len(), 5);
    let entries = cut(Limits { entries: 10, ..Limits::default() }).await;
    assert_eq!(entries, format!("{place}: the list has more than 10 entries or 2000 pages"));
    let bytes = cut(Limits { metadata: 20, ..Limits::default() }).await;
    assert!(bytes.ends_with(" exceeds the limit of 20 bytes"), "{bytes}");
}

#[tokio::test]
async fn a_next_page_is_the_registrys_own_and_another_one() {
    let other = Fake::start(|_| json(page(&["stolen"]))).await;
    let link = format!("<http://{}/v2/a/tags/list?last=x>; rel=\"next\"", other.address);
    for (link, why) in [
        (link.as_str(), "refusing a next link to another host"),
        ("</v2/a/tags/list>", "the next link leads to the same page again"),
        ("/v2/a/tags/list?n=1", "invalid next link \"/v2/a/tags/list?n=1\": missing '<'"),
        ("<http://[>", "invalid next link: invalid IPv6 address"),
    ] {
        let value = link.to_owned();
        let fake = Fake::start(move |_| answer(200, &[("link", &value)], page(&["x"]))).await;
        let error = fake.registry(basic()).tags("a").await.unwrap_err().to_string();
        assert_eq!(error, format!("GET \"http://{}/v2/a/tags/list\": {why}", fake.address));
    }
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn an_error_page_is_no_list_and_no_manifest() {
    let fake = Fake::start(|_| answer(200, &[("content-type", "text/html; charset=utf-8")], "<html>Maintenance</html>")).await;
    let registry = fake.registry(Credentials::Anonymous);
    let tags = registry.tags("a").await.unwrap_err().to_string();
    assert!(tags.ends_with("/v2/a/tags/list\": failed to decode response: invalid character '<' looking for beginning of value"), "{tags}");
    let manifest = registry.manifest("a", "1.0.0").await.unwrap();
    assert!(!manifest.is_image() && !manifest.is_index());
    assert_eq!(manifest.image().unwrap_err().to_string().split(": ").nth(1), Some("invalid manifest"));
    // What speaks no API for referrers has none.
    assert!(registry.referrers("a", &Digest::of(b""), None).await.is_err());
}

#[tokio::test]
async fn refusals_are_told_in_the_registrys_words() {
    let unknown = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":{"name":"a"}}]}"#;
    let fake = Fake::start(move |_| answer(404, &[("content-type", "application/json")], unknown)).await;
    let registry = fake.registry(Credentials::Anonymous);
    let at = format!("http://{}", fake.address);
    assert_eq!(
        registry.tags("a").await.unwrap_err().to_string(),
        format!("GET \"{at}/v2/a/tags/list\": response status code 404: name unknown: repository name not known to registry: map[name:a]")
    );
    assert_eq!(registry.manifest("a", "1.0").await.unwrap_err().to_string(), format!("{}/a:1.0: not found", fake.address));
    let digest = Digest::of(b"x");
    let error = registry.manifest("a", digest.as_str()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{}/a@{digest}: not found", fake.address));
    assert!(matches!(error, Error::NotFound { .. }));
    assert_eq!(registry.manifest("a", "../x").await.unwrap_err().to_string(), "invalid reference: invalid tag \"../x\"");
    assert_eq!(registry.referrers("a", &digest, None).await.unwrap(), []);
}

#[tokio::test]
async fn manifests_are_checked_against_their_digests() {
    const BODY: &str =
        r#"{"config":{"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":2},"layers":null}"#;
    let fake = Fake::start(|asked| {
        let other = Digest::of(b"other").to_string();
        let right = Digest::of(BODY.as_bytes()).to_string();
        let said = match asked.target() {
            "/v2/a/manifests/lie" => other.as_str(),
            "/v2/a/manifests/rubbish" => "rubbish",
            "/v2/a/manifests/nameless" => return answer(200, &[], BODY),
            "/v2/a/manifests/silent" => return answer(200, &[("content-type", DOCKER_MANIFEST)], BODY),
            _ => right.as_str(),
        };
        answer(200, &[("content-type", &format!("{IMAGE_MANIFEST}; charset=utf-8")), ("docker-content-digest", said)], BODY)
    });
    let fake = fake.await;
    let registry = fake.registry(Credentials::Anonymous);
    let right = Digest::of(BODY.as_bytes());
    for reference in ["good", "silent", right.as_str()] {
        let manifest = registry.manifest("a", reference).await.unwrap();
        assert_eq!((manifest.digest.clone(), manifest.bytes.as_slice()), (right.clone(), BODY.as_bytes()));
        assert!(manifest.is_image() && !manifest.is_index());
        assert_eq!(manifest.image().unwrap().layers, []);
        assert_eq!(manifest.index().unwrap().manifests, []);
    }
    let refused = async |reference: &str| registry.manifest("a", reference).await.unwrap_err().to_string();
    assert_eq!(refused("lie").await, "mismatched digest");
    assert!(
        refused("rubbish")
            .await
            .ends_with("invalid response header value: `Docker-Content-Digest: rubbish`; invalid checksum digest format")
    );
    assert!(refused("nameless").await.ends_with("invalid response `Content-Type` header; mime: no media type"));
    let other = Digest::of(b"x");
    let expected = format!("digest mismatch in Docker-Content-Digest: received \"{right}\" when expecting \"{other}\"");
    assert!(refused(other.as_str()).await.ends_with(&expected));
    let small = fake.limited(Credentials::Anonymous, Limits { metadata: 10, ..Limits::default() });
    assert!(matches!(small.manifest("a", "good").await, Err(Error::TooLarge { limit: 10, .. })));
}

#[tokio::test]
async fn referrers_are_listed_by_the_api_or_by_a_tag() {
    fn index(types: &[&str]) -> String {
        let entry = |kind: &&str| serde_json::json!({"mediaType": IMAGE_MANIFEST, "digest": Digest::of(kind.as_bytes()).as_str(), "size": 1, "artifactType": kind});
        serde_json::json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": types.iter().map(entry).collect::<Vec<_>>()})
            .to_string()
    }
    let subject = Digest::of(b"subject");
    let fallback = format!("/v2/tag/manifests/{}", subject.fallback_tag());
    let fake = Fake::start(move |asked| {
        let typed = [("content-type", IMAGE_INDEX)];
        if asked.target() == fallback {
            answer(200, &typed, index(&["sig", "sbom"]))
        } else if asked.target().starts_with("/v2/api/") && !asked.target().contains("page=2") {
            answer(200, &[typed[0], ("link", "<?page=2>; rel=\"next\"")], index(&["sig", "sbom"]))
        } else if asked.target().starts_with("/v2/api/") {
            answer(200, &[typed[0], ("oci-filters-applied", "artifactType")], index(&["sig2"]))
        } else {
            answer(404, &[], "404 page not found")
        }
    });
    let fake = fake.await;
    let registry = fake.registry(Credentials::Anonymous);
    let found = async |repository: &str, kind: Option<&str>| {
        let found = registry.referrers(repository, &subject, kind).await.unwrap();
        found.into_iter().filter_map(|found| found.artifact_type).collect::<Vec<_>>()
    };
    assert_eq!(found("api", None).await, ["sig", "sbom", "sig2"]);
    assert_eq!(found("api", Some("sig")).await, ["sig", "sig2"]);
    assert_eq!(found("tag", Some("sbom")).await, ["sbom"]);
    assert!(found("none", None).await.is_empty());
    assert!(fake.targets().contains(&format!("/v2/api/referrers/{subject}?artifactType=sig")));
}
