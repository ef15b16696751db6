//! `spec.recurseSubmodules`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use headwater_testing::{
    git::{
        Repository,
        server::{Access, GitServer},
    },
    proxy::{http::HttpProxy, socks::Guests},
    tls::Authority,
};
use serde_json::{Value, json};

use super::{changed, commit, failed_but_kept, paths, same_revision_other_artifact, world};
use crate::support::{artifact::listing, namespace::message, world::World};

fn spec(url: &str) -> Value {
    json!({"url": url, "ref": {"branch": "main"}, "recurseSubmodules": true})
}

/// Commits a tree with `a.yaml` and a submodule `name` at that URL.
fn holding(repository: &Repository, name: &str, url: &str, id: &str) -> String {
    let modules = repository.blob(format!("[submodule \"{name}\"]\n\tpath = {name}\n\turl = {url}\n").as_bytes());
    let file = repository.blob(b"a: 1\n");
    commit(repository, &[("100644", ".gitmodules", &modules), ("100644", "a.yaml", &file), ("160000", name, id)])
}

/// `r.git` holds `mid` by a relative URL, which holds `inner` by an absolute one.
fn nested(world: &World) -> String {
    let inner = world.git.repository("inner.git").commit(&[("c.yaml", "c: 1\n")]);
    let mid = holding(&world.git.repository("mid.git"), "inner", &world.git.url("inner.git"), &inner);
    holding(&world.git.repository("r.git"), "mid", "../mid.git", &mid)
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_within_submodules_are_part_of_the_artifact() {
    let world = world("submodules").await;
    let head = nested(&world);
    world.space.source("x", spec(&world.git.url("r.git"))).await;
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    let listing = listing(&object).await;
    let yaml: Vec<_> = listing.keys().filter(|path| std::path::Path::new(path).extension().is_some_and(|end| end == "yaml")).collect();
    assert_eq!(yaml, ["a.yaml", "mid/a.yaml", "mid/inner/c.yaml"]);
    assert_eq!(listing["mid/inner/c.yaml"].content, b"c: 1\n");
    assert_eq!(object["status"]["observedRecurseSubmodules"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_turn_submodules_on_and_off_makes_other_artifacts_of_the_same_revision() {
    let world = world("submodules-toggle").await;
    nested(&world);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let off = world.space.ready("x").await;
    assert_eq!(paths(&off).await, ["a.yaml"]);
    let on = changed(&world, "x", json!({"recurseSubmodules": true})).await;
    same_revision_other_artifact(&off, &on);
    assert!(paths(&on).await.contains(&"mid/inner/c.yaml".to_owned()));
    let again = changed(&world, "x", json!({"recurseSubmodules": false})).await;
    assert_eq!(again["status"]["artifact"]["digest"], off["status"]["artifact"]["digest"]);
    assert_ne!(again["status"]["observedRecurseSubmodules"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submodule_that_cannot_be_had_is_named_and_the_artifact_stays() {
    let world = world("submodules-gone").await;
    let repository = world.git.repository("r.git");
    nested_over(&world, &repository);
    world.space.source("x", spec(&world.git.url("r.git"))).await;
    let before = world.space.ready("x").await;

    // A repository that is not there, and then a commit that is not.
    let id = "1111111111111111111111111111111111111111";
    holding(&repository, "away", "../gone.git", id);
    world.space.patch("x", &json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})).await;
    let text = failed_but_kept(&world, &before).await;
    assert!(text.contains("submodule 'away': ") && text.contains("/gone.git") && text.contains("repository not found"), "{text}");

    let gone = world.git.repository("gone.git");
    let there = gone.commit(&[("g.yaml", "g: 1\n")]);
    let object = world
        .space
        .wait("x", "the commit is missed", |object| message(object, "FetchFailed").contains(&format!("'{id}': object not found")))
        .await;
    assert!(message(&object, "FetchFailed").contains("submodule 'away'"), "{object}");
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"]);

    let head = holding(&repository, "away", "../gone.git", &there);
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    assert!(paths(&object).await.contains(&"away/g.yaml".to_owned()));
}

fn nested_over(world: &World, repository: &Repository) {
    let mid = world.git.repository("mid.git").commit(&[("b.yaml", "b: 1\n")]);
    holding(repository, "mid", "../mid.git", &mid);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_to_submodules_of_the_same_host_alone() {
    let world = world("submodules-auth").await;
    let other = GitServer::start().await;
    for git in [&world.git, &other] {
        git.set_access(Access::Basic("user", "pass"));
    }
    let inner = world.git.repository("inner.git").commit(&[("b.yaml", "b: 1\n")]);
    assert_eq!(other.repository("inner.git").commit(&[("b.yaml", "b: 1\n")]), inner);
    holding(&world.git.repository("near.git"), "inner", "../inner.git", &inner);
    holding(&world.git.repository("far.git"), "inner", &other.url("inner.git"), &inner);
    let tricky = other.origin.replace("http://", "http://user@");
    holding(&world.git.repository("tricky.git"), "inner", &format!("{tricky}/inner.git"), &inner);
    world.space.secret("s", &[("username", "user"), ("password", "pass")]).await;
    for name in ["near", "far", "tricky"] {
        let mut spec = spec(&world.git.url(&format!("{name}.git")));
        spec["secretRef"] = json!({"name": "s"});
        world.space.source(name, spec).await;
    }
    let near = world.space.ready("near").await;
    assert!(paths(&near).await.contains(&"inner/b.yaml".to_owned()));
    for name in ["far", "tricky"] {
        let object = world.space.failed(name, "GitOperationFailed").await;
        let text = message(&object, "FetchFailed");
        assert!(text.contains("submodule 'inner': ") && text.contains("authentication required"), "{text}");
        assert!(!text.contains("user@"), "{text}");
    }
    let seen = other.seen();
    let password = BASE64_STANDARD.encode("user:pass");
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|seen| !seen.authorization.as_ref().is_some_and(|sent| sent.contains(&password))), "{seen:?}");

    // Once the other host lets in anyone, nothing is missing.
    other.set_access(Access::Anyone);
    let far = world.space.ready("far").await;
    assert!(paths(&far).await.contains(&"inner/b.yaml".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_that_would_lead_elsewhere_are_refused() {
    let world = world("submodules-bad").await;
    let inner = world.git.repository("inner.git").commit(&[("b.yaml", "b: 1\n")]);
    let cases = [
        ("file", "file:///etc", "unsupported scheme 'file'"),
        ("path", "/etc", "unsupported scheme 'file'"),
        ("helper", "ext::sh -c id", "helpers are not supported"),
        ("option", "--upload-pack=id", "could be taken for something else"),
        ("above", "../../../r.git", "leads above its host"),
    ];
    for (name, url, _) in cases {
        let repository = format!("{name}.git");
        holding(&world.git.repository(&repository), "mid", url, &inner);
        world.space.source(name, spec(&world.git.url(&repository))).await;
    }
    for (name, _, why) in cases {
        let object = world.space.failed(name, "GitOperationFailed").await;
        let text = message(&object, "FetchFailed");
        assert!(text.contains("submodule 'mid': ") && text.contains(why), "{text}");
        assert!(object["status"]["artifact"].is_null());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_and_the_trusted_authority_count_for_submodules_too() {
    let world = world("submodules-way").await;
    let authority = Authority::new();
    let (outer, inner) = (GitServer::start_tls(&authority).await, GitServer::start_tls(&authority).await);
    let id = inner.repository("inner.git").commit(&[("b.yaml", "b: 1\n")]);
    // The certificates are for this name, on any port.
    holding(&outer.repository("r.git"), "inner", "https://git.test:8443/inner.git", &id);
    let proxy = HttpProxy::start(Guests::Anyone, &[("git.test:443", outer.address()), ("git.test:8443", inner.address())]).await;
    world.space.secret("proxy", &[("address", &proxy.url)]).await;
    world.space.secret("ca", &[("ca.crt", &authority.pem()), ("username", "user"), ("password", "pass")]).await;
    let mut spec = spec("https://git.test/r.git");
    spec["proxySecretRef"] = json!({"name": "proxy"});
    spec["secretRef"] = json!({"name": "ca"});
    world.space.source("x", spec).await;
    let object = world.space.ready("x").await;
    assert!(paths(&object).await.contains(&"inner/b.yaml".to_owned()));
    assert!(outer.seen().iter().all(|seen| seen.authorization.is_some()));
    // Another port is another place.
    assert!(!inner.seen().is_empty() && inner.seen().iter().all(|seen| seen.authorization.is_none()), "{:?}", inner.seen());
}
