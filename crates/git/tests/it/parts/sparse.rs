//! Some folders of a repository.

use headwater_git::{Content, Reference};
use headwater_testing::{
    git::{front::Front, server::GitServer},
    noise,
};

use super::{folders, get};
use crate::client::{Client, main};

const FILES: &[(&str, &str)] = &[
    (".hidden/h.yaml", "h: 1\n"),
    ("a.yaml", "a: 1\n"),
    ("dir/b.yaml", "b: 1\n"),
    ("dir/sub/c.yaml", "c: 1\n"),
    ("dir2/d.yaml", "d: 1\n"),
    ("directory.yaml", "e: 1\n"),
    ("other/f.yaml", "f: 1\n"),
];

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_taken_letter_by_letter() {
    let git = GitServer::start().await;
    let head = git.repository("r.git").commit(FILES);
    let cases: &[(&[&str], &[&str])] = &[
        (&["dir"], &["dir/b.yaml", "dir/sub/c.yaml", "dir2/d.yaml", "directory.yaml"]),
        (&["dir/"], &["dir/b.yaml", "dir/sub/c.yaml"]),
        (&["dir/sub"], &["dir/sub/c.yaml"]),
        (&["./other"], &["other/f.yaml"]),
        (&["dir/sub", "other"], &["dir/sub/c.yaml", "other/f.yaml"]),
        (&["a.yaml"], &["a.yaml"]),
        (&["."], &[".hidden/h.yaml"]),
    ];
    let client = Client::new(&git.url("r.git"));
    for (named, expected) in cases {
        let fetched = client.get_part(&main(), &folders(named)).await.unwrap();
        assert_eq!(fetched.names(), *expected, "{named:?}");
        assert_eq!(fetched.revision, format!("main@sha1:{head}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_taken_where_the_root_is_named() {
    let git = GitServer::start().await;
    git.repository("r.git").commit(FILES);
    let plain = get(&git.url("r.git"), &Content::default()).await.unwrap();
    let root = get(&git.url("r.git"), &folders(&["./"])).await.unwrap();
    assert_eq!(plain.names().len(), FILES.len());
    assert_eq!(plain.files, root.files);
}

#[tokio::test(flavor = "multi_thread")]
async fn little_goes_over_the_wire_where_the_server_can_filter() {
    let git = GitServer::start().await;
    let large = noise(64 << 10);
    let files = [("big/large", large.as_str()), ("small/a.yaml", "a: 1\n")];
    for name in ["filters.git", "does-not.git"] {
        git.repository(name).commit(&files);
    }
    let front = Front::start(&git).await;
    let fetched = get(&front.url("filters.git"), &folders(&["small"])).await.unwrap();
    assert_eq!(fetched.names(), ["small/a.yaml"]);
    let some = front.bytes();
    assert!(some < 16 << 10, "{some}");

    front.hide_filter();
    let fetched = get(&front.url("does-not.git"), &folders(&["small"])).await.unwrap();
    assert_eq!(fetched.names(), ["small/a.yaml"]);
    let all = front.bytes();
    assert!(all > 128 << 10, "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_name_a_commit_goes_with_folders() {
    let git = GitServer::start().await;
    let repository = git.repository("r.git");
    let one = repository.commit(&[("dir/a.yaml", "a: 1\n"), ("z.yaml", "z: 1\n")]);
    repository.tag("v1.0.0");
    let two = repository.commit(&[("dir/a.yaml", "a: 2\n"), ("z.yaml", "z: 2\n")]);
    repository.annotated_tag("v1.2.0");
    let off = repository.commit_to("off", &[("dir/a.yaml", "a: 3\n")]);
    let commit = |id: &String, branch: Option<&str>| Reference::Commit { id: id.clone(), branch: branch.map(str::to_owned) };
    let cases = [
        (Reference::Tag("v1.0.0".into()), format!("v1.0.0@sha1:{one}"), "a: 1\n"),
        (Reference::Semver { range: "1.x".into(), filter: None }, format!("v1.2.0@sha1:{two}"), "a: 2\n"),
        (Reference::Name("refs/heads/off".into()), format!("refs/heads/off@sha1:{off}"), "a: 3\n"),
        (commit(&one, Some("main")), format!("main@sha1:{one}"), "a: 1\n"),
        (commit(&one, None), format!("sha1:{one}"), "a: 1\n"),
    ];
    let client = Client::new(&git.url("r.git"));
    for (reference, revision, content) in &cases {
        let fetched = client.get_part(reference, &folders(&["dir"])).await.unwrap();
        assert_eq!(fetched.revision, *revision, "{reference:?}");
        assert_eq!(fetched.names(), ["dir/a.yaml"], "{reference:?}");
        assert_eq!(fetched.files["dir/a.yaml"], content.as_bytes(), "{reference:?}");
    }
    let error = client.get_part(&commit(&off, Some("main")), &folders(&["dir"])).await.unwrap_err();
    assert!(error.to_string().contains("object not found"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_commit_costs_its_folders_and_an_old_one_nothing() {
    let git = GitServer::start().await;
    let repository = git.repository("r.git");
    let (large, larger) = (noise(64 << 10), noise(80 << 10));
    repository.commit(&[("big/large", &large), ("small/a.yaml", "a: 1\n")]);
    let front = Front::start(&git).await;
    let (client, small) = (Client::new(&front.url("r.git")), folders(&["small"]));
    let before = client.get_part(&main(), &small).await.unwrap();
    front.bytes();
    assert_eq!(client.ask(&main()).await.unwrap().revision, before.revision);
    let same = front.bytes();
    assert!(same < 1 << 10, "{same}");
    let head = repository.commit(&[("big/large", &larger), ("small/a.yaml", "a: 2\n")]);
    let fetched = client.get_part(&main(), &small).await.unwrap();
    assert_eq!(fetched.revision, format!("main@sha1:{head}"));
    assert_eq!(fetched.names(), ["small/a.yaml"]);
    let next = front.bytes();
    assert!(next < 16 << 10, "{next}");
    // The same client has it in full after this, and takes it from there.
    client.get(&main()).await.unwrap();
    assert!(front.bytes() > 128 << 10);
    let fetched = client.get_part(&main(), &folders(&["big"])).await.unwrap();
    assert_eq!(fetched.names(), ["big/large"]);
    let again = front.bytes();
    assert!(again < 16 << 10, "{again}");
}
