#![expect(clippy::unwrap_used, reason = "tests")]

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;
use crate::Registrar;
use crate::tests::{Context, Server, Worker, answer, token_file};

/// A token that ends in three hours.
fn refresh() -> String {
    let claims = json!({ "exp": Utc::now().timestamp() + 3 * 3600 }).to_string();
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}

/// Entra, the metadata service and a registry in one.
async fn azure(refresh: String) -> Server {
    Server::start(move |seen| match seen.line.as_str() {
        "POST /oauth2/exchange" if seen.fields()["access_token"] == "entra" => answer(200, json!({ "refresh_token": refresh }).to_string()),
        "POST /oauth2/exchange" => {
            let told = format!("no such token {}", seen.fields()["access_token"]);
            answer(401, json!({ "errors": [{ "code": "UNAUTHORIZED", "message": told }] }).to_string())
        }
        _ => answer(200, json!({ "access_token": "entra", "expires_in": 3599 }).to_string()),
    })
    .await
}

/// A file that makes a server's host a registry, and a context to ask for it.
fn own_cloud(server: &Server) -> (tempfile::NamedTempFile, Context) {
    let host = server.base.strip_prefix("http://").unwrap();
    let cloud = json!({ "containerRegistryDNSSuffix": host, "resourceManagerEndpoint": "https://arm", "tokenAudience": "https://arm" });
    let file = token_file(&cloud.to_string());
    let variables = [
        ("AZURE_AUTHORITY_HOST", server.base.as_str()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", &server.base),
        (FILE, file.path().to_str().unwrap()),
    ];
    let context = Context::new(&format!("oci://{host}/charts"), &variables);
    (file, context)
}

#[tokio::test]
async fn a_token_of_entra_buys_one_of_the_registry_once() {
    let server = azure(refresh()).await;
    let (_file, context) = own_cloud(&server);
    let worker = Worker::with(&[("azure.workload.identity/tenant-id", "t"), ("azure.workload.identity/client-id", "c")]);
    let credentials = context.registry_of(Registrar::Azure, &worker).await.unwrap();
    context.registry_of(Registrar::Azure, &worker).await.unwrap();
    let basic = credentials.credentials.as_basic().unwrap();
    assert_eq!((basic.user.expose_secret(), basic.password.expose_secret().split('.').count()), (USER, 3));
    assert!((credentials.expires - Utc::now()).num_minutes() > 170);

    assert_eq!(server.lines(), ["POST /t/oauth2/v2.0/token", "POST /oauth2/exchange"]);
    assert_eq!(server.seen()[0].fields()["scope"], "https://arm/.default");
    let exchange = server.seen()[1].fields();
    let host = server.base.strip_prefix("http://").unwrap();
    assert_eq!((exchange["grant_type"].as_str(), exchange["service"].as_str()), ("access_token", host));
}

#[tokio::test]
async fn the_machine_asks_for_the_same_resource() {
    let server = azure(refresh()).await;
    let (_file, context) = own_cloud(&server);
    context.registry(Registrar::Azure).await.unwrap();
    assert!(server.lines()[0].ends_with("&resource=https%3A%2F%2Farm"), "{:?}", server.lines());
}

#[tokio::test]
async fn bad_answers_of_a_registry_are_told() {
    let prefix = "failed to create artifact registry credentials: POST {}/oauth2/exchange";
    let cases = [
        (200, "{}".to_owned(), ": the answer holds no refresh token"),
        (200, json!({ "refresh_token": "opaque" }).to_string(), ": the answer holds no refresh token with an expiry"),
        (200, json!({ "refresh_token": "e30.e30.x" }).to_string(), ": the answer holds no refresh token with an expiry"),
        (200, "<html>".to_owned(), ": the answer is not the JSON expected (line 1)"),
        (500, "<html>".to_owned(), ": RESPONSE 500 Internal Server Error"),
        (
            401,
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"not entra"}]}"#.to_owned(),
            ": RESPONSE 401 Unauthorized: UNAUTHORIZED: not ***",
        ),
    ];
    for (status, body, message) in cases {
        let server = Server::start(move |seen| match seen.line.as_str() {
            "POST /oauth2/exchange" => answer(status, body.clone()),
            _ => answer(200, json!({ "access_token": "entra", "expires_in": 3599 }).to_string()),
        })
        .await;
        let (_file, context) = own_cloud(&server);
        let refusal = context.registry(Registrar::Azure).await.unwrap_err().to_string();
        assert_eq!(refusal, format!("{}{message}", prefix.replace("{}", &server.base)));
    }
}

#[tokio::test]
async fn only_registries_of_azure_are_shown_a_token() {
    assert!(["a.azurecr.io", "a.b.azurecr.cn", "a.azurecr.us", "a.azurecr.de"].iter().all(|host| admit(host, None).is_ok()));
    for host in ["azurecr.io", "a.azurecr.io.example.org", "a.azurecr.io:443", "ghcr.io", ""] {
        let refusal = admit(host, None).unwrap_err().to_string();
        assert_eq!(
            refusal,
            format!("invalid Azure registry: '{host}'. must match ^.+\\.(azurecr\\.io|azurecr\\.cn|azurecr\\.de|azurecr\\.us)$")
        );
    }
    let cloud = Cloud { suffix: ".azurecr.local".to_owned(), ..Cloud::default() };
    assert!(admit("a.azurecr.local", Some(&cloud)).is_ok());
    assert_eq!(
        admit("a.example.org", Some(&cloud)).unwrap_err().to_string(),
        "invalid Azure registry: 'a.example.org'. must end with .azurecr.local"
    );
    assert!(admit("a.example.org", Some(&Cloud::default())).is_err());
    assert_eq!(cloud.resource().unwrap_err().to_string(), "resourceManagerEndpoint and tokenAudience must be set in the environment file");
    let file = token_file("{\"containerRegistryDNSSuffix\": 5}");
    assert!(Cloud::read(file.path().to_str().unwrap()).await.is_err());
}
