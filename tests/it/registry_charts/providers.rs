//! `provider` of a HelmRepository: passwords that AWS, Azure and Google Cloud issue for their registries.
//!
//! The names of those registries are known to a proxy, which leads to real ones here.

use axum::{body::Body, http::Response};
use base64::{Engine as _, prelude::*};
use headwater_testing::{
    process::Process,
    proxy::{http::HttpProxy, socks::Guests},
    registry::{self, Access, Options, PASSWORD, USER},
    tls::Authority,
};
use serde_json::{Value, json};

use super::{
    archive, charts,
    front::{Asked, Front, said},
    in_clear, not_let_in, order, podinfo, push, repositories, tells_none_of, with,
};
use crate::support::{
    artifact::download,
    cluster::{Server, on_each_server},
    world::World,
};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const ACR: &str = "charts.azurecr.io";
const GAR: &str = "europe-docker.pkg.dev";
const KEY: &str = "hidden/s3cret+key";
const FEDERATED: &str = "hidden-federated";
const ENTRA: &str = "hidden-entra-token";

fn told(body: &Value) -> Response<Body> {
    said(200, body.to_string())
}

/// What the registry of Azure issues: a token that says until when it is good.
fn refresh() -> String {
    let claims = json!({"exp": 4_102_444_800_u64}).to_string();
    format!("e30.{}.hidden", BASE64_URL_SAFE_NO_PAD.encode(claims))
}

/// A controller of a world that has none running, whose environment has these variables, and of the providers no others.
fn controller(world: &World, variables: &[(&str, &str)]) -> Process {
    let mut process = Process::new(world.folder.path().join("providers.log"));
    let mut command = world.controller.command();
    command.arg("--log-level=trace");
    let foreign = |name: &str| ["AWS_", "AZURE_", "GOOGLE_", "GCE_"].iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars().filter(|(name, _)| foreign(name)) {
        command.env_remove(name);
    }
    process.spawn(command.envs(variables.iter().copied()));
    process
}

fn spec(host: &str, provider: &str) -> Value {
    with(in_clear(host, "charts"), &json!({"provider": provider}))
}

on_each_server!(each_provider_issues_a_password_for_its_registry_and_not_for_each_chart);
async fn each_provider_issues_a_password_for_its_registry_and_not_for_each_chart(api: &Server) {
    let (refresh, basic) = (refresh(), Access::Basic);
    let account = |user, password| Options { access: basic, account: Some((user, password)), ..Options::default() };
    let aws = registry::start(account("AWS", PASSWORD));
    let azure = registry::start(account("00000000-0000-0000-0000-000000000000", &refresh));
    let gcp = registry::start(account("oauth2accesstoken", PASSWORD));
    let (Some(aws), Some(azure), Some(gcp)) = (aws, azure, gcp) else { return };
    for server in [&aws, &azure, &gcp] {
        push(server, "charts", &["1.0.0"]).await;
    }
    let token = BASE64_STANDARD.encode(format!("AWS:{PASSWORD}"));
    let ecr =
        Front::alone(move |_| Some(told(&json!({"authorizationData": [{"authorizationToken": token, "expiresAt": 4_102_444_800.5}]}))))
            .await;
    let entra = Front::alone(|_| Some(told(&json!({"token_type": "Bearer", "expires_in": 3599, "access_token": ENTRA})))).await;
    let authority = Authority::new();
    let answer = json!({"refresh_token": refresh});
    let exchange = Front::alone_tls(&authority, ACR, move |_| Some(told(&answer))).await;
    let metadata = Front::alone(|_| Some(told(&json!({"access_token": PASSWORD, "expires_in": 3599, "token_type": "Bearer"})))).await;
    let names = [(ECR, 80, &aws.address), (ACR, 80, &azure.address), (ACR, 443, &exchange.address), (GAR, 80, &gcp.address)];
    let names: Vec<_> = names.map(|(host, port, address)| (format!("{host}:{port}"), address.parse().unwrap())).into();
    let names: Vec<_> = names.iter().map(|(name, address)| (name.as_str(), *address)).collect();
    let proxy = HttpProxy::start(Guests::Anyone, &names).await;
    let world = World::idle(api, "oci-providers", &[]).await;
    let file = |name: &str, content: &str| {
        let path = world.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (trusted, federated) = (file("trusted.crt", &authority.pem()), file("federated", FEDERATED));
    let (endpoint, entra_host) = (format!("http://{}", ecr.address), format!("http://{}", entra.address));
    let controller = controller(
        &world,
        &[
            ("AWS_ENDPOINT_URL_ECR", &endpoint),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", KEY),
            ("AZURE_AUTHORITY_HOST", &entra_host),
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_FEDERATED_TOKEN_FILE", &federated),
            ("GCE_METADATA_HOST", &metadata.address),
            ("SSL_CERT_FILE", &trusted),
            ("HTTP_PROXY", &proxy.url),
            ("http_proxy", &proxy.url),
            ("HTTPS_PROXY", &proxy.url),
            ("https_proxy", &proxy.url),
            ("NO_PROXY", "127.0.0.1"),
            ("no_proxy", "127.0.0.1"),
        ],
    );
    let cases = [("aws", ECR), ("azure", ACR), ("gcp", GAR)];
    for (provider, host) in cases {
        order(&world, provider, spec(host, provider), "1.x").await;
    }
    for (provider, _) in cases {
        let object = charts(&world).ready_at(provider, "1.0.0").await;
        assert_eq!(download(&object).await.unwrap(), archive("1.0.0"));
        let name = format!("{provider}-two");
        charts(&world).source(&name, podinfo(provider, "1.0.0")).await;
        charts(&world).ready_at(&name, "1.0.0").await;
        charts(&world).poke(provider).await;
    }
    let one = |front: &Front| -> Asked {
        let asked = front.taken();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.into_iter().next().unwrap()
    };
    let asked = one(&ecr);
    assert!(asked.authorization.unwrap().starts_with("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/"));
    let asked = one(&entra);
    assert_eq!(asked.line, "POST /t/oauth2/v2.0/token");
    assert!(asked.body.contains(&format!("client_assertion={FEDERATED}")), "{}", asked.body);
    let asked = one(&exchange);
    assert_eq!(asked.line, "POST /oauth2/exchange");
    assert!(asked.body.contains(&format!("service={ACR}")) && asked.body.contains(&format!("access_token={ENTRA}")), "{}", asked.body);
    assert_eq!(one(&metadata).line, "GET /computeMetadata/v1/instance/service-accounts/default/token");
    let names = ["aws", "azure", "gcp", "aws-two", "azure-two", "gcp-two"];
    tells_none_of(&world, &controller.log(), &names, &[KEY, FEDERATED, ENTRA, PASSWORD, &refresh]).await;
}

on_each_server!(a_registry_of_somebody_else_gets_no_password_of_a_provider);
async fn a_registry_of_somebody_else_gets_no_password_of_a_provider(api: &Server) {
    let Some(server) = registry::start(Options { access: Access::Basic, ..Options::default() }) else { return };
    push(&server, "charts", &["1.0.0"]).await;
    let world = World::idle(api, "oci-foreign", &[]).await;
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", KEY)];
    let controller = controller(&world, &keys);
    for provider in ["aws", "azure", "gcp"] {
        order(&world, provider, spec(&server.address, provider), "1.0.0").await;
    }
    for (provider, name) in [("aws", "AWS"), ("azure", "Azure"), ("gcp", "GCP")] {
        let text = not_let_in(&world, provider).await;
        let start = format!("unable to get authentication data from OIDC: invalid {name} registry: '{}'. must match ", server.address);
        assert!(text.starts_with(&start), "{text}");
    }
    // A Secret is stronger than a provider.
    world.space.secret("s", &[("username", USER), ("password", PASSWORD)]).await;
    repositories(&world).patch("aws", &json!({"spec": {"secretRef": {"name": "s"}}})).await;
    charts(&world).ready_at("aws", "1.0.0").await;
    tells_none_of(&world, &controller.log(), &["aws", "azure", "gcp"], &[KEY, PASSWORD]).await;
}

on_each_server!(a_provider_that_refuses_is_told_without_its_secrets);
async fn a_provider_that_refuses_is_told_without_its_secrets(api: &Server) {
    let ecr = Front::alone(|_| {
        let told = json!({"__type": "AccessDeniedException", "message": format!("no,\r\n not with {KEY}")});
        Some(said(400, told.to_string()))
    })
    .await;
    let metadata = Front::alone(|_| Some(said(404, "no such account"))).await;
    let world = World::idle(api, "oci-refused", &[]).await;
    let endpoint = format!("http://{}", ecr.address);
    let variables = [
        ("AWS_ENDPOINT_URL_ECR", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", KEY),
        ("GCE_METADATA_HOST", &metadata.address),
    ];
    let controller = controller(&world, &variables);
    for (provider, host) in [("aws", ECR), ("gcp", GAR)] {
        order(&world, provider, spec(host, provider), "1.0.0").await;
    }
    let text = not_let_in(&world, "aws").await;
    let start = "unable to get authentication data from OIDC: failed to create artifact registry credentials: operation error ECR: GetAuthorizationToken";
    assert!(text.starts_with(start) && text.contains("AccessDeniedException: no, not with ***"), "{text}");
    let text = not_let_in(&world, "gcp").await;
    assert!(text.starts_with("unable to get authentication data from OIDC: ") && text.contains("404"), "{text}");
    tells_none_of(&world, &controller.log(), &["aws", "gcp"], &[KEY]).await;
}
