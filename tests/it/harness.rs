//! The harness itself: its git server serves what it should, and its hostile modes break git's own client as well.

use std::path::Path;

use headwater_testing::{
    command,
    git::server::{Access, At, GitServer, Mode},
    noise,
};

use crate::support::{
    cluster::{Server, on_each_server},
    namespace::Namespace,
};

/// Clones with git itself, within five seconds.
async fn clone(url: String, to: &Path, configuration: &str) -> bool {
    let mut git = command("timeout");
    git.args(["5", "git", "-c", configuration, "clone", "-q", "--depth=1", &url]).arg(to);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
    tokio::task::spawn_blocking(move || git.output().unwrap().status.success()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn git_clones_from_the_server_and_fails_where_the_server_misbehaves() {
    let folder = tempfile::tempdir().unwrap();
    let (git, other) = (GitServer::start().await, GitServer::start().await);
    git.repository("r.git").commit(&[("dir/a", "a"), ("noise", &noise(60_000))]);
    let plain = "user.name=nobody";
    assert!(clone(git.url("r.git"), &folder.path().join("good"), plain).await);
    assert_eq!(std::fs::read_to_string(folder.path().join("good/dir/a")).unwrap(), "a");

    git.set_access(Access::Bearer("token"));
    assert!(!clone(git.url("r.git"), &folder.path().join("refused"), plain).await);
    let header = "http.extraHeader=Authorization: Bearer token";
    assert!(clone(git.url("r.git"), &folder.path().join("bearer"), header).await);
    git.set_access(Access::Anyone);

    other.set_mode(Mode::Redirect(git.origin.clone()));
    assert!(clone(other.url("r.git"), &folder.path().join("redirected"), plain).await);

    for (name, mode) in [
        ("hang", Mode::Hang(At::Pack)),
        ("reset", Mode::Reset),
        ("garbage-refs", Mode::Garbage(At::Refs)),
        ("garbage-pack", Mode::Garbage(At::Pack)),
        ("endless-pack", Mode::Endless(At::Pack)),
        ("status", Mode::Status(500, "no".into())),
    ] {
        git.set_mode(mode);
        assert!(!clone(git.url("r.git"), &folder.path().join(name), plain).await, "{name}");
    }
}

on_each_server!(the_api_server_knows_the_kind_and_refuses_what_its_schema_forbids);
async fn the_api_server_knows_the_kind_and_refuses_what_its_schema_forbids(server: &Server) {
    let space = Namespace::new(server, "harness").await;
    space.source("good", serde_json::json!({"url": "https://example.com/r.git"})).await;
    assert!(space.get("good").await.is_some() && space.get("none").await.is_none());
    let refusal = space.try_source("bad", serde_json::json!({"url": "ftp://example.com"})).await;
    assert!(refusal.is_err_and(|error| error.to_string().contains("spec.url")), "{}", server.name);
}
