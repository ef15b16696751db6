#![expect(clippy::unwrap_used, reason = "tests")]

mod clients;
mod content;

use std::path::Path;
use std::time::Duration;

use bstr::ByteSlice as _;
use headwater_storage::{Contents as _, Mode};
use headwater_testing::git::{Repository, git, script, server::GitServer};
use headwater_testing::web::{Web, answer, never};

use headwater_http::{Clients, Credentials, SafeUrl, Trust};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;

/// The type of the first answer of a Git server.
const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";

pub(super) fn remote(url: &str) -> Remote {
    Remote {
        url: SafeUrl::parse(url).unwrap(),
        credentials: Credentials::Anonymous,
        identity: None,
        trust: Trust::default(),
        ssh: None,
        proxy: None,
        algorithms: super::Algorithms::default(),
        mirrors: super::Mirrors::default(),
        asked: Instant::now(),
        limits: Limits::default(),
        deadline: Instant::now() + Duration::from_secs(20),
        cancel: CancellationToken::new(),
        clients: Clients::default(),
        local: LocalRepositories::Refused,
    }
}

pub(super) fn branch(name: &str) -> Reference {
    Reference::Branch(name.into())
}

pub(super) fn semver(range: &str) -> Reference {
    Reference::Semver { range: range.into(), filter: None }
}

fn filtered(filter: &str) -> Reference {
    Reference::Semver { range: "*".into(), filter: Some(filter.into()) }
}

/// Puts a branch `main` of two commits into a repository, tags, and a pull request's reference. Answers the commits.
pub(super) fn sample(repository: &Repository) -> [String; 2] {
    let first = repository.commit_entries(
        "main",
        "first",
        &[("100644", "a.yaml", b"a: 1\n"), ("100644", "dir/.sourceignore", b"*.txt\n"), ("100755", "dir/sub/run.sh", b"#!/bin/sh\n")],
    );
    repository.annotated_tag("v1.0.0");
    let long = format!("{}\n\nbody", "x".repeat(51));
    let second = repository.change("main", &long, &[("100644", "a.yaml", b"a: 2\n")]);
    repository.tag("1.1.0");
    repository.set_ref("refs/pull/7/head", &second);
    [first, second]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_reference_resolves_as_flux_names_it() {
    let server = GitServer::start().await;
    let [first, second] = sample(&server.repository("r.git"));
    let remote = remote(&server.url("r.git"));
    for (reference, revision) in [
        (branch("main"), format!("main@sha1:{second}")),
        (Reference::Tag("v1.0.0".into()), format!("v1.0.0@sha1:{first}")),
        (semver(">=1"), format!("1.1.0@sha1:{second}")),
        (semver("~1.0"), format!("v1.0.0@sha1:{first}")),
        (filtered(r"^v\d+\.\d+\.\d+$"), format!("v1.0.0@sha1:{first}")),
        (filtered(r"^\Q1.1.0\E$"), format!("1.1.0@sha1:{second}")),
        (Reference::Name("refs/pull/7/head".into()), format!("refs/pull/7/head@sha1:{second}")),
        (Reference::Name("refs/tags/v1.0.0^{}".into()), format!("refs/tags/v1.0.0^{{}}@sha1:{first}")),
        (Reference::Commit { id: first.clone(), branch: None }, format!("sha1:{first}")),
        (Reference::Commit { id: first.clone(), branch: Some("main".into()) }, format!("main@sha1:{first}")),
    ] {
        let head = resolve(&remote, &reference).await.unwrap();
        assert_eq!((head.revision, head.id.to_string().len()), (revision, 40), "{reference:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named() {
    let server = GitServer::start().await;
    sample(&server.repository("r.git"));
    server.repository("empty.git");
    let (url, bare) = (server.url("r.git"), remote(&server.url("r.git")));
    let text = async |remote: &Remote, reference| resolve(remote, &reference).await.unwrap_err().to_string();
    let clone = format!("unable to clone '{url}': couldn't find remote ref");
    assert_eq!(text(&bare, branch("nope")).await, format!("{clone} \"refs/heads/nope\""));
    assert_eq!(text(&bare, Reference::Default).await, format!("{clone} \"refs/heads/master\""));
    assert_eq!(text(&bare, Reference::Tag("v9".into())).await, format!("{clone} \"refs/tags/v9\""));
    assert_eq!(text(&bare, semver(">=3")).await, "no match found for semver: >=3");
    assert_eq!(text(&bare, semver("a")).await, "semver parse error: improper constraint: \"a\"");
    assert_eq!(text(&bare, filtered("(")).await, "invalid semver filter '(': unclosed group");
    let name = Reference::Name("refs/x/y".into());
    assert_eq!(text(&bare, name).await, "unable to resolve ref 'refs/x/y' to a specific commit");
    assert!(matches!(resolve(&bare, &branch("a\nb")).await, Err(Error::InvalidReference { .. })));
    let empty = remote(&server.url("empty.git"));
    assert!(matches!(resolve(&empty, &branch("main")).await, Err(Error::EmptyRepository { .. })));
    let none = remote(&server.url("none.git"));
    assert!(matches!(resolve(&none, &branch("main")).await, Err(Error::RepositoryNotFound { .. })));
    let ssh = remote("ssh://git@127.0.0.1:1/r.git");
    assert!(matches!(resolve(&ssh, &branch("main")).await, Err(Error::InvalidSsh { .. })));

    let id = "1".repeat(40);
    let head = resolve(&bare, &Reference::Commit { id: id.clone(), branch: None }).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let error = fetch(&bare, &head, &Content::default(), scratch.path()).await.err().unwrap();
    assert_eq!(error.to_string(), format!("unable to resolve commit object for '{id}': object not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_is_the_tree_that_git_holds() {
    let server = GitServer::start().await;
    sample(&server.repository("r.git"));
    let remote = remote(&server.url("r.git"));
    for reference in [branch("main"), Reference::Tag("v1.0.0".into())] {
        let head = resolve(&remote, &reference).await.unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let checkout = fetch(&remote, &head, &Content::default(), scratch.path()).await.unwrap();
        let mut entries = checkout.entries().to_vec();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let listed: Vec<_> = entries.iter().map(|e| (e.path.to_str().unwrap(), e.mode)).collect();
        assert_eq!(
            listed,
            [
                ("a.yaml", Mode::File),
                ("dir", Mode::Directory),
                ("dir/.sourceignore", Mode::File),
                ("dir/sub", Mode::Directory),
                ("dir/sub/run.sh", Mode::Executable),
            ]
        );
        let mut text = Vec::new();
        checkout.reader()(&entries[0], &mut text).unwrap();
        assert_eq!(text, if reference == branch("main") { b"a: 2\n" } else { b"a: 1\n" });
        assert_eq!(entries[0].size, 5);
        assert_eq!(checkout.sourceignore().unwrap(), [("dir".into(), b"*.txt\n".to_vec())]);
        let summary = if reference == branch("main") { format!("{}...", "x".repeat(50)) } else { "first".into() };
        assert_eq!(checkout.commit_summary(), summary);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_that_lead_out_are_refused() {
    let server = GitServer::start().await;
    let repository = server.repository("r.git");
    let blob = repository.blob(b"a: 1\n");
    for name in ["..", ".", ".git", ".GiT", "git~1", ".git. ", "a/b"] {
        repository.commit_tree("evil", &repository.raw_tree(&[("100644", name.as_bytes(), &blob)]));
        let remote = remote(&server.url("r.git"));
        let head = resolve(&remote, &branch("evil")).await.unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let error = fetch(&remote, &head, &Content::default(), scratch.path()).await.err().unwrap();
        assert!(matches!(error, Error::BadTree { .. }), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_are_named_settings() {
    let server = GitServer::start().await;
    sample(&server.repository("r.git"));
    let url = server.url("r.git");
    let head = resolve(&remote(&url), &branch("main")).await.unwrap();
    let limits = Limits::default();
    for (limits, setting) in [
        (Limits { refs_size: 10, ..limits }, "--git-max-refs-size"),
        (Limits { pack_size: 10, ..limits }, "--git-max-pack-size"),
        (Limits { entries: 1, ..limits }, "--git-max-entries"),
        (Limits { tree_size: 10, ..limits }, "--git-max-tree-size"),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let error = fetch(&Remote { limits, ..remote(&url) }, &head, &Content::default(), scratch.path()).await.err().unwrap();
        assert!(error.to_string().ends_with(setting), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_costs_no_more_than_the_deadline() {
    let server = Web::start(|_| never()).await;
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(300);
    let error = resolve(&Remote { deadline, ..remote(&server.url("/r")) }, &branch("main")).await.unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_stops_talking_is_cut_off() {
    let server = Web::start(|_| {
        let endless = script::endless(b"000eversion 2\n".to_vec(), b"0009abcd\n".repeat(1000));
        answer(200, &[("content-type", ADVERTISEMENT)], endless)
    })
    .await;
    let limits = Limits { refs_size: 1 << 20, ..Limits::default() };
    let error = resolve(&Remote { limits, ..remote(&server.url("/r")) }, &branch("main")).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { setting: "git-max-refs-size", .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_refusals_have_their_meaning() {
    for (status, wanted) in [(401, "authentication required"), (403, "authorization failed"), (200, "repository not found")] {
        let server = Web::start(move |_| answer(status, &[], "garbage")).await;
        let error = resolve(&remote(&server.url("/r")), &branch("main")).await.unwrap_err().to_string();
        assert!(error.ends_with(wanted), "{error}");
    }
    let server = Web::start(|_| answer(200, &[("content-type", ADVERTISEMENT)], "garbage")).await;
    let error = resolve(&remote(&server.url("/r")), &branch("main")).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_stay_at_home_when_a_redirect_leaves() {
    let away = GitServer::start().await;
    let [_, id] = sample(&away.repository("r.git"));
    let target = away.origin.clone();
    let home = Web::start(move |asked| answer(302, &[("location", &format!("{target}{}", asked.uri))], "")).await;
    let remote = Remote { credentials: Credentials::basic("me", "s3cret"), ..remote(&home.url("/r.git")) };
    let head = resolve(&remote, &branch("main")).await.unwrap();
    assert_eq!(head.id.to_string(), id);
    assert!(home.asked().iter().all(|asked| asked.authorization() == Some("Basic bWU6czNjcmV0")));
    assert!(away.seen().len() >= 2 && away.seen().iter().all(|seen| seen.authorization.is_none()));
    assert!(!format!("{remote:?}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_leads_elsewhere_than_the_server_says_is_refused() {
    let server = GitServer::start().await;
    let repository = server.repository("r.git");
    let [_, second] = sample(&repository);
    let tag = git(repository.path(), &["rev-parse", "v1.0.0"]);
    let remote = remote(&server.url("r.git"));
    let scratch = tempfile::tempdir().unwrap();
    let honest = resolve(&remote, &Reference::Tag("v1.0.0".into())).await.unwrap();
    assert_eq!(honest.tag.as_ref().unwrap().object.unwrap().to_string(), tag);
    let checkout = fetch(&remote, &honest, &Content::default(), &scratch.path().join("honest")).await.unwrap();
    assert!(checkout.tag().unwrap().contains_str("tag v1.0.0"));

    let lying = Head { id: gix::ObjectId::from_hex(second.as_bytes()).unwrap(), ..honest };
    let error = fetch(&remote, &lying, &Content::default(), &scratch.path().join("lying")).await.err().unwrap();
    assert!(matches!(error, Error::Corrupt { .. } | Error::CommitNotFound { .. }), "{error}");

    let here = remote_of_this_machine(repository.path());
    let error = fetch(&here, &lying, &Content::default(), &scratch.path().join("local")).await.err().unwrap();
    assert!(error.to_string().contains("does not lead to"), "{error}");
}

fn remote_of_this_machine(folder: &Path) -> Remote {
    Remote { local: LocalRepositories::Allowed, ..remote(&format!("file://{}", folder.display())) }
}
