//! The artifact server, as its consumers see it.

use headwater_testing::git::server::{At, Mode};
use reqwest::{
    Client, StatusCode,
    header::{ETAG, IF_NONE_MATCH, RANGE},
};
use serde_json::json;

use crate::support::{
    artifact::download,
    cluster::{Server, on_each_server},
    world::World,
};

on_each_server!(an_artifact_is_served_whole_in_part_and_not_again_when_known);
async fn an_artifact_is_served_whole_in_part_and_not_again_when_known(server: &Server) {
    let world = World::new(server, "serve").await;
    world.git.repository("r.git").commit(&[("a.yaml", "a: 1\n")]);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let object = world.space.ready("x").await;
    let artifact = &object["status"]["artifact"];
    let url = artifact["url"].as_str().unwrap();
    assert_eq!(url, format!("{}/{}", world.controller.origin, artifact["path"].as_str().unwrap()));
    let whole = download(&object).await.unwrap();

    let client = Client::new();
    let head = client.head(url).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-length"], whole.len().to_string());
    let etag = head.headers()[ETAG].clone();
    let digest = artifact["digest"].as_str().unwrap().trim_start_matches("sha256:");
    assert!(etag.to_str().unwrap().contains(digest), "{etag:?}");

    let part = client.get(url).header(RANGE, "bytes=2-5").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), whole[2..=5]);

    let known = client.get(url).header(IF_NONE_MATCH, etag).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);

    let write = client.put(url).body("x").send().await.unwrap();
    assert_eq!(write.status(), StatusCode::METHOD_NOT_ALLOWED);
}

on_each_server!(nothing_but_artifacts_is_served);
async fn nothing_but_artifacts_is_served(server: &Server) {
    let world = World::new(server, "walls").await;
    world.git.repository("r.git").commit(&[("a.yaml", "a: 1\n")]);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    world.space.ready("x").await;
    std::fs::write(world.folder.path().join("secret"), "hidden").unwrap();
    let (origin, space) = (&world.controller.origin, &world.space.name);
    let root = reqwest::get(format!("{origin}/")).await.unwrap();
    assert_eq!(root.status(), StatusCode::OK);
    for path in [
        "gitrepository/".to_owned(),
        format!("gitrepository/{space}/x/"),
        format!("gitrepository/{space}/x/none.tar.gz"),
        "%2e%2e/secret".to_owned(),
        "gitrepository/..%2f..%2fsecret".to_owned(),
        "%2fetc/passwd".to_owned(),
        "gitrepository/%00".to_owned(),
    ] {
        let answer = reqwest::get(format!("{origin}/{path}")).await.unwrap();
        let status = answer.status();
        assert!(status == StatusCode::NOT_FOUND || status == StatusCode::BAD_REQUEST, "{path}: {status}");
        let body = answer.text().await.unwrap();
        assert!(!body.contains("hidden") && !body.contains("tar.gz"), "{path}: {body}");
    }
}

on_each_server!(an_artifact_that_an_object_claims_but_that_is_not_there_is_for_later);
async fn an_artifact_that_an_object_claims_but_that_is_not_there_is_for_later(server: &Server) {
    let mut world = World::new(server, "claimed").await;
    world.git.repository("r.git").commit(&[("a.yaml", "a: 1\n")]);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let object = world.space.ready("x").await;
    world.controller.stop().await;
    std::fs::remove_dir_all(world.controller.storage.join("gitrepository")).unwrap();
    // The pass hangs, so that the object goes on claiming the artifact.
    world.git.set_mode(Mode::Hang(At::Refs));
    world.controller.start().await;
    let url = object["status"]["artifact"]["url"].as_str().unwrap();
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
}
