#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;
use crate::Provider;
use crate::tests::{Context, Server, Worker, answer, token_file};

const URL: &str = "https://dev.azure.com/org/project/_git/repo";

fn worker() -> Worker {
    Worker::with(&[(TENANT_ID, "tenant"), (CLIENT_ID, "client")])
}

async fn entra() -> Server {
    Server::start(|_| answer(200, json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": "entra" }).to_string())).await
}

#[tokio::test]
async fn an_account_buys_a_bearer_token_once() {
    let server = entra().await;
    let context = Context::new(URL, &[("AZURE_AUTHORITY_HOST", &server.base)]);
    let worker = worker();
    let credentials = context.of(&Provider::Azure, &worker).await.unwrap();
    context.of(&Provider::Azure, &worker).await.unwrap();

    assert_eq!(credentials.credentials, Credentials::bearer("entra"));
    assert!((credentials.expires - Utc::now()).num_seconds() > 3500);
    assert_eq!(*worker.audiences.lock().unwrap(), ["api://AzureADTokenExchange"]);
    let seen = server.only();
    assert_eq!(seen.line, "POST /tenant/oauth2/v2.0/token");
    assert_eq!(seen.header("content-type"), "application/x-www-form-urlencoded");
    let expected = [
        ("client_assertion", "account-token"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_id", "client"),
        ("grant_type", "client_credentials"),
        ("scope", "499b84ac-1321-427f-aa17-267ca6975798/.default"),
    ];
    assert_eq!(seen.fields(), expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn accounts_without_annotations_and_without_tokens_are_told() {
    let context = Context::new(URL, &[]);
    let whose = "failed to get access token for Git repository: failed to get provider identity from service account \
                 'reservoirs/worker' annotations: azure";
    let cases = [
        (Worker::default(), format!("{whose} tenant ID is not set in the service account annotation azure.workload.identity/tenant-id")),
        (
            Worker::with(&[(TENANT_ID, "t")]),
            format!("{whose} client ID is not set in the service account annotation azure.workload.identity/client-id"),
        ),
        (Worker { refuses: Some("not today"), ..worker() }, "failed to get access token for Git repository: not today".to_owned()),
    ];
    for (worker, message) in cases {
        assert_eq!(context.of(&Provider::Azure, &worker).await.unwrap_err().to_string(), message);
    }
}

#[tokio::test]
async fn a_refusal_repeats_what_entra_says_without_the_assertion() {
    let server = Server::start(|seen| {
        let told = format!("AADSTS700213: no match for {}\r\nTrace ID: 1", seen.fields()["client_assertion"]);
        answer(401, json!({ "error": "invalid_client", "error_description": told }).to_string())
    })
    .await;
    let context = Context::new(URL, &[("AZURE_AUTHORITY_HOST", &server.base)]);
    assert_eq!(
        context.of(&Provider::Azure, &worker()).await.unwrap_err().to_string(),
        format!(
            "failed to get access token for Git repository: failed to create provider access token for service account \
             'reservoirs/worker': ClientAssertionCredential: authentication failed: POST {}/tenant/oauth2/v2.0/token: RESPONSE 401 \
             Unauthorized: invalid_client: AADSTS700213: no match for *** Trace ID: 1",
            server.base
        )
    );
}

#[tokio::test]
async fn the_controller_shows_its_federated_token_or_its_secret() {
    let server = entra().await;
    let file = token_file("federated\n");
    let mut variables = vec![
        ("AZURE_AUTHORITY_HOST", server.base.as_str()),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_FEDERATED_TOKEN_FILE", file.path().to_str().unwrap()),
    ];
    let federated = Context::new(URL, &variables).own(&Provider::Azure).await.unwrap();
    variables.push(("AZURE_CLIENT_SECRET", "s3cret"));
    Context::new(URL, &variables).own(&Provider::Azure).await.unwrap();
    assert_eq!(federated.credentials, Credentials::bearer("entra"));
    let fields: Vec<_> = server.seen().iter().map(crate::tests::Seen::fields).collect();
    assert_eq!((fields[0]["client_assertion"].as_str(), fields[1]["client_secret"].as_str()), ("federated", "s3cret"));
    assert!(!fields[1].contains_key("client_assertion"));
}

#[tokio::test]
async fn else_the_machine_is_asked() {
    let server = Server::start(|seen| match seen.header("metadata") {
        "true" => answer(200, json!({ "access_token": "machine", "expires_in": "86399", "resource": DEVOPS }).to_string()),
        _ => answer(400, "{}"),
    })
    .await;
    let context = Context::new(URL, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &server.base), ("AZURE_CLIENT_ID", "c")]);
    let credentials = context.own(&Provider::Azure).await.unwrap();
    assert_eq!(credentials.credentials, Credentials::bearer("machine"));
    assert!((credentials.expires - Utc::now()).num_hours() >= 23);
    let query = format!("api-version=2018-02-01&resource={DEVOPS}&client_id=c");
    assert_eq!(server.lines(), [format!("GET /metadata/identity/oauth2/token?{query}")]);
}

#[tokio::test]
async fn bad_answers_are_told_by_what_they_are() {
    let own = "failed to get access token for Git repository: failed to create provider access token for the controller";
    let bodies = [
        (500, "<html>down</html>", "authentication failed: {}: RESPONSE 500 Internal Server Error"),
        (200, "<html>hotel wifi</html>", "{}: the answer is not the JSON expected (line 1)"),
        (200, "{\"access_token\":\"\"}", "{}: the answer holds no access token"),
        (200, "{\"access_token\":[\"s3cret\"]}", "{}: the answer is not the JSON expected (line 1)"),
    ];
    for (status, body, message) in bodies {
        let server = Server::start(move |_| answer(status, body)).await;
        let context = Context::new(URL, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &server.base)]);
        let message = message.replace("{}", &format!("GET {}/metadata/identity/oauth2/token", server.base));
        assert_eq!(context.refusal(&Provider::Azure).await, format!("{own}: ManagedIdentityCredential: {message}"));
    }
}
