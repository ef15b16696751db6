//! Submodules, and those within them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use headwater_http::{Credentials, Proxy, SafeUrl, Trust};
use headwater_testing::{
    git::{
        Repository,
        server::{Access, GitServer},
    },
    proxy::{http::HttpProxy, socks::Guests},
    tls::Authority,
};

use super::{commit, get, recursive};
use crate::client::{Client, main};

/// Commits a tree with `a.yaml` and a submodule `name` at that URL.
fn holding(repository: &Repository, name: &str, url: &str, id: &str) -> String {
    let modules = repository.blob(format!("[submodule \"{name}\"]\n\tpath = {name}\n\turl = {url}\n").as_bytes());
    let file = repository.blob(b"a: 1\n");
    commit(repository, &[("100644", ".gitmodules", &modules), ("100644", "a.yaml", &file), ("160000", name, id)])
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_within_submodules_are_part_of_the_tree() {
    let git = GitServer::start().await;
    // One by a relative URL, which holds another by an absolute one.
    let inner = git.repository("inner.git").commit(&[("c.yaml", "c: 1\n")]);
    let mid = holding(&git.repository("mid.git"), "inner", &git.url("inner.git"), &inner);
    let head = holding(&git.repository("r.git"), "mid", "../mid.git", &mid);
    let fetched = get(&git.url("r.git"), &recursive()).await.unwrap();
    assert_eq!(fetched.revision, format!("main@sha1:{head}"));
    let yaml: Vec<_> = fetched.names().into_iter().filter(|path| path.ends_with("yaml")).collect();
    assert_eq!(yaml, ["a.yaml", "mid/a.yaml", "mid/inner/c.yaml"]);
    assert_eq!(fetched.files["mid/inner/c.yaml"], b"c: 1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_to_submodules_of_the_same_host_alone() {
    let (git, other) = (GitServer::start().await, GitServer::start().await);
    for git in [&git, &other] {
        git.set_access(Access::Basic("user", "pass"));
    }
    let inner = git.repository("inner.git").commit(&[("b.yaml", "b: 1\n")]);
    assert_eq!(other.repository("inner.git").commit(&[("b.yaml", "b: 1\n")]), inner);
    holding(&git.repository("near.git"), "inner", "../inner.git", &inner);
    holding(&git.repository("far.git"), "inner", &other.url("inner.git"), &inner);
    let tricky = other.origin.replace("http://", "http://user@");
    holding(&git.repository("tricky.git"), "inner", &format!("{tricky}/inner.git"), &inner);
    let client = |name: &str| {
        let mut client = Client::new(&git.url(name));
        client.remote.credentials = Credentials::basic("user", "pass");
        client
    };
    let near = client("near.git").get_part(&main(), &recursive()).await.unwrap();
    assert!(near.names().contains(&"inner/b.yaml"), "{near:?}");
    for name in ["far.git", "tricky.git"] {
        let text = client(name).get_part(&main(), &recursive()).await.unwrap_err().to_string();
        assert!(text.contains("submodule 'inner': ") && text.contains("authentication required"), "{text}");
        assert!(!text.contains("user@"), "{text}");
    }
    let seen = other.seen();
    let password = BASE64_STANDARD.encode("user:pass");
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|seen| !seen.authorization.as_ref().is_some_and(|sent| sent.contains(&password))), "{seen:?}");

    // Once the other host lets in anyone, nothing is missing.
    other.set_access(Access::Anyone);
    let far = client("far.git").get_part(&main(), &recursive()).await.unwrap();
    assert!(far.names().contains(&"inner/b.yaml"), "{far:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_that_would_lead_elsewhere_are_refused() {
    let git = GitServer::start().await;
    let inner = git.repository("inner.git").commit(&[("b.yaml", "b: 1\n")]);
    for (name, url, why) in [
        ("file", "file:///etc", "unsupported scheme 'file'"),
        ("path", "/etc", "unsupported scheme 'file'"),
        ("helper", "ext::sh -c id", "helpers are not supported"),
        ("option", "--upload-pack=id", "could be taken for something else"),
        ("above", "../../../r.git", "leads above its host"),
    ] {
        let repository = format!("{name}.git");
        holding(&git.repository(&repository), "mid", url, &inner);
        let text = get(&git.url(&repository), &recursive()).await.unwrap_err().to_string();
        assert!(text.contains("submodule 'mid': ") && text.contains(why), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_and_the_trusted_authority_count_for_submodules_too() {
    let authority = Authority::new();
    let (outer, inner) = (GitServer::start_tls(&authority).await, GitServer::start_tls(&authority).await);
    let id = inner.repository("inner.git").commit(&[("b.yaml", "b: 1\n")]);
    // The certificates are for this name, on any port.
    holding(&outer.repository("r.git"), "inner", "https://git.test:8443/inner.git", &id);
    let proxy = HttpProxy::start(Guests::Anyone, &[("git.test:443", outer.address()), ("git.test:8443", inner.address())]).await;
    let mut client = Client::new("https://git.test/r.git");
    client.remote.proxy = Some(Proxy::at(SafeUrl::parse(&proxy.url).unwrap()));
    client.remote.trust = Trust { ca: Some(authority.pem().into_bytes()), certificate: None };
    client.remote.credentials = Credentials::basic("user", "pass");
    let fetched = client.get_part(&main(), &recursive()).await.unwrap();
    assert!(fetched.names().contains(&"inner/b.yaml"), "{fetched:?}");
    assert!(outer.seen().iter().all(|seen| seen.authorization.is_some()));
    // Another port is another place.
    assert!(!inner.seen().is_empty() && inner.seen().iter().all(|seen| seen.authorization.is_none()), "{:?}", inner.seen());
}
