//! `provider: github`.

mod refusals;

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use axum::{body::Body, http::Response};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use headwater_testing::{
    git::{
        front::Front,
        server::{Access, GitServer},
    },
    proxy::{http::HttpProxy, socks::Guests},
    tls::Authority,
};
use serde_json::{Value, json};

use super::{
    FILES,
    issuer::{Asked, Issuer, after, claims, said},
    refused, tells_none_of,
};
use crate::support::{artifact::listing, cluster::embedded, namespace::message, world::World};

pub const TOKEN: &str = "ghs_hidden0Token";
const SECOND: &str = "ghs_hidden1Token";

/// A GitHub App, by its key.
pub struct App {
    pair: KeyPair,
    /// As PEM.
    pub key: String,
}

impl App {
    pub fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let body = BASE64_STANDARD.encode(pair.as_der().unwrap().as_ref());
        Self { pair, key: format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n") }
    }

    /// Whether a request shows a claim of the app 1234, made now and signed with its key.
    pub fn knows(&self) -> impl Fn(&Asked) -> bool + Send + Sync + use<> {
        let public = self.pair.public_key().as_ref().to_vec();
        move |asked| {
            let Some(claim) = asked.authorization.as_ref().and_then(|sent| sent.strip_prefix("Bearer ")) else { return false };
            let (signed, signature) = claim.rsplit_once('.').unwrap();
            let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public);
            let (claims, now) = (claims(claim), chrono::Utc::now().timestamp());
            let is_now = claims["iat"].as_i64().unwrap() <= now && (now..now + 600).contains(&claims["exp"].as_i64().unwrap());
            key.verify(signed.as_bytes(), &signature).is_ok() && is_now && claims["iss"] == "1234"
        }
    }

    /// What a Secret holds of the app.
    pub fn data<'a>(&'a self, origin: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [&[("githubAppID", "1234"), ("githubAppPrivateKey", self.key.as_str()), ("githubAppBaseURL", origin)], more].concat()
    }
}

/// A token that is good for that many seconds.
pub fn issued(token: &str, seconds: i64) -> Response<Body> {
    said(201, &json!({"token": token, "expires_at": after(seconds), "permissions": {"contents": "read"}}))
}

fn unknown() -> Response<Body> {
    said(401, &json!({"message": "A JSON web token could not be decoded", "documentation_url": "https://docs"}))
}

pub fn spec(url: &str, secret: &str) -> Value {
    json!({"url": url, "ref": {"branch": "main"}, "provider": "github", "secretRef": {"name": secret}})
}

pub async fn world(test: &str, arguments: &[&str]) -> World {
    let world = World::with(embedded(), test, &[&["--log-level=trace"], arguments].concat()).await;
    world.git.repository("r.git").commit(FILES);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_fetches_with_the_token_of_its_installation() {
    let world = world("github", &[]).await;
    world.git.set_access(Access::Basic("x-access-token", TOKEN));
    let app = App::new();
    let knows = app.knows();
    let github = Issuer::start(move |asked| if knows(asked) { issued(TOKEN, 3600) } else { unknown() }).await;
    let base = format!("{}/api/v3", github.origin);
    world.space.secret("app", &app.data(&base, &[("githubAppInstallationID", "56")])).await;
    world.space.secret("same", &app.data(&base, &[("githubAppInstallationID", "56")])).await;
    let url = world.git.url("r.git");
    for (name, secret) in [("one", "app"), ("two", "app"), ("three", "same")] {
        world.space.source(name, spec(&url, secret)).await;
    }
    for name in ["one", "two", "three"] {
        world.space.ready(name).await;
        world.space.poke(name).await;
    }
    // One for all of them, and for all passes.
    assert_eq!(github.lines(), ["POST /api/v3/app/installations/56/access_tokens"]);
    assert!(world.git.seen().iter().all(|seen| seen.authorization.is_some()));
    let basic = BASE64_STANDARD.encode(format!("x-access-token:{TOKEN}"));
    let claim = github.asked()[0].authorization.clone().unwrap().split_off(7);
    let secrets = [TOKEN, &basic, &claim, claim.rsplit('.').next().unwrap(), &app.key[40..80]];
    tells_none_of(&world, &world.controller.log(), &["one", "two", "three"], &secrets).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_installation_is_found_by_its_owner() {
    let world = world("github-owner", &[]).await;
    world.git.set_access(Access::Basic("x-access-token", TOKEN));
    let app = App::new();
    let knows = app.knows();
    let github = Issuer::start(move |asked| match asked.line.as_str() {
        _ if !knows(asked) => unknown(),
        "GET /orgs/organization/installation" => said(200, &json!({"id": 7, "app_id": 1234})),
        "GET /users/somebody/installation" => said(200, &json!({"id": 8, "app_id": 1234})),
        "POST /app/installations/7/access_tokens" | "POST /app/installations/8/access_tokens" => issued(TOKEN, 3600),
        _ => said(404, &json!({"message": "Not Found"})),
    })
    .await;
    for owner in ["organization", "somebody", "nobody", "no/body"] {
        let secret = owner.replace('/', "-");
        world.space.secret(&secret, &app.data(&github.origin, &[("githubAppInstallationOwner", owner)])).await;
        world.space.source(&secret, spec(&world.git.url("r.git"), &secret)).await;
    }
    world.space.ready("organization").await;
    world.space.ready("somebody").await;
    for name in ["nobody", "no-body"] {
        let text = refused(&world, name).await;
        assert!(text.starts_with("failed to configure authentication options: ") && text.contains("404 Not Found"), "{text}");
    }
    assert!(github.lines().iter().any(|line| line == "GET /users/no%2Fbody/installation"), "{:?}", github.lines());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_soon_is_renewed() {
    let world = world("github-renew", &[]).await;
    world.git.set_access(Access::Basic("x-access-token", TOKEN));
    let app = App::new();
    let count = AtomicUsize::new(0);
    // The first is good for a moment, the second never is, and is used once all the same.
    let github = Issuer::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => issued(TOKEN, 1),
        _ => issued(SECOND, -60),
    })
    .await;
    world.space.secret("app", &app.data(&github.origin, &[("githubAppInstallationID", "56")])).await;
    world.space.source("x", spec(&world.git.url("r.git"), "app")).await;
    let before = world.space.ready("x").await;
    assert_eq!(github.asked().len(), 1);
    world.git.set_access(Access::Basic("x-access-token", SECOND));
    tokio::time::sleep(std::time::Duration::from_millis(850)).await;
    let seen = world.git.seen().len();
    for count in [2, 3] {
        let after = world.space.poke("x").await;
        assert_eq!(message(&after, "Ready"), message(&before, "Ready"));
        assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
        assert_eq!(github.asked().len(), count);
    }
    // Another token of the same app is no reason to fetch again.
    let requests = world.git.seen().len() - seen;
    assert!(requests <= 4, "{requests}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_github_of_ones_own_is_trusted_by_the_ca_of_the_secret() {
    let world = world("github-ca", &[]).await;
    let (app, authority) = (App::new(), Authority::new());
    let github = Issuer::start_tls(&authority, |_| issued(TOKEN, 3600)).await;
    let installation = ("githubAppInstallationID", "56");
    let (pem, other) = (authority.pem(), Authority::new().pem());
    world.space.secret("with", &app.data(&github.origin, &[installation, ("ca.crt", &pem)])).await;
    world.space.secret("other", &app.data(&github.origin, &[installation, ("ca.crt", &other)])).await;
    world.space.secret("without", &app.data(&github.origin, &[installation])).await;
    for name in ["with", "other", "without"] {
        world.space.source(name, spec(&world.git.url("r.git"), name)).await;
    }
    world.space.ready("with").await;
    for name in ["other", "without"] {
        let text = refused(&world, name).await;
        assert!(text.to_lowercase().contains("certificate"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn github_is_behind_the_proxy_of_the_object_too() {
    let world = world("github-proxy", &[]).await;
    let app = App::new();
    let github = Issuer::start(|_| issued(TOKEN, 3600)).await;
    let address = github.origin.trim_start_matches("http://").parse().unwrap();
    let proxy = HttpProxy::start(Guests::Anyone, &[("github.test:80", address), ("git.test:80", world.git.address())]).await;
    world.space.secret("proxy", &[("address", &proxy.url)]).await;
    world.space.secret("app", &app.data("http://github.test", &[("githubAppInstallationID", "56")])).await;
    let mut spec = spec("http://git.test/r.git", "app");
    spec["proxySecretRef"] = json!({"name": "proxy"});
    world.space.source("x", spec).await;
    world.space.ready("x").await;
    assert_eq!(github.asked().len(), 1);
    assert!(proxy.asked().iter().any(|request| request.target == "github.test:80"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_opens_submodules_and_large_files_of_the_same_host_alone() {
    let world = world("github-parts", &[]).await;
    let other = GitServer::start().await;
    world.git.set_access(Access::Basic("x-access-token", TOKEN));
    let front = Front::start(&world.git).await;
    let near = world.git.repository("near.git").commit(&[(".gitattributes", "*.bin filter=lfs\n"), ("n.bin", &front.keep(b"near"))]);
    let far = other.repository("far.git").commit(FILES);
    let repository = world.git.repository("parts.git");
    let text = format!(
        "[submodule \"far\"]\n\tpath = far\n\turl = {}\n[submodule \"near\"]\n\tpath = near\n\turl = ../near.git\n",
        other.url("far.git")
    );
    let modules = repository.blob(text.as_bytes());
    let tree = repository.raw_tree(&[("100644", b".gitmodules", &modules), ("160000", b"far", &far), ("160000", b"near", &near)]);
    repository.commit_tree("main", &tree);
    let app = App::new();
    let github = Issuer::start(|_| issued(TOKEN, 3600)).await;
    world.space.secret("app", &app.data(&github.origin, &[("githubAppInstallationID", "56")])).await;
    let mut spec = spec(&front.url("parts.git"), "app");
    spec["recurseSubmodules"] = json!(true);
    spec["lfs"] = json!(true);
    world.space.source("x", spec).await;
    let listing = listing(&world.space.ready("x").await).await;
    assert_eq!(listing["near/n.bin"].content, b"near");
    assert_eq!(listing["far/a.yaml"].content, b"a: 1\n");
    assert!(!other.seen().is_empty() && other.seen().iter().all(|seen| seen.authorization.is_none()), "{:?}", other.seen());
    assert!(front.asked().iter().all(|asked| asked.authorization.is_some()), "{:?}", front.asked());
    assert_eq!(github.asked().len(), 1);
}
