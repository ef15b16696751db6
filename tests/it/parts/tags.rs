//! `spec.ref.semverFilter`.

use serde_json::json;

use super::world;
use crate::support::namespace::{condition, message};

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_chooses_among_the_tags_before_the_range_does() {
    let world = world("filter").await;
    let repository = world.git.repository("r.git");
    let mut commits = Vec::new();
    for (name, content) in [("1.0.0", "1"), ("v1.5.0", "2"), ("1.9.0-rc.1", "3"), ("2.0.0", "4")] {
        commits.push((name, repository.commit(&[("f", content)])));
        repository.tag(name);
    }
    let url = world.git.url("r.git");
    let cases = [
        ("none", json!({"semver": ">=1.0.0"}), "2.0.0"),
        ("start", json!({"semver": ">=1.0.0", "semverFilter": "^v"}), "v1.5.0"),
        ("major", json!({"semver": ">=1.0.0", "semverFilter": r"^1\."}), "1.0.0"),
        ("anywhere", json!({"semver": ">=1.0.0-0", "semverFilter": "rc"}), "1.9.0-rc.1"),
        ("all", json!({"semver": ">=1.0.0", "semverFilter": ".*"}), "2.0.0"),
        ("empty", json!({"semver": ">=1.0.0", "semverFilter": ""}), "2.0.0"),
        ("unused", json!({"tag": "1.0.0", "semverFilter": "("}), "1.0.0"),
    ];
    for (name, reference, _) in &cases {
        world.space.source(name, json!({"url": url, "ref": reference})).await;
    }
    world.space.source("nothing", json!({"url": url, "ref": {"semver": ">=1.0.0", "semverFilter": "^release-"}})).await;
    for (name, _, tag) in &cases {
        let commit = &commits.iter().find(|(name, _)| name == tag).unwrap().1;
        world.space.ready_at(name, &format!("{tag}@sha1:{commit}")).await;
    }
    let object = world.space.failed("nothing", "GitOperationFailed").await;
    assert!(message(&object, "FetchFailed").contains("no match found for semver: >=1.0.0"), "{}", object["status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_cannot_be_read_stalls_the_object_until_it_is_mended() {
    let world = world("filter-bad").await;
    let repository = world.git.repository("r.git");
    let commit = repository.commit(&[("f", "1")]);
    repository.tag("v1.0.0");
    let long = format!("({})", "x{1000}".repeat(3_000));
    for (name, filter) in [("open", "v("), ("look", "(?=v)"), ("long", long.as_str())] {
        let reference = json!({"semver": "*", "semverFilter": filter});
        world.space.source(name, json!({"url": world.git.url("r.git"), "ref": reference})).await;
    }
    for name in ["open", "look", "long"] {
        let object = world.space.wait(name, "Stalled", |object| condition(object, "Stalled").is_some()).await;
        assert_eq!(condition(&object, "Stalled").unwrap()["reason"], "InvalidSemverFilter", "{}", object["status"]);
        assert_eq!(condition(&object, "Ready").unwrap()["reason"], "InvalidSemverFilter");
        assert!(message(&object, "Stalled").len() < 2_048, "{}", message(&object, "Stalled").len());
    }
    world.space.patch("open", &json!({"spec": {"ref": {"semverFilter": "v"}}})).await;
    let object = world.space.ready_at("open", &format!("v1.0.0@sha1:{commit}")).await;
    assert!(condition(&object, "Stalled").is_none());
}
