//! `spec.sparseCheckout`.

use serde_json::{Value, json};

use super::{changed, failed_but_kept, paths, same_revision_other_artifact, world};
use crate::support::namespace::{condition, message};

const FILES: &[(&str, &str)] = &[
    (".hidden/h.yaml", "h: 1\n"),
    ("a.yaml", "a: 1\n"),
    ("dir/b.yaml", "b: 1\n"),
    ("dir/sub/c.yaml", "c: 1\n"),
    ("dir2/d.yaml", "d: 1\n"),
    ("directory.yaml", "e: 1\n"),
    ("other/f.yaml", "f: 1\n"),
];

fn spec(url: &str, folders: &[&str]) -> Value {
    json!({"url": url, "ref": {"branch": "main"}, "sparseCheckout": folders})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_fails_the_pass_until_it_is() {
    let world = world("sparse-gone").await;
    let repository = world.git.repository("r.git");
    repository.commit(FILES);
    world.space.source("x", spec(&world.git.url("r.git"), &["dir", "later"])).await;
    let object = world.space.failed("x", "GitOperationFailed").await;
    let text = message(&object, "FetchFailed");
    let start = "failed to sparse checkout directories : sparse checkout dir 'later' does not exist in repository: lstat ";
    assert!(text.starts_with(start) && text.ends_with("/later: no such file or directory"), "{text}");
    assert_eq!(condition(&object, "FetchFailed").unwrap()["reason"], "GitOperationFailed");
    assert!(object["status"]["artifact"].is_null() && object["status"]["observedSparseCheckout"].is_null());

    let head = repository.commit(&[("dir/b.yaml", "b: 1\n"), ("later/l.yaml", "l: 1\n"), ("z.yaml", "z: 1\n")]);
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    assert_eq!(paths(&object).await, ["dir/b.yaml", "later/l.yaml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_list_makes_another_artifact_of_the_same_revision() {
    let world = world("sparse-change").await;
    world.git.repository("r.git").commit(FILES);
    world.space.source("x", spec(&world.git.url("r.git"), &["other"])).await;
    let first = world.space.ready("x").await;

    let second = changed(&world, "x", json!({"sparseCheckout": ["dir/sub"]})).await;
    same_revision_other_artifact(&first, &second);
    assert_eq!(second["status"]["observedSparseCheckout"], json!(["dir/sub"]));
    assert_eq!(paths(&second).await, ["dir/sub/c.yaml"]);

    world.space.patch("x", &json!({"spec": {"sparseCheckout": ["gone"]}})).await;
    let text = failed_but_kept(&world, &second).await;
    assert!(text.contains("sparse checkout dir 'gone'"), "{text}");

    let all = changed(&world, "x", json!({"sparseCheckout": null})).await;
    same_revision_other_artifact(&second, &all);
    assert!(all["status"]["observedSparseCheckout"].is_null());
    assert_eq!(paths(&all).await.len(), FILES.len());
}
