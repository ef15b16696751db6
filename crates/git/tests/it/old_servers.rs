//! Git servers that are older, or know less, than git's own of today.

use axum::body::Bytes;
use futures::future::join_all;
use headwater_git::{Error, Reference};
use headwater_testing::git::{
    client::clone,
    server::{Dialect, GitServer, Mode, Wants},
};

use crate::client::{Client, main};

/// The commits of a repository: three on `main`, each with files of its own, and one on `other`.
struct History {
    first: String,
    second: String,
    third: String,
    other: String,
}

impl History {
    fn new(git: &GitServer) -> Self {
        let repository = git.repository("r.git");
        let first = repository.commit(&[("one", "1"), ("dir/one", "1")]);
        repository.tag("v1.0.0");
        let second = repository.commit(&[("two", "2")]);
        repository.annotated_tag("v2.0.0");
        let third = repository.commit(&[("three", "3")]);
        let other = repository.commit_to("other", &[("other", "4")]);
        Self { first, second, third, other }
    }

    /// Each way to name a commit, the revision that it gives, and a file that tells the commit.
    fn references(&self) -> Vec<(Reference, String, &'static str)> {
        let Self { first, second, third, other } = self;
        let commit = |id: &String, branch: Option<&str>| Reference::Commit { id: id.clone(), branch: branch.map(str::to_owned) };
        vec![
            (main(), format!("main@sha1:{third}"), "three"),
            (Reference::Tag("v1.0.0".into()), format!("v1.0.0@sha1:{first}"), "one"),
            (Reference::Tag("v2.0.0".into()), format!("v2.0.0@sha1:{second}"), "two"),
            (Reference::Semver { range: ">=1".into(), filter: None }, format!("v2.0.0@sha1:{second}"), "two"),
            (Reference::Name("refs/heads/other".into()), format!("refs/heads/other@sha1:{other}"), "other"),
            (commit(third, Some("main")), format!("main@sha1:{third}"), "three"),
            (commit(first, Some("main")), format!("main@sha1:{first}"), "one"),
            (commit(second, None), format!("sha1:{second}"), "two"),
            (commit(other, None), format!("sha1:{other}"), "other"),
        ]
    }
}

/// Lets a server speak a dialect, and panics unless each reference gives its tree, and a new commit the next one.
async fn speaks(dialect: Dialect) -> (GitServer, Client) {
    let git = GitServer::start().await;
    let history = History::new(&git);
    git.set_dialect(dialect);
    let client = Client::new(&git.url("r.git"));
    let absent = Reference::Commit { id: "1234567890123456789012345678901234567890".into(), branch: Some("main".into()) };
    let each = history.references().into_iter().map(async |(reference, revision, file)| {
        let fetched = client.get(&reference).await.unwrap_or_else(|error| panic!("{reference:?}: {error}"));
        assert_eq!(fetched.revision, revision, "{reference:?}");
        assert!(fetched.names().contains(&file), "{reference:?}: {:?}", fetched.names());
    });
    let (_, missing) = tokio::join!(join_all(each), client.get(&absent));
    let error = missing.unwrap_err();
    assert!(error.to_string().contains("object not found"), "{error}");

    let fourth = git.repository("r.git").commit(&[("four", "4")]);
    let fetched = client.get(&main()).await.unwrap();
    assert_eq!(fetched.revision, format!("main@sha1:{fourth}"));
    assert_eq!(fetched.names(), ["four"]);
    (git, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_version_0() {
    speaks(Dialect { version: 0, ..Dialect::NEWEST }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_version_1() {
    speaks(Dialect { version: 1, ..Dialect::NEWEST }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_gives_only_what_its_references_point_at() {
    speaks(Dialect { version: 0, wants: Wants::References, ..Dialect::NEWEST }).await;
}

/// Tells the capabilities that say nothing of shallow fetches.
fn is_deep(capability: &str) -> bool {
    capability != "shallow" && !capability.starts_with("deepen")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_version_0_that_cannot_give_a_part_of_the_history() {
    speaks(Dialect { version: 0, wants: Wants::Anything, knows: is_deep }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_version_2_that_cannot_give_a_part_of_the_history() {
    speaks(Dialect { version: 2, wants: Wants::Anything, knows: is_deep }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_gives_neither_parts_nor_objects_by_id() {
    speaks(Dialect { version: 0, wants: Wants::References, knows: is_deep }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_negotiates_in_the_older_way() {
    let knows = |capability: &str| {
        let known = ["multi_ack", "thin-pack", "side-band", "side-band-64k", "no-progress", "shallow"];
        known.contains(&capability) || ["allow-tip-sha1-in-want", "allow-reachable-sha1-in-want", "filter"].contains(&capability)
    };
    speaks(Dialect { version: 0, wants: Wants::Anything, knows }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_version_2_that_cannot_filter() {
    speaks(Dialect { version: 2, wants: Wants::Anything, knows: |capability| capability != "filter" }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_updated_in_the_meantime() {
    let (git, client) = speaks(Dialect { version: 0, wants: Wants::References, knows: is_deep }).await;
    let repository = git.repository("r.git");
    for dialect in [Dialect::NEWEST, Dialect { version: 1, ..Dialect::NEWEST }, Dialect { version: 0, ..Dialect::NEWEST }] {
        git.set_dialect(dialect);
        let head = repository.commit(&[("next", &format!("version {}", dialect.version))]);
        assert_eq!(client.get(&main()).await.unwrap().revision, format!("main@sha1:{head}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_plain_files_is_refused() {
    let git = GitServer::start().await;
    let head = git.repository("r.git").commit(&[("a", "a")]);
    git.set_mode(Mode::Status(200, Bytes::from(format!("{head}\trefs/heads/main\n"))));
    let client = Client::new(&git.url("r.git"));
    let error = client.get(&main()).await.unwrap_err();
    assert!(!matches!(error, Error::Deadline { .. } | Error::Timeout { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("unable to clone") && !text.contains('\n'), "{text}");
    git.set_mode(Mode::Serve);
    client.get(&main()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn git_itself_understands_these_dialects() {
    let (git, folder) = (GitServer::start().await, tempfile::tempdir().unwrap());
    History::new(&git);
    let deep = |version| Dialect { version, wants: Wants::Anything, knows: is_deep };
    for (name, dialect, shallow) in [
        ("v2", Dialect::NEWEST, true),
        ("v1", Dialect { version: 1, ..Dialect::NEWEST }, true),
        ("v0", Dialect { version: 0, ..Dialect::NEWEST }, true),
        ("v0-deep", deep(0), false),
        ("v2-deep", deep(2), false),
    ] {
        git.set_dialect(dialect);
        let cloned = clone(git.url("r.git"), &folder.path().join(name), &["protocol.version=2"], &[]).await;
        assert_eq!(cloned.is_ok(), shallow, "{name}: {cloned:?}");
    }
    git.set_mode(Mode::Status(200, Bytes::from_static(b"")));
    assert!(clone(git.url("r.git"), &folder.path().join("dumb"), &[], &[]).await.is_err());
}
