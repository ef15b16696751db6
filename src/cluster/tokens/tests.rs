#![expect(clippy::unwrap_used, reason = "tests")]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, Response};
use serde_json::{Value, json};

use super::*;

/// An API server with one account, that issues tokens which say what was asked for.
fn client() -> kube::Client {
    let answer = |request: Request| async move {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = match (method, path.as_str()) {
            (Method::GET, "/api/v1/namespaces/reservoirs/serviceaccounts/worker") => (
                200,
                json!({ "apiVersion": "v1", "kind": "ServiceAccount",
                    "metadata": { "name": "worker", "namespace": "reservoirs", "annotations": { "a": "b" } } }),
            ),
            (Method::POST, "/api/v1/namespaces/reservoirs/serviceaccounts/worker/token") => {
                let token = asked["spec"]["audiences"].to_string();
                (
                    201,
                    json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {}, "spec": asked["spec"],
                    "status": { "token": token, "expirationTimestamp": "2030-01-01T00:00:00Z" } }),
                )
            }
            (Method::GET, _) => (404, failure(404, "NotFound", "serviceaccounts not found")),
            _ => (403, failure(403, "Forbidden", "serviceaccounts is forbidden")),
        };
        Response::builder().status(status).header("content-type", "application/json").body(Body::from(answer.to_string())).unwrap()
    };
    kube::Client::new(Router::new().fallback(answer), "default")
}

fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code })
}

#[tokio::test]
async fn an_account_is_read_and_issues_tokens_for_an_audience() {
    let account = ServiceAccount::new(&client(), "reservoirs", "worker", Named::ByObject);
    assert_eq!(account.annotations().await.unwrap(), BTreeMap::from([("a".to_owned(), "b".to_owned())]));
    assert_eq!(account.token("sts.amazonaws.com").await.unwrap(), r#"["sts.amazonaws.com"]"#);
}

#[tokio::test]
async fn what_is_missing_or_forbidden_is_told_as_flux_does() {
    let client = client();
    let missing = |named| ServiceAccount::new(&client, "reservoirs", "nobody", named);
    let read = async |named| missing(named).annotations().await.unwrap_err().to_string();
    assert_eq!(read(Named::ByObject).await, "failed to get service account 'reservoirs/nobody': ServiceAccount \"nobody\" not found");
    assert_eq!(
        read(Named::ByDefault).await,
        "failed to get service account 'reservoirs/nobody': the specified default service account does not exist in the object namespace. \
         your cluster is subject to multi-tenant workload identity lockdown, reach out to your cluster administrator for help"
    );
    assert_eq!(
        missing(Named::ByObject).token("x").await.unwrap_err().to_string(),
        "failed to create kubernetes token for service account 'reservoirs/nobody': serviceaccounts is forbidden"
    );
}
