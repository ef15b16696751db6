//! What goes wrong with `provider: github`.

use crate::support::cluster::embedded;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{body::Body, http::Response};
use headwater_testing::{git::server::Access, web::never};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{App, SECOND, TOKEN, issued, spec, unknown, world};
use crate::{
    providers::{
        issuer::{Issuer, after, said},
        refused, stalled, tells_none_of,
    },
    support::namespace::{condition, message},
};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_github_answers_fails_the_pass_and_tells_no_secret() {
    let world = world("github-bad", &[]).await;
    world.git.set_access(Access::Basic("x-access-token", TOKEN));
    let (app, well) = (App::new(), Arc::new(AtomicBool::new(false)));
    let elsewhere = Issuer::start(|_| issued(TOKEN, 3600)).await;
    let (target, is_well) = (format!("{}/stolen", elsewhere.origin), Arc::clone(&well));
    let github = Issuer::start(move |asked| {
        let claim = asked.authorization.clone().unwrap_or_default();
        let claim = claim.trim_start_matches("Bearer ");
        match asked.line.split('/').nth(3).unwrap() {
            _ if is_well.load(Ordering::SeqCst) => issued(TOKEN, 3600),
            "401" => said(401, &json!({"message": format!("Bad credentials: {claim}")})),
            "404" => said(404, &json!({"message": "Not\r\nFound\u{1b}[31m"})),
            "500" => said(500, &"<html>down</html>"),
            "200" => said(200, &"<html>hotel wifi</html>"),
            "201" => said(201, &json!({"expires_at": after(3600)})),
            "202" => said(201, &format!("{{\"token\": [\"{TOKEN}\"]}}")),
            "203" => said(201, &"x".repeat(100_000)),
            _ => Response::builder().status(307).header("location", &target).body(Body::empty()).unwrap(),
        }
    })
    .await;
    let cases = [
        ("401", "401 Bad credentials: ***"),
        ("404", "404 Not Found"),
        ("500", "500"),
        ("200", "not the JSON expected"),
        ("201", "holds no token"),
        ("202", "not the JSON expected"),
        ("203", "larger than"),
        ("307", "307"),
    ];
    for (id, _) in cases {
        let name = format!("x{id}");
        world.space.secret(&name, &app.data(&github.origin, &[("githubAppInstallationID", id)])).await;
        world.space.source(&name, spec(&world.git.url("r.git"), &name)).await;
    }
    for (id, expected) in cases {
        let text = refused(&world, &format!("x{id}")).await;
        assert!(text.starts_with("failed to configure authentication options: ") && text.contains(expected), "{id}: {text}");
    }
    assert!(world.git.seen().is_empty() && elsewhere.asked().is_empty());
    let claims: Vec<_> = github.asked().into_iter().map(|asked| asked.authorization.unwrap().split_off(7)).collect();
    let mut secrets = vec![TOKEN, &app.key[40..80]];
    secrets.extend(claims.iter().map(String::as_str));
    tells_none_of(&world, &world.controller.log(), &cases.map(|(id, _)| format!("x{id}")).each_ref().map(String::as_str), &secrets).await;
    well.store(true, Ordering::SeqCst);
    for (id, _) in cases {
        world.space.ready(&format!("x{id}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_together_is_told() {
    let world = world("github-config", &[]).await;
    let app = App::new();
    let base = "http://127.0.0.1:1";
    let id = ("githubAppInstallationID", "56");
    let ns = world.space.name.clone();
    world.space.secret("app", &app.data(base, &[id])).await;
    world.space.secret("basic", &[("username", "u"), ("password", "p")]).await;
    world.space.secret("both", &app.data(base, &[id, ("githubAppInstallationOwner", "o")])).await;
    world.space.secret("neither", &app.data(base, &[])).await;
    world.space.secret("no-key", &[("githubAppID", "1234"), id, ("githubAppPrivateKey", "hidden-k3y"), ("githubAppBaseURL", base)]).await;
    let url = world.git.url("r.git");
    world.space.source("none", json!({"url": url, "provider": "github"})).await;
    for name in ["basic", "both", "neither", "no-key"] {
        world.space.source(name, spec(&url, name)).await;
    }
    world.space.source("generic", json!({"url": url, "secretRef": {"name": "app"}})).await;
    let wanted = "secretRef with github app data must be specified when provider is set to github";
    assert_eq!(stalled(&world, "none", "InvalidProviderConfiguration").await, wanted);
    for (name, text) in
        [("basic", wanted.to_owned()), ("generic", format!("secretRef '{ns}/app' has github app data but provider is not set to github"))]
    {
        let object = world.space.failed(name, "InvalidProviderConfiguration").await;
        assert_eq!(message(&object, "FetchFailed"), text);
    }
    for name in ["both", "neither"] {
        let text = refused(&world, name).await;
        assert!(
            text.contains(&format!("'{ns}/{name}'"))
                && text.contains("exactly one of 'githubAppInstallationOwner' or 'githubAppInstallationID'"),
            "{text}"
        );
    }
    let text = refused(&world, "no-key").await;
    assert!(text.contains("could not parse private key"), "{text}");
    let account = json!({"url": url, "provider": "github", "secretRef": {"name": "app"}, "serviceAccountName": "a"});
    let refusal = world.space.try_source("account", account).await.unwrap_err().to_string();
    assert!(refusal.contains("serviceAccountName can only be set when provider is 'azure' or 'aws'"), "{refusal}");
    assert!(world.git.seen().is_empty());
    tells_none_of(&world, &world.controller.log(), &["no-key"], &["hidden-k3y"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_in_the_secret_is_another_app() {
    let world = world("github-rotate", &[]).await;
    world.git.set_access(Access::Basic("x-access-token", TOKEN));
    let (old, new) = (App::new(), App::new());
    let (knows_old, knows_new, revoked) = (old.knows(), new.knows(), Arc::new(AtomicBool::new(false)));
    let is_revoked = Arc::clone(&revoked);
    let github = Issuer::start(move |asked| match is_revoked.load(Ordering::SeqCst) {
        false if knows_old(asked) => issued(TOKEN, 3600),
        true if knows_new(asked) => issued(SECOND, 3600),
        _ => unknown(),
    })
    .await;
    let installation = [("githubAppInstallationID", "56")];
    world.space.secret("app", &old.data(&github.origin, &installation)).await;
    world.space.source("x", spec(&world.git.url("r.git"), "app")).await;
    let before = world.space.ready("x").await;
    revoked.store(true, Ordering::SeqCst);
    world.git.set_access(Access::Basic("x-access-token", SECOND));

    let api: Api<Secret> = Api::namespaced(embedded().client().await, &world.space.name);
    let change = json!({"stringData": {"githubAppPrivateKey": new.key}});
    api.patch("app", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
    let after = world.space.poke("x").await;
    assert_eq!(github.asked().len(), 2);
    assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(message(&after, "FetchFailed"), "");

    // Nobody knows this one, and the artifact stays.
    let change = json!({"stringData": {"githubAppPrivateKey": App::new().key}});
    api.patch("app", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
    world.space.patch("x", &json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "later"}}})).await;
    let failed = world.space.failed("x", "AuthenticationFailed").await;
    assert!(message(&failed, "FetchFailed").contains("401 A JSON web token could not be decoded"), "{failed}");
    assert_eq!(failed["status"]["artifact"], before["status"]["artifact"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_github_that_is_silent_costs_no_more_than_the_timeout() {
    let world = world("github-silent", &[]).await;
    let (app, awake) = (App::new(), Arc::new(AtomicBool::new(false)));
    let is_awake = Arc::clone(&awake);
    let github = Issuer::start(move |_| if is_awake.load(Ordering::SeqCst) { issued(TOKEN, 3600) } else { never() }).await;
    world.space.secret("app", &app.data(&github.origin, &[("githubAppInstallationID", "56")])).await;
    let start = Instant::now();
    for name in ["one", "two"] {
        let mut spec = spec(&world.git.url("r.git"), "app");
        spec["timeout"] = json!("1s");
        world.space.source(name, spec).await;
    }
    // A neighbour is none the worse for it.
    world.space.source("neighbour", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    world.space.ready("neighbour").await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    for name in ["one", "two"] {
        let is_over = |object: &serde_json::Value| condition(object, "FetchFailed").is_some_and(|failed| failed["status"] == "True");
        let object = world.space.wait(name, "it is over", is_over).await;
        assert!(!message(&object, "FetchFailed").is_empty());
    }
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    awake.store(true, Ordering::SeqCst);
    for name in ["one", "two"] {
        world.space.ready(name).await;
    }
}
