//! `provider: azure`.

use axum::{body::Body, http::Response};
use headwater_testing::{
    git::server::Access,
    proxy::{http::HttpProxy, socks::Guests},
};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    account, controller, idle,
    issuer::{Asked, Issuer, claims, said},
    issues_tokens, refused, stalled, tells_none_of,
};
use crate::support::{
    cluster::{Server, embedded, on_each_server},
    world::World,
};

const TOKEN: &str = "entra-hidden-t0ken";
const GATE: &str = "--feature-gates=ObjectLevelWorkloadIdentity=true";
const IDENTITY: [(&str, &str); 2] =
    [("azure.workload.identity/tenant-id", "the-tenant"), ("azure.workload.identity/client-id", "the-client")];

fn spec(world: &World, account: Option<&str>) -> Value {
    let mut spec = json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}, "provider": "azure"});
    if let Some(account) = account {
        spec["serviceAccountName"] = json!(account);
    }
    spec
}

fn issued(_: &Asked) -> Response<Body> {
    said(200, &json!({"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN}))
}

on_each_server!(the_account_of_the_object_gets_a_bearer_token);
async fn the_account_of_the_object_gets_a_bearer_token(server: &Server) {
    let world = idle(server, "azure").await;
    if !issues_tokens(server, &world).await {
        return;
    }
    world.git.set_access(Access::Bearer(TOKEN));
    let entra = Issuer::start(issued).await;
    let controller = controller(&world, &[GATE], &[("AZURE_AUTHORITY_HOST", &entra.origin)]);
    account(server, &world, "puller", &IDENTITY).await;
    account(server, &world, "other", &IDENTITY).await;
    for (name, account) in [("one", "puller"), ("two", "puller"), ("three", "other")] {
        world.space.source(name, spec(&world, Some(account))).await;
    }
    for name in ["one", "two", "three"] {
        world.space.ready(name).await;
        world.space.poke(name).await;
    }
    // One for each account.
    let asked = entra.asked();
    assert_eq!(entra.lines(), ["POST /the-tenant/oauth2/v2.0/token"; 2]);
    let mut subjects = Vec::new();
    for asked in &asked {
        assert_eq!(asked.form["client_id"], "the-client");
        assert_eq!(asked.form["scope"], "499b84ac-1321-427f-aa17-267ca6975798/.default");
        let claims = claims(&asked.form["client_assertion"]);
        assert_eq!(claims["aud"], json!(["api://AzureADTokenExchange"]));
        subjects.push(claims["sub"].as_str().unwrap().to_owned());
    }
    subjects.sort();
    assert_eq!(subjects, ["other", "puller"].map(|name| format!("system:serviceaccount:{}:{name}", world.space.name)));
    let secrets: Vec<_> = asked.iter().map(|asked| asked.form["client_assertion"].as_str()).chain([TOKEN]).collect();
    tells_none_of(&world, &controller.log(), &["one", "two", "three"], &secrets).await;
}

on_each_server!(a_refusal_of_an_account_does_not_repeat_its_token);
async fn a_refusal_of_an_account_does_not_repeat_its_token(server: &Server) {
    let world = idle(server, "azure-refused").await;
    if !issues_tokens(server, &world).await {
        return;
    }
    let entra = Issuer::start(|asked| {
        let told = format!("AADSTS700213: no match for {}\r\nTrace ID: 1", asked.form["client_assertion"]);
        said(401, &json!({"error": "invalid_client", "error_description": told}))
    })
    .await;
    let controller = controller(&world, &[GATE], &[("AZURE_AUTHORITY_HOST", &entra.origin)]);
    account(server, &world, "puller", &IDENTITY).await;
    world.space.source("x", spec(&world, Some("puller"))).await;
    let text = refused(&world, "x").await;
    assert!(text.contains("AADSTS700213: no match for *** Trace ID: 1"), "{text}");
    assert!(text.contains(&format!("'{}/puller'", world.space.name)), "{text}");
    assert!(world.git.seen().is_empty());
    tells_none_of(&world, &controller.log(), &["x"], &[&entra.asked()[0].form["client_assertion"]]).await;
}

on_each_server!(an_account_that_is_missing_or_is_nobody_to_entra_is_told);
async fn an_account_that_is_missing_or_is_nobody_to_entra_is_told(server: &Server) {
    let world = idle(server, "azure-account").await;
    let _controller = controller(&world, &[GATE], &[]);
    account(server, &world, "plain", &[]).await;
    account(server, &world, "half", &IDENTITY[..1]).await;
    let ns = &world.space.name;
    let cases = [
        ("gone", format!("failed to get service account '{ns}/gone': ")),
        ("plain", "azure tenant ID is not set in the service account annotation azure.workload.identity/tenant-id".to_owned()),
        ("half", "azure client ID is not set in the service account annotation azure.workload.identity/client-id".to_owned()),
    ];
    for (name, _) in &cases {
        world.space.source(name, spec(&world, Some(name))).await;
    }
    for (name, why) in &cases {
        let text = refused(&world, name).await;
        let start = "failed to configure authentication options: failed to get access token for Git repository: ";
        assert!(text.starts_with(start) && text.contains(why), "{}: {text}", server.name);
    }
    assert!(world.git.seen().is_empty());
}

on_each_server!(an_object_without_an_account_gets_the_default_one);
async fn an_object_without_an_account_gets_the_default_one(server: &Server) {
    let world = idle(server, "azure-default").await;
    if !issues_tokens(server, &world).await {
        return;
    }
    world.git.set_access(Access::Bearer(TOKEN));
    let entra = Issuer::start(issued).await;
    let arguments = [GATE, "--default-service-account=usual"];
    let _controller = controller(&world, &arguments, &[("AZURE_AUTHORITY_HOST", &entra.origin)]);
    world.space.source("x", spec(&world, None)).await;
    let text = refused(&world, "x").await;
    assert!(text.contains("multi-tenant workload identity lockdown"), "{text}");
    account(server, &world, "usual", &IDENTITY).await;
    world.space.ready("x").await;
    let subject = claims(&entra.asked()[0].form["client_assertion"])["sub"].clone();
    assert_eq!(subject, format!("system:serviceaccount:{}:usual", world.space.name));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_the_gate_stalls_the_object() {
    let world = idle(embedded(), "azure-gate").await;
    let _controller = controller(&world, &[], &[]);
    account(embedded(), &world, "puller", &IDENTITY).await;
    world.space.source("x", spec(&world, Some("puller"))).await;
    let text = stalled(&world, "x", "FeatureGateDisabled").await;
    let expected = "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the \
                    controller";
    assert_eq!(text, expected);
    assert!(world.git.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_shows_its_federated_token() {
    let world = idle(embedded(), "azure-own").await;
    world.git.set_access(Access::Bearer(TOKEN));
    let entra = Issuer::start(|asked| match asked.form.get("client_assertion").map(String::as_str) {
        // Good for a moment, so that the next pass needs another.
        Some("federated-one" | "federated-two") => said(200, &json!({"expires_in": 1, "access_token": TOKEN})),
        _ => said(401, &json!({"error": "invalid_client"})),
    })
    .await;
    let file = world.folder.path().join("federated");
    std::fs::write(&file, "federated-one\n").unwrap();
    let variables = [
        ("AZURE_AUTHORITY_HOST", entra.origin.as_str()),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
    ];
    let controller = controller(&world, &[], &variables);
    world.space.source("x", spec(&world, None)).await;
    let before = world.space.ready("x").await;
    assert_eq!(entra.lines(), ["POST /t/oauth2/v2.0/token"]);
    // The platform puts a new one there from time to time.
    std::fs::write(&file, "federated-two\n").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(850)).await;
    let after = world.space.poke("x").await;
    assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(entra.asked().last().unwrap().form["client_assertion"], "federated-two");
    tells_none_of(&world, &controller.log(), &["x"], &[TOKEN, "federated-one", "federated-two"]).await;

    std::fs::remove_file(&file).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(850)).await;
    world.space.source("late", spec(&world, None)).await;
    let text = refused(&world, "late").await;
    assert!(text.contains("failed to read token file") && text.contains("WorkloadIdentityCredential"), "{text}");
}

on_each_server!(an_account_that_goes_takes_its_token_along);
async fn an_account_that_goes_takes_its_token_along(server: &Server) {
    let world = idle(server, "azure-gone").await;
    if !issues_tokens(server, &world).await {
        return;
    }
    let entra = Issuer::start(issued).await;
    let _controller = controller(&world, &[GATE], &[("AZURE_AUTHORITY_HOST", &entra.origin)]);
    account(server, &world, "puller", &IDENTITY).await;
    world.space.source("x", spec(&world, Some("puller"))).await;
    let before = world.space.ready("x").await;
    let api: Api<ServiceAccount> = Api::namespaced(server.client().await, &world.space.name);
    // As somebody else it needs another token.
    let change = json!({"metadata": {"annotations": {"azure.workload.identity/client-id": "another"}}});
    api.patch("puller", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
    world.space.poke("x").await;
    let clients: Vec<_> = entra.asked().into_iter().map(|asked| asked.form["client_id"].clone()).collect();
    assert_eq!(clients, ["the-client", "another"]);

    api.delete("puller", &DeleteParams::default()).await.unwrap();
    world.space.patch("x", &json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})).await;
    let object = world.space.failed("x", "AuthenticationFailed").await;
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(entra.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn entra_is_behind_the_proxy_of_the_environment_too() {
    let world = idle(embedded(), "azure-proxy").await;
    world.git.set_access(Access::Bearer(TOKEN));
    let entra = Issuer::start(issued).await;
    let address = entra.origin.trim_start_matches("http://").parse().unwrap();
    let proxy = HttpProxy::start(Guests::Anyone, &[("entra.test:80", address)]).await;
    let variables = [
        ("AZURE_AUTHORITY_HOST", "http://entra.test"),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_SECRET", "hidden-client-secret"),
        ("HTTP_PROXY", proxy.url.as_str()),
        ("http_proxy", proxy.url.as_str()),
        ("NO_PROXY", ""),
        ("no_proxy", ""),
    ];
    let controller = controller(&world, &[], &variables);
    world.space.source("x", spec(&world, None)).await;
    world.space.ready("x").await;
    assert_eq!(entra.asked()[0].form["client_secret"], "hidden-client-secret");
    assert!(proxy.asked().iter().all(|request| request.target == "entra.test:80"), "{:?}", proxy.asked());
    tells_none_of(&world, &controller.log(), &["x"], &["hidden-client-secret", TOKEN]).await;
}
