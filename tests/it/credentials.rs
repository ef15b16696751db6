//! Who may fetch what, and that what must stay secret does.

use headwater_testing::{
    git::server::{Access, GitServer, Mode},
    tls::Authority,
};
use serde_json::json;

use crate::support::{
    cluster::{Server, on_each_server},
    namespace::{condition, message},
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n")];

on_each_server!(a_user_and_password_from_the_secret_open_a_repository);
async fn a_user_and_password_from_the_secret_open_a_repository(server: &Server) {
    let world = World::new(server, "basic").await;
    world.git.repository("r.git").commit(FILES);
    world.git.set_access(Access::Basic("user", "pass"));
    world.space.secret("s", &[("username", "user"), ("password", "pass")]).await;
    let url = world.git.url("r.git");
    world.space.source("x", json!({"url": url, "ref": {"branch": "main"}, "secretRef": {"name": "s"}})).await;
    world.space.source("none", json!({"url": url, "ref": {"branch": "main"}})).await;
    world.space.ready("x").await;
    world.space.failed("none", "GitOperationFailed").await;
}

on_each_server!(a_bearer_token_from_the_secret_opens_a_repository);
async fn a_bearer_token_from_the_secret_opens_a_repository(server: &Server) {
    let world = World::new(server, "bearer").await;
    let authority = Authority::new();
    let git = GitServer::start_tls(&authority).await;
    git.repository("r.git").commit(FILES);
    git.set_access(Access::Bearer("a-token"));
    world.space.secret("s", &[("bearerToken", "a-token"), ("ca.crt", &authority.pem())]).await;
    let spec = json!({"url": git.url("r.git"), "ref": {"branch": "main"}, "secretRef": {"name": "s"}});
    world.space.source("x", spec).await;
    world.space.ready("x").await;
}

on_each_server!(a_private_authority_is_trusted_only_when_the_secret_names_it);
async fn a_private_authority_is_trusted_only_when_the_secret_names_it(server: &Server) {
    let world = World::new(server, "private-ca").await;
    let authority = Authority::new();
    let git = GitServer::start_tls(&authority).await;
    git.repository("r.git").commit(FILES);
    world.space.secret("new", &[("ca.crt", &authority.pem())]).await;
    world.space.secret("old", &[("caFile", &authority.pem())]).await;
    world.space.secret("other", &[("ca.crt", &Authority::new().pem())]).await;
    let spec = json!({"url": git.url("r.git"), "ref": {"branch": "main"}});
    world.space.source("untrusted", spec.clone()).await;
    for name in ["new", "old", "other"] {
        let mut spec = spec.clone();
        spec["secretRef"] = json!({"name": name});
        world.space.source(name, spec).await;
    }
    world.space.ready("new").await;
    world.space.ready("old").await;
    world.space.failed("other", "GitOperationFailed").await;
    world.space.failed("untrusted", "GitOperationFailed").await;
}

on_each_server!(a_secret_that_is_missing_is_named_and_used_when_it_appears);
async fn a_secret_that_is_missing_is_named_and_used_when_it_appears(server: &Server) {
    let world = World::new(server, "late-secret").await;
    world.git.repository("r.git").commit(FILES);
    world.git.set_access(Access::Basic("user", "pass"));
    let spec = json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}, "secretRef": {"name": "late"}});
    world.space.source("x", spec).await;
    let object = world.space.failed("x", "AuthenticationFailed").await;
    assert!(message(&object, "FetchFailed").contains("secrets \"late\" not found"), "{}", object["status"]);
    world.space.secret("late", &[("username", "user"), ("password", "pass")]).await;
    let object = world.space.ready("x").await;
    assert!(condition(&object, "FetchFailed").is_none());
}

on_each_server!(a_secret_that_lacks_the_password_does_not_open_the_repository);
async fn a_secret_that_lacks_the_password_does_not_open_the_repository(server: &Server) {
    let world = World::new(server, "no-password").await;
    world.git.repository("r.git").commit(FILES);
    world.git.set_access(Access::Basic("user", "pass"));
    world.space.secret("half", &[("username", "user")]).await;
    let spec = json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}, "secretRef": {"name": "half"}});
    world.space.source("x", spec).await;
    let object = world.space.failed("x", "GitOperationFailed").await;
    assert!(message(&object, "FetchFailed").contains("authentication required"), "{}", object["status"]);
}

on_each_server!(credentials_do_not_follow_a_redirect_to_another_host);
async fn credentials_do_not_follow_a_redirect_to_another_host(server: &Server) {
    let world = World::new(server, "redirect").await;
    let other = GitServer::start().await;
    other.repository("r.git").commit(FILES);
    world.git.set_mode(Mode::Redirect(other.origin.clone()));
    world.space.secret("s", &[("username", "user"), ("password", "pass")]).await;
    let spec = json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}, "secretRef": {"name": "s"}});
    world.space.source("x", spec).await;
    world.space.wait("x", "it is over", |object| condition(object, "Ready").is_some_and(|ready| ready["status"] != "Unknown")).await;
    assert!(world.git.seen().iter().any(|seen| seen.path.starts_with("/r.git/")));
    let leaked: Vec<_> = other.seen().into_iter().filter(|seen| seen.authorization.is_some()).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
}

on_each_server!(no_secret_shows_when_an_authenticated_fetch_fails);
async fn no_secret_shows_when_an_authenticated_fetch_fails(server: &Server) {
    const SECRETS: [&str; 4] = ["pa55word-hidden", "t0ken-hidden", "u5er-in-url", "qu3ry-hidden"];
    let world = World::with(server, "secrets", &["--log-level=trace"]).await;
    world.git.repository("r.git").commit(FILES);
    world.git.set_access(Access::Basic("user", "another"));
    world.space.secret("basic", &[("username", "user"), ("password", SECRETS[0])]).await;
    world.space.secret("bearer", &[("bearerToken", SECRETS[1])]).await;
    let address = world.git.origin.trim_start_matches("http://");
    let cases = [
        ("basic", json!({"url": world.git.url("r.git"), "secretRef": {"name": "basic"}})),
        ("bearer", json!({"url": world.git.url("r.git"), "secretRef": {"name": "bearer"}})),
        ("url", json!({"url": format!("http://{}:{}@{address}/r.git?key={}", SECRETS[2], SECRETS[0], SECRETS[3])})),
        ("closed", json!({"url": format!("http://{}:{}@127.0.0.1:1/r.git", SECRETS[2], SECRETS[0])})),
        ("slash", json!({"url": format!("https://{}:{}/word@host/r.git", SECRETS[2], SECRETS[0])})),
        ("path", json!({"url": format!("http://{address}/na:{}@host/r.git", SECRETS[0])})),
    ];
    for (name, spec) in &cases {
        world.space.source(name, spec.clone()).await;
    }
    let mut output = String::new();
    for (name, _) in &cases {
        let object =
            world.space.wait(name, "not Ready", |object| condition(object, "Ready").is_some_and(|ready| ready["status"] == "False")).await;
        output += &object["status"].to_string();
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let events = world.space.events().await;
    assert!(!events.is_empty());
    output += &json!([events, world.controller.events.posted()]).to_string();
    output += &world.controller.log();
    let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("user:{}", SECRETS[0]));
    for secret in SECRETS.into_iter().chain([encoded.as_str()]) {
        if let Some(at) = output.find(secret) {
            let context = String::from_utf8_lossy(&output.as_bytes()[at.saturating_sub(200)..at]);
            panic!("{secret} shows after: {context}");
        }
    }
}
